"""The tables of Traefik's other objects: no field is missing, and those that are honoured change what is lowered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from gatewright import kinds
from gatewright.kinds.features import Compatibility
from gatewright.kinds.intents import Intent
from gatewright.kinds.traefik import ingressroute, object_features, service, tcp, tls
from support.lowering import document

TABLES = (object_features.ROUTES, object_features.TLS)
EXAMPLES = {feature.name: feature.example for table in TABLES for feature in table.features}


def meaning(data: dict[str, Any]) -> Intent | None:
    result = kinds.lower(document(data))
    assert result is not None
    return result.intent


def without(spec: Any, names: list[str]) -> None:
    """Take a field out; of lists the first item counts."""
    first, *others = names
    inner = spec[0] if isinstance(spec, list) else spec
    if others:
        without(inner[first], others)
    else:
        del inner[first]


@pytest.mark.parametrize(
    "name",
    [
        "IngressRoute.tls.secretName",
        "IngressRouteTCP.entryPoints",
        "IngressRouteTCP.ingressClassName",
        "IngressRouteTCP.routes.match",
        "IngressRouteTCP.routes.middlewares",
        "IngressRouteTCP.routes.priority",
        "IngressRouteTCP.routes.services",
        "IngressRouteTCP.routes.services.proxyProtocol",
        "IngressRouteTCP.routes.syntax",
        "IngressRouteTCP.tls",
        "IngressRouteTCP.tls.passthrough",
        "IngressRouteUDP.entryPoints",
        "IngressRouteUDP.ingressClassName",
        "IngressRouteUDP.routes.services",
        "ServersTransport.certificatesSecrets",
        "ServersTransport.disableHTTP2",
        "ServersTransport.forwardingTimeouts.dialTimeout",
        "ServersTransport.forwardingTimeouts.idleConnTimeout",
        "ServersTransport.insecureSkipVerify",
        "ServersTransport.peerCertURI",
        "ServersTransport.rootCAs",
        "ServersTransport.rootCAsSecrets",
        "ServersTransport.serverName",
        "ServersTransportTCP.dialTimeout",
        "ServersTransportTCP.proxyProtocol",
        "ServersTransportTCP.tls",
        "TLSOption.alpnProtocols",
        "TLSOption.cipherSuites",
        "TLSOption.maxVersion",
        "TLSOption.sniStrict",
        "TLSStore.certificates",
        "TLSStore.defaultCertificate",
    ],
)
def test_a_field_has_an_effect(name: str) -> None:
    data = json.loads(EXAMPLES[name])
    said = meaning(data)
    without(data["spec"], name.split(".")[1:])
    assert said is not None
    assert meaning(data) != said


@pytest.mark.parametrize(
    ("kind", "schema", "table"),
    [
        ("IngressRoute", ingressroute.IngressRoute, object_features.ROUTES),
        ("IngressRouteTCP", tcp.IngressRouteTCP, object_features.ROUTES),
        ("IngressRouteUDP", tcp.IngressRouteUDP, object_features.ROUTES),
        ("TraefikService", service.TraefikService, object_features.ROUTES),
        ("TLSOption", tls.TLSOption, object_features.TLS),
        ("TLSStore", tls.TLSStore, object_features.TLS),
        ("ServersTransport", tls.ServersTransport, object_features.TLS),
        ("ServersTransportTCP", tls.ServersTransportTCP, object_features.TLS),
    ],
)
def test_every_field_is_in_the_table(kind: str, schema: Any, table: Compatibility) -> None:
    (spec,) = (field.type for field in structs.fields(schema) if field.name == "spec")
    listed = {feature.name.split(".")[1] for feature in table.features if feature.name.startswith(f"{kind}.")}
    known = {field.encode_name for field in structs.fields(spec)} | set(spec.UNSUPPORTED)
    assert known <= listed
