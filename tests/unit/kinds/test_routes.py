"""GRPCRoute, TLSRoute, TCPRoute and UDPRoute."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.filters import Refuse
from gatewright.kinds.intents.routing import (
    Match,
    PathKind,
    PathMatch,
    Protocol,
    ValueKind,
    ValueMatch,
)
from support.lowering import bad, good, lowered, told

BACKENDS = [{"name": "a", "port": 1, "weight": 2}]


def route(kind: str, version: str = "v1", **spec: Any) -> str:
    head = {"apiVersion": f"gateway.networking.k8s.io/{version}", "kind": kind}
    spec = {"parentRefs": [{"name": "g"}], **spec}
    return yaml.safe_dump({**head, "metadata": {"name": "r", "namespace": "n"}, "spec": spec})


def grpc(*matches: Any) -> str:
    return route("GRPCRoute", rules=[{"matches": list(matches), "backendRefs": BACKENDS}])


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ({"service": "a.B", "method": "C"}, PathMatch(PathKind.EXACT, "/a.B/C")),
        ({"service": "a.B"}, PathMatch(PathKind.RAW_PREFIX, "/a.B/")),
        ({"method": "C"}, PathMatch(PathKind.REGEX, "/[^/]+/C")),
        ({"type": "RegularExpression", "service": "a|b"}, PathMatch(PathKind.REGEX, "/(?:a|b)/[^/]+")),
        ({"type": "RegularExpression", "method": "C.*"}, PathMatch(PathKind.REGEX, "/[^/]+/(?:C.*)")),
    ],
)
def test_grpc_methods_are_paths(method: Any, expected: PathMatch) -> None:
    made = good(grpc({"method": method}), RouteIntent)
    assert made.protocol is Protocol.HTTP
    assert made.rules[0].matches == (Match(paths=(expected,)),)


def test_grpc_headers_and_no_match_at_all() -> None:
    header = {"name": "X-A", "value": "1"}
    assert good(grpc({"headers": [header]}), RouteIntent).rules[0].matches == (
        Match(headers=(ValueMatch("x-a", ValueKind.EXACT, "1"),)),
    )
    assert good(grpc(), RouteIntent).rules[0].matches == ()


@pytest.mark.parametrize(
    ("method", "where"),
    [({}, ""), ({"service": "a/b"}, ".service"), ({"method": "a-b"}, ".method"), ({"type": "Glob"}, ".type")],
)
def test_bad_grpc_methods(method: Any, where: str) -> None:
    assert told(bad(grpc({"method": method}))) == [("invalid-value", f"spec.rules.0.matches.0.method{where}")]


def test_a_bad_grpc_pattern_refuses_the_rule() -> None:
    result = lowered(grpc({"method": {"type": "RegularExpression", "service": "("}}))
    assert [p.id for p in result.problems] == ["invalid-regex"]
    assert isinstance(result.intent, RouteIntent)
    assert isinstance(result.intent.rules[0].filters[0], Refuse)


@pytest.mark.parametrize(
    ("kind", "version", "protocol"),
    [
        ("TLSRoute", "v1", Protocol.TLS),
        ("TLSRoute", "v1alpha2", Protocol.TLS),
        ("TLSRoute", "v1alpha3", Protocol.TLS),
        ("TCPRoute", "v1", Protocol.TCP),
        ("TCPRoute", "v1alpha2", Protocol.TCP),
        ("UDPRoute", "v1alpha2", Protocol.UDP),
    ],
)
def test_stream_routes(kind: str, version: str, protocol: Protocol) -> None:
    hosts = {"hostnames": ["a.b"]} if kind == "TLSRoute" else {}
    made = good(route(kind, version, rules=[{"backendRefs": BACKENDS}], **hosts), RouteIntent)
    assert made.protocol is protocol
    assert made.hostnames == tuple(hosts.get("hostnames", ()))
    (backend,) = made.rules[0].backends
    assert (backend.target, backend.port, backend.weight) == (Key("Service", "n", "a"), 1, 2)


def test_a_tls_route_names_hosts_since_v1() -> None:
    rules = [{"backendRefs": BACKENDS}]
    assert told(bad(route("TLSRoute", rules=rules))) == [("invalid-value", "spec.hostnames")]
    good(route("TLSRoute", "v1alpha2", rules=rules), RouteIntent)


def test_stream_rules_need_backends_and_only_the_first_counts() -> None:
    assert told(bad(route("TCPRoute", rules=[{}]))) == [("invalid-value", "spec.rules.0.backendRefs")]
    assert told(bad(route("TCPRoute", rules=[]))) == [("invalid-value", "spec.rules")]
    assert told(bad(route("UDPRoute"))) == [("missing-field", "spec")]
    rule = {"backendRefs": BACKENDS}
    assert told(lowered(route("TCPRoute", rules=[rule, rule])).problems) == [("unreachable-rule", "spec.rules.1")]


def test_a_tcp_route_has_no_hostnames() -> None:
    text = route("TCPRoute", rules=[{"backendRefs": BACKENDS}], hostnames=["a.b"])
    assert told(lowered(text).problems) == [("unknown-field", "spec.hostnames")]
