"""ALB's annotations: listeners, groups, attributes, and rules that JSON changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gatewright.base.origin import Origin
from gatewright.kinds.annotations.alb import ingress as alb
from gatewright.kinds.annotations.alb import rules as alb_rules
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import Jwt, Redirect, Refuse, Respond, Rewrite
from gatewright.kinds.intents.options import Options
from gatewright.kinds.intents.routing import (
    BackendRef,
    HostKind,
    HostMatch,
    Match,
    PathKind,
    PathMatch,
    RuleIntent,
)

WHERE = Origin("a.yaml")


def noted(values: dict[str, Any]) -> Notes:
    texts = {alb.READER.prefix + k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
    return Notes(texts, Key("Ingress", "apps", "app"), WHERE.at("metadata", "annotations"), alb.READER.prefix)


def read(values: dict[str, Any]) -> tuple[Options, list[str]]:
    notes = noted(values)
    return alb.READER.read(notes), sorted(problem.id for problem in notes.problems)


def changed(values: dict[str, Any], *, port: int | str = 80) -> tuple[RuleIntent, list[str]]:
    ref = BackendRef(Key("Service", "apps", "x"), port, WHERE)
    match = Match(hosts=(HostMatch(HostKind.EXACT, "a.test"),), paths=(PathMatch(PathKind.PREFIX, "/"),))
    notes = noted(values)
    (rule,) = alb_rules.rules(notes, (RuleIntent(0, WHERE, (match,), backends=(ref,)),))
    return rule, [problem.id for problem in notes.problems]


@pytest.mark.parametrize(
    ("values", "expected", "told"),
    [
        ({"listen-ports": [{"HTTP": 80}, {"HTTPS": 8443}]}, ((80, "HTTP"), (8443, "HTTPS")), []),
        ({"certificate-arn": "arn:1"}, ((443, "HTTPS"),), []),
        ({"scheme": "internal"}, (), []),
        ({"listen-ports": "[{HTTP: 80}]"}, (), ["annotation-value"]),
        ({"listen-ports": [{"TCP": 80}], "certificate-arn": "arn:1"}, ((443, "HTTPS"),), ["annotation-value"]),
        ({"listen-ports": [{"HTTP": 80}, {"HTTPS": 80}]}, (), ["annotation-value"]),
        ({"listen-ports": [{"HTTP": 70000}]}, (), ["annotation-value"]),
    ],
    ids=str,
)
def test_listeners(values: dict[str, Any], expected: tuple[tuple[int, str], ...], told: list[str]) -> None:
    options, problems = read(values)
    assert (options.listen, problems) == (expected, told)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"inbound-cidrs": "everybody"}, "protection-unbuildable"),
        ({"inbound-cidrs": ","}, "protection-unbuildable"),
        ({"auth-type": "oidc"}, "protection-unbuildable"),
        ({"auth-type": "unknown"}, "protection-unbuildable"),
        ({"wafv2-acl-arn": "arn:aws:wafv2:1"}, "protection-unbuildable"),
        ({"shield-advanced-protection": "true"}, "protection-unbuildable"),
        ({"mutual-authentication": [{"port": 443, "mode": "passthrough"}]}, "protection-unbuildable"),
        ({"mutual-authentication": "verify"}, "protection-unbuildable"),
        ({"jwt-validation": {"issuer": "https://a.test"}}, "protection-unbuildable"),
        ({"jwt-validation": "{"}, "protection-unbuildable"),
        ({"auth-typ": "oidc"}, "annotation-unknown"),
    ],
    ids=str,
)
def test_what_protects_and_cannot_be_built_refuses(values: dict[str, Any], told: str) -> None:
    options, problems = read(values)
    assert options.unbuildable
    assert problems == [told]


@pytest.mark.parametrize(
    "values",
    [
        {"auth-type": "none", "auth-scope": "openid"},
        {"wafv2-acl-arn": "none"},
        {"shield-advanced-protection": "false"},
        {"mutual-authentication": [{"port": 443, "mode": "off"}]},
    ],
    ids=str,
)
def test_what_is_switched_off_refuses_nothing(values: dict[str, Any]) -> None:
    assert read(values) == (Options(), [])


def test_a_token_is_asked_for() -> None:
    (found,) = read({"jwt-validation": {"jwksEndpoint": "https://a.test/k", "issuer": "https://a.test"}})[0].filters
    assert isinstance(found, Jwt)
    assert (found.providers[0].issuer, found.providers[0].jwks_url) == ("https://a.test", "https://a.test/k")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"load-balancer-attributes": "idle_timeout.timeout_second=5"}, "annotation-value"),
        ({"load-balancer-attributes": "idle_timeout.timeout_seconds=5s"}, "annotation-value"),
        ({"load-balancer-attributes": "routing.http2.enabled=false"}, "unsupported-annotation"),
        ({"target-group-attributes": "stickiness.enabled=true,stickiness.type=app_cookie"}, "unsupported-annotation"),
        ({"target-group-attributes": "load_balancing.algorithm.type=best"}, "annotation-value"),
        ({"success-codes": "2xx"}, "annotation-value"),
        ({"healthcheck-interval-seconds": "10s"}, "annotation-value"),
        ({"group.order": "3"}, "annotation-value"),
        ({"ssl-redirect": "443", "listen-ports": [{"HTTP": 80}]}, "annotation-contradiction"),
        ({"inbound-cidrs": "10.0.0.0/8", "security-groups": "sg-1"}, "annotation-contradiction"),
    ],
    ids=str,
)
def test_mistakes_are_told(values: dict[str, Any], told: str) -> None:
    options, problems = read(values)
    assert (options.unbuildable, problems) == ("", [told])


def test_checks_need_not_keep_anybody_out() -> None:
    upstream = read({"healthcheck-path": "/ok", "success-codes": "200,204-206"})[0].upstream
    assert upstream is not None
    assert upstream.health is not None
    assert (upstream.health.statuses, upstream.health.panic) == (((200, 200), (204, 206)), 1)


def test_targets_that_speak_grpc_are_asked_at_a_path_of_their_own() -> None:
    notes = {"backend-protocol-version": "GRPC", "healthcheck-interval-seconds": "20", "success-codes": "12"}
    options, problems = read(notes)
    assert options.upstream is not None
    assert options.upstream.health is not None
    assert (options.upstream.health.path, options.upstream.health.statuses) == ("/AWS.ALB/healthcheck", ((200, 200),))
    assert (options.scheme, problems) == ("grpc", ["annotation-differs"])


# --- rules --------------------------------------------------------------------------------------

FIXED = {"type": "fixed-response", "fixedResponseConfig": {"statusCode": "418", "messageBody": "tea"}}
MOVED = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}


def test_a_fixed_response() -> None:
    rule, problems = changed({"actions.x": FIXED}, port="use-annotation")
    (answer,) = rule.filters
    assert isinstance(answer, Respond)
    assert (answer.status, answer.body, rule.backends, problems) == (418, b"tea", (), [])


def test_a_redirect_with_keys_in_any_case() -> None:
    rule, problems = changed({"actions.x": MOVED}, port="use-annotation")
    (redirect,) = rule.filters
    assert isinstance(redirect, Redirect)
    assert (redirect.scheme, redirect.port, redirect.status, redirect.only_if_scheme_differs) == ("https", 0, 301, True)
    assert problems == []


@pytest.mark.parametrize(
    "action",
    [
        "{",
        [],
        {"type": "dance"},
        {"type": "redirect", "redirectConfig": {"statusCode": "301"}},
        {"type": "fixed-response"},
        {"type": "forward"},
    ],
    ids=str,
)
def test_an_action_that_cannot_be_read_refuses(action: Any) -> None:
    rule, problems = changed({"actions.x": action}, port="use-annotation")
    assert isinstance(rule.filters[0], Refuse)
    assert (rule.backends, problems) == ((), ["protection-unbuildable"])


def test_an_action_that_nobody_uses_or_that_is_missing_is_told() -> None:
    assert changed({"actions.x": FIXED})[1] == ["annotation-value"]
    assert changed({"actions.y": FIXED})[1] == ["annotation-value"]
    rule, problems = changed({}, port="use-annotation")
    assert isinstance(rule.filters[0], Refuse)
    assert problems == ["annotation-value"]


def condition(field: str, config: str, **values: Any) -> dict[str, Any]:
    return {"conditions.x": [{"field": field, config: values}]}


@pytest.mark.parametrize(
    "values",
    [
        {"conditions.x": "["},
        {"conditions.x": [{"field": "moon", "moonConfig": {"values": ["full"]}}]},
        condition("http-header", "httpHeaderConfig", values=["a"]),
        condition("query-string", "queryStringConfig", values=[{"value": "a"}]),
        condition("source-ip", "sourceIpConfig", values=["here"]),
        condition("path-pattern", "pathPatternConfig", regexValues=["(?=a)"]),
        condition("http-request-method", "httpRequestMethodConfig", values=[]),
        condition("http-request-method", "httpRequestMethodConfig", values=[str(n) for n in range(99)]),
    ],
    ids=str,
)
def test_conditions_that_cannot_be_read_refuse(values: dict[str, Any]) -> None:
    rule, problems = changed(values)
    assert isinstance(rule.filters[0], Refuse)
    assert problems == ["protection-unbuildable"]


def test_values_are_alternatives() -> None:
    rule, _ = changed(condition("http-request-method", "httpRequestMethodConfig", values=["GET", "head"]))
    assert [match.methods[0].method for match in rule.matches] == ["GET", "HEAD"]
    rule, _ = changed(condition("host-header", "hostHeaderConfig", values=["b.test", "*.c.test"]))
    assert [match.hosts[0].value for match in rule.matches] == ["a.test", "b.test", r".*\.c\.test"]


def test_a_transform() -> None:
    rewrite = {"type": "url-rewrite", "urlRewriteConfig": {"rewrites": [{"regex": "^/api/(.+)$", "replace": "/$1"}]}}
    rule, problems = changed({"transforms.x": [rewrite]})
    (made,) = rule.filters
    assert isinstance(made, Rewrite)
    assert (made.paths[0].pattern, made.paths[0].value, problems) == ("^/api/(.+)$", r"/\1", [])


@pytest.mark.parametrize(
    ("value", "regex", "kind", "pattern"),
    [
        ("/*", False, PathKind.PREFIX, "/"),
        ("/a", False, PathKind.EXACT, "/a"),
        ("/a?/*", False, PathKind.REGEX, "/a./.*"),
        ("/^/api/.+$", True, PathKind.REGEX, ".*(?:^/api/.+$).*"),
    ],
)
def test_paths(value: str, regex: bool, kind: PathKind, pattern: str) -> None:
    found = alb_rules.implementation_specific(value, regex=regex)
    assert (found.kind, found.value) == (kind, pattern)
