"""Whatever the order and whatever came before, the same objects make the same graph.

Order independence, also over hash seeds; incremental equals cold, with `Change` naming exactly what differs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from gatewright.graph.nodes import Change, Graph
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from support.keys import NOW, pair
from support.modelled import Manifest, Modelled, graph_of, intents
from support.random_annotations import annotated
from support.random_policies import governed
from support.random_routes import installation
from support.rendered import fingerprint, rendered

TESTS = Path(__file__).resolve().parents[1]
PAIRS = [pair("gateway.test", "*.example.com", now=NOW) for _ in range(2)]
SEEDS = 6

_PRINT = """
from support.modelled import graph_of
from support.random_annotations import annotated
from support.random_policies import governed
from support.random_routes import installation
from support.rendered import fingerprint
print(*[fingerprint(graph_of(installation(seed) + annotated(seed) + governed(seed))) for seed in range(12)])
"""


@given(st.integers(0, 500), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_order_of_documents_does_not_show(seed: int, random: Random) -> None:
    documents = installation(seed, PAIRS[0].cert_pem, PAIRS[0].key_pem) + annotated(seed) + governed(seed)
    expected = rendered(graph_of(documents))
    random.shuffle(documents)
    assert rendered(graph_of(documents)) == expected


def test_hash_seeds_do_not_show() -> None:
    def printed(hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(TESTS)}
        command = [sys.executable, "-c", _PRINT]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    outputs = {printed(hash_seed) for hash_seed in ("0", "1", "4711")}
    assert len(outputs) == 1
    assert len(set(outputs.pop().split())) == 12, "the installations differ, so a fingerprint tells something"


# --- incremental --------------------------------------------------------------------------------------


def _versions() -> list[Manifest]:
    """Every document of several installations: most identities occur in several versions."""
    found: list[Manifest] = []
    for seed in range(SEEDS):
        one = PAIRS[seed % 2]
        found += installation(seed, one.cert_pem, one.key_pem)
        found += _more(seed) + annotated(seed) + governed(seed)
    return found


def _more(seed: int) -> list[Manifest]:
    """What the random installations lack: endpoints, listener sets, streams, policies, TLS options and stores."""
    api, traefik = "gateway.networking.k8s.io/v1", "traefik.io/v1alpha1"
    r = Random(seed)
    addresses = [{"addresses": [f"10.0.{seed}.{n}"]} for n in range(1, r.randint(2, 4))]
    everywhere = {"namespaces": {"from": r.choice(["All", "Same"])}}
    target = [{"group": "", "kind": "Service", "name": r.choice(["one", "two"])}]
    backend = [{"name": r.choice(["one", "two", "missing"]), "port": 80}]
    listeners = [{"name": "own", "port": 80, "protocol": "HTTP", "hostname": r.choice(["c.test", "*.test"])}]
    stream = {"name": "tcp", "port": 9000 + r.randint(0, 1), "protocol": "TCP", "allowedRoutes": everywhere}
    parent = {"name": "streams", "namespace": "infra"}
    tls = {"certificateRefs": [{"name": r.choice(["own", "tls"])}]}
    secure = {"name": "tls", "port": 9443, "protocol": "HTTPS", "hostname": "own.test", "tls": tls}
    own = PAIRS[seed % 2]
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "own", "namespace": "infra"},
            "stringData": {"tls.crt": own.cert_pem.decode(), "tls.key": own.key_pem.decode()},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "s",
                "namespace": "apps",
                "labels": {"kubernetes.io/service-name": r.choice(["one", "two"])},
            },
            "addressType": "IPv4",
            "endpoints": addresses,
            "ports": [{"name": "http", "port": 8080}],
        },
        {
            "apiVersion": api,
            "kind": "ListenerSet",
            "metadata": {"name": "set", "namespace": "apps"},
            "spec": {"parentRef": {"name": "gw", "namespace": "infra"}, "listeners": listeners},
        },
        {
            "apiVersion": api,
            "kind": "HTTPRoute",
            "metadata": {"name": "in-set", "namespace": "apps"},
            "spec": {"parentRefs": [{"kind": "ListenerSet", "name": "set"}], "rules": [{"backendRefs": backend}]},
        },
        {
            "apiVersion": api,
            "kind": "BackendTLSPolicy",
            "metadata": {"name": "policy", "namespace": "apps"},
            "spec": {"targetRefs": target, "validation": {"hostname": "x", "wellKnownCACertificates": "System"}},
        },
        {
            "apiVersion": api,
            "kind": "Gateway",
            "metadata": {"name": "streams", "namespace": "infra"},
            "spec": {"gatewayClassName": "g", "listeners": [stream, secure]},
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1alpha2",
            "kind": "TCPRoute",
            "metadata": {"name": "tcp", "namespace": "apps"},
            "spec": {"parentRefs": [parent], "rules": [{"backendRefs": [{"name": "one", "port": 80}]}]},
        },
        {
            "apiVersion": traefik,
            "kind": "TLSOption",
            "metadata": {"name": r.choice(["default", "other"]), "namespace": "infra"},
            "spec": {"minVersion": r.choice(["VersionTLS12", "VersionTLS13"])},
        },
        {
            "apiVersion": traefik,
            "kind": "TLSStore",
            "metadata": {"name": "default", "namespace": "infra"},
            "spec": {"defaultCertificate": {"secretName": "tls"}},
        },
        {
            "apiVersion": traefik,
            "kind": "IngressRoute",
            "metadata": {"name": "secured", "namespace": "infra"},
            "spec": {
                "tls": {"secretName": "tls", "options": {"name": "other"}},
                "routes": [{"match": f"Host(`{r.choice(['a.example.com', 'c.test'])}`)", "services": backend}],
            },
        },
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "apps", "labels": {"n": str(seed)}}},
    ]


VERSIONS = [next(iter(intents([data]).items())) for data in _versions() if intents([data])]
FOUNDATIONS = [version for version in VERSIONS if version[0].namespace == "infra"]
Step = list[tuple[Key, Intent | None]]


@st.composite
def _steps(draw: st.DrawFn) -> list[Step]:
    """Edits and, more rarely, removals; half of them of what many others build on."""
    version = st.one_of(st.sampled_from(VERSIONS), st.sampled_from(FOUNDATIONS))
    change = version.flatmap(lambda one: st.sampled_from([one, one, (one[0], None)]))
    return draw(st.lists(st.lists(change, min_size=1, max_size=6), min_size=1, max_size=6))


def _differing(before: Mapping[Any, Any], after: Mapping[Any, Any]) -> frozenset[Any]:
    return frozenset(key for key in {*before, *after} if before.get(key) != after.get(key))


def _exact_change(before: Graph, after: Graph) -> Change:
    """The nodes that differ; what else a Change tells is about what the graph does not hold."""
    return Change(
        gateways=_differing(before.gateways, after.gateways),
        virtual_hosts=_differing(before.virtual_hosts, after.virtual_hosts),
        backends=_differing(before.backends, after.backends),
        certificates=_differing(before.certificates, after.certificates),
        attachments=_differing(before.attachments, after.attachments),
    )


def _readable(graph: Graph, change: Change) -> bool:
    """Does `pooled` speak of gateways that there are, or that went with this change?"""
    return {gateway_id for gateway_id, _ in change.pooled} <= {*graph.gateways, *change.gateways}


@given(st.integers(0, SEEDS - 1), _steps())
@settings(max_examples=100)
def test_incremental_equals_cold(seed: int, steps: list[Step]) -> None:
    one = PAIRS[seed % 2]
    current: dict[Key, Intent] = intents([*installation(seed, one.cert_pem, one.key_pem), *_more(seed)])
    model = Modelled()
    model.apply(dict(current))
    for step in steps:
        before, objects = model.graph, dict(current)
        changes = dict(step)
        change = model.apply(changes)
        for key, intent in changes.items():
            if intent is None:
                current.pop(key, None)
            else:
                current[key] = intent
        cold = Modelled()
        cold.apply(dict(current))
        assert rendered(model.graph) == rendered(cold.graph)
        assert model.graph.certificates == cold.graph.certificates
        assert model.graph.tls_sockets == cold.graph.tls_sockets
        assert structs.replace(change, pooled=frozenset(), objects=frozenset()) == _exact_change(before, model.graph)
        assert {token for token in change.objects if isinstance(token, Key)} == _differing(objects, current)
        assert _readable(model.graph, change)


@given(st.integers(0, SEEDS - 1))
@settings(max_examples=SEEDS)
def test_removing_everything_leaves_nothing(seed: int) -> None:
    objects = intents([*installation(seed, PAIRS[0].cert_pem, PAIRS[0].key_pem), *_more(seed)])
    model = Modelled()
    model.apply(dict(objects))
    model.remove(*objects)
    assert rendered(model.graph) == ""
    assert fingerprint(model.graph) == fingerprint(graph_of([]))
