"""Envoy Gateway's kinds: what their documents lower to, what closes, and that the tables name every field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from gatewright import kinds
from gatewright.kinds.decode import _Many, _Record, _shape
from gatewright.kinds.envoy_gateway import (
    backend,
    backendtrafficpolicy,
    clienttrafficpolicy,
    compatibility,
    httproutefilter,
    securitypolicy,
)
from gatewright.kinds.features import Feature, Support
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.filters import (
    Authorize,
    BasicAuth,
    BodyLimit,
    Compress,
    Cors,
    ForwardAuth,
    Jwt,
    LimitBy,
    RateLimit,
    Refuse,
    Respond,
    ResponseHeaders,
    Rewrite,
    Variable,
)
from gatewright.kinds.intents.material import ExternalBackendIntent, MiddlewareIntent
from gatewright.kinds.intents.options import DoorOptions, Options, OptionsPolicyIntent
from gatewright.kinds.intents.routing import HashKey, HealthCheck, Retry, Upstream, UpstreamTls
from support.lowering import document

ROUTE = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "app"}
GATEWAY = {**ROUTE, "kind": "Gateway", "name": "edge"}


def lowered(kind: str, spec: dict[str, Any]) -> Lowered:
    metadata = {"name": "p", "namespace": "web"}
    data = {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
    found = kinds.lower(document(data))
    assert found is not None
    return found


def options(kind: str, **spec: Any) -> Options:
    """What a sound policy says."""
    target = GATEWAY if kind == "ClientTrafficPolicy" else ROUTE
    found = lowered(kind, {"targetRefs": [target], **spec})
    assert not found.problems
    assert isinstance(found.intent, OptionsPolicyIntent)
    return found.intent.options


def shut(kind: str, **spec: Any) -> list[str]:
    """The ids of what is told of a policy that closes its targets."""
    target = GATEWAY if kind == "ClientTrafficPolicy" else ROUTE
    found = lowered(kind, {"targetRefs": [target], **spec})
    meant = found.intent or found.instead
    assert isinstance(meant, OptionsPolicyIntent)
    assert meant.options.unbuildable
    assert [aim.key.name for aim in meant.targets] == [target["name"]]
    return [problem.id for problem in found.problems]


# --- SecurityPolicy -----------------------------------------------------------------------------


def test_who_may_pass_in_the_order_of_the_original() -> None:
    found = options(
        "SecurityPolicy",
        authorization={"rules": [{"action": "Allow", "principal": {"clientCIDRs": ["10.0.0.0/8"]}}]},
        jwt={"providers": [{"name": "a", "localJWKS": {"inline": '{"keys": []}'}}]},
        basicAuth={"users": {"name": "users"}},
        cors={"allowOrigins": ["https://*.a.test"], "maxAge": "1m"},
    )
    assert [type(item) for item in found.first] == [Cors]
    assert [type(item) for item in found.filters] == [BasicAuth, Jwt, Authorize]
    (cors,) = found.first
    assert isinstance(cors, Cors)
    assert cors.max_age == 60
    users = found.filters[0]
    assert isinstance(users, BasicAuth)
    assert users.secret == Key("Secret", "web", "users")


def test_a_server_is_asked_as_envoy_asks() -> None:
    asked = options(
        "SecurityPolicy",
        extAuth={
            "headersToExtAuth": ["Cookie"],
            "http": {"backendRefs": [{"name": "auth", "namespace": "sso", "port": 80}], "path": "/verify/"},
        },
    ).auth
    assert isinstance(asked, ForwardAuth)
    assert asked.url == ("http://auth/verify", Variable.URI)
    assert (asked.method, asked.sends, asked.status_on_error, asked.timeout) == (
        "", ("authorization", "cookie"), 403, 10.0
    )  # fmt: skip
    assert asked.backend is not None
    assert asked.backend.target == Key("Service", "sso", "auth")
    assert asked.referrer == Key("SecurityPolicy", "web", "p")
    assert asked.denials is not None
    assert {302, 401, 403} <= set(asked.denials)
    assert 500 not in asked.denials


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"oidc": {}}, ["protection-unbuildable"]),
        ({"apiKeyAuth": {}}, ["protection-unbuildable"]),
        ({"csrf": {}}, ["protection-unbuildable"]),
        ({"extAuth": {"grpc": {}}}, ["protection-unbuildable"]),
        ({"extAuth": {"http": {}}}, ["protection-unbuildable"]),
        ({"basicAuth": "yes"}, ["wrong-type"]),
        ({"basicAuth": {"users": {"name": "a", "namespace": "other"}}}, ["invalid-value"]),
        ({"basicAut": {"users": {"name": "a"}}}, ["unknown-field"]),
        ({"jwt": {"providers": [{"name": "a"}]}}, ["invalid-value"]),
        ({"jwt": {"providers": [{"name": "a", "localJWKS": {"inline": "none"}}]}}, ["invalid-value"]),
        ({"jwt": {"providers": [{"name": "a", "remoteJWKS": {"uri": "file:///keys"}}]}}, ["invalid-value"]),
        ({"authorization": {"rules": [{"action": "Allow"}]}}, ["invalid-value"]),
        ({"authorization": {"rules": [{"action": "Allow", "cel": "true"}]}}, ["protection-unbuildable"]),
        (
            {"authorization": {"rules": [{"action": "Deny", "principal": {"clientCIDRs": ["10.0.0.0/40"]}}]}},
            ["invalid-value"],
        ),
        (
            {
                "authorization": {
                    "rules": [{"action": "Deny", "principal": {"jwt": {"provider": "a", "scopes": ["b"]}}}]
                }
            },
            ["invalid-value"],
        ),
        ({"authorization": {"rules": [{"action": "Maybe"}]}}, ["invalid-value"]),
    ],
)
def test_what_cannot_be_built_closes_its_targets(spec: dict[str, Any], told: list[str]) -> None:
    assert shut("SecurityPolicy", **spec) == told


def test_targets_are_found_in_the_worst_of_documents() -> None:
    spec = {"basicAuth": 1, "targetRefs": [3, {**ROUTE, "colour": "red"}, {"kind": "HTTPRoute"}], "targetSelectors": 7}
    stand_in = lowered("SecurityPolicy", spec).instead
    assert isinstance(stand_in, OptionsPolicyIntent)
    assert [aim.key for aim in stand_in.targets] == [Key("HTTPRoute", "web", "app")]
    assert lowered("SecurityPolicy", {"basicAuth": 1}).instead is None


# --- BackendTrafficPolicy -----------------------------------------------------------------------


def test_limits_are_counted_by_what_tells_clients_apart() -> None:
    limit = {"limit": {"requests": 10, "unit": "Hour"}}
    by_key = {"headers": [{"name": "X-Key", "type": "Distinct"}]}
    by_client = {"sourceCIDR": {"type": "Distinct", "value": "0.0.0.0/0"}}
    rules = [limit, {**limit, "clientSelectors": [by_key]}, {**limit, "clientSelectors": [by_client]}]
    found = options("BackendTrafficPolicy", rateLimit={"local": {"rules": rules}}).filters
    limits = [item for item in found if isinstance(item, RateLimit)]
    assert [(one.by, one.header) for one in limits] == [
        (LimitBy.ALL, ""), (LimitBy.HEADER, "x-key"), (LimitBy.CLIENT, "")
    ]  # fmt: skip
    assert {(one.requests, one.period, one.burst, one.status) for one in limits} == {(10, 3600, 10, 429)}


def test_no_requests_at_all_are_refused() -> None:
    rule = {"limit": {"requests": 0, "unit": "Hour"}}
    (only,) = options("BackendTrafficPolicy", rateLimit={"global": {"rules": [rule]}}).filters
    assert isinstance(only, Refuse)
    assert only.status == 429


@pytest.mark.parametrize(
    "rule",
    [
        {"cost": {"request": {"from": "Number", "number": 3}}},
        {"clientSelectors": [{"methods": [{"value": "GET"}]}]},
        {"clientSelectors": [{"headers": [{"name": "a", "value": "b"}]}]},
        {"clientSelectors": [{"sourceCIDR": {"value": "10.0.0.0/8"}}]},
        {"clientSelectors": [{"headers": [{"name": "a", "type": "Distinct"}]}, {"headers": []}]},
        {
            "limit": {"requests": 0, "unit": "Hour"},
            "clientSelectors": [{"headers": [{"name": "a", "type": "Distinct"}]}],
        },
    ],
)
def test_limits_that_cannot_be_counted_close(rule: dict[str, Any]) -> None:
    limits = {"rateLimit": {"local": {"rules": [{"limit": {"requests": 1, "unit": "Day"}, **rule}]}}}
    assert shut("BackendTrafficPolicy", **limits) == ["protection-unbuildable"]


def test_only_limits_that_cannot_be_read_close() -> None:
    assert shut("BackendTrafficPolicy", rateLimit={"local": {"rules": "all"}}) == ["wrong-type"]
    assert shut("BackendTrafficPolicy", requestBuffer={"limit": "huge"}) == ["invalid-value"]
    assert lowered("BackendTrafficPolicy", {"targetRefs": [ROUTE], "retry": "often"}).instead is None


def test_how_backends_are_spoken_to() -> None:
    found = options(
        "BackendTrafficPolicy",
        timeout={"tcp": {"connectTimeout": "2s"}, "http": {"requestTimeout": "0s", "streamIdleTimeout": "1m"}},
        loadBalancer={
            "type": "ConsistentHash",
            "consistentHash": {"type": "Cookie", "cookie": {"name": "c", "ttl": "1h"}},
        },
        circuitBreaker={"maxParallelRequests": 7},
        healthCheck={"active": {"type": "HTTP", "http": {"path": "/up"}}, "passive": {}},
        retry={},
        proxyProtocol={"version": "V2"},
        requestBuffer={"limit": "1Ki"},
        compressor=[{"type": "Zstd"}, {"type": "Gzip", "minContentLength": 100}],
        httpUpgrade=[{"type": "websocket"}],
    )
    health = HealthCheck("/up", 3.0, 1.0, 1, 3, ((200, 200),), panic=50)
    assert found.upstream == Upstream(
        "maglev", 2.0, None, 1024, 1024, 7, None, health=health, outlier_errors=5, outlier_seconds=30.0
    )
    assert (found.timeout, found.read_timeout, found.proxy_protocol, found.websocket) == (0, 60, 2, True)
    assert found.hash == (HashKey("cookie", "c", 3600),)
    assert found.retry == Retry(2, (503,))
    assert isinstance(found.body_limit, BodyLimit)
    assert (found.body_limit.octets, found.body_limit.buffered) == (1024, True)
    (compress,) = found.filters
    assert isinstance(compress, Compress)
    assert (compress.encodings, compress.min_length) == (("zstd", "gzip"), 100)


# --- ClientTrafficPolicy ------------------------------------------------------------------------


def test_what_is_said_of_a_door() -> None:
    tls = {"minVersion": "1.2", "maxVersion": "Auto", "ciphers": ["A"], "alpnProtocols": ["h2"]}
    hops = {"xForwardedFor": {"numTrustedHops": 2}}
    times = {"http": {"requestReceivedTimeout": "10s", "idleTimeout": "1m", "streamIdleTimeout": "2m"}}
    found = options("ClientTrafficPolicy", tls=tls, clientIPDetection=hops, timeout=times, proxyProtocol={})
    assert found.door == DoorOptions(
        proxy_protocol=True,
        min_version="1.2",
        ciphers=("A",),
        alpn=("h2",),
        trusted_hops=2,
        request_timeout=10,
        keepalive_timeout=60,
        idle_timeout=120,
    )
    listed = {"xForwardedFor": {"trustedCIDRs": ["10.0.0.0/8"]}}
    assert options("ClientTrafficPolicy", clientIPDetection=listed).door == DoorOptions(
        forwarded=True, trusted=("10.0.0.0/8",)
    )
    named = {"customHeader": {"name": "X-Client"}}
    assert options("ClientTrafficPolicy", clientIPDetection=named).door == DoorOptions(
        forwarded=True, header="x-client"
    )


@pytest.mark.parametrize(
    "spec",
    [
        {"tls": {"clientValidation": {}}},
        {"tls": {"clientValidation": {"caCertificateRefs": [{"name": "a"}], "crl": {"refs": []}}}},
        {"tls": {"clientValidation": {"caCertificateRefs": [{"name": "a"}], "spkiHashes": ["a"]}}},
        {"tls": {"clientValidation": 7}},
        {"clientIPDetection": {"customHeader": {"name": "a", "failClosed": True}}},
    ],
)
def test_clients_that_cannot_be_verified_are_not_let_in(spec: dict[str, Any]) -> None:
    assert len(shut("ClientTrafficPolicy", **spec)) == 1


# --- Backend and HTTPRouteFilter ----------------------------------------------------------------


def test_a_backend() -> None:
    spec = {
        "endpoints": [{"fqdn": {"hostname": "a.test", "port": 443}}],
        "appProtocols": ["gateway.envoyproxy.io/h2c"],
        "tls": {"wellKnownCACertificates": "System", "sni": "b.test"},
    }
    found = lowered("Backend", spec)
    assert not found.problems
    assert isinstance(found.intent, ExternalBackendIntent)
    assert found.intent.endpoints == (("a.test", 443),)
    assert (found.intent.scheme, found.intent.tls) == ("grpcs", UpstreamTls(verify=True, server_name="b.test"))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"endpoints": [{"ip": {"address": "a.test", "port": 1}}]}, "invalid-value"),
        ({"endpoints": [{"fqdn": {"hostname": "A_b", "port": 1}}]}, "invalid-value"),
        ({"endpoints": [{}]}, "invalid-value"),
        ({"endpoints": [{"ip": {"address": "10.0.0.1", "port": 1}}], "tls": {}}, "invalid-value"),
        ({"endpoints": [{"unix": {"path": "/a"}}]}, "unsupported-backend"),
        ({"type": "DynamicResolver"}, "unsupported-backend"),
    ],
)
def test_backends_that_cannot_be_reached(spec: dict[str, Any], told: str) -> None:
    found = lowered("Backend", spec)
    assert [problem.id for problem in found.problems] == [told]
    assert found.intent is None or (isinstance(found.intent, ExternalBackendIntent) and not found.intent.endpoints)


def test_filters_of_routes() -> None:
    change = {"pattern": "^/a(.*)", "substitution": "/b\\1"}
    path = {"type": "ReplaceRegexMatch", "replaceRegexMatch": change}
    found = lowered("HTTPRouteFilter", {"urlRewrite": {"path": path}}).intent
    assert isinstance(found, MiddlewareIntent)
    (rewrite,) = found.filters
    assert isinstance(rewrite, Rewrite)
    assert (rewrite.paths[0].pattern, rewrite.paths[0].value) == ("^/a(.*)", "/b\\1")
    answer = {"statusCode": 404, "body": {"inline": "gone"}, "header": {"add": [{"name": "X-A", "value": "1"}]}}
    found = lowered("HTTPRouteFilter", {"directResponse": answer}).intent
    assert isinstance(found, MiddlewareIntent)
    headers, respond = found.filters
    assert isinstance(headers, ResponseHeaders)
    assert isinstance(respond, Respond)
    assert (respond.status, respond.body) == (404, b"gone")


# --- the tables ---------------------------------------------------------------------------------

SCHEMAS: dict[str, Any] = {
    "SecurityPolicy": securitypolicy.SecurityPolicy,
    "BackendTrafficPolicy": backendtrafficpolicy.BackendTrafficPolicy,
    "ClientTrafficPolicy": clienttrafficpolicy.ClientTrafficPolicy,
    "Backend": backend.Backend,
    "HTTPRouteFilter": httproutefilter.HTTPRouteFilter,
}
FEATURES: dict[str, Feature] = {one.name: one for table in compatibility.TABLES for one in table.features}


def _fields(kind: str) -> Iterator[tuple[str, bool]]:
    """Every field below `spec`, by path; whether it is one that has no effect."""

    def below(annotation: Any, path: str) -> Iterator[tuple[str, bool]]:
        shape = _shape(annotation)
        while isinstance(shape, _Many):
            shape = _shape(shape.item)
        if isinstance(shape, _Record):
            for name, inner in shape.fields.items():
                yield f"{path}.{name}", inner is Any
                yield from below(inner, f"{path}.{name}")
            yield from ((f"{path}.{name}", True) for name in shape.unsupported)

    spec = next(one for one in msgspec.structs.fields(SCHEMAS[kind]) if one.name == "spec")
    yield from below(spec.type, kind)


ALIKE = {
    "BackendTrafficPolicy.rateLimit.global.rules": "BackendTrafficPolicy.rateLimit.local.rules",
    "BackendTrafficPolicy.compression": "BackendTrafficPolicy.compressor",
}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_tables_name_every_field(kind: str) -> None:
    missing = []
    for found, silent in _fields(kind):
        path = found
        for one, other in ALIKE.items():
            path = path.replace(f"{one}.", f"{other}.")
        if path.endswith((".targetRef.namespace", ".targetRefs.namespace")):  # Envoy Gateway has no such field
            continue
        above = {path[:number] for number, letter in enumerate(path) if letter == "."} | {path}
        named = {one for one in above if one in FEATURES}
        parts = any(name.startswith(f"{path}.") for name in FEATURES)
        told_whole = any(FEATURES[one].support in (Support.REPORTED, Support.ADVISORY) for one in named)
        if silent and path not in FEATURES and not told_whole:
            missing.append(path)
        if not silent and not named and not parts:
            missing.append(path)
    assert not missing
