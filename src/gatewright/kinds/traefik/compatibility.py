"""What becomes of Traefik's own kinds: middlewares, routes and services, TLS.  For the compatibility page.

Plain data with an example each; what the fields mean is in the modules of the kinds.  A test compares it with their
schemas, so that no field is missing here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gatewright.kinds.features import Compatibility, Feature, Support

_OF = "Traefik 3.7 (traefik.io/v1alpha1, and the old traefik.containo.us)"

Rows = Mapping[str, tuple[Any, str]]
"""Example of the spec and note, by name."""

_IP = {"average": 10, "sourceCriterion": {"ipStrategy": {"depth": 1}}}
_LIST = ["10.0.0.0/8"]
_AUTH = "http://auth.apps:9091/verify"
_PAGES = {"status": ["500-599"], "service": {"name": "pages", "port": 80}, "query": "/{status}.html"}
_HTML = ["text/html"]

MIDDLEWARES: Mapping[Support, Rows] = {
    Support.HONOURED: {
        "addPrefix": ({"prefix": "/a"}, ""),
        "basicAuth": (
            {"secret": "users"},
            "htpasswd lines with hashes of every kind, or a Secret of the type kubernetes.io/basic-auth",
        ),
        "basicAuth.realm": ({"secret": "users", "realm": "Inside"}, ""),
        "basicAuth.removeHeader": ({"secret": "users", "removeHeader": True}, ""),
        "basicAuth.headerField": ({"secret": "users", "headerField": "X-User"}, ""),
        "buffering.maxRequestBodyBytes": ({"maxRequestBodyBytes": 2000}, ""),
        "buffering.retryExpression": (
            {"maxRequestBodyBytes": 2000, "retryExpression": "IsNetworkError() && Attempts() < 2"},
            "IsNetworkError() and ResponseCode() == n, together with Attempts() < n",
        ),
        "chain": ({"middlewares": [{"name": "a"}]}, ""),
        "compress.includedContentTypes": ({"includedContentTypes": _HTML}, ""),
        "compress.encodings": ({"includedContentTypes": _HTML, "encodings": ["br"]}, ""),
        "compress.minResponseBodyBytes": ({"includedContentTypes": _HTML, "minResponseBodyBytes": 10}, ""),
        "errors": (
            _PAGES,
            "also for answers of middlewares before it (never a 401, which asks for credentials), told if it matters; "
            "whoever is answered while still sending gets no page",
        ),
        "errors.statusRewrites": ({**_PAGES, "statusRewrites": {"500": 503}}, ""),
        "forwardAuth": ({"address": _AUTH}, ""),
        "forwardAuth.addAuthCookiesToResponse": ({"address": _AUTH, "addAuthCookiesToResponse": ["s"]}, ""),
        "forwardAuth.authRequestHeaders": ({"address": _AUTH, "authRequestHeaders": ["Cookie"]}, ""),
        "forwardAuth.authResponseHeaders": ({"address": _AUTH, "authResponseHeaders": ["Remote-User"]}, ""),
        "forwardAuth.authResponseHeadersRegex": ({"address": _AUTH, "authResponseHeadersRegex": "^Remote-"}, ""),
        "forwardAuth.authSigninURL": ({"address": _AUTH, "authSigninURL": "https://login.example.com/"}, ""),
        "forwardAuth.maxBodySize": ({"address": _AUTH, "forwardBody": True, "maxBodySize": 2000}, ""),
        "forwardAuth.preserveLocationHeader": ({"address": _AUTH, "preserveLocationHeader": True}, ""),
        "forwardAuth.preserveRequestMethod": ({"address": _AUTH, "preserveRequestMethod": True}, ""),
        "forwardAuth.tls": ({"address": "https://auth.example.com/", "tls": {"caSecret": "ca"}}, ""),
        "headers": ({"customRequestHeaders": {"X-A": "1"}, "stsSeconds": 60, "frameDeny": True}, ""),
        "inFlightReq": ({"amount": 10}, "of hosts that are named, in routes with one service"),
        "inFlightReq.sourceCriterion": ({"amount": 10, "sourceCriterion": {"requestHost": True}}, "requestHost"),
        "ipAllowList": ({"sourceRange": _LIST}, ""),
        "ipAllowList.ipStrategy": (
            {"sourceRange": _LIST, "ipStrategy": {"depth": 1}},
            "depth, where the door believes the proxy before it; excludedIPs and ipv6Subnet are refused: 503",
        ),
        "ipAllowList.rejectStatusCode": ({"sourceRange": _LIST, "rejectStatusCode": 404}, ""),
        "rateLimit": ({"average": 10, "period": "1m", "burst": 5}, ""),
        "rateLimit.sourceCriterion": (_IP, "depth, requestHeaderName and requestHost; ipv6Subnet is refused: 503"),
        "redirectRegex": ({"regex": "^http://a/(.*)", "replacement": "https://b/$1"}, "decided per host"),
        "redirectScheme": ({"scheme": "https"}, ""),
        "replacePath": ({"path": "/a"}, "X-Replaced-Path where it comes before other changes of the path"),
        "retry": ({"attempts": 4}, ""),
        "retry.initialInterval": ({"attempts": 4, "initialInterval": "100ms"}, ""),
        "retry.retryNonIdempotentMethod": (
            {"attempts": 4, "status": ["503"], "retryNonIdempotentMethod": True},
            "",
        ),
        "retry.status": ({"attempts": 4, "status": ["500-599"]}, ""),
        "stripPrefix": ({"prefixes": ["/a"]}, "X-Forwarded-Prefix where the match of the route shows it"),
    },
    Support.DIFFERENT: {
        "buffering": ({}, "without maxRequestBodyBytes requests are passed on as they come"),
        "compress": ({}, "only types that are worth it, unless includedContentTypes lists them"),
        "compress.excludedContentTypes": ({"excludedContentTypes": _HTML}, "of the types that are worth it"),
        "errors.errorRequestHeaders": ({**_PAGES, "errorRequestHeaders": []}, "the service gets all headers"),
        "forwardAuth.forwardBody": ({"address": _AUTH, "forwardBody": True}, "at most 1 MiB without maxBodySize"),
        "forwardAuth.trustForwardHeader": (
            {"address": _AUTH, "trustForwardHeader": True},
            "the server is told of the request as the door knows it",
        ),
        "ipWhiteList": ({"sourceRange": _LIST}, "the old name of ipAllowList"),
        "passTLSClientCert.pem": ({"pem": True}, "the whole PEM, percent-encoded"),
        "rateLimit.sourceCriterion.ipStrategy.excludedIPs": (
            {"average": 10, "sourceCriterion": {"ipStrategy": {"excludedIPs": _LIST}}},
            "the door's trustedIPs say which proxies are passed over",
        ),
        "replacePathRegex": ({"regex": "^/a/(.*)", "replacement": "/b/$1"}, "without X-Replaced-Path"),
        "stripPrefixRegex": ({"regex": ["^/a"]}, "without X-Forwarded-Prefix"),
    },
    Support.REPORTED: {
        "buffering.maxResponseBodyBytes": (
            {"maxRequestBodyBytes": 2000, "maxResponseBodyBytes": 1},
            "answers are passed on whatever their size",
        ),
        "circuitBreaker": (
            {"expression": "NetworkErrorRatio() > 0.3"},
            "Envoy counts failures in a row of each endpoint, not shares of a route: passiveHealthCheck of the service",
        ),
        "compress.defaultEncoding": (
            {"includedContentTypes": _HTML, "defaultEncoding": "gzip"},
            "clients that ask for no encoding get none",
        ),
        "contentType": ({}, "an answer without a Content-Type stays without one"),
        "digestAuth": ({"secret": "users"}, "503; use basicAuth over TLS"),
        "encodedCharacters": ({}, "503"),
        "forwardAuth.maxResponseBodySize": ({"address": _AUTH, "maxResponseBodySize": 10}, "not limited"),
        "grpcWeb": ({"allowOrigins": ["*"]}, "passed on as it is"),
        "headers.accessControlAllowOriginListRegex": (
            {"frameDeny": True, "accessControlAllowOriginListRegex": ["a"]},
            "these origins are not allowed; list them",
        ),
        "headers.allowedHosts": ({"allowedHosts": ["a.test"]}, "503; match the hosts in the routes"),
        "inFlightReq.sourceCriterion.ipStrategy": (
            {"amount": 10, "sourceCriterion": {"ipStrategy": {"depth": 1}}},
            "not limited for each client; use rateLimit",
        ),
        "inFlightReq.sourceCriterion.requestHeaderName": (
            {"amount": 10, "sourceCriterion": {"requestHeaderName": "X-Key"}},
            "not limited for each value; use rateLimit",
        ),
        "passTLSClientCert.info": ({"info": {}}, "503; use pem"),
        "plugin": ({"waf": {}}, "503; use forwardAuth to a service that decides"),
        "rateLimit.redis": ({"average": 10, "redis": {}}, "each gateway counts for itself"),
        "retry.disableRetryOnNetworkError": (
            {"attempts": 4, "disableRetryOnNetworkError": True},
            "a failure to connect is tried again",
        ),
        "retry.maxRequestBodyBytes": ({"attempts": 4, "maxRequestBodyBytes": 10}, "whatever the size"),
        "retry.timeout": ({"attempts": 4, "timeout": "10s"}, "tries end with their number"),
        "tap": ({}, "copies are not sent; use mirroring for requests"),
    },
    Support.ADVISORY: {
        "buffering.memRequestBodyBytes": ({"maxRequestBodyBytes": 1, "memRequestBodyBytes": 1}, ""),
        "buffering.memResponseBodyBytes": ({"maxRequestBodyBytes": 1, "memResponseBodyBytes": 1}, ""),
        "forwardAuth.headerField": ({"address": _AUTH, "headerField": "X-User"}, ""),
    },
}

_TCP: Mapping[Support, Rows] = {
    Support.HONOURED: {"ipAllowList": ({"sourceRange": _LIST}, "")},
    Support.DIFFERENT: {"ipWhiteList": ({"sourceRange": _LIST}, "the old name of ipAllowList")},
    Support.REPORTED: {"inFlightConn": ({"amount": 10}, "connections are refused")},
}

_SERVICES: Mapping[Support, Rows] = {
    Support.HONOURED: {
        "healthCheck": ({"path": "/up", "interval": "10s"}, "of any Service, not of ExternalNames alone"),
        "kind": ("TraefikService", ""),
        "middlewares": ([{"name": "headers"}], "those that edit headers; others are refused"),
        "namespace": ("other", ""),
        "nativeLB": (True, ""),
        "passHostHeader": (False, ""),
        "passiveHealthCheck": ({"maxFailedAttempts": 3, "failureWindow": "10s"}, "failures in a row"),
        "port": ("http", ""),
        "scheme": ("h2c", ""),
        "serversTransport": ("tls", ""),
        "sticky": ({"cookie": {"name": "s", "secure": True, "domain": "a.test"}}, "where a route has one service"),
        "weight": (2, ""),
    },
    Support.DIFFERENT: {
        "strategy: leasttime": ("leasttime", "the endpoint with the fewest requests under way"),
    },
    Support.REPORTED: {
        "healthCheck.followRedirects": ({"followRedirects": True}, "a redirect is an answer like any other"),
        "healthCheck.headers": ({"headers": {"A": "b"}}, "without further headers"),
        "healthCheck.method": ({"method": "HEAD"}, "GET"),
        "healthCheck.mode: grpc": ({"mode": "grpc"}, "whether a connection is taken"),
        "healthCheck.scheme": ({"scheme": "https"}, "as requests go"),
        "healthCheck.unhealthyInterval": ({"unhealthyInterval": "5s"}, "one interval, well or not"),
        "nodePortLB": (True, "endpoints are reached directly"),
    },
    Support.ADVISORY: {"responseForwarding": ({"flushInterval": "1ms"}, "")},
}


def _document(kind: str, spec: Any) -> str:
    data = {
        "apiVersion": "traefik.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": "example", "namespace": "apps"},
        "spec": spec,
    }
    return json.dumps(data)


def _middleware(kind: str, name: str, spec: Any) -> str:
    return _document(kind, {name.partition(".")[0]: spec})


def _service(name: str, value: Any) -> str:
    field = name.partition(".")[0].partition(":")[0]
    service = {"name": "app", "port": 80, field: value}
    return _document("IngressRoute", {"routes": [{"match": "Host(`a.test`)", "services": [service]}]})


MIDDLEWARE = Compatibility(
    title="Traefik: middlewares",
    of=_OF,
    shape="document",
    features=tuple(
        Feature(name, support, note, _middleware("Middleware", name, spec))
        for support, rows in MIDDLEWARES.items()
        for name, (spec, note) in rows.items()
    ),
    intro="A middleware that Traefik would not build makes its routes answer 404, as there.",
)
MIDDLEWARE_TCP = Compatibility(
    title="Traefik: middlewares for TCP",
    of=_OF,
    shape="document",
    features=tuple(
        Feature(name, support, note, _middleware("MiddlewareTCP", name, spec))
        for support, rows in _TCP.items()
        for name, (spec, note) in rows.items()
    ),
)
SERVICES = Compatibility(
    title="Traefik: services of an IngressRoute",
    of=_OF,
    shape="document",
    features=(
        *(
            Feature(name, support, note, _service(name, value))
            for support, rows in _SERVICES.items()
            for name, (value, note) in rows.items()
        ),
        *(Feature(f"strategy: {s}", Support.HONOURED, "", _service("strategy", s)) for s in ("wrr", "p2c", "hrw")),
    ),
)
