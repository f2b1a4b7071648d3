"""Backends: what requests are sent on to, and how it is spoken to.

Which requests go there is a Rule's.  Counterpart: `rules`.
"""

from __future__ import annotations

import enum

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.sensitive import Sensitive
from gatewright.kinds.intents.routing import Upstream


class BackendKey(Struct, frozen=True, order=True, gc=False):
    """One upstream: Service namespace, name and port number, and how it is spoken to.

    `variant` distinguishes several ways to speak to one port (scheme, transport, limits): "" for the usual one; see
    `resolve.variants`.  Without a namespace, `name` is a host outside of any cluster, by name or address.
    The string form names the Envoy cluster and is stable.
    """

    namespace: str
    name: str
    port: int
    variant: str = ""

    def __str__(self) -> str:
        text = f"{self.namespace}/{self.name}:{self.port}"
        return f"{text}:{self.variant}" if self.variant else text


class UpstreamProtocol(enum.StrEnum):
    """How to speak to a backend.

    HTTP1 may be upgraded to a WebSocket; H2 is with prior knowledge (h2c) or over TLS by ALPN.
    """

    HTTP1 = "http/1.1"
    H2 = "h2"
    TCP = "tcp"
    UDP = "udp"


class BackendTls(Struct, frozen=True):
    """TLS towards a backend.  `server_name` is sent as SNI; verification as described.

    `ca` PEM certificates; `system_ca` the system's trust store; neither and not `verify`: encrypted, unverified.
    `verify_names`: (type "Hostname"|"URI"|"IP", value) to be found in the certificate.  `follows_host`: the SNI is the
    Host of each request instead, and where it is verified without `verify_names`, that is the name to be found.
    """

    server_name: str = ""
    verify: bool = True
    ca: bytes = b""
    system_ca: bool = False
    verify_names: tuple[tuple[str, str], ...] = ()
    client_certificate: bytes = b""
    client_key: Sensitive = Sensitive(b"")
    alpn: tuple[str, ...] = ()
    follows_host: bool = False


class Endpoint(Struct, frozen=True, order=True, gc=False):
    """One address that serves a backend; `address` is an IP, or a DNS name for ExternalName Services."""

    address: str
    port: int
    pod: str = ""
    node: str = ""
    zone: str = ""


class Backend(Struct, frozen=True):
    """A resolved upstream with its ready endpoints (sorted).  `dns_name`: resolve it instead (ExternalName).

    No endpoints and no dns_name: requests get 503.  `reason` says why it has none.  `pods` says which pods would
    serve it when the Service selects some but no EndpointSlice lists them, as in manifests that were never applied.
    `usable` False: it may not be reached at all, because its TLS cannot be verified as asked.
    `origins`: the Service first, then what its endpoints came from; none for a host outside of any cluster.
    `upstream`: what else was said of connections to it; its `tls` and `connect_timeout` are those above.
    """

    key: BackendKey
    protocol: UpstreamProtocol
    origins: tuple[Origin, ...]
    endpoints: tuple[Endpoint, ...] = ()
    dns_name: str = ""
    tls: BackendTls | None = None
    connect_timeout: float = 10.0
    proxy_protocol: int = 0
    app_protocol: str = ""
    reason: str = ""
    pods: str = ""
    usable: bool = True
    upstream: Upstream = Upstream()
