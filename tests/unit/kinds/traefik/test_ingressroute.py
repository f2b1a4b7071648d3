"""IngressRoute, IngressRouteTCP, IngressRouteUDP and TraefikService: documents to intents."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright import kinds
from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.doors import ClassRef, RouteIntent
from gatewright.kinds.intents.filters import FilterRef, Refuse
from gatewright.kinds.intents.material import BackendGroupIntent
from gatewright.kinds.intents.routing import (
    BackendRef,
    Dialect,
    HealthCheck,
    HostKind,
    HostMatch,
    Match,
    Protocol,
    RuleIntent,
    SessionPersistence,
    Upstream,
)


def lowered(kind: str, spec: Any, api: str = "traefik.io/v1alpha1", **metadata: Any) -> Lowered:
    data = {"apiVersion": api, "kind": kind, "metadata": {"name": "it", **metadata}, "spec": spec}
    result = kinds.lower(Document(Origin("a.yaml", "0"), api, kind, "apps", "it", data))
    assert result is not None
    return result


def route(kind: str, spec: Any, **metadata: Any) -> RouteIntent:
    intent, problems = (result := lowered(kind, spec, **metadata)).intent, result.problems
    assert isinstance(intent, RouteIntent), problems
    return intent


def rule_of(**fields: Any) -> tuple[RuleIntent, dict[str, str]]:
    """The only rule of an IngressRoute with one route of these fields, and its Problems by id."""
    body = {"match": "Host(`a`)", "kind": "Rule", "services": [{"name": "web", "port": 80}], **fields}
    result = lowered("IngressRoute", {"routes": [body]})
    assert isinstance(result.intent, RouteIntent), result.problems
    (rule,) = result.intent.rules
    return rule, {problem.id: problem.message for problem in result.problems}


def backend_of(**fields: Any) -> tuple[BackendRef, dict[str, str]]:
    rule, problems = rule_of(services=[{"name": "web", "port": 80, **fields}])
    (backend,) = rule.backends
    return backend, problems


def only(name: str) -> Match:
    return Match(hosts=(HostMatch(HostKind.EXACT, name),))


@pytest.mark.parametrize("api", ["traefik.io/v1alpha1", "traefik.containo.us/v1alpha1"])
def test_an_ingressroute_in_both_groups(api: str) -> None:
    spec = {
        "entryPoints": ["websecure"],
        "routes": [
            {
                "match": "Host(`a.example.com`)",
                "kind": "Rule",
                "middlewares": [{"name": "auth"}, {"name": "limit", "namespace": "infra"}],
                "services": [{"name": "web", "port": "http"}],
            },
            {"match": "PathPrefix(`/`)", "priority": 3, "services": [{"name": "rest", "port": 443}]},
        ],
        "tls": {"secretName": "cert", "options": {"name": "strict", "namespace": "infra"}},
    }
    result = lowered("IngressRoute", spec, api, creationTimestamp="2026-01-01T00:00:00Z")
    assert result.problems == ()
    intent = result.intent
    assert isinstance(intent, RouteIntent)
    assert intent.key == Key("IngressRoute", "apps", "it")
    assert (intent.dialect, intent.protocol) == (Dialect.TRAEFIK, Protocol.HTTP)
    assert intent.attach == ClassRef(None, "crd", ("websecure",))
    assert intent.created == "2026-01-01T00:00:00Z"
    first, second = intent.rules
    assert first.matches == (only("a.example.com"),)
    assert (first.priority, second.priority) == (len("Host(`a.example.com`)"), 3)
    assert [f.target for f in first.filters if isinstance(f, FilterRef)] == [
        Key("Middleware", "apps", "auth"),
        Key("Middleware", "infra", "limit"),
    ]
    assert [(b.target, b.port, b.scheme) for b in first.backends] == [(Key("Service", "apps", "web"), "http", "")]
    assert [(b.target, b.port, b.scheme) for b in second.backends] == [(Key("Service", "apps", "rest"), 443, "https")]
    (tls,) = intent.tls
    assert (tls.secret, tls.options) == (Key("Secret", "apps", "cert"), Key("TLSOption", "infra", "strict"))
    assert second.origin.path == ("spec", "routes", 1)


@pytest.mark.parametrize(
    ("spec", "annotations", "name"),
    [
        ({}, {}, None),
        ({}, {"kubernetes.io/ingress.class": "internal"}, "internal"),
        ({"ingressClassName": "new"}, {"kubernetes.io/ingress.class": "old"}, "new"),
    ],
)
def test_class(spec: dict[str, str], annotations: dict[str, str], name: str | None) -> None:
    intent = route("IngressRoute", {"routes": [], **spec}, annotations=annotations)
    assert intent.attach == ClassRef(name, "crd", ())


def test_empty_tls_still_asks_for_tls() -> None:
    assert len(route("IngressRoute", {"routes": [], "tls": {}}).tls) == 1
    assert route("IngressRoute", {"routes": []}).tls == ()


@pytest.mark.parametrize(
    ("tls", "problem"),
    [
        ({"certResolver": "le"}, "spec.tls.certResolver"),
        ({"store": {"name": "other"}}, "spec.tls.store"),
    ],
)
def test_tls_settings_that_only_traefik_has_are_reported(tls: dict[str, Any], problem: str) -> None:
    result = lowered("IngressRoute", {"routes": [], "tls": tls})
    (found,) = result.problems
    assert found.message.startswith(problem)
    assert found.severity is Severity.WARNING


def test_unknown_tls_options_stay_a_reference_that_finds_nothing() -> None:
    (tls,) = route("IngressRoute", {"routes": [], "tls": {"options": {"name": "mtls@file"}}}).tls
    assert tls.options == Key("TLSOption", "apps", "mtls@file")


def test_rules_that_do_not_parse_are_left_out_and_the_others_stay() -> None:
    routes = [
        {"match": "Hots(`a`)", "services": [{"name": "a"}]},
        {"match": "", "services": [{"name": "a"}]},
        {"match": "Host(`a`) && Host(`b`)", "services": [{"name": "a"}]},
        {"match": "Host(`a`, `b`)", "syntax": "v2", "services": [{"name": "a"}]},
    ]
    result = lowered("IngressRoute", {"routes": routes})
    assert isinstance(result.intent, RouteIntent)
    (rule,) = result.intent.rules
    assert (rule.index, rule.matches, rule.priority) == (3, (only("a"), only("b")), 14)
    assert [problem.id for problem in result.problems] == [
        "traefik-rule-syntax",
        "missing-field",
        "traefik-rule-never-matches",
    ]
    assert result.problems[0].origin == Origin("a.yaml", "0", ("spec", "routes", 0, "match"))


def test_services_in_full() -> None:
    backend, problems = backend_of(
        namespace="other",
        scheme="h2c",
        passHostHeader=False,
        serversTransport="mtls",
        nativeLB=True,
        strategy="wrr",
        responseForwarding={"flushInterval": "1ms"},
        middlewares=[{"name": "m"}],
    )
    assert problems == {}
    assert backend.target == Key("Service", "other", "web")
    assert (backend.scheme, backend.pass_host, backend.native_lb) == ("h2c", False, True)
    assert backend.transport == Key("ServersTransport", "other", "mtls")
    assert [f.target for f in backend.filters if isinstance(f, FilterRef)] == [Key("Middleware", "apps", "m")]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"strategy": "leasttime"}, "strategy"),
        ({"nodePortLB": True}, "nodePortLB"),
        ({"healthCheck": {"mode": "grpc"}}, "healthCheck.mode"),
        ({"healthCheck": {"path": "/", "method": "HEAD"}}, "healthCheck.method"),
    ],
)
def test_unsupported_service_fields_are_named(fields: dict[str, Any], field: str) -> None:
    _, problems = backend_of(**fields)
    assert f"spec.routes[0].services[0].{field}" in problems["unsupported-field"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"strategy": "wrr"}, Upstream(balance="round-robin")),
        ({"strategy": "p2c"}, Upstream(balance="least-request")),
        ({"strategy": "hrw"}, Upstream(balance="maglev")),
        (
            {"healthCheck": {"path": "/up", "interval": "10s", "status": 204, "port": 81, "hostname": "h"}},
            Upstream(health=HealthCheck("/up", 10.0, 5.0, 1, 1, ((204, 204),), "h", 81)),
        ),
        ({"healthCheck": {}}, Upstream(health=HealthCheck("/", 30.0, 5.0, 1, 1, ((200, 399),)))),
        ({"passiveHealthCheck": {"maxFailedAttempts": 3}}, Upstream(outlier_errors=3, outlier_seconds=10.0)),
    ],
)
def test_how_endpoints_are_chosen_and_watched(fields: dict[str, Any], expected: Upstream | None) -> None:
    backend, problems = backend_of(**fields)
    assert problems == {}
    assert backend.upstream == expected


def test_weights_count_among_several_services_only() -> None:
    assert backend_of(weight=0)[0].weight == 1
    rule, _ = rule_of(services=[{"name": "a", "weight": 0}, {"name": "b", "weight": 2}, {"name": "c"}])
    assert [backend.weight for backend in rule.backends] == [0, 2, 1]


def test_a_sticky_cookie_of_a_single_service() -> None:
    cookie = {"name": "c", "secure": True, "httpOnly": True, "sameSite": "lax", "maxAge": 60, "path": "/x"}
    rule, problems = rule_of(services=[{"name": "web", "port": 80, "sticky": {"cookie": cookie}}])
    assert problems == {}
    assert rule.persistence == SessionPersistence("cookie", "c", "/x", 60, True, True, "lax")


def test_sticky_services_among_several_are_reported() -> None:
    sticky = {"name": "a", "sticky": {"cookie": {}}}
    rule, problems = rule_of(services=[sticky, {"name": "b"}])
    assert rule.persistence is None
    assert "services[0].sticky" in problems["unsupported-field"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"middlewares": [{"name": "ok"}, {"name": "auth@file"}]}, 404),
        ({"services": [{"name": "web@file", "kind": "TraefikService"}]}, 404),
        ({"services": [{"name": "a"}, {"name": "b@docker"}]}, 404),
        ({"services": []}, 404),
        ({"services": [{"name": "api@internal", "kind": "TraefikService"}]}, 503),
        ({"services": [{"name": "web", "serversTransport": "mtls@file"}]}, 503),
    ],
)
def test_what_cannot_be_resolved_refuses(fields: dict[str, Any], status: int) -> None:
    rule, problems = rule_of(**fields)
    refusals = [item for item in rule.filters if isinstance(item, Refuse)]
    assert [item.status for item in refusals] == [status]
    assert problems


def test_noop_is_a_dead_end_behind_its_middlewares() -> None:
    rule, problems = rule_of(
        middlewares=[{"name": "m"}], services=[{"name": "noop@internal", "kind": "TraefikService"}]
    )
    assert problems == {}
    assert [type(item) for item in rule.filters] == [FilterRef, Refuse]
    assert rule.backends == ()


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("apps-auth@kubernetescrd", Key("Middleware", "apps", "auth")),
        ("infra-auth@kubernetescrd", Key("Middleware", "infra", "auth")),
    ],
)
def test_references_by_provider(name: str, key: Key) -> None:
    rule, problems = rule_of(middlewares=[{"name": name}])
    assert [item.target for item in rule.filters if isinstance(item, FilterRef)] == [key]
    assert ("ambiguous-reference" in problems) is (key.namespace != "apps")


def test_routes_below_other_routes_are_not_opened() -> None:
    spec = {"parentRefs": [{"name": "top"}], "routes": [{"match": "Host(`a`)", "services": [{"name": "a"}]}]}
    result = lowered("IngressRoute", spec)
    assert isinstance(result.intent, RouteIntent)
    assert result.intent.rules == ()
    assert result.problems[0].severity is Severity.ERROR


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"routes": [{"kind": "Regel", "match": "Host(`a`)"}]},
        {"routes": [{"match": "Host(`a`)", "services": [{"name": "a", "port": 70000}]}]},
        {"routes": [{"match": "Host(`a`)", "services": [{"name": "a", "scheme": "ftp"}]}]},
        {"routes": [{"match": "Host(`a`)", "services": [{"name": "a", "weight": -1}]}]},
        {"routes": "all"},
    ],
)
def test_what_the_api_server_refuses_is_not_used(spec: Any) -> None:
    result = lowered("IngressRoute", spec)
    assert result.intent is None
    assert result.problems


# --- TCP and UDP ----------------------------------------------------------------------------------


def test_tls_passthrough_and_termination() -> None:
    routes = [{"match": "HostSNI(`a.example.com`)", "services": [{"name": "db", "port": 5432}]}]
    through = route("IngressRouteTCP", {"routes": routes, "tls": {"passthrough": True}})
    assert (through.protocol, through.tls[0].passthrough) == (Protocol.TLS, True)
    assert through.rules[0].matches == (only("a.example.com"),)
    ended = route("IngressRouteTCP", {"routes": routes, "tls": {"secretName": "cert"}})
    assert (ended.protocol, ended.tls[0].passthrough) == (Protocol.TLS, False)
    assert ended.tls[0].secret == Key("Secret", "apps", "cert")


def test_plain_tcp_takes_every_connection_last() -> None:
    service = {"name": "db", "port": 5432, "proxyProtocol": {"version": 1}, "tls": True, "serversTransport": "t"}
    routes = [{"match": "HostSNI(`*`)", "middlewares": [{"name": "office"}], "services": [service]}]
    intent = route("IngressRouteTCP", {"entryPoints": ["pg"], "routes": routes})
    assert intent.protocol is Protocol.TCP
    (rule,) = intent.rules
    assert (rule.matches, rule.priority) == ((Match(),), -1)
    (backend,) = rule.backends
    assert (backend.scheme, backend.proxy_protocol) == ("tls", 1)
    assert backend.transport == Key("ServersTransportTCP", "apps", "t")
    assert [f.target.kind for f in rule.filters if isinstance(f, FilterRef)] == ["MiddlewareTCP"]


def test_an_sni_without_tls_is_refused() -> None:
    routes = [{"match": "HostSNI(`a`)", "services": [{"name": "db", "port": 1}]}]
    result = lowered("IngressRouteTCP", {"routes": routes})
    assert isinstance(result.intent, RouteIntent)
    assert result.intent.rules == ()
    assert [problem.id for problem in result.problems] == ["sni-without-tls"]


def test_udp() -> None:
    routes = [{"services": [{"name": "dns", "port": 53, "weight": 3}]}, {"services": []}]
    result = lowered("IngressRouteUDP", {"entryPoints": ["dns"], "routes": routes})
    assert isinstance(result.intent, RouteIntent)
    good, empty = result.intent.rules
    assert (result.intent.protocol, good.matches, good.priority) == (Protocol.UDP, (), 0)
    assert [(b.target.name, b.port, b.weight, b.scheme) for b in good.backends] == [("dns", 53, 1, "udp")]
    assert [type(item) for item in empty.filters] == [Refuse]
    assert [problem.id for problem in result.problems] == ["missing-field"]


# --- TraefikService -------------------------------------------------------------------------------


def test_weighted() -> None:
    spec = {
        "weighted": {
            "services": [
                {"name": "a", "port": 80, "weight": 3},
                {"name": "b", "kind": "TraefikService", "weight": 0},
                {"name": "c", "port": 80},
            ],
            "sticky": {"cookie": {"name": "s"}},
        }
    }
    result = lowered("TraefikService", spec)
    assert result.problems == ()
    assert isinstance(result.intent, BackendGroupIntent)
    assert [(b.target.kind, b.target.name, b.weight) for b in result.intent.backends] == [
        ("Service", "a", 3),
        ("TraefikService", "b", 0),
        ("Service", "c", 1),
    ]
    assert result.intent.persistence is not None


def test_mirroring() -> None:
    mirrors = [{"name": "shadow", "port": 80, "percent": 20}, {"name": "off", "port": 80}]
    spec = {"mirroring": {"name": "main", "port": 80, "mirrors": mirrors, "maxBodySize": 100}}
    result = lowered("TraefikService", spec)
    assert isinstance(result.intent, BackendGroupIntent)
    assert [b.target.name for b in result.intent.backends] == ["main"]
    assert [(m.backend.target.name, m.numerator, m.denominator) for m in result.intent.mirrors] == [("shadow", 20, 100)]
    assert [problem.message.split(":")[0] for problem in result.problems] == ["spec.mirroring.maxBodySize"]


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"failover": {"service": "a"}},
        {"highestRandomWeight": {}},
        {"weighted": {"services": [{"name": "a"}, {"name": "b@file"}]}},
        {"mirroring": {"name": "a", "mirrors": [{"name": "b@file", "percent": 1}]}},
    ],
)
def test_a_service_that_cannot_be_built_is_not_there(spec: dict[str, Any]) -> None:
    result = lowered("TraefikService", spec)
    assert result.intent is None
    assert any(problem.severity is Severity.ERROR for problem in result.problems)
