"""What a trace is made of: hops, an outcome, and the document that `gatewright trace -o json` prints.

The document is a stable interface: fields are added, never renamed or removed, within one `version`.
"""

from __future__ import annotations

import enum

from msgspec import Struct, field

from gatewright.base.origin import Origin
from gatewright.graph.nodes import BackendKey, Certificate, Rule, VirtualHost

VERSION = 1


class HopKind(enum.StrEnum):
    """The stations of a request, in the order in which it passes them."""

    VANTAGE = "vantage"
    RESOLVER = "resolver"
    ADDRESS = "address"
    NETWORK = "network"
    LINK = "link"
    FIREWALL = "firewall"
    NAT = "nat"
    NODE = "node"
    POLICY = "policy"
    EDGE = "edge"
    TUNNEL = "tunnel"
    GATEWAY = "gateway"
    LISTENER = "listener"
    TLS = "tls"
    VIRTUAL_HOST = "virtualHost"
    RULE = "rule"
    FILTER = "filter"
    BACKEND = "backend"
    ENDPOINTS = "endpoints"
    RESPONSE = "response"


class OutcomeKind(enum.StrEnum):
    """How it ends: at a backend, with an answer that somebody asked for, or not at all.

    From a vantage also: UNREACHABLE (no packet gets to a gateway), ABSENT (the name has no address of that family),
    UNTRUSTED (the client refuses the certificate), UNKNOWN (the map does not say where it goes).
    """

    DELIVERED = "delivered"
    RESPONSE = "response"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    ABSENT = "absent"
    UNTRUSTED = "untrusted"
    UNKNOWN = "unknown"


class Hop(Struct, frozen=True):
    """One station: what happened there, why, and the place in the input that decided it."""

    kind: HopKind
    summary: str
    origin: Origin | None = None
    details: tuple[str, ...] = ()


class BackendName(Struct, frozen=True):
    """A Service and its port; without a namespace, a host outside of any cluster."""

    namespace: str
    name: str
    port: int

    @classmethod
    def of(cls, key: BackendKey) -> BackendName:
        return cls(key.namespace, key.name, key.port)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}:{self.port}" if self.namespace else f"{self.name}:{self.port}"


class Share(Struct, frozen=True):
    """A backend that requests like this one also reach, with its part of them in per cent."""

    backend: BackendName | None
    status: int
    percent: float


class Sent(Struct, frozen=True):
    """The request as the backend sees it."""

    host: str
    path: str


class Outcome(Struct, frozen=True):
    """How the request ends.  `status` 0 when no HTTP answer comes (a closed connection) or the backend decides it.

    `grpc_status` is what a gRPC client gets instead of `status` when the gateway answers, None for others.
    """

    kind: OutcomeKind
    status: int = 0
    reason: str = ""
    location: str | None = None
    gateway: str | None = None
    listener: str | None = None
    virtual_host: str | None = None
    rule: str | None = None
    backend: BackendName | None = None
    endpoints: tuple[str, ...] = ()
    shares: tuple[Share, ...] = ()
    sent: Sent | None = None
    grpc_status: int | None = None


class Trace(Struct):
    """One walk through one gateway.

    What it passed, for those who go on from there: the VirtualHost, its rule, the Backend's key, and for TLS whether
    the gateway `terminated` it and with which certificate (None: one of a certificate engine).  `streaming`: bytes are
    passed on, so that no HTTP answer can come from the gateway.
    """

    outcome: Outcome
    hops: list[Hop] = field(default_factory=list)
    host: VirtualHost | None = None
    rule: Rule | None = None
    backend: BackendKey | None = None
    terminated: bool = False
    streaming: bool = False
    certificate: Certificate | None = None
