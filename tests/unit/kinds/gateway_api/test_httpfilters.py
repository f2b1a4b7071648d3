"""Filters of HTTPRoute and GRPCRoute rules: what each becomes, and that none is ever left out in silence."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.filters import (
    Cors,
    Filter,
    FilterRef,
    ForwardAuth,
    HeaderEdit,
    Mirror,
    PathEdit,
    PathEditKind,
    Redirect,
    Refuse,
    RequestHeaders,
    ResponseHeaders,
    Rewrite,
    Variable,
)
from support.lowering import bad, good, lowered, told

PREFIX = {"path": {"type": "PathPrefix", "value": "/a"}}
MIRROR = {"name": "m", "port": 80}


def route(filters: list[Any], kind: str = "HTTPRoute", **rule: Any) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": "r", "namespace": "n"},
            "spec": {"parentRefs": [{"name": "g"}], "rules": [{"filters": filters, **rule}]},
        }
    )


def single(name: str, field: str, body: Any, **rule: Any) -> Filter:
    (only,) = good(route([{"type": name, field: body}], **rule), RouteIntent).rules[0].filters
    return only


def faults(name: str, field: str, body: Any, **rule: Any) -> list[tuple[str, str]]:
    found = told(bad(route([{"type": name, field: body}], **rule)))
    return [(problem, path.removeprefix("spec.rules.0.filters.0.")) for problem, path in found]


def test_header_modifiers() -> None:
    body = {"set": [{"name": "A", "value": "1"}], "add": [{"name": "B", "value": "2"}], "remove": ["C"]}
    edit = HeaderEdit((("A", "1"),), (("B", "2"),), ("C",))
    request = single("RequestHeaderModifier", "requestHeaderModifier", body)
    response = single("ResponseHeaderModifier", "responseHeaderModifier", body)
    assert isinstance(request, RequestHeaders)
    assert isinstance(response, ResponseHeaders)
    assert request.edit == response.edit == edit
    assert request.origin.path == ("spec", "rules", 0, "filters", 0, "requestHeaderModifier")


def test_setting_host_is_a_rewrite() -> None:
    only = single("RequestHeaderModifier", "requestHeaderModifier", {"set": [{"name": "host", "value": "x.y"}]})
    assert isinstance(only, Rewrite)
    assert only.host == "x.y"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"set": [{"name": "a b", "value": "1"}]}, "set.0.name"),
        ({"set": [{"name": "a", "value": "1\r\nX: y"}]}, "set.0.value"),
        ({"set": [{"name": "a", "value": ""}]}, "set.0.value"),
        ({"add": [{"name": "a", "value": "1"}, {"name": "A", "value": "2"}]}, "add.1.name"),
        ({"remove": [":path"]}, "remove.0"),
    ],
)
def test_bad_header_modifiers(body: Any, where: str) -> None:
    field = "requestHeaderModifier"
    assert faults("RequestHeaderModifier", field, body) == [("invalid-value", f"{field}.{where}")]


@pytest.mark.parametrize(
    ("body", "scheme", "host", "port", "status"),
    [
        ({}, None, None, None, 302),
        ({"scheme": "https"}, "https", None, 0, 302),
        ({"scheme": "https", "port": 443}, "https", None, 0, 302),
        ({"scheme": "http", "port": 80}, "http", None, 0, 302),
        ({"scheme": "https", "port": 8443}, "https", None, 8443, 302),
        ({"port": 443, "statusCode": 301}, None, None, 443, 301),
        ({"hostname": "x.y", "statusCode": 308}, None, "x.y", None, 308),
        ({"statusCode": 303}, None, None, None, 303),
        ({"statusCode": 307}, None, None, None, 307),
    ],
)
def test_redirects(body: Any, scheme: str | None, host: str | None, port: int | None, status: int) -> None:
    only = single("RequestRedirect", "requestRedirect", body)
    assert isinstance(only, Redirect)
    assert (only.scheme, only.host, only.port, only.status) == (scheme, host, port, status)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ({"type": "ReplaceFullPath", "replaceFullPath": "/b"}, PathEdit(PathEditKind.REPLACE, "/b")),
        ({"type": "ReplaceFullPath", "replaceFullPath": "b"}, PathEdit(PathEditKind.REPLACE, "/b")),
        ({"type": "ReplacePrefixMatch", "replacePrefixMatch": "/b/"}, PathEdit(PathEditKind.REPLACE_PREFIX, "/b")),
        ({"type": "ReplacePrefixMatch", "replacePrefixMatch": ""}, PathEdit(PathEditKind.REPLACE_PREFIX, "/")),
    ],
)
def test_path_edits(path: Any, expected: PathEdit) -> None:
    rewrite = single("URLRewrite", "urlRewrite", {"path": path, "hostname": "x.y"}, matches=[PREFIX])
    redirect = single("RequestRedirect", "requestRedirect", {"path": path}, matches=[PREFIX])
    assert isinstance(rewrite, Rewrite)
    assert isinstance(redirect, Redirect)
    assert (rewrite.host, rewrite.paths, redirect.path) == ("x.y", (expected,), expected)


@pytest.mark.parametrize(
    "matches",
    [[{"path": {"type": "Exact", "value": "/a"}}], [PREFIX, PREFIX], [{"path": {"type": "RegularExpression"}}]],
)
def test_a_prefix_is_replaced_only_where_one_is_matched(matches: Any) -> None:
    body = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/b"}}
    assert faults("URLRewrite", "urlRewrite", body, matches=matches) == [("invalid-value", "urlRewrite.path.type")]


@pytest.mark.parametrize(
    ("name", "field", "body", "where"),
    [
        ("RequestRedirect", "requestRedirect", {"statusCode": 304}, "requestRedirect.statusCode"),
        ("RequestRedirect", "requestRedirect", {"scheme": "ftp"}, "requestRedirect.scheme"),
        ("RequestRedirect", "requestRedirect", {"hostname": "*.x"}, "requestRedirect.hostname"),
        ("URLRewrite", "urlRewrite", {"path": {"type": "ReplaceFullPath"}}, "urlRewrite.path"),
        (
            "URLRewrite",
            "urlRewrite",
            {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/", "replacePrefixMatch": "/"}},
            "urlRewrite.path.replacePrefixMatch",
        ),
        ("RequestMirror", "requestMirror", {"backendRef": {"name": "m"}}, "requestMirror.backendRef"),
        ("RequestMirror", "requestMirror", {"backendRef": MIRROR, "percent": 101}, "requestMirror.percent"),
        (
            "RequestMirror",
            "requestMirror",
            {"backendRef": MIRROR, "percent": 1, "fraction": {"numerator": 1}},
            "requestMirror",
        ),
        (
            "RequestMirror",
            "requestMirror",
            {"backendRef": MIRROR, "fraction": {"numerator": 5, "denominator": 4}},
            "requestMirror.fraction",
        ),
        ("CORS", "cors", {"allowOrigins": ["*", "https://a.b"]}, "cors.allowOrigins"),
        ("CORS", "cors", {"allowOrigins": ["a.b"]}, "cors.allowOrigins.0"),
        ("CORS", "cors", {"allowMethods": ["GET,POST"]}, "cors.allowMethods.0"),
        ("CORS", "cors", {"allowHeaders": ["a b"]}, "cors.allowHeaders.0"),
        ("CORS", "cors", {"maxAge": 0}, "cors.maxAge"),
    ],
)
def test_bad_filters(name: str, field: str, body: Any, where: str) -> None:
    assert faults(name, field, body) == [("invalid-value", where)]


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        ({}, (100, 100)),
        ({"percent": 0}, (0, 100)),
        ({"percent": 5}, (5, 100)),
        ({"fraction": {"numerator": 1, "denominator": 1000}}, (1, 1000)),
    ],
)
def test_mirrors(share: Any, expected: tuple[int, int]) -> None:
    only = single("RequestMirror", "requestMirror", {"backendRef": MIRROR, **share})
    assert isinstance(only, Mirror)
    assert only.backend.target == Key("Service", "n", "m")
    assert (only.numerator, only.denominator) == expected


def test_cors() -> None:
    only = single(
        "CORS",
        "cors",
        {
            "allowOrigins": ["https://*.example.com", "http://localhost:3000"],
            "allowMethods": ["GET"],
            "allowHeaders": ["X-A"],
            "exposeHeaders": ["*"],
            "allowCredentials": True,
        },
    )
    assert isinstance(only, Cors)
    assert only.allow_origins == ("https://*.example.com", "http://localhost:3000")
    assert (only.allow_methods, only.allow_headers, only.expose_headers) == (("GET",), ("X-A",), ("*",))
    assert (only.allow_credentials, only.max_age) == (True, 5)


def test_a_middleware_is_referred_to() -> None:
    reference = {"group": "traefik.io", "kind": "Middleware", "name": "m"}
    only = single("ExtensionRef", "extensionRef", reference)
    assert isinstance(only, FilterRef)
    assert only.target == Key("Middleware", "n", "m")


def test_a_server_is_asked_who_may_pass() -> None:
    asks = {"path": "/verify/", "allowedHeaders": ["Cookie"], "allowedResponseHeaders": ["X-User"]}
    body = {"protocol": "HTTP", "backendRef": {**MIRROR, "namespace": "auth"}, "http": asks}
    only = single("ExternalAuth", "externalAuth", {**body, "forwardBody": {"maxSize": 100}})
    assert isinstance(only, ForwardAuth)
    assert only.url == ("http://auth/verify", Variable.URI)
    assert only.backend is not None
    assert only.backend.target.namespace == "auth"
    assert (only.method, only.sends_body) == ("", 100)
    assert (only.sends, only.copies) == (("authorization", "cookie"), ("X-User",))


@pytest.mark.parametrize(
    "item",
    [
        {"type": "ExternalAuth", "externalAuth": {"protocol": "GRPC", "backendRef": MIRROR, "grpc": {}}},
        {"type": "ExtensionRef", "extensionRef": {"group": "x.io", "kind": "Auth", "name": "a"}},
        {"type": "OAuth"},
    ],
)
def test_what_cannot_be_built_refuses_the_rule(item: Any) -> None:
    result = lowered(route([item], backendRefs=[{"name": "a", "port": 80}]))
    assert [problem.id for problem in result.problems] == ["unsupported-filter"]
    assert isinstance(result.intent, RouteIntent)
    (only,) = result.intent.rules[0].filters
    assert isinstance(only, Refuse)
    assert only.status == 500


def test_combinations_that_the_api_server_refuses() -> None:
    redirect = {"type": "RequestRedirect", "requestRedirect": {}}
    rewrite = {"type": "URLRewrite", "urlRewrite": {"hostname": "a.b"}}
    assert told(bad(route([redirect, rewrite]))) == [("invalid-value", "spec.rules.0.filters")]
    assert told(bad(route([rewrite, rewrite]))) == [("invalid-value", "spec.rules.0.filters.1")]
    with_backend = route([redirect], backendRefs=[{"name": "a", "port": 80}])
    assert told(bad(with_backend)) == [("invalid-value", "spec.rules.0.backendRefs")]
    assert told(bad(route([{"type": "URLRewrite"}]))) == [("invalid-value", "spec.rules.0.filters.0")]
    stray = {**rewrite, "cors": {}}
    assert told(bad(route([stray]))) == [("invalid-value", "spec.rules.0.filters.0.cors")]


def test_mirrors_may_be_repeated() -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": MIRROR}}
    assert len(good(route([mirror, mirror]), RouteIntent).rules[0].filters) == 2


def test_grpc_knows_fewer_filters() -> None:
    result = lowered(route([{"type": "URLRewrite", "urlRewrite": {"hostname": "a.b"}}], kind="GRPCRoute"))
    assert [problem.id for problem in result.problems] == ["unsupported-filter"]


def test_a_redirect_in_a_backend_is_refused() -> None:
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "a.b"}}
    result = lowered(route([], backendRefs=[{"name": "a", "port": 80, "filters": [redirect]}]))
    assert [problem.id for problem in result.problems] == ["unsupported-filter"]
    assert isinstance(result.intent, RouteIntent)
    assert isinstance(result.intent.rules[0].backends[0].filters[0], Refuse)


def test_a_wrong_status_names_the_right_ones() -> None:
    (problem,) = bad(route([{"type": "RequestRedirect", "requestRedirect": {"statusCode": 300}}]))
    assert problem.message.endswith("statusCode: expected one of 301, 302, 303, 307, 308, got 300")
