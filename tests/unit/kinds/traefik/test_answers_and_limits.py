"""Middlewares about who may pass, how much, and what comes back: their fields, their defaults, and their mistakes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct, structs

from gatewright import kinds
from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.kinds.features import Compatibility
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.filters import (
    BodyLimit,
    ClientCertificateHeaders,
    Compress,
    ErrorPages,
    Filter,
    ForwardAuth,
    HeaderEdit,
    InFlight,
    LimitBy,
    RateLimit,
    Refuse,
    RequestHeaders,
    Retries,
    Variable,
)
from gatewright.kinds.intents.material import MiddlewareIntent
from gatewright.kinds.intents.routing import BackendRef, Retry, UpstreamTls
from gatewright.kinds.traefik import compatibility, middleware
from support.lowering import document, told


def lowered(spec: Any) -> Lowered:
    data = {"apiVersion": "traefik.io/v1alpha1", "kind": "Middleware", "metadata": {"name": "m", "namespace": "apps"}}
    result = kinds.lower(document({**data, "spec": spec}))
    assert result is not None
    return result


def filters(spec: Any) -> tuple[Filter, ...]:
    result = lowered(spec)
    assert isinstance(result.intent, MiddlewareIntent), result.problems
    return result.intent.filters


def at(*path: str) -> Origin:
    return Origin("manifest.yaml", "1", ("spec", *path))


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"average": 100}, RateLimit(at("rateLimit"), 100)),
        ({"average": 0, "burst": 5}, None),
        ({}, None),
        ({"average": 6, "period": "1m", "burst": 3}, RateLimit(at("rateLimit"), 6, 60.0, 3)),
        ({"average": 6, "period": 10, "burst": 0}, RateLimit(at("rateLimit"), 6, 10.0, 1)),
        (
            {"average": 1, "sourceCriterion": {"requestHeaderName": "X-Key"}},
            RateLimit(at("rateLimit"), 1, by=LimitBy.HEADER, header="X-Key"),
        ),
        ({"average": 1, "sourceCriterion": {"requestHost": True}}, RateLimit(at("rateLimit"), 1, by=LimitBy.HOST)),
        (
            {"average": 1, "sourceCriterion": {"ipStrategy": {"depth": 2}}},
            RateLimit(at("rateLimit"), 1, by=LimitBy.CLIENT, depth=2),
        ),
    ],
)
def test_rate_limit(spec: dict[str, Any], expected: RateLimit | None) -> None:
    result = lowered({"rateLimit": spec})
    assert result.problems == ()
    assert filters({"rateLimit": spec}) == ((expected,) if expected else ())


@pytest.mark.parametrize("criterion", [{}, {"sourceCriterion": {"requestHost": True}}])
def test_requests_in_flight(criterion: dict[str, Any]) -> None:
    spec = {"inFlightReq": {"amount": 10, **criterion}}
    assert lowered(spec).problems == ()
    assert filters(spec) == (InFlight(at("inFlightReq"), 10, LimitBy.HOST),)


@pytest.mark.parametrize("criterion", [{"requestHeaderName": "X-Key"}, {"ipStrategy": {}}])
def test_requests_in_flight_of_each_client_are_not_limited(criterion: dict[str, Any]) -> None:
    spec = {"inFlightReq": {"amount": 1, "sourceCriterion": criterion}}
    assert filters(spec) == ()
    assert told(lowered(spec).problems) == [("unsupported-field", "spec.inFlightReq.sourceCriterion")]


def test_no_amount_lets_nothing_through() -> None:
    (refuse,) = filters({"inFlightReq": {}})
    assert isinstance(refuse, Refuse)
    assert refuse.status == 429


@pytest.mark.parametrize(
    ("criterion", "status"),
    [
        ({"requestHost": True, "requestHeaderName": "X-Key"}, 404),
        ({"ipStrategy": {"depth": 1}, "requestHost": True}, 404),
        ({"requestHeaderName": "X Key"}, 503),
        ({"ipStrategy": {"ipv6Subnet": 64}}, 503),
    ],
)
@pytest.mark.parametrize("name", ["rateLimit", "inFlightReq"])
def test_who_cannot_be_told_apart_is_refused(name: str, criterion: dict[str, Any], status: int) -> None:
    spec = {name: {("average" if name == "rateLimit" else "amount"): 5, "sourceCriterion": criterion}}
    assert [problem.id for problem in lowered(spec).problems] == ["invalid-middleware"]
    (refuse,) = filters(spec)
    assert isinstance(refuse, Refuse)
    assert refuse.status == status


def test_passed_over_proxies_are_the_door_s_business() -> None:
    spec = {"rateLimit": {"average": 5, "sourceCriterion": {"ipStrategy": {"excludedIPs": ["10.0.0.0/8"]}}}}
    (problem,) = lowered(spec).problems
    assert problem.severity is Severity.INFO
    assert filters(spec) == (RateLimit(at("rateLimit"), 5),)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"maxRequestBodyBytes": 2000}, [BodyLimit(at("buffering"), 2000, buffered=True)]),
        (
            {
                "maxRequestBodyBytes": 1,
                "memRequestBodyBytes": 5,
                "retryExpression": "IsNetworkError() && Attempts() < 2",
            },
            [
                BodyLimit(at("buffering"), 1, buffered=True),
                Retries(at("buffering"), Retry(1, (502, 504), resets=True)),
            ],
        ),
        (
            {
                "maxRequestBodyBytes": 1,
                "retryExpression": "(IsNetworkError() || ResponseCode() == 503) && Attempts() <= 2",
            },
            [
                BodyLimit(at("buffering"), 1, buffered=True),
                Retries(at("buffering"), Retry(2, (502, 503, 504), resets=True)),
            ],
        ),
    ],
)
def test_buffering(spec: dict[str, Any], expected: list[Filter]) -> None:
    assert lowered({"buffering": spec}).problems == ()
    assert list(filters({"buffering": spec})) == expected


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "spec.buffering"),
        ({"maxRequestBodyBytes": 1, "maxResponseBodyBytes": 1}, "spec.buffering.maxResponseBodyBytes"),
        (
            {"maxRequestBodyBytes": 1, "retryExpression": "LatencyAtQuantileMS(50) > 1"},
            "spec.buffering.retryExpression",
        ),
    ],
)
def test_what_of_buffering_is_left_out_is_told(spec: dict[str, Any], field: str) -> None:
    assert told(lowered({"buffering": spec}).problems) == [("unsupported-field", field)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"attempts": 1}, None),
        ({"attempts": 4}, Retry(3, (0,))),
        ({"attempts": 4, "initialInterval": "100ms"}, Retry(3, (0,), 0.1)),
        (
            {"attempts": 2, "status": ["500,502-503"]},
            Retry(1, (500, 502, 503), methods=("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE")),
        ),
        ({"attempts": 2, "status": ["500"], "retryNonIdempotentMethod": True}, Retry(1, (500,))),
    ],
)
def test_retry(spec: dict[str, Any], expected: Retry | None) -> None:
    assert lowered({"retry": spec}).problems == ()
    assert filters({"retry": spec}) == ((Retries(at("retry"), expected),) if expected else ())


# --- asking another server ------------------------------------------------------------------------


def test_forward_auth_as_it_usually_is() -> None:
    spec = {"address": "http://auth.apps:9091/verify", "authResponseHeaders": ["Remote-User"]}
    assert lowered({"forwardAuth": spec}).problems == ()
    (auth,) = filters({"forwardAuth": spec})
    assert isinstance(auth, ForwardAuth)
    assert (auth.url, auth.method, auth.sends, auth.sends_body) == (("http://auth.apps:9091/verify",), "GET", None, 0)
    assert dict(auth.tells) == {
        "X-Forwarded-Method": (Variable.METHOD,),
        "X-Forwarded-Proto": (Variable.SCHEME,),
        "X-Forwarded-Host": (Variable.HOST,),
        "X-Forwarded-Uri": (Variable.URI,),
        "X-Forwarded-For": (Variable.CLIENT,),
    }
    assert auth.copies == ("Remote-User",)
    assert (auth.denials, auth.status_on_error, auth.timeout, auth.completes_location) == (None, 500, 30.0, True)
    assert auth.tls is None


def test_forward_auth_in_full() -> None:
    """All fields, with forwardAuth.tls."""
    spec = {
        "address": "https://auth.example.com/",
        "authResponseHeadersRegex": "^X-",
        "authRequestHeaders": ["Cookie"],
        "addAuthCookiesToResponse": ["session"],
        "forwardBody": True,
        "maxBodySize": 2000,
        "headerField": "X-User",
        "preserveLocationHeader": True,
        "preserveRequestMethod": True,
        "authSigninURL": "https://login.example.com/",
        "tls": {"caSecret": "ca", "certSecret": "client"},
    }
    assert lowered({"forwardAuth": spec}).problems == ()
    (auth,) = filters({"forwardAuth": spec})
    assert isinstance(auth, ForwardAuth)
    assert auth.copies_matching == "^X-"
    assert (auth.sends, auth.cookies, auth.sends_body, auth.method) == (("Cookie",), ("session",), 2000, "")
    assert auth.signin == ("https://login.example.com/",)
    assert not auth.completes_location
    assert auth.tls == UpstreamTls(
        True, "auth.example.com", ca=Key("Secret", "apps", "ca"), client=Key("Secret", "apps", "client")
    )


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        ({}, 404),
        ({"address": "auth:9091"}, 503),
        ({"address": "ftp://auth"}, 503),
        ({"address": "http://"}, 503),
        ({"address": "http://auth:99999/"}, 503),
        ({"address": "http://auth", "authResponseHeaders": ["X User"]}, 503),
        ({"address": "http://auth", "authResponseHeadersRegex": "("}, 404),
    ],
)
def test_who_cannot_be_asked_refuses(spec: dict[str, Any], status: int) -> None:
    (refuse,) = filters({"forwardAuth": spec})
    assert isinstance(refuse, Refuse)
    assert refuse.status == status
    assert [problem.id for problem in lowered({"forwardAuth": spec}).problems] == ["invalid-middleware"]


def test_certificates_of_clients() -> None:
    """passTLSClientCert.pem is kept, its summary is not."""
    assert filters({"passTLSClientCert": {"pem": True}}) == (
        ClientCertificateHeaders(at("passTLSClientCert"), (("X-Forwarded-Tls-Client-Cert", "pem"),)),
    )
    assert filters({"passTLSClientCert": {}}) == (
        RequestHeaders(HeaderEdit(remove=("X-Forwarded-Tls-Client-Cert",)), at("passTLSClientCert")),
    )
    (refuse,) = filters({"passTLSClientCert": {"info": {"subject": {"commonName": True}}}})
    assert isinstance(refuse, Refuse)


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, Compress(at("compress"), ("gzip", "br", "zstd"))),
        (
            {"encodings": ["br"], "minResponseBodyBytes": 10, "includedContentTypes": ["Text/HTML; charset=utf-8"]},
            Compress(at("compress"), ("br",), 10, ("text/html",)),
        ),
        (
            {"excludedContentTypes": ["text/event-stream"]},
            Compress(at("compress"), ("gzip", "br", "zstd"), excluded=("text/event-stream",)),
        ),
    ],
)
def test_compress(spec: dict[str, Any], expected: Compress) -> None:
    assert filters({"compress": spec}) == (expected,)


@pytest.mark.parametrize(
    "spec",
    [
        {"compress": {"encodings": ["deflate"]}},
        {"compress": {"encodings": []}},
        {"compress": {"includedContentTypes": ["a/b"], "excludedContentTypes": ["c/d"]}},
        {"errors": {"status": ["500"]}},
        {"errors": {"status": ["5xx"], "service": {"name": "pages", "port": 80}}},
        {"errors": {"status": ["599-500"], "service": {"name": "pages", "port": 80}}},
        {"errors": {"status": ["500"], "statusRewrites": {"x": 404}, "service": {"name": "pages", "port": 80}}},
        {"retry": {}},
        {"retry": {"attempts": 2, "status": ["all"]}},
        {"circuitBreaker": {}},
    ],
)
def test_what_traefik_does_not_build_answers_404(spec: dict[str, Any]) -> None:
    (refuse,) = filters(spec)
    assert isinstance(refuse, Refuse)
    assert refuse.status == 404
    assert [problem.id for problem in lowered(spec).problems] == ["invalid-middleware"]


def test_error_pages() -> None:
    spec = {
        "status": ["404", "500-502,504"],
        "service": {"name": "pages", "port": 80},
        "query": "/{status}.html?from={url}",
    }
    assert lowered({"errors": spec}).problems == ()
    backend = BackendRef(Key("Service", "apps", "pages"), 80, at("errors", "service"))
    assert filters({"errors": spec}) == (
        ErrorPages(
            at("errors"),
            ((404, 404), (500, 502), (504, 504)),
            backend,
            ("/", Variable.STATUS, ".html?from=", Variable.ESCAPED_URI),
        ),
    )


def test_headers_of_error_pages() -> None:
    """errors.errorRequestHeaders cannot be narrowed."""
    spec = {"errors": {"status": ["500"], "service": {"name": "pages", "port": 80}, "errorRequestHeaders": []}}
    (problem,) = lowered(spec).problems
    assert problem.severity is Severity.INFO


@pytest.mark.parametrize("name", ["circuitBreaker", "contentType", "grpcWeb", "tap"])
def test_what_only_makes_things_nicer_is_left_out_and_told(name: str) -> None:
    spec = {name: {"expression": "NetworkErrorRatio() > 0.3"} if name == "circuitBreaker" else {}}
    assert filters(spec) == ()
    assert told(lowered(spec).problems) == [("unsupported-field", f"spec.{name}")]


# --- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "table"),
    [(middleware.Middleware, compatibility.MIDDLEWARE), (middleware.MiddlewareTCP, compatibility.MIDDLEWARE_TCP)],
    ids=["HTTP", "TCP"],
)
def test_every_type_is_in_the_table(spec: type[Struct], table: Compatibility) -> None:
    (types,) = (field.type for field in structs.fields(spec) if field.name == "spec")
    listed = {feature.name.partition(".")[0] for feature in table.features}
    assert {field.encode_name for field in structs.fields(types)} == listed
