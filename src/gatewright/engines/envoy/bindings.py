"""Where a gateway's ports are bound on this machine, and the few options that are not the manifests' business.

The manifests describe a gateway (port 443 of 192.0.2.10); the bindings say which sockets stand for it here.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field


class Socket(Struct, frozen=True, order=True, gc=False):
    """A local address and port."""

    address: str
    port: int


class PortKey(Struct, frozen=True, order=True, gc=False):
    """One described port of a gateway."""

    gateway: str
    port: int
    udp: bool = False


class Bindings(Struct, frozen=True):
    """Local sockets by described port; a port that is absent is not served.

    `common_names`: the one port whose certificates Envoy asks for over the common stream, named by SNI alone.  Every
    other port that ends TLS has names of its own (see `on_demand_secret`), so that two gateways may serve one hostname
    with different certificates.  None: all ports share the names.

    `access_log`: a file for one JSON line per request, "" for none.  `trusted_hops`: how many proxies in front are
    trusted to have written X-Forwarded-For.
    """

    sockets: Mapping[PortKey, tuple[Socket, ...]] = field(default_factory=dict)
    common_names: PortKey | None = None
    access_log: str = "/dev/stdout"
    trusted_hops: int = 0
