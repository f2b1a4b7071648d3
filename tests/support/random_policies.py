"""Random policies of Envoy Gateway, and backends that list their endpoints, for the gateways of `random_routes`."""

from __future__ import annotations

from random import Random
from typing import Any

from support.random_routes import Manifest, meta

API = "gateway.envoyproxy.io/v1alpha1"
_GROUP = "gateway.networking.k8s.io"
_LIMIT = {"limit": {"requests": 5, "unit": "Minute"}}
_SECURITY: tuple[dict[str, Any], ...] = (
    {"authorization": {"defaultAction": "Deny"}},
    {"authorization": {"rules": [{"action": "Deny", "principal": {"clientCIDRs": ["10.0.0.0/8"]}}]}},
    {"basicAuth": {"users": {"name": "tls"}}},
    {"cors": {"allowOrigins": ["https://*.a.test"], "allowMethods": ["GET"]}},
    {"extAuth": {"http": {"backendRefs": [{"name": "one", "port": 80}]}}},
    {"extAuth": {"http": {"backendRefs": [{"name": "missing", "port": 80}]}}},
    {"oidc": {}},
)
_TRAFFIC: tuple[dict[str, Any], ...] = (
    {"timeout": {"http": {"requestTimeout": "7s"}}},
    {"retry": {"numRetries": 3}},
    {"rateLimit": {"local": {"rules": [_LIMIT]}}},
    {"rateLimit": {"local": {"rules": [{**_LIMIT, "cost": {}}]}}},
    {"loadBalancer": {"type": "Random"}, "circuitBreaker": {"maxConnections": 9}},
    {"compressor": [{"type": "Gzip"}]},
    {"proxyProtocol": {"version": "V2"}},
)
_CLIENT: tuple[dict[str, Any], ...] = (
    {"proxyProtocol": {}},
    {"clientIPDetection": {"xForwardedFor": {"numTrustedHops": 1}}},
    {"tls": {"minVersion": "1.3", "clientValidation": {"caCertificateRefs": [{"name": "tls"}]}}},
    {"timeout": {"http": {"idleTimeout": "9s"}}},
)
_ENDPOINTS: tuple[list[dict[str, Any]], ...] = (
    [{"ip": {"address": "10.9.0.1", "port": 80}}, {"ip": {"address": "10.9.0.2", "port": 81}}],
    [{"fqdn": {"hostname": "far.test", "port": 443}}],
)


def governed(seed: int) -> list[Manifest]:
    """A few policies of each kind at routes, rules, listeners and gateways, and routes to a Backend."""
    random = Random(f"policies {seed}")
    found = [_policy("SecurityPolicy", n, random, random.choice(_SECURITY)) for n in range(random.randint(1, 4))]
    found += [_policy("BackendTrafficPolicy", n, random, random.choice(_TRAFFIC)) for n in range(random.randint(1, 4))]
    for number in range(random.randint(0, 2)):
        found.append(
            _document("ClientTrafficPolicy", f"c{number}", "infra", _at_gateway(random, random.choice(_CLIENT)))
        )
    tls = {"tls": {"wellKnownCACertificates": "System"}} if random.random() < 0.4 else {}
    found.append(_document("Backend", "far", "apps", {"endpoints": random.choice(_ENDPOINTS), **tls}))
    rule = {
        "backendRefs": [{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": random.choice(["far", "no"])}]
    }
    spec = {"parentRefs": [{"name": "gw", "namespace": "infra"}], "hostnames": ["far.a.test"], "rules": [rule]}
    route = {"apiVersion": f"{_GROUP}/v1", "kind": "HTTPRoute", "metadata": meta("to-far"), "spec": spec}
    return [*found, route]


def _document(kind: str, name: str, namespace: str, spec: dict[str, Any]) -> Manifest:
    return {"apiVersion": API, "kind": kind, "metadata": meta(name, namespace), "spec": spec}


def _policy(kind: str, number: int, random: Random, said: dict[str, Any]) -> Manifest:
    if random.random() < 0.25:
        return _document(kind, f"g{number}", "infra", _at_gateway(random, said))
    name = random.choice(["h0", "h1", "h2", "to-far", "in-set"])
    targets: dict[str, Any] = {"targetRefs": [{"group": _GROUP, "kind": "HTTPRoute", "name": name}]}
    if random.random() < 0.2:
        targets = {"targetSelectors": [{"kind": "HTTPRoute", "matchLabels": {}}]}
    merging = {"mergeType": "StrategicMerge"} if random.random() < 0.4 else {}
    made = _document(kind, f"p{number}", "apps", {**targets, **said, **merging})
    if random.random() < 0.5:
        made["metadata"]["creationTimestamp"] = f"2026-0{random.randint(1, 3)}-01T00:00:00Z"
    return made


def _at_gateway(random: Random, said: dict[str, Any]) -> dict[str, Any]:
    target = {"group": _GROUP, "kind": "Gateway", "name": "gw"}
    if random.random() < 0.4:
        target["sectionName"] = random.choice(["http", "s0", "h0"])
    return {"targetRefs": [target], **said}
