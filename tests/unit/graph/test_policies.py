"""Policies at gateways, listeners, routes and rules; what they say of doors; backends that list their endpoints."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright import kinds
from gatewright.graph.nodes import Backend, Family, Forward, Listener, Respond, Rule, UpstreamProtocol, VirtualHostKey
from gatewright.kinds.intents.filters import Authorize, RateLimit
from support.keys import NOW, pair
from support.lowering import document
from support.modelled import Modelled

EDGE = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: web, labels: {tier: front}}
spec:
  gatewayClassName: envoy
  allowedListeners: {namespaces: {from: Same}}
  listeners:
  - {name: http, port: 80, protocol: HTTP}
  - {name: other, port: 8080, protocol: HTTP}
  - {name: stream, port: 25, protocol: TCP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more, namespace: web, labels: {tier: back}}
spec:
  parentRef: {name: edge}
  listeners: [{name: extra, port: 8081, protocol: HTTP}]
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: web}
spec: {ports: [{port: 80}]}
"""
ROUTE = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "app"}
GATEWAY = {**ROUTE, "kind": "Gateway", "name": "edge"}
DENY: dict[str, Any] = {"authorization": {"defaultAction": "Deny"}}
ALLOW: dict[str, Any] = {"authorization": {"defaultAction": "Allow"}}


def docs(text: str) -> list[dict[str, Any]]:
    return [data for data in yaml.safe_load_all(text) if data]


def route(backend: dict[str, Any] | None = None, parent: dict[str, Any] | None = None) -> dict[str, Any]:
    rules = [{"name": "one", "backendRefs": [backend or {"name": "app", "port": 80}]}]
    spec = {"parentRefs": [parent or {"name": "edge", "sectionName": "http"}], "rules": rules}
    metadata = {"name": "app", "namespace": "web", "labels": {"app": "a"}}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata, "spec": spec}


def policy(kind: str, spec: dict[str, Any], *targets: dict[str, Any], name: str = "p", age: int = 0) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "web"}
    if age:
        metadata["creationTimestamp"] = f"20{30 - age}-01-01T00:00:00Z"
    spec = {"targetRefs": list(targets), **spec} if targets else spec
    return {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def modelled(*manifests: dict[str, Any], door: str = EDGE) -> Modelled:
    """The graph; what could never be read is what stands for it."""
    made = Modelled(docs(door))
    for data in manifests:
        lowered = kinds.lower(document(data))
        assert lowered is not None
        meant = lowered.intent or lowered.instead
        if meant is not None:
            made.apply({meant.key: meant})
    return made


def rule_at(made: Modelled, port: int = 80) -> Rule:
    (entry,) = made.graph.virtual_hosts[VirtualHostKey("web/edge", port, Family.HTTP, "*")].entries
    return entry.rule


def may_pass(made: Modelled, port: int = 80) -> bool:
    (step,) = [step for step in rule_at(made, port).steps if isinstance(step, Authorize)]
    return step.allow


def is_open(made: Modelled) -> bool:
    """Is there nothing that keeps anybody out?"""
    rule = rule_at(made)
    return isinstance(rule.action, Forward) and not rule.steps


def ids(made: Modelled) -> list[str]:
    return sorted(problem.id for problems in made.graph.problems.values() for problem in problems)


# --- which one counts ---------------------------------------------------------------------------


def test_the_nearest_counts() -> None:
    section = {**ROUTE, "sectionName": "one"}
    listener = {**GATEWAY, "sectionName": "http"}
    ordered = [
        (section, ALLOW), (ROUTE, DENY), (listener, ALLOW), (GATEWAY, DENY)
    ]  # fmt: skip
    for first in range(4):
        made = modelled(
            route(), *(policy("SecurityPolicy", said, to, name=f"p{n}") for n, (to, said) in enumerate(ordered[first:]))
        )
        assert may_pass(made) == (ordered[first][1] is ALLOW)


def test_a_rule_of_another_name_and_a_listener_of_another_are_not_meant() -> None:
    made = modelled(
        route(),
        policy("SecurityPolicy", DENY, {**ROUTE, "sectionName": "two"}),
        policy("SecurityPolicy", DENY, {**GATEWAY, "sectionName": "other"}, name="q"),
    )
    assert not rule_at(made).steps


def test_of_two_for_the_same_the_oldest_counts() -> None:
    for old in (0, 1):
        both = [
            policy("SecurityPolicy", said, ROUTE, name=f"p{n}", age=1 + (n == old))
            for n, said in enumerate((ALLOW, DENY))
        ]
        assert may_pass(modelled(route(), *both)) == (old == 0)


def test_labels_select() -> None:
    for labels, found in (({"app": "a"}, True), ({"app": "b"}, False), ({}, True)):
        chosen = {"targetSelectors": [{"kind": "HTTPRoute", "matchLabels": labels}]}
        assert bool(rule_at(modelled(route(), policy("SecurityPolicy", {**DENY, **chosen}))).steps) == found


def test_labels_of_gateways_and_listener_sets_select() -> None:
    """Also of a ClientTrafficPolicy: ClientTrafficPolicy.targetSelectors."""
    at_set = route(parent={"group": ROUTE["group"], "kind": "ListenerSet", "name": "more"})
    for kind, tier, port, parent in (("Gateway", "front", 80, None), ("ListenerSet", "back", 8081, at_set)):
        for wanted in ("front", "back"):
            chosen = {"targetSelectors": [{"kind": kind, "matchLabels": {"tier": wanted}}]}
            made = modelled(
                parent or route(),
                policy("SecurityPolicy", {**DENY, **chosen}),
                policy("ClientTrafficPolicy", {"proxyProtocol": {}, **chosen}),
            )
            assert bool(rule_at(made, port).steps) == (tier == wanted)
            believed = listener(made, port).own.proxy_protocol_from
            assert bool(believed) == (tier == wanted)


FAR = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "ReferenceGrant",
    "metadata": {"name": "far", "namespace": "web"},
}
SPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web", "labels": {"team": "a"}}}


@pytest.mark.parametrize(
    ("namespaces", "selected"),
    [
        ({"from": "All"}, True),
        ({"from": "Same"}, False),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}, True),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}, False),
        ({"from": "Selector"}, True),  # not readable: closed
        ({"from": "Some"}, True),
    ],
)
@pytest.mark.parametrize("kind", ["HTTPRoute", "Gateway"])
def test_policies_select_in_other_namespaces_that_let_them(
    namespaces: dict[str, Any], selected: bool, kind: str
) -> None:
    """Also of a ClientTrafficPolicy: ClientTrafficPolicy.targetSelectors.namespaces."""
    chosen = {"targetSelectors": [{"kind": kind, "namespaces": namespaces}]}
    far = [policy(name, {**said, **chosen}) for name, said in (("SecurityPolicy", DENY), ("ClientTrafficPolicy", {}))]
    for one in far:
        one["metadata"]["namespace"] = "far"
    far[1]["spec"]["proxyProtocol"] = {}
    pairs = [{"group": "gateway.envoyproxy.io", "kind": one["kind"], "namespace": "far"} for one in far]
    grant = {**FAR, "spec": {"from": pairs, "to": [{"group": ROUTE["group"], "kind": kind}]}}
    let = modelled(route(), SPACE, grant, *far)
    barred = modelled(route(), SPACE, *far)
    assert (is_open(let), is_open(barred)) == (not selected, True)
    if kind == "Gateway" and namespaces["from"] != "Some":
        assert bool(listener(let, 80).own.proxy_protocol_from) == (selected and namespaces != {"from": "Selector"})


def test_a_namespace_that_was_not_given_is_selected() -> None:
    selector = {"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}
    far = policy("SecurityPolicy", {**DENY, "targetSelectors": [{"kind": "HTTPRoute", "namespaces": selector}]})
    far["metadata"]["namespace"] = "far"
    pairs = [{"group": "gateway.envoyproxy.io", "kind": "SecurityPolicy", "namespace": "far"}]
    grant = {**FAR, "spec": {"from": pairs, "to": [{"group": ROUTE["group"], "kind": "HTTPRoute"}]}}
    assert not is_open(modelled(route(), grant, far))
    assert is_open(modelled(route(), SPACE, grant, far))


def test_a_listener_set_is_nearer_than_its_gateway() -> None:
    to = {**ROUTE, "kind": "ListenerSet", "name": "more"}
    made = modelled(
        route(parent={"group": ROUTE["group"], "kind": "ListenerSet", "name": "more"}),
        policy("SecurityPolicy", ALLOW, to),
        policy("SecurityPolicy", DENY, {**GATEWAY}, name="q"),
    )
    assert may_pass(made, 8081)


def test_one_that_merges_is_laid_over_the_wider() -> None:
    users = {"basicAuth": {"users": {"name": "users"}}}
    limit = {"rateLimit": {"local": {"rules": [{"limit": {"requests": 1, "unit": "Hour"}}]}}}
    zipped = {"compressor": [{"type": "Gzip"}]}
    lines = {".htpasswd": "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "users", "namespace": "web"},
        "stringData": lines,
    }
    made = modelled(
        secret,
        route(),
        policy("SecurityPolicy", {**users, **DENY}, GATEWAY),
        policy("SecurityPolicy", {**ALLOW, "mergeType": "StrategicMerge"}, ROUTE, name="q"),
        policy("BackendTrafficPolicy", {**limit, **zipped}, GATEWAY),
        policy("BackendTrafficPolicy", {**limit, "mergeType": "StrategicMerge"}, ROUTE, name="q"),
    )
    steps = rule_at(made).steps
    assert [type(step).__name__ for step in steps] == [
        "BasicAuthUsers",
        "Authorize",
        "RateLimit",
        "Compress",
        "RateLimit",
    ]
    assert may_pass(made)


def test_who_may_pass_is_asked_before_limits_are_counted() -> None:
    limit = {"rateLimit": {"local": {"rules": [{"limit": {"requests": 1, "unit": "Hour"}}]}}}
    made = modelled(route(), policy("BackendTrafficPolicy", limit, ROUTE), policy("SecurityPolicy", DENY, ROUTE))
    assert [type(step) for step in rule_at(made).steps] == [Authorize, RateLimit]


# --- never open ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    [
        {"basicAuth": {"users": {"name": "nobody"}}},
        {"basicAuth": "all"},
        {"jwt": {"providers": []}},
        {"oidc": {}},
        {"authorization": {"rules": [{"action": "Allow"}]}},
        {"authorization": {"rules": [{"action": "Deny", "principal": {"jwt": {"provider": "a", "scopes": ["b"]}}}]}},
    ],
)
def test_what_cannot_be_built_closes(spec: dict[str, Any]) -> None:
    action = rule_at(modelled(route(), policy("SecurityPolicy", spec, ROUTE, {"name": 3}))).action
    assert isinstance(action, Respond)
    assert action.status == 503


STREAM = {
    "apiVersion": "gateway.networking.k8s.io/v1alpha2",
    "kind": "TCPRoute",
    "metadata": {"name": "mail", "namespace": "web"},
    "spec": {
        "parentRefs": [{"name": "edge", "sectionName": "stream"}],
        "rules": [{"backendRefs": [{"name": "app", "port": 80}]}],
    },
}


def rules_of(*rules: tuple[str, str], default: str = "Deny") -> dict[str, Any]:
    said = [{"action": action, "principal": {"clientCIDRs": [cidr]}} for action, cidr in rules]
    return {"authorization": {"rules": said, "defaultAction": default}}


@pytest.mark.parametrize(
    ("spec", "access"),
    [
        (rules_of(("Allow", "10.0.0.0/8")), [("10.0.0.0/8", False)]),
        (rules_of(("Deny", "10.0.0.0/8"), default="Allow"), [("10.0.0.0/8", True)]),
        (rules_of(("Deny", "10.1.0.0/16"), ("Allow", "10.0.0.0/8")), [("10.1.0.0/16", True), ("10.0.0.0/8", False)]),
        (rules_of(("Allow", "10.0.0.0/8"), ("Deny", "10.1.0.0/16")), None),
        ({"oidc": {}}, None),
        ({"jwt": {"providers": [{"name": "a", "localJWKS": {"inline": '{"keys": [{}]}'}}]}}, None),
    ],
)
def test_connections_are_let_in_by_address_or_not_at_all(spec: dict[str, Any], access: Any) -> None:
    made = modelled(STREAM, policy("SecurityPolicy", spec, {**ROUTE, "kind": "TCPRoute", "name": "mail"}))
    (entry,) = made.graph.virtual_hosts[VirtualHostKey("web/edge", 25, Family.TCP, "*")].entries
    if access is None:
        assert isinstance(entry.rule.action, Respond)
    else:
        assert [(one.cidrs[0], one.deny) for one in entry.rule.access] == access
        assert isinstance(entry.rule.action, Forward)


# --- doors --------------------------------------------------------------------------------------


def listener(made: Modelled, port: int = 80) -> Listener:
    return next(one for one in made.graph.gateways["web/edge"].listeners if one.port == port)


def test_proxy_protocol_by_each_spelling() -> None:
    """ClientTrafficPolicy.proxyProtocol, ClientTrafficPolicy.enableProxyProtocol, ClientTrafficPolicy.targetRef."""
    for spec in ({"proxyProtocol": {}}, {"enableProxyProtocol": True}):
        for aim in ({"targetRef": GATEWAY}, {"targetRefs": [GATEWAY]}):
            made = modelled(route(), policy("ClientTrafficPolicy", {**spec, **aim}))
            assert listener(made).own.proxy_protocol_from == ("0.0.0.0/0", "::/0")
    assert listener(modelled(route())).own.proxy_protocol_from is None


def test_the_authority_of_clients_needs_leave_in_another_namespace() -> None:
    door = EDGE.replace(
        "{name: stream, port: 25, protocol: TCP}",
        "{name: tls, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: edge}]}}",
    )
    authority = pair(now=NOW, ca=True).cert_pem.decode()
    config = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"ca.crt": authority}}
    grant = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "a", "namespace": "others"},
        "spec": {
            "from": [{"group": "gateway.envoyproxy.io", "kind": "ClientTrafficPolicy", "namespace": "web"}],
            "to": [{"group": "", "kind": "ConfigMap"}],
        },
    }
    for namespace, more, fine in (("web", [], True), ("others", [], False), ("others", [grant], True)):
        ref = {"kind": "ConfigMap", "group": "", "name": "ca", "namespace": namespace}
        said = policy("ClientTrafficPolicy", {"tls": {"clientValidation": {"caCertificateRefs": [ref]}}}, GATEWAY)
        held = {**config, "metadata": {"name": "ca", "namespace": namespace}}
        tls = listener(modelled(route(), said, held, *more, door=door), 443)
        assert (tls.settings.client_mode == "require") == fine
        assert bool(tls.conflict) != fine


# --- backends -----------------------------------------------------------------------------------


def backend(spec: dict[str, Any], *more: dict[str, Any]) -> tuple[Backend, Modelled]:
    listed = {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "Backend",
        "metadata": {"name": "far", "namespace": "web"},
        "spec": spec,
    }
    made = modelled(listed, route({"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "far"}), *more)
    (found,) = made.graph.backends.values()
    return found, made


def named(*hosts: str) -> list[dict[str, Any]]:
    return [{"fqdn": {"hostname": host, "port": 443}} for host in hosts]


def test_a_name_is_looked_up() -> None:
    """Backend.endpoints.fqdn"""
    found, _ = backend({"endpoints": named("a.test")})
    assert (found.dns_name, found.key.port, found.endpoints, found.tls) == ("a.test", 443, (), None)
    found, _ = backend({"endpoints": named("a.test", "b.test")})
    assert (found.dns_name, [one.address for one in found.endpoints]) == ("", ["a.test", "b.test"])


def test_addresses_are_endpoints() -> None:
    spec = {"endpoints": [{"ip": {"address": f"10.0.0.{n}", "port": 80 + n}} for n in (2, 1)]}
    found, _ = backend({**spec, "appProtocols": ["gateway.envoyproxy.io/h2c"]})
    assert [(one.address, one.port) for one in found.endpoints] == [("10.0.0.1", 81), ("10.0.0.2", 82)]
    assert found.protocol is UpstreamProtocol.H2


def test_tls_as_a_backend_says() -> None:
    """Backend.tls.wellKnownCACertificates, Backend.tls.sni, Backend.tls.caCertificateRefs,
    Backend.tls.clientCertificateRef."""
    system = {"wellKnownCACertificates": "System"}
    found, _ = backend({"endpoints": named("a.test"), "tls": system})
    assert found.tls is not None
    assert (found.tls.server_name, found.tls.system_ca, found.tls.verify_names) == (
        "a.test", True, (("Hostname", "a.test"),)
    )  # fmt: skip
    found, _ = backend({"endpoints": named("a.test", "b.test"), "tls": {**system, "sni": "c.test"}})
    assert found.tls is not None
    assert found.tls.server_name == "c.test"
    secret = pair("client.test", now=NOW)
    held = {"tls.crt": secret.cert_pem.decode(), "tls.key": secret.key_pem.decode()}
    client = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own", "namespace": "web"}, "stringData": held}
    found, _ = backend(
        {"endpoints": named("a.test"), "tls": {**system, "clientCertificateRef": {"name": "own"}}}, client
    )
    assert found.tls is not None
    assert found.tls.client_certificate


@pytest.mark.parametrize(
    "spec",
    [
        {"endpoints": named("a.test", "b.test"), "tls": {"wellKnownCACertificates": "System"}},
        {
            "endpoints": named("a.test"),
            "tls": {"caCertificateRefs": [{"kind": "ConfigMap", "group": "", "name": "no"}]},
        },
        {
            "endpoints": named("a.test"),
            "tls": {"wellKnownCACertificates": "System", "clientCertificateRef": {"name": "no"}},
        },
    ],
)
def test_nothing_is_sent_where_tls_cannot_be_verified(spec: dict[str, Any]) -> None:
    found, made = backend(spec)
    assert (found.usable, found.endpoints, found.dns_name) == (False, (), "")
    assert ids(made) == ["backend-tls"]


def test_a_policy_says_how_a_backend_is_spoken_to() -> None:
    """BackendTrafficPolicy.proxyProtocol"""
    said = {"proxyProtocol": {"version": "V2"}, "circuitBreaker": {"maxConnections": 5}}
    found, _ = backend({"endpoints": named("a.test")}, policy("BackendTrafficPolicy", said, ROUTE))
    assert (found.proxy_protocol, found.upstream.max_connections, found.upstream.max_requests) == (2, 5, 1024)
