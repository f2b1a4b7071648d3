"""Nebula: the real program at each end, with a CA made for the occasion and the firewalls of the described files.

Ends that are dialled are lighthouses, and relay for those that do not reach each other.  Nebula of this version carries
IPv4 only; what else is described is told.  Counterpart: `wireguard`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import msgspec

from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Tunnel
from gatewright.kinds.intents.places import FirewallRule
from gatewright.rehearsal.plan.links.ends import Carried, End
from gatewright.rehearsal.plan.links.nebula_pki import Authority
from gatewright.rehearsal.plan.links.routes import METRIC, Routes, halves, wanted
from gatewright.rehearsal.world import Daemon, Draft, File

ANYTHING: list[dict[str, Any]] = [{"port": "any", "proto": "any", "host": "any"}]


def plan(draft: Draft, routes: Routes, tunnel: Tunnel, ends: Sequence[End], first: int, carried: Carried) -> None:
    """The daemons of a mesh, devices numbered from `first`; lighthouses start before those that ask them."""
    overlay = _overlay(tunnel, ends)
    addressed = [end for end in ends if _address(end) is not None]
    for end in ends:
        if _address(end) is None:
            draft.note(f"{end.space.name} has no IPv4 address in {tunnel.name}, and no part of it here", tunnel.origin)
    if any(net.version == 6 for end in ends for net in end.routes):
        draft.note(f"{tunnel.name} carries IPv4 only: Nebula here has no IPv6 inside", tunnel.origin)
    authority = Authority(tunnel.name)
    beacons: list[str] = []
    for end in addressed:
        number = ends.index(end)
        device = f"neb{first + number}"
        others = [other for other in addressed if other is not end]
        draft.link_devices.setdefault(end.space.name, []).append((device, tunnel.name))
        end.space.addresses += [str(_address(end))]
        end.space.routes()
        routes.into(end, others, f"dev {device}")  # what beside it leads there: its own routes it makes itself
        routes.bypass(end, others, device)
        dialled = {str(_address(ends[there])): at for (here, there), at in carried.at.items() if here == number}
        configuration = _configuration(tunnel, end, others, overlay, device, dialled)
        certificate, key = authority.host(end.space.name, _interface(end, overlay), _subnets(end, overlay))
        folder = "{folder}/" + device
        # Routes are the last that it makes, after its device is up; that is there long before.
        last = next((one["route"] for one in reversed(configuration["tun"]["unsafe_routes"])), str(overlay))
        daemon = Daemon(
            name=f"link:{tunnel.name}@{end.space.name}",
            space=end.space.name,
            command=("nebula", "-config", f"{folder}/config.yml"),
            ready=(f"route:{device}:{last}",),
            concerns=f"link:{tunnel.name}",
            needs=(*carried.needs, *beacons),
        )
        pki = {"ca": authority.certificate, "cert": certificate, "key": key}
        files = {"config.yml": msgspec.json.encode(configuration | {"pki": pki})}
        draft.daemon(daemon, *(File(f"{device}/{name}", content, secret=True) for name, content in files.items()))
        if end.dialled is not None:
            beacons.append(daemon.name)


def _configuration(
    tunnel: Tunnel, end: End, others: Sequence[End], overlay: IPv4Network, device: str, dialled: dict[str, str]
) -> dict[str, Any]:
    """What `nebula` reads, JSON being YAML; keys inline."""
    beacon = end.dialled is not None
    lighthouses = [str(_address(other)) for other in others if other.dialled is not None]
    unsafe = [
        {"route": str(net), "via": str(_address(other)), "mtu": tunnel.mtu, "metric": METRIC}
        for other in others
        for net in halves(net for net in wanted(end, (other,)) if net in _subnets(other, overlay))
    ]
    own = {f"{address}/{128 if ':' in address else 32}": True for address in end.own if cidrs.address(address)}
    return {
        "static_host_map": {inner: [at] for inner, at in dialled.items()},
        "lighthouse": {
            "am_lighthouse": beacon,
            "interval": 10,
            "hosts": [] if beacon else lighthouses,
            # Where it is reached are its described addresses: not those inside of links, nor of pods.
            "local_allow_list": own | {"0.0.0.0/0": False, "::/0": False},
        },
        "listen": {"host": "::", "port": end.port},
        "punchy": {"punch": True, "respond": True, "delay": "10ms"},
        "relay": {"am_relay": beacon, "use_relays": True, "relays": [] if beacon else lighthouses},
        "tun": {"dev": device, "mtu": tunnel.mtu, "unsafe_routes": unsafe},
        "logging": {"level": "warning"},
        "firewall": {"outbound": _rules(end.file.outbound if end.file else None), "inbound": _rules(_inbound(end))},
    }


def _inbound(end: End) -> tuple[FirewallRule, ...] | None:
    return next((joint.inbound for joint in end.joints if joint.inbound is not None), None)


def _rules(rules: Iterable[FirewallRule] | None) -> list[dict[str, Any]]:
    """A firewall as Nebula writes it; None lets everything pass."""
    return ANYTHING if rules is None else [entry for rule in rules for entry in _entries(rule)]


def _entries(rule: FirewallRule) -> Iterator[dict[str, Any]]:
    peers: list[dict[str, Any]] = [{"cidr": peer} for peer in rule.peers if ":" not in peer]
    for low, high in rule.ports or ((0, 0),):
        port = "any" if not rule.ports else f"{low}-{high}" if low != high else str(low)
        for peer in peers if rule.peers else [{"host": "any"}]:
            yield {"port": port, "proto": rule.protocol, **peer}


def _address(end: End) -> IPv4Address | None:
    known = (cidrs.address(address) for address in end.addresses)
    return next((found for found in known if isinstance(found, IPv4Address)), None)


def _interface(end: End, overlay: IPv4Network) -> IPv4Interface:
    return IPv4Interface(f"{_address(end)}/{overlay.prefixlen}")


def _overlay(tunnel: Tunnel, ends: Sequence[End]) -> IPv4Network:
    """The network of the mesh: as described, else the smallest that holds all of its addresses."""
    addresses = [int(found) for end in ends if (found := _address(end)) is not None] or [0]
    for net in tunnel.cidrs:
        if isinstance(net, IPv4Network) and all(IPv4Address(one) in net for one in addresses):
            return net
    bits = math.ceil(math.log2(max(addresses) - min(addresses) + 2)) if len(addresses) > 1 else 0
    while IPv4Address(min(addresses)) not in (net := IPv4Network((max(addresses), 32 - bits), strict=False)):
        bits += 1
    return net


def _subnets(end: End, overlay: IPv4Network) -> list[IPv4Network]:
    """What an end speaks for besides its own address."""
    return [net for net in end.routes if isinstance(net, IPv4Network) and not cidrs.within(net, overlay)]
