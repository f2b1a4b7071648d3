"""What becomes of Envoy Gateway's kinds, field by field; here the policies.  For the compatibility page.

Plain data with an example each; what the fields mean is in the modules of the kinds.  A test compares it with their
schemas, so that no field is missing here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gatewright.kinds.envoy_gateway import envoygateway
from gatewright.kinds.envoy_gateway.other_features import FIELDS_BACKEND, FIELDS_FILTER, FIELDS_OTHERS, Rows
from gatewright.kinds.features import Compatibility, Feature, Support

_OF = "Envoy Gateway 1.9 (gateway.envoyproxy.io/v1alpha1)"

_ROUTE = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "app"}
_GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}
_AUTH = [{"name": "auth", "port": 80}]
_KEYS = {"inline": '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'}
_ONE: dict[str, Any] = {"name": "one", "localJWKS": _KEYS}
_TOKEN = {"provider": "one", "claims": [{"name": "roles", "values": ["admin"]}]}
_ALLOW: dict[str, Any] = {"action": "Allow", "principal": {"clientCIDRs": ["10.0.0.0/8"]}}
_LIMIT: dict[str, Any] = {"limit": {"requests": 10, "unit": "Second"}}
_CA = {"caCertificateRefs": [{"kind": "ConfigMap", "group": "", "name": "ca"}]}
_SHUT = "what it protects answers 503"
_ELSEWHERE = {"targetSelectors": [{"kind": "HTTPRoute", "namespaces": {"from": "All"}}]}
_LET = "where a ReferenceGrant of each lets it; a namespace whose labels are not given counts as selected"
_CHOSEN = {"targetSelectors": [{"kind": "HTTPRoute", "matchLabels": {"app": "a"}}]}


def _jwt(**more: Any) -> dict[str, Any]:
    return {"jwt": {"providers": [{**_ONE, **more}]}}


def _asks(**more: Any) -> dict[str, Any]:
    return {"extAuth": {"http": {"backendRefs": _AUTH, **more}}}


def _rules(**rule: Any) -> dict[str, Any]:
    return {**_jwt(), "authorization": {"rules": [{"action": "Allow", **rule}]}}


def _local(**rule: Any) -> dict[str, Any]:
    return {"rateLimit": {"local": {"rules": [{**_LIMIT, **rule}]}}}


def _targets(**more: Any) -> Rows:
    return {
        "targetRef": ({"targetRef": _ROUTE, **more}, "the older spelling of targetRefs"),
        "targetRefs": ({"targetRefs": [_ROUTE], **more}, ""),
        "targetRefs.sectionName": ({"targetRefs": [{**_ROUTE, "sectionName": "rule"}], **more}, ""),
        "targetSelectors": ({**_CHOSEN, **more}, ""),
        "targetSelectors.namespaces": ({**_ELSEWHERE, **more}, _LET),
        "mergeType": ({"mergeType": "StrategicMerge", **more}, "rate limits of both hold"),
    }


_OPEN = {"authorization": {"defaultAction": "Allow"}}
_FIELDS_SECURITY: Mapping[Support, Rows] = {
    Support.HONOURED: {
        **_targets(**_OPEN),
        "cors": ({"cors": {"allowOrigins": ["https://*.example.com"], "maxAge": "10m"}}, ""),
        "basicAuth": ({"basicAuth": {"users": {"name": "users"}}}, "hashes of every kind, not only {SHA}"),
        "basicAuth.forwardUsernameHeader": (
            {"basicAuth": {"users": {"name": "users"}, "forwardUsernameHeader": "X-User"}},
            "",
        ),
        "jwt.providers": (_jwt(), "without extractFrom: Authorization and access_token"),
        "jwt.providers.issuer": (_jwt(issuer="https://issuer.example.com"), ""),
        "jwt.providers.audiences": (_jwt(audiences=["a"]), ""),
        "jwt.providers.localJWKS": (_jwt(), "inline, or in a ConfigMap; 503 without it"),
        "jwt.providers.remoteJWKS": (
            {"jwt": {"providers": [{"name": "one", "remoteJWKS": {"uri": "https://issuer.example.com/keys"}}]}},
            "kept for five minutes",
        ),
        "jwt.providers.claimToHeaders": (_jwt(claimToHeaders=[{"claim": "sub", "header": "X-Sub"}]), ""),
        "jwt.providers.extractFrom": (_jwt(extractFrom={"cookies": ["token"]}), ""),
        "jwt.optional": ({"jwt": {"providers": [_ONE], "optional": True}}, ""),
        "extAuth.http": (
            _asks(),
            "a 2xx lets pass, where Envoy Gateway wants 200; several backendRefs are refused: 503",
        ),
        "extAuth.http.path": (_asks(path="/verify"), "in front of the request's own"),
        "extAuth.http.pathOverride": (_asks(pathOverride="/verify"), ""),
        "extAuth.http.headersToBackend": (_asks(headersToBackend=["X-User"]), ""),
        "extAuth.headersToExtAuth": ({"extAuth": {**_asks()["extAuth"], "headersToExtAuth": ["Cookie"]}}, ""),
        "extAuth.bodyToExtAuth": ({"extAuth": {**_asks()["extAuth"], "bodyToExtAuth": {"maxRequestBytes": 9}}}, ""),
        "extAuth.timeout": ({"extAuth": {**_asks()["extAuth"], "timeout": "1s"}}, ""),
        "extAuth.statusOnError": ({"extAuth": {**_asks()["extAuth"], "statusOnError": 503}}, ""),
        "authorization": (
            {"authorization": {"rules": [_ALLOW]}},
            "on TCPRoute and TLSRoute, too, where denied addresses stand before allowed ones",
        ),
        "authorization.defaultAction": (_OPEN, ""),
        "authorization.rules.operation": (_rules(operation={"methods": ["GET"]}), ""),
        "authorization.rules.principal.clientCIDRs": (_rules(**_ALLOW), ""),
        "authorization.rules.principal.headers": (_rules(principal={"headers": [{"name": "a", "values": ["b"]}]}), ""),
        "authorization.rules.principal.jwt": (_rules(principal={"jwt": _TOKEN}), "claims and scopes"),
    },
    Support.REPORTED: {
        "oidc": ({"oidc": {}}, f"{_SHUT}; put an oauth2-proxy in front and name it in extAuth"),
        "apiKeyAuth": ({"apiKeyAuth": {}}, f"{_SHUT}; use basicAuth, jwt or extAuth"),
        "csrf": ({"csrf": {}}, _SHUT),
        "extAuth.grpc": ({"extAuth": {"grpc": {"backendRefs": _AUTH}}}, f"{_SHUT}; most servers answer HTTP, too"),
        "extAuth.failOpen": (
            {"extAuth": {**_asks()["extAuth"], "failOpen": True}},
            "nobody passes while the server does not answer",
        ),
        "extAuth.recomputeRoute": ({"extAuth": {**_asks()["extAuth"], "recomputeRoute": True}}, "the route stays"),
        "extAuth.contextExtensions": (
            {"extAuth": {**_asks()["extAuth"], "contextExtensions": []}},
            "they are of gRPC servers",
        ),
        "extAuth.http.backendSettings": (_asks(backendSettings={}), "the server is asked as usual"),
        "jwt.providers.recomputeRoute": (_jwt(recomputeRoute=True), "the route stays"),
        "jwt.providers.remoteJWKS.backendRefs": (
            {"jwt": {"providers": [{"name": "a", "remoteJWKS": {"uri": "https://a.test/", "backendRefs": _AUTH}}]}},
            "keys are fetched from the host in uri",
        ),
        "jwt.providers.remoteJWKS.backendRef": (
            {"jwt": {"providers": [{"name": "a", "remoteJWKS": {"uri": "https://a.test/", "backendRef": _AUTH[0]}}]}},
            "keys are fetched from the host in uri",
        ),
        "jwt.providers.remoteJWKS.backendSettings": (
            {"jwt": {"providers": [{"name": "a", "remoteJWKS": {"uri": "https://a.test/", "backendSettings": {}}}]}},
            "keys are fetched as usual",
        ),
        "authorization.rules.cel": (_rules(cel="true"), f"{_SHUT}; use principal, or extAuth"),
        "authorization.rules.principal.clientIPGeoLocations": (
            _rules(principal={"clientIPGeoLocations": []}),
            f"{_SHUT}; use clientCIDRs",
        ),
    },
    Support.ADVISORY: {
        "authorization.rules.name": (_rules(name="a", **_ALLOW), ""),
        "jwt.providers.remoteJWKS.cacheDuration": (
            {"jwt": {"providers": [{"name": "a", "remoteJWKS": {"uri": "https://a.test/", "cacheDuration": "1m"}}]}},
            "",
        ),
    },
}

_PICKED = {"headers": [{"name": "X-Key", "type": "Distinct"}]}
_PASSIVE = "healthCheck.passive"
_FIELDS_TRAFFIC: Mapping[Support, Rows] = {
    Support.HONOURED: {
        **_targets(retry={}),
        "rateLimit.local": (_local(), "429 without X-RateLimit headers; counted for each rule and host"),
        "rateLimit.global": (
            {"rateLimit": {"global": {"rules": [_LIMIT]}}},
            "at this gateway, which is all there are; shadowMode limits nothing",
        ),
        "rateLimit.local.rules.clientSelectors.headers": (_local(clientSelectors=[_PICKED]), "one header, Distinct"),
        "rateLimit.local.rules.clientSelectors.sourceCIDR": (
            _local(clientSelectors=[{"sourceCIDR": {"type": "Distinct", "value": "0.0.0.0/0"}}]),
            "each of all addresses, Distinct",
        ),
        "requestBuffer": ({"requestBuffer": {"limit": "10Mi"}}, ""),
        "compressor": ({"compressor": [{"type": "Brotli"}, {"type": "Gzip"}]}, ""),
        "compression": ({"compression": [{"type": "Gzip"}]}, "the older spelling of compressor"),
        "timeout.http.requestTimeout": (
            {"timeout": {"http": {"requestTimeout": "10s"}}},
            "requests are not limited without it, where Envoy Gateway ends them after 15 s",
        ),
        "timeout.http.streamIdleTimeout": ({"timeout": {"http": {"streamIdleTimeout": "10s"}}}, ""),
        "timeout.http.connectionIdleTimeout": ({"timeout": {"http": {"connectionIdleTimeout": "10s"}}}, ""),
        "timeout.tcp.connectTimeout": ({"timeout": {"tcp": {"connectTimeout": "1s"}}}, ""),
        "retry": ({"retry": {"numRetries": 3}}, ""),
        "retry.retryOn": ({"retry": {"retryOn": {"triggers": ["5xx", "reset"]}}}, ""),
        "retry.perRetry.timeout": ({"retry": {"perRetry": {"timeout": "1s"}}}, ""),
        "retry.perRetry.backOff.baseInterval": ({"retry": {"perRetry": {"backOff": {"baseInterval": "1s"}}}}, ""),
        "loadBalancer.type": ({"loadBalancer": {"type": "RoundRobin"}}, ""),
        "loadBalancer.consistentHash": (
            {"loadBalancer": {"type": "ConsistentHash", "consistentHash": {"type": "SourceIP"}}},
            "",
        ),
        "circuitBreaker": ({"circuitBreaker": {"maxConnections": 10, "maxParallelRequests": 10}}, ""),
        "circuitBreaker.maxRequestsPerConnection": ({"circuitBreaker": {"maxRequestsPerConnection": 10}}, ""),
        "healthCheck.active": (
            {"healthCheck": {"active": {"type": "HTTP", "http": {"path": "/up"}}}},
            "by HTTP or TCP; clients get 503 where no endpoint is well",
        ),
        _PASSIVE: ({"healthCheck": {"passive": {"consecutive5XxErrors": 3}}}, ""),
        "healthCheck.panicThreshold": (
            {"healthCheck": {"panicThreshold": 20, "active": {"type": "TCP", "tcp": {}}}},
            "beside active",
        ),
        "httpUpgrade": ({"httpUpgrade": [{"type": "websocket"}]}, ""),
        "proxyProtocol": ({"proxyProtocol": {"version": "V2"}}, ""),
    },
    Support.REPORTED: {
        "rateLimit.local.rules.cost": (_local(cost={}), _SHUT),
        **{
            f"rateLimit.local.rules.clientSelectors.{name}": (
                _local(clientSelectors=[{name: value}]),
                f"{_SHUT}; make a rule of the route for what is limited",
            )
            for name, value in (
                ("methods", [{"value": "GET"}]),
                ("path", {"value": "/"}),
                ("queryParams", [{"name": "a"}]),
            )
        },
        "rateLimit.local.rules.shared": (_local(shared=True), "each route counts for itself"),
        "faultInjection": ({"faultInjection": {}}, "no faults are injected"),
        "responseOverride": ({"responseOverride": []}, "answers are passed on as they are; see HTTPRouteFilter"),
        "bandwidthLimit": ({"bandwidthLimit": {}}, "bandwidth is not limited"),
        "admissionControl": ({"admissionControl": {}}, "requests are not shed"),
        "useClientProtocol": ({"useClientProtocol": True}, "backends are spoken to as their appProtocol says"),
        "timeout.http.maxConnectionDuration": ({"timeout": {"http": {"maxConnectionDuration": "1h"}}}, "no limit"),
        "timeout.http.maxStreamDuration": ({"timeout": {"http": {"maxStreamDuration": "1h"}}}, "use requestTimeout"),
        "retry.numAttemptsPerPriority": ({"retry": {"numAttemptsPerPriority": 1}}, "backends have one priority"),
        "retry.perRetry.backOff.maxInterval": (
            {"retry": {"perRetry": {"backOff": {"maxInterval": "1s"}}}},
            "ten times baseInterval",
        ),
        "loadBalancer.consistentHash.cookie.attributes": (
            {
                "loadBalancer": {
                    "type": "ConsistentHash",
                    "consistentHash": {"type": "Cookie", "cookie": {"name": "a", "attributes": {"SameSite": "Lax"}}},
                }
            },
            "Path=/ and HttpOnly, and no others",
        ),
        "loadBalancer.slowStart": ({"loadBalancer": {"type": "RoundRobin", "slowStart": {}}}, "full share at once"),
        "loadBalancer.zoneAware": ({"loadBalancer": {"type": "RoundRobin", "zoneAware": {}}}, "zones do not count"),
        "loadBalancer.endpointOverride": (
            {"loadBalancer": {"type": "RoundRobin", "endpointOverride": {}}},
            "clients do not choose endpoints",
        ),
        "loadBalancer.backendUtilization": (
            {"loadBalancer": {"type": "RoundRobin", "backendUtilization": {}}},
            "load reports of backends are not read",
        ),
        "loadBalancer.dynamicModule": ({"loadBalancer": {"type": "RoundRobin", "dynamicModule": {}}}, "not loaded"),
        "circuitBreaker.maxParallelRetries": ({"circuitBreaker": {"maxParallelRetries": 1}}, "1024"),
        "circuitBreaker.perEndpoint": ({"circuitBreaker": {"perEndpoint": {}}}, "limits hold for all together"),
        "circuitBreaker.retryBudget": ({"circuitBreaker": {"retryBudget": {}}}, "1024 retries at a time"),
        "healthCheck.active.grpc": ({"healthCheck": {"active": {"type": "GRPC"}}}, "asked for a TCP connection"),
        "healthCheck.active.http.method": (
            {"healthCheck": {"active": {"type": "HTTP", "http": {"path": "/", "method": "HEAD"}}}},
            "GET",
        ),
        "healthCheck.active.http.expectedResponse": (
            {"healthCheck": {"active": {"type": "HTTP", "http": {"path": "/", "expectedResponse": {}}}}},
            "bodies are not compared",
        ),
        "healthCheck.active.tcp.send": (
            {"healthCheck": {"active": {"type": "TCP", "tcp": {"send": {}}}}},
            "a connection is enough",
        ),
        "healthCheck.active.tcp.receive": (
            {"healthCheck": {"active": {"type": "TCP", "tcp": {"receive": {}}}}},
            "a connection is enough",
        ),
        "healthCheck.active.initialJitter": (
            {"healthCheck": {"active": {"type": "TCP", "tcp": {}, "initialJitter": "1s"}}},
            "checks begin at once",
        ),
        "healthCheck.active.overrides": (
            {"healthCheck": {"active": {"type": "TCP", "tcp": {}, "overrides": {}}}},
            "endpoints are checked at their own port",
        ),
        **{
            f"{_PASSIVE}.{name}": ({"healthCheck": {"passive": {name: value}}}, note)
            for name, value, note in (
                ("consecutiveGatewayErrors", 3, "all errors of 5xx count alike"),
                ("consecutiveLocalOriginFailures", 3, "failures to connect count as errors of 5xx"),
                ("splitExternalLocalOriginErrors", True, "failures to connect count as errors of 5xx"),
                ("failurePercentageThreshold", 50, "errors in a row count"),
                ("maxEjectionPercent", 50, "any share of endpoints may be left out, but not all of them"),
            )
        },
    },
    Support.ADVISORY: {
        "connection": ({"retry": {}, "connection": {"bufferLimit": "1Mi"}}, ""),
        "dns": ({"retry": {}, "dns": {}}, ""),
        "http2": ({"retry": {}, "http2": {}}, ""),
        "tcpKeepalive": ({"retry": {}, "tcpKeepalive": {}}, ""),
        "telemetry": ({"retry": {}, "telemetry": {}}, ""),
        f"{_PASSIVE}.interval": ({"healthCheck": {"passive": {"interval": "1s"}}}, ""),
        f"{_PASSIVE}.alwaysEjectOneEndpoint": ({"healthCheck": {"passive": {"alwaysEjectOneEndpoint": True}}}, ""),
        "rateLimit.type": ({"rateLimit": {"type": "Local", "local": {"rules": [_LIMIT]}}}, ""),
        "httpUpgrade.connect": ({"httpUpgrade": [{"type": "websocket", "connect": {}}]}, ""),
        "compressor.chooseFirst": ({"compressor": [{"type": "Gzip", "chooseFirst": True}]}, ""),
        "compressor.gzip": ({"compressor": [{"type": "Gzip", "gzip": {}}]}, ""),
        "compressor.brotli": ({"compressor": [{"type": "Brotli", "brotli": {}}]}, ""),
        "compressor.zstd": ({"compressor": [{"type": "Zstd", "zstd": {}}]}, ""),
        "loadBalancer.consistentHash.tableSize": (
            {"loadBalancer": {"type": "ConsistentHash", "consistentHash": {"type": "SourceIP", "tableSize": 1009}}},
            "",
        ),
    },
}

_SHOWN: dict[str, Any] = {"tls": {"clientValidation": _CA}}
_FIELDS_CLIENT: Mapping[Support, Rows] = {
    Support.HONOURED: {
        "targetRef": ({"targetRef": _GATEWAY, **_SHOWN}, "the older spelling of targetRefs"),
        "targetRefs": ({"targetRefs": [_GATEWAY], **_SHOWN}, ""),
        "targetRefs.sectionName": ({"targetRefs": [{**_GATEWAY, "sectionName": "web"}], **_SHOWN}, ""),
        "targetSelectors": ({"targetSelectors": [{"kind": "Gateway"}], **_SHOWN}, ""),
        "targetSelectors.namespaces": (
            {"targetSelectors": [{"kind": "Gateway", "namespaces": {"from": "All"}}], **_SHOWN},
            _LET,
        ),
        "tls.minVersion": ({"tls": {"minVersion": "1.3"}}, ""),
        "tls.maxVersion": ({"tls": {"maxVersion": "1.2"}}, ""),
        "tls.ciphers": ({"tls": {"ciphers": ["ECDHE-RSA-AES128-GCM-SHA256"]}}, ""),
        "tls.alpnProtocols": ({"tls": {"alpnProtocols": ["http/1.1"]}}, "an empty list is told, and means the usual"),
        "tls.clientValidation": (_SHOWN, "one CA; without it the listener is not opened"),
        "tls.clientValidation.optional": ({"tls": {"clientValidation": {**_CA, "optional": True}}}, ""),
        "clientIPDetection.xForwardedFor.numTrustedHops": (
            {"clientIPDetection": {"xForwardedFor": {"numTrustedHops": 2}}},
            "",
        ),
        "clientIPDetection.xForwardedFor.trustedCIDRs": (
            {"clientIPDetection": {"xForwardedFor": {"trustedCIDRs": ["10.0.0.0/8"]}}},
            "",
        ),
        "clientIPDetection.customHeader": ({"clientIPDetection": {"customHeader": {"name": "X-Client"}}}, ""),
        "proxyProtocol": ({"proxyProtocol": {}}, ""),
        "enableProxyProtocol": ({"enableProxyProtocol": True}, "the older spelling of proxyProtocol"),
        "timeout.http.requestReceivedTimeout": ({"timeout": {"http": {"requestReceivedTimeout": "10s"}}}, ""),
        "timeout.http.idleTimeout": ({"timeout": {"http": {"idleTimeout": "10s"}}}, ""),
        "timeout.http.streamIdleTimeout": ({"timeout": {"http": {"streamIdleTimeout": "10s"}}}, ""),
    },
    Support.REPORTED: {
        **{
            f"tls.clientValidation.{name}": (
                {"tls": {"clientValidation": {**_CA, name: value}}},
                f"{_SHUT}; verify against a CA of its own",
            )
            for name, value in (
                ("spkiHashes", ["a"]),
                ("certificateHashes", ["a"]),
                ("subjectAltNames", {"dnsNames": []}),
                ("crl", {"refs": []}),
            )
        },
        "tls.ecdhCurves": ({"tls": {"ecdhCurves": ["P-256"]}}, "Envoy's own choice"),
        "tls.signatureAlgorithms": ({"tls": {"signatureAlgorithms": ["a"]}}, "Envoy's own choice"),
        "tls.fingerprints": ({"tls": {"fingerprints": []}}, "not taken"),
        "clientIPDetection.customHeader.failClosed": (
            {"clientIPDetection": {"customHeader": {"name": "a", "failClosed": True}}},
            "the Gateway answers 503",
        ),
        "proxyProtocol.optional": ({"proxyProtocol": {"optional": True}}, "connections without it are closed"),
        "timeout.tcp": ({"timeout": {"tcp": {}}}, "connections without traffic end after an hour"),
        "connection.connectionLimit": ({"connection": {"connectionLimit": {"value": 9}}}, "no limit"),
        "connection.maxConnectionDuration": ({"connection": {"maxConnectionDuration": "1h"}}, "no limit"),
        "connection.maxRequestsPerConnection": ({"connection": {"maxRequestsPerConnection": 9}}, "no limit"),
        "path": ({"path": {}}, "paths are normalised, slashes merged, and escaped slashes redirected"),
        "headers": ({"headers": {}}, "headers are treated as usual; use filters of the routes"),
        "http1": ({"http1": {}}, "as usual"),
        "http3": ({"http3": {}}, "HTTP/3 is not offered; clients use HTTP/2"),
        "healthCheck": (
            {"healthCheck": {"path": "/up"}},
            "no path answers for the gateway; make a route with a filter",
        ),
        "scheme": ({"scheme": "MatchBackend"}, "backends see the scheme that the client used"),
        "grpc": ({"grpc": {}}, "as usual"),
    },
    Support.ADVISORY: {
        "connection.bufferLimit": ({**_SHOWN, "connection": {"bufferLimit": "1Mi"}}, ""),
        "connection.maxAcceptPerSocketEvent": ({**_SHOWN, "connection": {"maxAcceptPerSocketEvent": 1}}, ""),
        "http2": ({**_SHOWN, "http2": {}}, ""),
        "tcpKeepalive": ({**_SHOWN, "tcpKeepalive": {}}, ""),
        "tls.session": ({"tls": {"session": {}}}, ""),
        "mergeType": ({**_SHOWN, "mergeType": "StrategicMerge"}, ""),
    },
}


def _example(kind: str, spec: Any) -> str:
    data = {"apiVersion": envoygateway.API_VERSIONS[0], "kind": kind, "metadata": {"name": "a", "namespace": "apps"}}
    return json.dumps({**data, "spec": spec})


def _targeted(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    if (
        not kind.endswith("Policy")
        or kind.startswith("Envoy")
        or {"targetRef", "targetRefs", "targetSelectors"} & set(spec)
    ):
        return spec
    return {"targetRefs": [_GATEWAY if kind == "ClientTrafficPolicy" else _ROUTE], **spec}


def _table(title: str, kind: str, fields: Mapping[Support, Rows], intro: str = "") -> Compatibility:
    found = []
    for support, rows in fields.items():
        for name, (spec, note) in rows.items():
            own = kind or name.partition(".")[0]
            full = f"{kind}.{name}" if kind else name
            found.append(Feature(full, support, note, _example(own, _targeted(own, spec))))
    return Compatibility(title, _OF, "document", tuple(found), intro)


_NEAREST = (
    "Of each kind of policy the nearest counts (rule, route, listener, ListenerSet, Gateway), then the oldest. "
    "Filters run in Envoy Gateway's order: CORS, extAuth, basicAuth, jwt, authorization, then what BackendTrafficPolicy"
    " says."
)
TABLES: tuple[Compatibility, ...] = (
    _table(
        "Envoy Gateway: SecurityPolicy",
        "SecurityPolicy",
        _FIELDS_SECURITY,
        f"{_NEAREST} A policy that cannot be read closes what it attaches to: 503.",
    ),
    _table("Envoy Gateway: BackendTrafficPolicy", "BackendTrafficPolicy", _FIELDS_TRAFFIC),
    _table("Envoy Gateway: ClientTrafficPolicy", "ClientTrafficPolicy", _FIELDS_CLIENT),
    _table("Envoy Gateway: Backend", "Backend", FIELDS_BACKEND, "References to it need no switch here."),
    _table("Envoy Gateway: HTTPRouteFilter", "HTTPRouteFilter", FIELDS_FILTER),
    _table("Envoy Gateway: other kinds", "", FIELDS_OTHERS),
)
