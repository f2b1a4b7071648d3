"""Intents of places and ways: sites, nodes, clusters, links, firewalls, and the addresses of load balancers.

Addresses are strings as `ipaddress` prints them; CIDRs likewise, host bits cleared.  A place is a `Spot`.
"""

from __future__ import annotations

import enum

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key, Selector

INTERNET = "internet"
"""The network that is always there: every public address is in it."""


class Spot(Struct, frozen=True, order=True, gc=False):
    """A place in the site map by name.  Exactly one of the fields is set.

    `network` is "site/network" or "internet"; `node` is "site/node" (or the bare name of a node, where it is
    unique); `cluster` is "site/cluster" (or bare): the pod network of a cluster, also for cluster-internal clients;
    `site` all networks of a site.
    """

    network: str = ""
    node: str = ""
    cluster: str = ""
    site: str = ""

    def __str__(self) -> str:
        return self.network or self.node or self.cluster or self.site


class AddressRange(Struct, frozen=True, gc=False):
    """Addresses `first` to `last`, both included and of one family; as written: `text`."""

    first: str
    last: str
    text: str
    origin: Origin


class NetworkSpec(Struct, frozen=True, gc=False):
    """One network of a site.  `cidrs` of both families, `dhcp` what a DHCP server hands out.

    `mtu` in octets.  `nat4`: IPv4 clients reach the internet through address translation (True unless said).
    `routed6`: are its IPv6 addresses reachable from the internet?  None: global addresses are, ULA not.
    """

    name: str
    origin: Origin
    cidrs: tuple[str, ...]
    dhcp: tuple[AddressRange, ...] = ()
    mtu: int = 1500
    internet: bool = True


class NodeSpec(Struct, frozen=True, gc=False):
    """One machine: all of its addresses, public ones too.  Its networks are those that hold its addresses."""

    name: str
    origin: Origin
    addresses: tuple[str, ...]
    labels: tuple[tuple[str, str], ...] = ()


class ClusterSpec(Struct, frozen=True, gc=False):
    """One Kubernetes cluster: CIDRs of pods and Services, which nodes belong to it (site/node or bare; a node of
    another site may), how pods reach pods of other nodes.

    `encapsulation`: "none" | "vxlan" | "geneve" | "wireguard" | "ipip"; "" unknown.  `overlay_mtu` 0: derived.
    `enforces_policies`: does its network plugin enforce NetworkPolicy?  `namespaces`: those whose objects live in this
    cluster, for maps with several clusters; empty: all that no other cluster names.  `dns` the cluster resolver's name.
    `distribution` "k3s" and so on, "" unknown; its usual CIDRs are filled in where the map gives none.
    """

    name: str
    origin: Origin
    pod_cidrs: tuple[str, ...] = ()
    service_cidrs: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    encapsulation: str = ""
    overlay_mtu: int = 0
    enforces_policies: bool = True
    resolver: str = ""
    distribution: str = ""


class SiteIntent(Struct, frozen=True):
    key: Key
    origin: Origin
    networks: tuple[NetworkSpec, ...] = ()
    nodes: tuple[NodeSpec, ...] = ()
    clusters: tuple[ClusterSpec, ...] = ()


class NodeIntent(Struct, frozen=True):
    """A Kubernetes Node: `addresses` of any type, `pod_cidrs`, labels."""

    key: Key
    origin: Origin
    addresses: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    pod_cidrs: tuple[str, ...] = ()


class LinkType(enum.StrEnum):
    WIREGUARD = "WireGuard"
    NEBULA = "Nebula"
    LIQO = "Liqo"
    CLOUDFLARE_TUNNEL = "CloudflareTunnel"
    DIRECT = "Direct"


class LinkEnd(Struct, frozen=True, gc=False):
    """One end: where it is, its tunnel `addresses`, and `routes`: the CIDRs that the others reach through this end.

    `config` is the WireGuard or Nebula configuration that tells of this end (Key of a file).
    """

    at: Spot
    origin: Origin
    addresses: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    endpoint: str = ""
    listen_port: int = 0
    config: Key | None = None


class LinkIntent(Struct, frozen=True):
    """A tunnel or line between ends.  `mtu` 0: the type's usual one (1420 WireGuard, 1300 Nebula, 1340 Liqo).

    Every end reaches every other one.  A CloudflareTunnel has one end; `tunnel` is the cloudflared configuration (a
    file, or a ConfigMap with `tunnel_entry` its data key, "" for the only one).
    """

    key: Key
    origin: Origin
    type: LinkType
    ends: tuple[LinkEnd, ...] = ()
    mtu: int = 0
    cidrs: tuple[str, ...] = ()
    tunnel: Key | None = None
    tunnel_entry: str = ""


class FirewallRule(Struct, frozen=True, gc=False):
    """One rule: `protocol` "tcp" | "udp" | "icmp" | "any"; `ports` inclusive ranges, empty: all; `peers` CIDRs (the
    source of inbound, the destination of outbound rules), empty: anybody.  Applies to both families unless peers say.
    """

    allow: bool
    origin: Origin
    protocol: str = "any"
    ports: tuple[tuple[int, int], ...] = ()
    peers: tuple[str, ...] = ()


class PortForward(Struct, frozen=True, gc=False):
    """Destination NAT: what arrives for `address`:`port` goes to `to_address`:`to_port`."""

    address: str
    port: int
    to_address: str
    to_port: int
    origin: Origin
    protocol: str = "tcp"


class FirewallIntent(Struct, frozen=True):
    """What protects `spots`.  style "security-group": rules only allow and their order says nothing, style "nftables":
    the first rule that matches decides.  Nothing matches: `default_inbound`, `default_outbound` (allow?).
    Traffic between members of one protected network does not pass its firewall; that to a protected node always does.
    """

    key: Key
    origin: Origin
    style: str = "nftables"
    spots: tuple[Spot, ...] = ()
    inbound: tuple[FirewallRule, ...] = ()
    outbound: tuple[FirewallRule, ...] = ()
    default_inbound: bool = False
    default_outbound: bool = True
    forwards: tuple[PortForward, ...] = ()


class PoolIntent(Struct, frozen=True):
    """Addresses that a load-balancer implementation hands to Services.

    `implementation`: "metallb" | "cilium" | "servicelb".  `auto_assign` False: only to Services that ask for it.
    `services`/`namespaces` select who may (None: everybody); `priority` smaller first (MetalLB), 0 last.
    `first_last`: may the network and broadcast addresses of a CIDR be used (ranges whose text has a "/")?  `labels` are
    what announcements select it by; `announced` "l2" or "bgp" when it announces itself (MetalLB's old AddressPool).
    Cilium adds the labels `io.kubernetes.service.namespace` and `io.kubernetes.service.name` to what `services` sees.
    """

    key: Key
    origin: Origin
    implementation: str
    ranges: tuple[AddressRange, ...]
    auto_assign: bool = True
    services: tuple[Selector, ...] = ()
    namespaces: tuple[str, ...] = ()
    namespace_selectors: tuple[Selector, ...] = ()
    priority: int = 0
    first_last: bool = True
    avoid_buggy: bool = False
    disabled: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    announced: str = ""


class AnnouncementIntent(Struct, frozen=True):
    """Who answers for load balancer addresses on the segment (ARP, NDP).

    `pools` names, empty with `pool_selectors` empty: all.  `nodes` selectors (empty: all nodes).
    `services` None: all.  `external_ips`/`load_balancer_ips` (Cilium): which addresses of a Service.
    `protocol` "l2", or "bgp": routers are told, so that no segment matters.
    """

    key: Key
    origin: Origin
    implementation: str
    pools: tuple[str, ...] = ()
    pool_selectors: tuple[Selector, ...] = ()
    nodes: tuple[Selector, ...] = ()
    services: Selector | None = None
    interfaces: tuple[str, ...] = ()
    load_balancer_ips: bool = True
    external_ips: bool = True
    protocol: str = "l2"
