"""HTTPRoute: every match, rule setting and limit."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ParentRef, RouteIntent
from gatewright.kinds.intents.filters import Refuse, RequestHeaders
from gatewright.kinds.intents.routing import (
    BackendRef,
    Dialect,
    Match,
    MethodMatch,
    PathKind,
    PathMatch,
    Protocol,
    Retry,
    RuleIntent,
    SessionPersistence,
    ValueKind,
    ValueMatch,
)
from support.lowering import bad, good, lowered, told

AT = Origin("manifest.yaml", "1")


def route(spec: dict[str, Any], version: str = "v1") -> str:
    head = {"apiVersion": f"gateway.networking.k8s.io/{version}", "kind": "HTTPRoute"}
    metadata = {"name": "shop", "namespace": "web", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return yaml.safe_dump({**head, "metadata": metadata, "spec": {"parentRefs": [{"name": "edge"}], **spec}})


def rule(body: dict[str, Any]) -> RuleIntent:
    return good(route({"rules": [body]}), RouteIntent).rules[0]


def matched(match: dict[str, Any]) -> Match:
    (only,) = rule({"matches": [match], "backendRefs": [{"name": "a", "port": 80}]}).matches
    return only


def faults(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem, path.removeprefix("spec.rules.0.")) for problem, path in told(bad(route({"rules": [body]})))]


def test_a_whole_route() -> None:
    intent = good(
        route(
            {
                "parentRefs": [{"name": "edge", "namespace": "infra", "sectionName": "https", "port": 443}],
                "hostnames": ["shop.example.com", "*.example.org", "shop.example.com"],
                "rules": [{"name": "all", "backendRefs": [{"name": "a", "port": 80, "weight": 3}]}],
            }
        ),
        RouteIntent,
    )
    assert intent == RouteIntent(
        key=Key("HTTPRoute", "web", "shop"),
        origin=AT,
        dialect=Dialect.GATEWAY_API,
        protocol=Protocol.HTTP,
        attach=(ParentRef(Key("Gateway", "infra", "edge"), AT.at("spec", "parentRefs", 0), "https", 443),),
        rules=(
            RuleIntent(
                index=0,
                origin=AT.at("spec", "rules", 0),
                matches=(Match(paths=(PathMatch(PathKind.PREFIX, "/"),)),),
                name="all",
                backends=(BackendRef(Key("Service", "web", "a"), 80, AT.at("spec", "rules", 0, "backendRefs", 0), 3),),
            ),
        ),
        hostnames=("shop.example.com", "*.example.org"),
        created="2026-01-01T00:00:00Z",
    )


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha2"])
def test_known_versions(version: str) -> None:
    good(route({}, version), RouteIntent)


def test_an_unknown_version_is_read_with_a_warning() -> None:
    result = lowered(route({}, "v9"))
    assert result.intent is not None
    assert told(result.problems) == [("unknown-version", "apiVersion")]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ({}, PathMatch(PathKind.PREFIX, "/")),
        ({"value": "/a/"}, PathMatch(PathKind.PREFIX, "/a")),
        ({"type": "PathPrefix", "value": "/a"}, PathMatch(PathKind.PREFIX, "/a")),
        ({"type": "PathPrefix", "value": "/"}, PathMatch(PathKind.PREFIX, "/")),
        ({"type": "Exact", "value": "/a/"}, PathMatch(PathKind.EXACT, "/a/")),
        ({"type": "RegularExpression", "value": "/a/[0-9]+"}, PathMatch(PathKind.REGEX, "/a/[0-9]+")),
    ],
)
def test_paths(path: dict[str, str], expected: PathMatch) -> None:
    assert matched({"path": path}) == Match(paths=(expected,))


def test_methods_headers_and_queries() -> None:
    assert matched(
        {
            "method": "POST",
            "headers": [{"name": "X-Env", "value": "a"}, {"name": "Y", "type": "RegularExpression", "value": "b+"}],
            "queryParams": [{"name": "Q", "value": "1"}],
        }
    ) == Match(
        paths=(PathMatch(PathKind.PREFIX, "/"),),
        methods=(MethodMatch("POST"),),
        headers=(ValueMatch("x-env", ValueKind.EXACT, "a"), ValueMatch("y", ValueKind.REGEX, "b+")),
        query=(ValueMatch("Q", ValueKind.EXACT, "1"),),
    )


def test_of_two_matches_on_one_header_the_first_counts() -> None:
    headers = [{"name": "A", "value": "1"}, {"name": "a", "value": "2"}]
    result = lowered(route({"rules": [{"matches": [{"headers": headers}]}]}))
    assert told(result.problems) == [("duplicate-match", "spec.rules.0.matches.0.headers.1")]
    assert isinstance(result.intent, RouteIntent)
    assert result.intent.rules[0].matches[0].headers == (ValueMatch("a", ValueKind.EXACT, "1"),)


@pytest.mark.parametrize(
    "match",
    [
        {"path": {"type": "RegularExpression", "value": "a(?=b)"}},
        {"headers": [{"name": "a", "type": "RegularExpression", "value": "("}]},
        {"queryParams": [{"name": "a", "type": "RegularExpression", "value": "\\1"}]},
    ],
)
def test_a_pattern_that_re2_refuses_makes_the_rule_answer_500(match: dict[str, Any]) -> None:
    result = lowered(route({"rules": [{"matches": [match], "backendRefs": [{"name": "a", "port": 1}]}]}))
    assert [problem.id for problem in result.problems] == ["invalid-regex"]
    assert isinstance(result.intent, RouteIntent)
    (refusal,) = result.intent.rules[0].filters
    assert isinstance(refusal, Refuse)
    assert refusal.status == 500


@pytest.mark.parametrize(
    "value", ["a", "", "/a//b", "/a/./b", "/a/../b", "/a%2fb", "/a%2Fb", "/a#b", "/a/..", "/a/.", "/a b", "/ä", "/${X}"]
)
@pytest.mark.parametrize("kind", ["Exact", "PathPrefix"])
def test_paths_that_the_api_server_refuses(kind: str, value: str) -> None:
    assert faults({"matches": [{"path": {"type": kind, "value": value}}]}) == [
        ("invalid-value", "matches.0.path.value")
    ]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"matches": [{"path": {"type": "Prefix"}}]}, "matches.0.path.type"),
        ({"matches": [{"method": "get"}]}, "matches.0.method"),
        ({"matches": [{"headers": [{"name": "a b", "value": "x"}]}]}, "matches.0.headers.0.name"),
        ({"matches": [{"headers": [{"name": "a", "value": ""}]}]}, "matches.0.headers.0.value"),
        ({"matches": [{}] * 65}, "matches"),
        ({"backendRefs": [{"name": "a"}]}, "backendRefs.0"),
        ({"backendRefs": [{"name": "a", "port": 0}]}, "backendRefs.0.port"),
        ({"backendRefs": [{"name": "a", "port": 1, "weight": -1}]}, "backendRefs.0.weight"),
        ({"timeouts": {"request": "10"}}, "timeouts.request"),
        ({"timeouts": {"request": "1.5s"}}, "timeouts.request"),
        ({"timeouts": {"request": "1s", "backendRequest": "2s"}}, "timeouts.backendRequest"),
        ({"retry": {"codes": [200]}}, "retry.codes.0"),
        ({"retry": {"backoff": "soon"}}, "retry.backoff"),
        ({"sessionPersistence": {"type": "Query"}}, "sessionPersistence.type"),
        ({"sessionPersistence": {"cookieConfig": {"lifetimeType": "Permanent"}}}, "sessionPersistence"),
    ],
)
def test_values_that_the_api_server_refuses(body: dict[str, Any], where: str) -> None:
    assert faults(body) == [("invalid-value", where)]


def test_timeouts_retry_and_persistence() -> None:
    lowered_rule = rule(
        {
            "timeouts": {"request": "1m30s", "backendRequest": "500ms"},
            "retry": {"attempts": 3, "codes": [502, 503], "backoff": "100ms"},
            "sessionPersistence": {
                "sessionName": "s",
                "absoluteTimeout": "1h",
                "cookieConfig": {"lifetimeType": "Permanent"},
            },
        }
    )
    assert (lowered_rule.timeout, lowered_rule.backend_timeout) == (90.0, 0.5)
    assert lowered_rule.retry == Retry(3, (502, 503), 0.1)
    assert lowered_rule.persistence == SessionPersistence("cookie", "s", max_age=3600, http_only=True)


def test_no_timeout_is_not_a_short_one() -> None:
    assert rule({"timeouts": {"request": "0s", "backendRequest": "5s"}}).timeout == 0.0
    assert rule({}).timeout is None


def test_filters_of_one_backend() -> None:
    change = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["X"]}}
    (backend,) = rule({"backendRefs": [{"name": "a", "port": 80, "filters": [change]}]}).backends
    (only,) = backend.filters
    assert isinstance(only, RequestHeaders)
    assert only.edit.remove == ("X",)


def test_backends_of_other_kinds_keep_their_group() -> None:
    reference = {"group": "example.org", "kind": "Backend", "name": "a"}
    (backend,) = rule({"backendRefs": [reference]}).backends
    assert backend.target == Key("Backend.example.org", "web", "a")
    (other,) = rule({"backendRefs": [{"group": "serving.knative.dev", "kind": "Service", "name": "a"}]}).backends
    assert other.target.kind != "Service"


@pytest.mark.parametrize(
    "hostname", ["Shop.example.com", "*", "a.*.com", "shop.example.com:80", "https://x", "10.0.0.1", "a_b.c", ""]
)
def test_hostnames_that_the_api_server_refuses(hostname: str) -> None:
    assert told(bad(route({"hostnames": [hostname]}))) == [("invalid-value", "spec.hostnames.0")]


def test_an_unsubstituted_hostname_is_kept() -> None:
    assert good(route({"hostnames": ["shop.${DOMAIN}"]}), RouteIntent).hostnames == ("shop.${DOMAIN}",)


def test_a_route_without_parents_or_with_a_mesh_parent_is_told() -> None:
    assert told(lowered(route({"parentRefs": []})).problems) == [("no-parent", "spec.parentRefs")]
    mesh = {"group": "", "kind": "Service", "name": "a"}
    result = lowered(route({"parentRefs": [mesh]}))
    assert told(result.problems) == [("unsupported-field", "spec.parentRefs.0.kind")]
    assert isinstance(result.intent, RouteIntent)
    assert result.intent.attach == ()


def test_listener_sets_of_either_group_are_parents() -> None:
    parents = [
        {"kind": "ListenerSet", "name": "a"},
        {"group": "gateway.networking.x-k8s.io", "kind": "XListenerSet", "name": "b"},
    ]
    attach = good(route({"parentRefs": parents}), RouteIntent).attach
    assert isinstance(attach, tuple)
    assert [str(parent.target) for parent in attach] == ["ListenerSet web/a", "ListenerSet web/b"]


def test_rule_names_are_unique() -> None:
    assert told(bad(route({"rules": [{"name": "a"}, {"name": "a"}]}))) == [("invalid-value", "spec.rules.1.name")]


def test_default_gateways_are_told_to_be_unsupported() -> None:
    result = lowered(route({"useDefaultGateways": "All"}))
    assert told(result.problems) == [("unsupported-field", "spec.useDefaultGateways")]
