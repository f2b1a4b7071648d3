"""Middleware and MiddlewareTCP: what each type means, and that what protects is never left out."""

from __future__ import annotations

from typing import Any

import pytest
import re2

from gatewright import kinds
from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.filters import (
    AllowSources,
    BasicAuth,
    Cors,
    Filter,
    FilterRef,
    HeaderEdit,
    PathEdit,
    PathEditKind,
    Redirect,
    Refuse,
    RegexRedirect,
    RequestHeaders,
    ResponseHeaders,
    Rewrite,
)
from gatewright.kinds.intents.material import MiddlewareIntent

API = "traefik.io/v1alpha1"


def lowered(spec: Any, kind: str = "Middleware") -> Lowered:
    data = {"apiVersion": API, "kind": kind, "metadata": {"name": "m"}, "spec": spec}
    result = kinds.lower(Document(Origin("a.yaml", "0"), API, kind, "apps", "m", data))
    assert result is not None
    return result


def filters(spec: Any, kind: str = "Middleware") -> tuple[Filter, ...]:
    result = lowered(spec, kind)
    assert isinstance(result.intent, MiddlewareIntent), result.problems
    return result.intent.filters


def errors(result: Lowered) -> list[str]:
    return [problem.id for problem in result.problems if problem.severity is Severity.ERROR]


def at(name: str) -> Origin:
    return Origin("a.yaml", "0", ("spec", name))


# --- redirects ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "port", "statuses"),
    [
        ({"scheme": "https"}, 0, (302, 307)),
        ({"scheme": "https", "permanent": True}, 0, (301, 308)),
        ({"scheme": "https", "port": "443"}, 0, (302, 307)),
        ({"scheme": "https", "port": "8443"}, 8443, (302, 307)),
        ({"scheme": "http", "port": 443}, 443, (302, 307)),
    ],
)
def test_redirect_scheme(config: dict[str, Any], port: int, statuses: tuple[int, int]) -> None:
    (redirect,) = filters({"redirectScheme": config})
    assert isinstance(redirect, Redirect)
    assert (redirect.scheme, redirect.port) == (config["scheme"], port)
    assert (redirect.status, redirect.status_other) == statuses
    assert redirect.only_if_scheme_differs


def test_redirect_regex() -> None:
    config = {"regex": "^https?://(.+)\\.old\\.com/(.*)", "replacement": "https://${1}.new.com/$2"}
    assert filters({"redirectRegex": config}) == (
        RegexRedirect(at("redirectRegex"), config["regex"], "https://\\1.new.com/\\2", 302, 307),
    )
    (permanent,) = filters({"redirectRegex": {**config, "permanent": True}})
    assert isinstance(permanent, RegexRedirect)
    assert (permanent.status, permanent.status_other) == (301, 308)


# --- paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "edit"),
    [
        ({"addPrefix": {"prefix": "/a"}}, PathEdit(PathEditKind.ADD_PREFIX, "/a")),
        ({"addPrefix": {"prefix": "a"}}, PathEdit(PathEditKind.ADD_PREFIX, "/a")),
        ({"stripPrefix": {"prefixes": ["/a", "/b"]}}, PathEdit(PathEditKind.STRIP_PREFIX, prefixes=("/a", "/b"))),
        ({"replacePath": {"path": "/x"}}, PathEdit(PathEditKind.REPLACE, "/x", tells="X-Replaced-Path")),
        (
            {"replacePathRegex": {"regex": "^/a/(.*)", "replacement": "/b/$1"}},
            PathEdit(PathEditKind.REGEX, "/b/\\1", pattern="^/a/(.*)"),
        ),
    ],
)
def test_path_edits(spec: dict[str, Any], edit: PathEdit) -> None:
    (name,) = spec
    assert filters(spec) == (Rewrite(at(name), paths=(edit,)),)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/users", "/users"),
        ("/api/v1", "/"),
        ("/old/x", "/x"),
        ("/oldest", "/est"),
        ("/a/api/v1/x", "/a/api/v1/x"),
        ("/api/v1//x", "//x"),
    ],
)
def test_strip_prefix_regex(path: str, expected: str) -> None:
    (rewrite,) = filters({"stripPrefixRegex": {"regex": ["/api/v(\\d+)", "/old"]}})
    assert isinstance(rewrite, Rewrite)
    (edit,) = rewrite.paths
    assert edit.kind is PathEditKind.REGEX
    assert re2.sub(edit.pattern, edit.value, path) == expected


def test_headers_that_the_backend_does_not_get_are_mentioned() -> None:
    (problem,) = lowered({"replacePathRegex": {"regex": "^/a", "replacement": "/b"}}).problems
    assert (problem.severity, "X-Replaced-Path" in problem.message) == (Severity.INFO, True)
    for known in ({"stripPrefix": {"prefixes": ["/a"]}}, {"replacePath": {"path": "/a"}}):
        assert not lowered(known).problems  # the graph knows whether it is sent


# --- headers --------------------------------------------------------------------------------------


def test_custom_headers() -> None:
    spec = {
        "customRequestHeaders": {"X-A": "1", "X-Gone": "", "Host": "inside"},
        "customResponseHeaders": {"Server": "", "X-B": "2"},
    }
    origin = at("headers")
    assert filters({"headers": spec}) == (
        Rewrite(origin, host="inside"),
        RequestHeaders(HeaderEdit(set=(("X-A", "1"),), remove=("X-Gone",)), origin),
        ResponseHeaders(HeaderEdit(set=(("X-B", "2"),), remove=("Server",)), origin),
    )


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"stsSeconds": 60}, ("Strict-Transport-Security", "max-age=60")),
        (
            {"stsSeconds": 60, "stsIncludeSubdomains": True, "stsPreload": True, "forceSTSHeader": True},
            ("Strict-Transport-Security", "max-age=60; includeSubDomains; preload"),
        ),
        ({"frameDeny": True}, ("X-Frame-Options", "DENY")),
        ({"frameDeny": True, "customFrameOptionsValue": "SAMEORIGIN"}, ("X-Frame-Options", "SAMEORIGIN")),
        ({"frameDeny": True, "customResponseHeaders": {"x-frame-options": "X"}}, ("x-frame-options", "X")),
        ({"contentTypeNosniff": True}, ("X-Content-Type-Options", "nosniff")),
        ({"browserXssFilter": True}, ("X-XSS-Protection", "1; mode=block")),
        ({"customBrowserXSSValue": "0"}, ("X-XSS-Protection", "0")),
        ({"contentSecurityPolicy": "default-src"}, ("Content-Security-Policy", "default-src")),
        ({"contentSecurityPolicyReportOnly": "x"}, ("Content-Security-Policy-Report-Only", "x")),
        ({"referrerPolicy": "no-referrer"}, ("Referrer-Policy", "no-referrer")),
        ({"permissionsPolicy": "camera=()"}, ("Permissions-Policy", "camera=()")),
        ({"publicKey": "k"}, ("Public-Key-Pins", "k")),
    ],
)
def test_security_headers(spec: dict[str, Any], expected: tuple[str, str]) -> None:
    result = lowered({"headers": spec})
    assert result.problems == ()
    assert filters({"headers": spec}) == (ResponseHeaders(HeaderEdit(set=(expected,)), at("headers")),)


def test_development_switches_off_what_needs_the_real_host() -> None:
    spec = {"isDevelopment": True, "stsSeconds": 1, "allowedHosts": ["a"]}
    assert filters({"headers": spec}) == ()


def test_cors() -> None:
    spec = {
        "accessControlAllowOriginList": ["https://a.com", "https://*.b.com"],
        "accessControlAllowMethods": ["GET"],
        "accessControlAllowHeaders": ["X-A"],
        "accessControlExposeHeaders": ["X-B"],
        "accessControlAllowCredentials": True,
        "accessControlMaxAge": 100,
        "addVaryHeader": True,
    }
    result = lowered({"headers": spec})
    assert isinstance(result.intent, MiddlewareIntent)
    cors, vary = result.intent.filters
    assert cors == Cors(at("headers"), ("https://a.com",), ("GET",), ("X-A",), ("X-B",), True, 100)
    assert vary == ResponseHeaders(HeaderEdit(add=(("Vary", "Origin"),)), at("headers"))
    (problem,) = result.problems
    assert "accessControlAllowOriginList[1]" in problem.message


@pytest.mark.parametrize("name", ["sslRedirect", "sslHost", "featurePolicy", "accessControlAllowOriginListRegex"])
def test_header_fields_without_effect_are_reported(name: str) -> None:
    result = lowered({"headers": {name: "x", "frameDeny": True}})
    (problem,) = result.problems
    assert problem.message.startswith(f"spec.headers.{name}")
    assert isinstance(result.intent, MiddlewareIntent)


def test_hosts_that_cannot_be_checked_are_a_protection() -> None:
    assert [problem.id for problem in lowered({"headers": {"allowedHosts": ["a.com"]}}).problems] == [
        "protection-unbuildable"
    ]


@pytest.mark.parametrize(
    "spec",
    [
        {"allowedHosts": ["a.com"]},
        {"customRequestHeaders": {"X A": "1"}},
        {"customResponseHeaders": {"X-A": "1\r\nX-B: 2"}},
    ],
)
def test_headers_that_cannot_be_kept_refuse(spec: dict[str, Any]) -> None:
    result = lowered({"headers": spec})
    assert errors(result)
    assert [type(item) for item in filters({"headers": spec})] == [Refuse]


# --- protection -----------------------------------------------------------------------------------


def test_basic_auth() -> None:
    spec = {"secret": "users", "removeHeader": True, "headerField": "X-User"}
    assert filters({"basicAuth": spec}) == (
        BasicAuth(at("basicAuth"), Key("Secret", "apps", "users"), None, "traefik", True, "X-User"),
    )


@pytest.mark.parametrize("name", ["ipAllowList", "ipWhiteList"])
def test_ip_allow_list(name: str) -> None:
    """With ipAllowList.ipStrategy, by depth."""
    spec = {"sourceRange": ["10.0.0.1/8", "::1"], "ipStrategy": {"depth": 2}, "rejectStatusCode": 404}
    assert filters({name: spec}) == (AllowSources(at(name), ("10.0.0.0/8", "::1/128"), 2, 404),)
    assert filters({name: {"sourceRange": ["10.0.0.1"]}}) == (AllowSources(at(name), ("10.0.0.1/32",)),)


def test_ip_allow_list_tcp() -> None:
    spec = {"ipAllowList": {"sourceRange": ["10.0.0.0/8"]}}
    assert filters(spec, "MiddlewareTCP") == (AllowSources(at("ipAllowList"), ("10.0.0.0/8",)),)


def test_chain() -> None:
    spec = {"chain": {"middlewares": [{"name": "a"}, {"name": "b", "namespace": "infra"}]}}
    found = [item.target for item in filters(spec) if isinstance(item, FilterRef)]
    assert found == [Key("Middleware", "apps", "a"), Key("Middleware", "infra", "b")]


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        ({}, 404),
        ({"compress": None}, 404),
        ({"basicAuth": {"secret": "a"}, "compress": {}}, 404),
        ({"basicAuth": {}}, 404),
        ({"ipAllowList": {}}, 404),
        ({"ipAllowList": {"sourceRange": ["office"]}}, 404),
        ({"ipAllowList": {"sourceRange": ["::1"], "ipStrategy": {"excludedIPs": ["::2"]}}}, 503),
        ({"ipAllowList": {"sourceRange": ["::1"], "ipStrategy": {"ipv6Subnet": 64}}}, 503),
        ({"redirectScheme": {}}, 404),
        ({"redirectScheme": {"scheme": "https", "port": "web"}}, 404),
        ({"redirectScheme": {"scheme": "ftp"}}, 503),
        ({"redirectRegex": {"regex": "(?=a)", "replacement": "b"}}, 404),
        ({"replacePathRegex": {"regex": "(", "replacement": "b"}}, 404),
        ({"stripPrefixRegex": {"regex": ["("]}}, 404),
        ({"addPrefix": {}}, 404),
        ({"chain": {"middlewares": [{"name": "a"}, {"name": "b@file"}]}}, 404),
        ({"digestAuth": {"secret": "a"}}, 503),
        ({"encodedCharacters": {}}, 503),
        ({"plugin": {"waf": {}}}, 503),
    ],
)
def test_what_cannot_be_built_refuses_and_says_so(spec: dict[str, Any], status: int) -> None:
    result = lowered(spec)
    assert errors(result)
    (refuse,) = filters(spec)
    assert isinstance(refuse, Refuse)
    assert refuse.status == status


def test_a_connection_limit_refuses() -> None:
    (refuse,) = filters({"inFlightConn": {"amount": 1}}, "MiddlewareTCP")
    assert isinstance(refuse, Refuse)


def test_a_misspelt_type_leaves_no_middleware_so_that_references_to_it_refuse() -> None:
    assert lowered({"ipAllowlist": {"sourceRange": ["10.0.0.0/8"]}}).intent is None
