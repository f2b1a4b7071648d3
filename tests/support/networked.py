"""Site maps by hand: short words for sites, links and firewalls, and the ways between their places."""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.places import (
    ClusterSpec,
    FirewallIntent,
    FirewallRule,
    LinkEnd,
    LinkIntent,
    LinkType,
    NetworkSpec,
    NodeSpec,
    PortForward,
    SiteIntent,
    Spot,
)

PUBLIC4, PUBLIC6 = "203.0.113.7", "2001:db8:7::1"


def at(name: str) -> Origin:
    return Origin(f"{name}.yaml", "1")


def network(name: str, *cidrs: str, mtu: int = 1500, internet: bool = True) -> NetworkSpec:
    return NetworkSpec(name, at(name), cidrs, mtu=mtu, internet=internet)


def node(name: str, *addresses: str, labels: Iterable[tuple[str, str]] = ()) -> NodeSpec:
    return NodeSpec(name, at(name), addresses, tuple(labels))


def cluster(
    name: str, *nodes: str, pods: str = "10.42.0.0/16", encapsulation: str = "vxlan", overlay: int = 0
) -> ClusterSpec:
    services = ("10.43.0.0/16",)
    return ClusterSpec(name, at(name), (pods,), services, nodes, encapsulation=encapsulation, overlay_mtu=overlay)


def site(name: str, *parts: NetworkSpec | NodeSpec | ClusterSpec) -> SiteIntent:
    return SiteIntent(
        Key("Site", "", name),
        at(name),
        tuple(part for part in parts if isinstance(part, NetworkSpec)),
        tuple(part for part in parts if isinstance(part, NodeSpec)),
        tuple(part for part in parts if isinstance(part, ClusterSpec)),
    )


def spot(text: str) -> Spot:
    """A Spot from "network:home/lan"."""
    kind, _, name = text.partition(":")
    return Spot(**{kind: name})


def end(place: str, *routes: str, addresses: Iterable[str] = (), endpoint: str = "", config: str = "") -> LinkEnd:
    key = Key("WireGuardConfig", "", config) if config else None
    return LinkEnd(spot(place), at("end"), tuple(addresses), routes, endpoint, config=key)


def link(name: str, *ends: LinkEnd, type_: LinkType = LinkType.WIREGUARD, mtu: int = 0) -> LinkIntent:
    return LinkIntent(Key("Link", "", name), at(name), type_, ends, mtu)


def rule(ports: str = "", protocol: str = "any", *peers: str, allow: bool = True) -> FirewallRule:
    """A rule; `ports` as "80,443" or "8000-8999"."""
    ranges = (part.partition("-") for part in ports.split(",") if part)
    return FirewallRule(
        allow, at("rule"), protocol, tuple((int(low), int(high or low)) for low, _, high in ranges), peers
    )


def firewall(
    name: str,
    place: str,
    *inbound: FirewallRule,
    outbound: Iterable[FirewallRule] = (),
    group: bool = False,
    forwards: Iterable[PortForward] = (),
    default_inbound: bool = False,
    default_outbound: bool = True,
) -> FirewallIntent:
    return FirewallIntent(
        Key("Firewall", "", name),
        at(name),
        "security-group" if group else "nftables",
        (spot(place),),
        inbound,
        tuple(outbound),
        default_inbound,
        default_outbound,
        tuple(forwards),
    )


def forward(address: str, port: int, to: str, to_port: int = 0) -> PortForward:
    return PortForward(address, port, to, to_port or port, at("forward"))


def homes() -> tuple[Intent, ...]:
    """A home with three nodes behind a router, a rented server that is a node of its cluster, WireGuard between."""
    lan = network("lan", "192.168.178.0/24", "fda8:a1db:5685::/64")
    nodes = [node(f"n{i}", f"192.168.178.{4 + i}", f"fda8:a1db:5685::{4 + i}") for i in (1, 2, 3)]
    edge = node("edge", "192.168.178.201", "fda8:a1db:5685::201", PUBLIC4, PUBLIC6)
    return (
        site("home", lan, *nodes, cluster("k3s", "n1", "n2", "n3", "cloud/edge")),
        site("cloud", edge),
        link("wg", end("network:home/lan"), end("node:cloud/edge", endpoint=f"{PUBLIC4}:56527")),
        firewall("edge-fw", "node:cloud/edge", rule("22,80,443", "tcp"), rule("56527", "udp")),
    )
