"""Links: tunnels between places, with what the WireGuard and Nebula configurations of their ends say joined in.

WireGuard's AllowedIPs decide where packets really go: where an end's configuration is known, the AllowedIPs that it has
for a peer are the routes of that peer's end, whatever the Link says, and a Link that says more is told so.
Counterpart: `topology`, which hands in the names of places; `ways`, which sends packets through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.graph.network import cidrs
from gatewright.graph.network.naming import Names
from gatewright.graph.network.nodes import Joint, Net, Tunnel
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.places import LinkEnd, LinkIntent, LinkType
from gatewright.kinds.intents.programs import LinkFileIntent

USUAL_MTU = {
    LinkType.WIREGUARD: 1420,
    LinkType.NEBULA: 1300,
    LinkType.LIQO: 1340,
    LinkType.CLOUDFLARE_TUNNEL: 1500,
    LinkType.DIRECT: 1500,
}


class Linked(Struct, frozen=True):
    """The tunnels, the ids of all places that are an end of one, and what is wrong with them."""

    tunnels: tuple[Tunnel, ...]
    ends: frozenset[str]
    problems: tuple[Problem, ...]


Usual = Callable[[str], tuple[Net, ...]]
"""What is reached through an end that names no routes, by the id of its place."""


def tunnels(sight: Sight, names: Names, usual: Usual, links: Sequence[LinkIntent]) -> Linked:
    """Every Link, resolved; ends at places that there are not are left out."""
    found: list[Tunnel] = []
    problems: list[Problem] = []
    for link in links:
        files = [sight.get(end.config, LinkFileIntent) if end.config else None for end in link.ends]
        tunnel, more = _tunnel(names, usual, link, files)
        problems += more
        found.append(tunnel)
    ends = frozenset(joint.place for tunnel in found for joint in tunnel.joints)
    return Linked(tuple(found), ends, tuple(problems))


def _tunnel(
    names: Names, usual: Usual, link: LinkIntent, files: Sequence[LinkFileIntent | None]
) -> tuple[Tunnel, tuple[Problem, ...]]:
    who = f"the link {link.key.name}"
    joints: list[Joint] = []
    problems: list[Problem] = []
    allowed, more = _allowed(link, files)
    problems += more
    endpoints = _underlay(files)
    for number, (end, file) in enumerate(zip(link.ends, files, strict=True)):
        found, more = names.look_up(end.at, end.origin, who)
        problems += more
        if end.config is not None and file is None:
            message = f"{who} names {end.config} for {end.at}, which there is not"
            hint = "add the file to what is checked, or drop the reference"
            problems.append(Problem("link-config-missing", message, end.origin, Severity.WARNING, hint))
        addresses = tuple(dict.fromkeys(a.partition("/")[0] for a in end.addresses + (file.addresses if file else ())))
        endpoint = end.endpoint or next((endpoints[a] for a in addresses if a in endpoints), "")
        port = end.listen_port or (file.listen_port if file else 0)
        unsafe = tuple(net for other in files for net in _unsafe(other, addresses))
        for id_ in found:
            nets = allowed.get(number)
            if nets is None:
                own = tuple(cidrs.host(a) for a in map(cidrs.address, addresses) if a is not None)
                nets = tuple(dict.fromkeys((cidrs.networks(end.routes) or usual(id_)) + unsafe + own))
            joints.append(Joint(id_, addresses, nets, end.origin, endpoint, port, file.inbound if file else None))
    if link.type is not LinkType.CLOUDFLARE_TUNNEL and len(link.ends) < 2:
        hint = "add the other end, or remove the link"
        problems.append(Problem("link-end-alone", f"{who} has one end and leads nowhere", link.origin, hint=hint))
    mtu, origin, more = _mtu(link, files)
    meshed = cidrs.networks(link.cidrs)
    tunnel = Tunnel(link.key.name, link.type, tuple(joints), mtu, origin, link.origin, meshed)
    return tunnel, (*problems, *more)


def _mtu(link: LinkIntent, files: Sequence[LinkFileIntent | None]) -> tuple[int, Origin, tuple[Problem, ...]]:
    """The smallest MTU that anybody says; a Link and a file that say different ones contradict each other."""
    said = [(file.mtu, file.origin) for file in files if file is not None and file.mtu]
    problems: tuple[Problem, ...] = ()
    for mtu, origin in said:
        if link.mtu and mtu != link.mtu:
            message = f"the link {link.key.name} has an MTU of {link.mtu} in {link.origin.file}, but of {mtu} here"
            hint = "the smaller one counts; make them equal"
            problems += (Problem("link-mtu-contradicts", message, origin, Severity.WARNING, hint),)
    if link.mtu:
        said.append((link.mtu, link.origin))
    mtu, origin = min(said, key=lambda pair: pair[0], default=(USUAL_MTU[link.type], link.origin))
    return mtu, origin, problems


def _underlay(files: Iterable[LinkFileIntent | None]) -> dict[str, str]:
    """Where Nebula's static_host_map says that an overlay address is reached: its first underlay address."""
    return {overlay: underlay[0] for file in files if file is not None for overlay, underlay in file.hosts if underlay}


def _allowed(
    link: LinkIntent, files: Sequence[LinkFileIntent | None]
) -> tuple[dict[int, tuple[Net, ...]], tuple[Problem, ...]]:
    """Per end, the AllowedIPs that the configurations of the others have for it; ends that no peer names are absent."""
    by_key = {file.public_key: i for i, file in enumerate(files) if file is not None and file.public_key}
    silent = [i for i, file in enumerate(files) if file is None]
    allowed: dict[int, list[tuple[Net, Origin]]] = {}
    for i, file in enumerate(files):
        for peer in file.peers if file is not None else ():
            target = by_key.get(peer.public_key, silent[0] if len(silent) == 1 else None)
            if target is not None and target != i:
                nets = cidrs.networks(peer.allowed_ips)
                allowed.setdefault(target, []).extend((net, peer.origin) for net in nets)
    problems: list[Problem] = []
    for i, found in allowed.items():
        problems += _beyond(link, link.ends[i], found)
    return {i: tuple(dict.fromkeys(net for net, _ in found)) for i, found in allowed.items()}, tuple(problems)


def _unsafe(file: LinkFileIntent | None, addresses: Iterable[str]) -> tuple[Net, ...]:
    """What a Nebula configuration sends via one of these addresses."""
    via = frozenset(addresses)
    return cidrs.networks(net for gateway, net in file.routes if gateway in via) if file is not None else ()


def _beyond(link: LinkIntent, end: LinkEnd, allowed: list[tuple[Net, Origin]]) -> Iterable[Problem]:
    """Routes that the Link promises and WireGuard drops, told at both places."""
    for net in cidrs.networks(end.routes):
        if not allowed or any(cidrs.within(net, outer) for outer, _ in allowed):
            continue
        hint = f"add {net} to AllowedIPs of that peer"
        id_ = "link-route-not-allowed"
        origin = allowed[0][1]
        said = f"the link {link.key.name} sends {net} to {end.at}"
        yield Problem(id_, f"{said}, but AllowedIPs in {origin.file} do not hold it", end.origin, hint=hint)
        yield Problem(id_, f"{said} ({end.origin.file}), but AllowedIPs do not hold it", origin, hint=hint)
