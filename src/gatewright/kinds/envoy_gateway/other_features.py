"""What becomes of Envoy Gateway's Backend, HTTPRouteFilter and the kinds that change Envoy itself: rows for the tables.

Counterpart: `compatibility`, which has those of the policies and makes tables of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatewright.kinds.features import Support

Rows = Mapping[str, tuple[Any, str]]
"""Example of the spec and note, by the name of the field."""

_CA = {"caCertificateRefs": [{"kind": "ConfigMap", "group": "", "name": "ca"}]}
_IP = {"ip": {"address": "10.0.0.1", "port": 80}}
_NAME = {"fqdn": {"hostname": "a.example.com", "port": 443}}
_TLS: dict[str, Any] = {"endpoints": [_NAME], "tls": {"wellKnownCACertificates": "System"}}


def _with_tls(**more: Any) -> dict[str, Any]:
    return {**_TLS, "tls": {**_TLS["tls"], **more}}


FIELDS_BACKEND: Mapping[Support, Rows] = {
    Support.HONOURED: {
        "endpoints.ip": ({"endpoints": [_IP]}, ""),
        "endpoints.fqdn": ({"endpoints": [_NAME]}, ""),
        "appProtocols": (
            {"endpoints": [_IP], "appProtocols": ["gateway.envoyproxy.io/h2c"]},
            "wss without tls is verified by the system's authorities",
        ),
        "tls.wellKnownCACertificates": (_TLS, ""),
        "tls.caCertificateRefs": ({"endpoints": [_NAME], "tls": _CA}, "one"),
        "tls.insecureSkipVerify": ({"endpoints": [_NAME], "tls": {"insecureSkipVerify": True}}, ""),
        "tls.sni": (_with_tls(sni="b.example.com"), "without it, the name of the endpoint, or the Host"),
        "tls.clientCertificateRef": (_with_tls(clientCertificateRef={"name": "client"}), ""),
    },
    Support.REPORTED: {
        "endpoints.unix": ({"endpoints": [{"unix": {"path": "/run/a"}}]}, "not reached; use ip"),
        "endpoints.hostname": ({"endpoints": [{**_IP, "hostname": "a"}]}, "health checks send their own Host"),
        "endpoints.zone": ({"endpoints": [{**_IP, "zone": "a"}]}, "zones do not count"),
        "type": ({"type": "DynamicResolver"}, "DynamicResolver is refused: 500; name the hosts as endpoints"),
        "fallback": ({"endpoints": [_IP], "fallback": True}, "it gets its share like the others"),
        "tls.minVersion": (_with_tls(minVersion="1.3"), "TLS 1.2 and later are spoken"),
        "tls.maxVersion": (_with_tls(maxVersion="1.2"), "TLS 1.2 and later are spoken"),
        "tls.ciphers": (_with_tls(ciphers=[]), "Envoy's own choice"),
        "tls.alpnProtocols": (_with_tls(alpnProtocols=[]), "ALPN goes by the protocol"),
    },
}


def _regex(**more: Any) -> dict[str, Any]:
    change = {"pattern": "^/a/(.*)", "substitution": "/\\1"}
    return {"urlRewrite": {"path": {"type": "ReplaceRegexMatch", "replaceRegexMatch": change}, **more}}


FIELDS_FILTER: Mapping[Support, Rows] = {
    Support.HONOURED: {
        "urlRewrite.path": (_regex(), ""),
        "directResponse": ({"directResponse": {"statusCode": 404, "body": {"inline": "gone"}}}, "text as it is"),
        "directResponse.header": ({"directResponse": {"header": {"set": [{"name": "X-A", "value": "1"}]}}}, ""),
    },
    Support.REPORTED: {
        "urlRewrite.hostname": (
            {"urlRewrite": {"hostname": {"type": "Header", "header": "X-Host"}}},
            "its rules answer 500; write the Host in the URLRewrite filter",
        ),
        "urlRewrite.appendXForwardedHost": (_regex(appendXForwardedHost=False), "X-Forwarded-Host is that asked for"),
        "directResponse.body.valueRef": (
            {"directResponse": {"body": {"type": "ValueRef", "valueRef": {"kind": "ConfigMap", "name": "a"}}}},
            "its rules answer 500; write it inline",
        ),
        "directResponse.body.inline": (
            {"directResponse": {"body": {"inline": "%REQ(X-A)%"}}},
            "command operators are not expanded",
        ),
        "credentialInjection": ({"credentialInjection": {}}, "its rules answer 500; set the header in the route"),
        "requestMirror": ({"requestMirror": {}}, "its rules answer 500; use the RequestMirror filter of the route"),
        "matches": ({"matches": []}, "its rules answer 500; match the header Cookie in the route"),
    },
}

FIELDS_OTHERS: Mapping[Support, Rows] = {
    Support.REPORTED: {
        "EnvoyPatchPolicy": ({}, "its patches are not applied; say it with routes, filters and policies"),
        "EnvoyExtensionPolicy": ({}, "its extensions do not run; put them behind the gateway, as a backend"),
        "EnvoyProxy.bootstrap": ({"bootstrap": {}}, "Gatewright's own"),
        "EnvoyProxy.filterOrder": ({"filterOrder": []}, "the usual order"),
        "EnvoyProxy.backendTLS": ({"backendTLS": {}}, "name certificates in a BackendTLSPolicy or the Gateway"),
        "EnvoyProxy.ipFamily": ({"ipFamily": "IPv4"}, "backends are reached by the addresses that they have"),
    },
    Support.ADVISORY: {"EnvoyProxy": ({"provider": {"type": "Kubernetes"}}, "")},
}
