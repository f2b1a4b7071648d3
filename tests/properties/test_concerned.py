"""No name whose certificate changes is left out when only the names that a change concerns are looked up again."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base import hostnames
from gatewright.base.sensitive import Sensitive
from gatewright.engines.envoy import names
from gatewright.engines.envoy.bindings import Bindings, PortKey, Socket
from gatewright.engines.envoy.concerned import AskedNames, Concerned
from gatewright.engines.envoy.secrets import KeyPair, resolve_secret, terminating
from gatewright.engines.envoy.tls import NO_SNI
from gatewright.graph.nodes import Gateway, Graph
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from support.keys import NOW, pair
from support.modelled import Manifest, Modelled, intents
from support.random_routes import installation

PAIRS = [
    pair("gateway.test", "*.example.com", now=NOW),
    pair("a.example.com", "c.test", now=NOW),
    pair("*.test", now=NOW),
    pair("elsewhere.test", now=NOW),
    pair("late.test", now=NOW.replace(year=2020)),  # has ended
]
ASKED = (
    *("a.example.com", "A.example.com", "b.example.com", "x.b.example.com", "example.com", "c.test", "gateway.test"),
    *("own.test", "late.test", "deep.er.test", "nobody.invalid", NO_SNI, ".".join("abcdefghijkl") + ".test"),
)


def _tls(seed: int) -> list[Manifest]:
    """Doors with TLS of each dialect, whose Secrets have other certificates in other seeds."""
    named = {f"s{n}": PAIRS[(seed + n) % len(PAIRS)] for n in range(3)}
    made: list[Manifest] = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": "infra"},
            "stringData": {"tls.crt": one.cert_pem.decode(), "tls.key": one.key_pem.decode()},
        }
        for name, one in named.items()
    ]
    references = [{"name": f"s{(seed + n) % 3}"} for n in range(1 + seed % 3)]
    named_hosts: Manifest = ({}, {"hostname": "*.test"}, {"hostname": "c.test"})[seed % 3]
    listener = {"name": "s", "port": 443, "protocol": "HTTPS", **named_hosts}
    everywhere = {"namespaces": {"from": "All"}}
    listeners = [{**listener, "tls": {"certificateRefs": references}, "allowedRoutes": everywhere}]
    made.append(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "secure", "namespace": "infra"},
            "spec": {"gatewayClassName": "g", "listeners": listeners},
        }
    )
    backend = {"service": {"name": "one", "port": {"number": 80}}}
    http = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    for number, kind in enumerate(("traefik", "ingress-nginx")):
        spec = {"implementation": kind, "classes": [f"c{number}"]}
        metadata = {"name": kind, "namespace": "infra"}
        controller = {"apiVersion": "gatewright.dev/v1alpha1", "kind": "IngressController", "metadata": metadata}
        made.append({**controller, "spec": spec})
        host = ("a.example.com", "*.example.com", "c.test")[(seed + number) % 3]
        uses = [{"secretName": f"s{(seed + number) % 3}", **({"hosts": [host]} if seed % 2 else {})}]
        made.append(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "Ingress",
                "metadata": {"name": f"i{number}", "namespace": "infra"},
                "spec": {"ingressClassName": f"c{number}", "tls": uses, "rules": [{"host": host, "http": http}]},
            }
        )
    store = {
        "apiVersion": "traefik.io/v1alpha1",
        "kind": "TLSStore",
        "metadata": {"name": "default", "namespace": "infra"},
    }
    made.append({**store, "spec": {"defaultCertificate": {"secretName": f"s{seed % 3}"}}})
    return made


VERSIONS = [
    (key, intent)
    for seed in range(6)
    for key, intent in intents(
        [*installation(seed, PAIRS[seed % 3].cert_pem, PAIRS[seed % 3].key_pem), *_tls(seed)]
    ).items()
]
TLS = [version for version in VERSIONS if version[0].namespace == "infra"]


def _issue(gateway: Gateway, port: int, hostname: str) -> KeyPair:
    return KeyPair(f"{gateway.id} {port} {hostname}".encode(), Sensitive(b"key"))


def _answers(graph: Graph) -> dict[tuple[str, str], bytes | None]:
    """The Secret of every name at every port that ends TLS, and over the common stream."""
    ports = [PortKey(one.id, port.number) for one in graph.gateways.values() for port in one.ports if not port.udp]
    bindings = Bindings({key: (Socket("127.0.0.1", 1),) for key in ports})
    places = ["", *(names.place(gateway.id, port) for gateway, port in terminating(graph, bindings))]
    return {(place, name): resolve_secret(graph, bindings, name, _issue, place) for place in places for name in ASKED}


SECRETS = [version for version in TLS if version[0].kind == "Secret" and version[0].name.startswith("s")]
edit = st.one_of(st.sampled_from(VERSIONS), st.sampled_from(TLS)).flatmap(
    lambda one: st.sampled_from([one, one, (one[0], None)])
)
renewal = st.sampled_from([*SECRETS, *((key, None) for key, _ in SECRETS)])
step = st.one_of(st.lists(edit, min_size=1, max_size=4), st.lists(renewal, min_size=1, max_size=2))


@given(st.integers(0, 5), st.lists(step, min_size=1, max_size=5))
@settings(max_examples=200)
def test_whose_certificate_changes_is_concerned(seed: int, steps: list[list[tuple[Key, Intent | None]]]) -> None:
    model, concerned, asked = Modelled(_tls(seed)), Concerned(), AskedNames(ASKED)
    concerned.take(model.graph, model.change)
    for one in steps:
        before = _answers(model.graph)
        change = model.apply(dict(one))
        after = _answers(model.graph)
        told = asked.under(concerned.take(model.graph, change))
        differing = {name for place, name in before.keys() & after.keys() if before[place, name] != after[place, name]}
        assert differing <= told


@given(st.lists(st.sampled_from(ASKED)), st.lists(st.sampled_from(ASKED)))
def test_names_are_found_by_every_pattern(added: list[str], dropped: list[str]) -> None:
    asked = AskedNames(added)
    for name in dropped:
        asked.discard(name)
    left = set(added) - set(dropped)
    assert len(asked) == len(left)
    for pattern in ("*", "*.test", "*.example.com", "*.b.example.com", "a.example.com", "c.test"):
        assert _covered(left, pattern) <= asked.under([pattern]) <= left
    assert asked.under(["*.com"]) == {name for name in left if name.endswith(".com") or name.count(".") > 8}
    assert asked.under([]) == set()
    assert AskedNames(left).under(["*.test", "a.example.com"]) == asked.under(["a.example.com", "*.test"])


def _covered(left: Iterable[str], pattern: str) -> set[str]:
    return {
        name
        for name in left
        if hostnames.matches(pattern, "" if name == NO_SNI else hostnames.normalize(name), hostnames.Depth.MANY)
    }
