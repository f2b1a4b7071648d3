"""The nodes of the graph: what `trace`, `status` and the engines read.  The contract above `graph`.

Everything here is immutable, dialect-free and fully resolved.  The VirtualHost is the unit: one (gateway, port,
hostname), compiled, traced, pushed and issued for on its own.  Order matters in exactly two places and is decided
before, once: `VirtualHost.entries` (first match wins) and `Rule.steps` (applied in order).

This is where others import them from.  Inside: `whole` (the Graph), `gateways`, `hosts`, `rules`, `backends`.
Counterpart: `gatewright.kinds.intents`, the contract below.
"""

from __future__ import annotations

from gatewright.graph.nodes.backends import Backend, BackendKey, BackendTls, Endpoint, UpstreamProtocol
from gatewright.graph.nodes.gateways import Attachment, Gateway, Listener, Port, Refusal
from gatewright.graph.nodes.hosts import BY_TLS, Certificate, Family, SniScope, TlsSettings, VirtualHost, VirtualHostKey
from gatewright.graph.nodes.rules import (
    Access,
    Action,
    AskAuth,
    BasicAuthUsers,
    Entry,
    ErrorPage,
    Forward,
    MirrorTo,
    RedirectTo,
    Respond,
    Rule,
    Step,
    TokenCheck,
    WeightedBackend,
)
from gatewright.graph.nodes.whole import Change, Graph, merged

__all__ = [
    "BY_TLS",
    "Access",
    "Action",
    "AskAuth",
    "Attachment",
    "Backend",
    "BackendKey",
    "BackendTls",
    "BasicAuthUsers",
    "Certificate",
    "Change",
    "Endpoint",
    "Entry",
    "ErrorPage",
    "Family",
    "Forward",
    "Gateway",
    "Graph",
    "Listener",
    "MirrorTo",
    "Port",
    "RedirectTo",
    "Refusal",
    "Respond",
    "Rule",
    "SniScope",
    "Step",
    "TlsSettings",
    "TokenCheck",
    "UpstreamProtocol",
    "VirtualHost",
    "VirtualHostKey",
    "WeightedBackend",
    "merged",
]
