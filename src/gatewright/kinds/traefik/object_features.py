"""What becomes of the fields of Traefik's routes, groups of services, TLS options and transports.

Plain data for the compatibility page.  A test compares it with the schemas of the kinds, so that no field is missing.
Counterpart: `compatibility`, for middlewares and the services of a route.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from gatewright.kinds.features import Compatibility, Feature, Support

Rows = Mapping[Support, Mapping[str, tuple[Any, str]]]
"""Spec of an example and note, by Kind.field."""

_OF = "Traefik 3.7 (traefik.io/v1alpha1, and the old traefik.containo.us)"
_APP = {"name": "app", "port": 80}
_VERIFIED = {"clientAuth": {"secretNames": ["ca"], "clientAuthType": "RequireAndVerifyClientCert"}}
_NO_RESOLVER = "certificate resolvers are part of Traefik; name a Secret"


def _http(spec: Mapping[str, Any] | None = None, **route: Any) -> dict[str, Any]:
    return {"routes": [{"match": "Host(`a.test`)", "services": [_APP], **route}], **(spec or {})}


def _tcp(spec: Mapping[str, Any] | None = None, service: Mapping[str, Any] | None = None, **route: Any) -> Any:
    services = [{**_APP, **(service or {})}]
    return {"routes": [{"match": "HostSNI(`*`)", "services": services, **route}], **(spec or {})}


def _udp(**service: Any) -> dict[str, Any]:
    return {"entryPoints": ["dns"], "routes": [{"services": [{**_APP, **service}]}]}


def _mirrored(**more: Any) -> dict[str, Any]:
    return {"mirroring": {**_APP, "mirrors": [{"name": "copy", "port": 80, "percent": 10}], **more}}


_ROUTES: Rows = {
    Support.HONOURED: {
        "IngressRoute.entryPoints": (_http({"entryPoints": ["web"]}), ""),
        "IngressRoute.ingressClassName": (_http({"ingressClassName": "internal"}), ""),
        "IngressRoute.routes.kind": (_http(kind="Rule"), ""),
        "IngressRoute.routes.match": (_http(), ""),
        "IngressRoute.routes.middlewares": (_http(middlewares=[{"name": "auth"}]), ""),
        "IngressRoute.routes.priority": (_http(priority=10), ""),
        "IngressRoute.routes.services": (_http(), ""),
        "IngressRoute.routes.syntax": (_http(match="Host(`a.test`, `b.test`)", syntax="v2"), ""),
        "IngressRoute.tls": (_http({"tls": {}}), ""),
        "IngressRoute.tls.options": (_http({"tls": {"options": {"name": "strict"}}}), ""),
        "IngressRoute.tls.secretName": (_http({"tls": {"secretName": "a"}}), ""),
        "IngressRouteTCP.entryPoints": (_tcp({"entryPoints": ["mqtt"]}), ""),
        "IngressRouteTCP.ingressClassName": (_tcp({"ingressClassName": "internal"}), ""),
        "IngressRouteTCP.routes.match": (_tcp(), ""),
        "IngressRouteTCP.routes.middlewares": (_tcp(middlewares=[{"name": "office"}]), ""),
        "IngressRouteTCP.routes.priority": (_tcp(priority=10), ""),
        "IngressRouteTCP.routes.services": (_tcp(), "with namespace, port, weight, nativeLB, tls and serversTransport"),
        "IngressRouteTCP.routes.services.proxyProtocol": (_tcp(service={"proxyProtocol": {"version": 1}}), ""),
        "IngressRouteTCP.routes.syntax": (_tcp({"tls": {}}, match="HostSNI(`a.test`, `b.test`)", syntax="v2"), ""),
        "IngressRouteTCP.tls": (_tcp({"tls": {}}, match="HostSNI(`a.test`)"), ""),
        "IngressRouteTCP.tls.passthrough": (_tcp({"tls": {"passthrough": True}}, match="HostSNI(`a.test`)"), ""),
        "IngressRouteUDP.entryPoints": (_udp(), ""),
        "IngressRouteUDP.ingressClassName": ({**_udp(), "ingressClassName": "internal"}, ""),
        "IngressRouteUDP.routes.services": (_udp(), ""),
        "TraefikService.mirroring": (_mirrored(), ""),
        "TraefikService.weighted": ({"weighted": {"services": [{**_APP, "weight": 2}]}}, ""),
        "TraefikService.weighted.sticky": (
            {"weighted": {"services": [_APP], "sticky": {"cookie": {}}}},
            "to endpoints",
        ),
    },
    Support.REPORTED: {
        "IngressRoute.parentRefs": (_http({"parentRefs": [{"name": "a"}]}), "none of its routes is used"),
        "IngressRoute.routes.observability": (_http(observability={}), "logs and traces are the gateway's"),
        "IngressRoute.tls.certResolver": (_http({"tls": {"certResolver": "le"}}), _NO_RESOLVER),
        "IngressRoute.tls.store": (_http({"tls": {"store": {"name": "a"}}}), "only the one named default counts"),
        "IngressRouteTCP.routes.services.terminationDelay": (
            _tcp(service={"terminationDelay": 10}),
            "connections are closed when both sides have closed them",
        ),
        "IngressRouteTCP.routes.services.nodePortLB": (
            _tcp(service={"nodePortLB": True}),
            "endpoints are reached directly",
        ),
        "IngressRouteTCP.tls.certResolver": (
            _tcp({"tls": {"certResolver": "le"}}, match="HostSNI(`a.test`)"),
            _NO_RESOLVER,
        ),
        "TraefikService.failover": (
            {"failover": {}, "weighted": {"services": [_APP]}},
            "describe it as weighted, with a health check",
        ),
        "TraefikService.highestRandomWeight": (
            {"highestRandomWeight": {}, "weighted": {"services": [_APP]}},
            "use strategy: hrw of a service",
        ),
        "TraefikService.mirroring.maxBodySize": (_mirrored(maxBodySize=10), "mirrored whatever the size"),
        "TraefikService.mirroring.mirrorBody": (_mirrored(mirrorBody=False), "mirrored with the body"),
    },
    Support.ADVISORY: {"IngressRoute.tls.domains": (_http({"tls": {"domains": [{"main": "a.test"}]}}), "")},
}
_TLS: Rows = {
    Support.HONOURED: {
        "ServersTransport.certificatesSecrets": ({"certificatesSecrets": ["own"]}, ""),
        "ServersTransport.disableHTTP2": ({"disableHTTP2": True}, ""),
        "ServersTransport.forwardingTimeouts.dialTimeout": ({"forwardingTimeouts": {"dialTimeout": "5s"}}, ""),
        "ServersTransport.forwardingTimeouts.idleConnTimeout": ({"forwardingTimeouts": {"idleConnTimeout": "9s"}}, ""),
        "ServersTransport.forwardingTimeouts.responseHeaderTimeout": (
            {"forwardingTimeouts": {"responseHeaderTimeout": "5s"}},
            "504",
        ),
        "ServersTransport.insecureSkipVerify": ({"insecureSkipVerify": True}, ""),
        "ServersTransport.peerCertURI": ({"peerCertURI": "spiffe://a/b"}, "beside insecureSkipVerify it is refused"),
        "ServersTransport.rootCAs": ({"rootCAs": [{"secret": "ca"}]}, ""),
        "ServersTransport.rootCAsSecrets": ({"rootCAsSecrets": ["ca"]}, ""),
        "ServersTransport.serverName": ({"serverName": "inside.test"}, ""),
        "ServersTransportTCP.dialTimeout": ({"dialTimeout": "5s"}, ""),
        "ServersTransportTCP.proxyProtocol": ({"proxyProtocol": {"version": 2}}, ""),
        "ServersTransportTCP.tls": ({"tls": {"serverName": "inside.test"}}, ""),
        "TLSOption.alpnProtocols": ({"alpnProtocols": ["h2"]}, ""),
        "TLSOption.cipherSuites": ({"cipherSuites": ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]}, ""),
        "TLSOption.clientAuth": (_VERIFIED, "RequireAnyClientCert: 400 without one, not a failed handshake"),
        "TLSOption.maxVersion": ({"maxVersion": "VersionTLS12"}, ""),
        "TLSOption.minVersion": ({"minVersion": "VersionTLS13"}, ""),
        "TLSOption.sniStrict": ({"sniStrict": True}, ""),
        "TLSStore.certificates": ({"certificates": [{"secretName": "a"}]}, ""),
        "TLSStore.defaultCertificate": ({"defaultCertificate": {"secretName": "a"}}, "of the one named default"),
    },
    Support.REPORTED: {
        "ServersTransport.cipherSuites": ({"cipherSuites": ["a"]}, "the gateway's own"),
        "ServersTransport.forwardingTimeouts.pingTimeout": ({"forwardingTimeouts": {"pingTimeout": "1s"}}, "no pings"),
        "ServersTransport.forwardingTimeouts.readIdleTimeout": (
            {"forwardingTimeouts": {"readIdleTimeout": "1s"}},
            "no pings",
        ),
        "ServersTransport.maxVersion": ({"maxVersion": "VersionTLS12"}, "the gateway's own"),
        "ServersTransport.minVersion": ({"minVersion": "VersionTLS12"}, "the gateway's own"),
        "ServersTransport.spiffe": ({"spiffe": {}}, "503; use peerCertURI"),
        "ServersTransportTCP.dialKeepAlive": ({"dialKeepAlive": "1s"}, "the gateway's own"),
        "ServersTransportTCP.terminationDelay": ({"terminationDelay": "1s"}, "closed when both sides have closed it"),
        "TLSOption.curvePreferences": ({"curvePreferences": ["X25519"]}, "the gateway's own"),
        "TLSStore.defaultGeneratedCert": ({"defaultGeneratedCert": {}}, _NO_RESOLVER),
    },
    Support.ADVISORY: {
        "ServersTransport.maxIdleConnsPerHost": ({"maxIdleConnsPerHost": 7}, ""),
        "TLSOption.disableSessionTickets": ({"disableSessionTickets": True}, ""),
        "TLSOption.preferServerCipherSuites": ({"preferServerCipherSuites": True}, ""),
    },
}


def _features(rows: Rows) -> Iterable[Feature]:
    for support, fields in rows.items():
        for name, (spec, note) in fields.items():
            kind = name.partition(".")[0]
            metadata = {"name": "default" if kind.startswith("TLS") else "example", "namespace": "apps"}
            data = {"apiVersion": "traefik.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
            yield Feature(name, support, note, json.dumps(data))


ROUTES = Compatibility(
    "Traefik: routes and groups of services",
    _OF,
    "document",
    tuple(_features(_ROUTES)),
    "Paths are compared as Traefik 3 does it, decoded but for reserved characters and the percent sign: `/caf%C3%A9` is"
    " `/caf\u00e9`, `/a%2Bb` is not `/a+b`. Where a rule's own text has such a character encoded, clients may write"
    " its hexadecimal digits in either case. In an expression that looks at single characters, an encoded reserved one"
    " counts as one, in Traefik as three. What an expression with `\\p`, `\\b` or a class of single characters beyond"
    " ASCII (`[\u00e0-\u00fc]`) says of encoded characters is not decided: encoded paths that it may match get 503.",
)
TLS = Compatibility("Traefik: TLS and transports", _OF, "document", tuple(_features(_TLS)))
