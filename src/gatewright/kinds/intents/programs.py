"""Intents of configuration files: ends of WireGuard and Nebula links, rules of cloudflared, values of Helm charts."""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.places import FirewallRule, LinkType


class WireGuardPeer(Struct, frozen=True, gc=False):
    public_key: str
    origin: Origin
    endpoint: str = ""
    allowed_ips: tuple[str, ...] = ()
    preshared: bool = False


class LinkFileIntent(Struct, frozen=True):
    """A WireGuard or Nebula configuration: one end.  `public_key` is derived from the private key, which is not kept.

    Nebula: `routes` are unsafe_routes (via, cidr), `hosts` static_host_map (overlay address, underlay addresses).
    """

    key: Key
    origin: Origin
    type: LinkType
    addresses: tuple[str, ...] = ()
    mtu: int = 0
    listen_port: int = 0
    public_key: str = ""
    peers: tuple[WireGuardPeer, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    hosts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    inbound: tuple[FirewallRule, ...] | None = None
    outbound: tuple[FirewallRule, ...] | None = None


class TunnelRule(Struct, frozen=True, gc=False):
    """One ingress rule of cloudflared, in order.  `hostname` "" or "*.x"; `path` a regular expression (unanchored);
    `service` as written ("https://10.0.0.50:443", "http_status:404", "tcp://...").  `server_name`: originServerName;
    `match_sni`: matchSNItoHost."""

    service: str
    origin: Origin
    hostname: str = ""
    path: str = ""
    server_name: str = ""
    match_sni: bool = False
    verify: bool = True
    host_header: str = ""
    http2: bool = False


class TunnelIntent(Struct, frozen=True):
    """A cloudflared configuration: where the names that lead to `tunnel`.cfargotunnel.com go.

    Where it runs is the Link's business; from a ConfigMap, in that namespace's cluster.
    """

    key: Key
    origin: Origin
    tunnel: str
    rules: tuple[TunnelRule, ...]


class HelmIntent(Struct, frozen=True):
    """Values given to a Helm chart: HelmRelease, HelmChart(Config), Argo Application or a values file.

    `chart` the chart's bare name ("traefik"), "" when only the file's reader knows.  `values` is JSON text, since
    intents are hashable; `origin` that of the values.
    """

    key: Key
    origin: Origin
    chart: str
    version: str
    release: str
    namespace: str
    values: str
