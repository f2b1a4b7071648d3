"""What no machine could build of a plan, told before anything is made: addresses that nobody can have, or two have.

Reality refuses the same, or falls ill of it: two machines with one address on a segment answer in turns.  Who has it in
the model is told by `check`.  Counterparts: `estimate`, whether this very machine can bear it; `builder`, which builds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address, ip_address
from typing import Final

from gatewright.base.errors import UsageError
from gatewright.rehearsal.world import ROUTER, SWITCH, End, World

LEAST_MTU: Final = 1280
"""What IPv6 needs of a link (RFC 8200, clause 5): next hops are its addresses, whatever family is routed."""

MOST_TOLD: Final = 3


def check(world: World, vantages: Iterable[str]) -> None:
    """UsageError that names what is in the way.  `vantages`: those of the map, for each of which somebody has to be."""
    found = list(dict.fromkeys((*_nowhere(world, vantages), *_unusable(world), *_narrow(world), *_twice(world))))
    if found:
        more = f" (and {len(found) - MOST_TOLD} more)" if len(found) > MOST_TOLD else ""
        raise UsageError(f"this cannot be rehearsed: {'; '.join(found[:MOST_TOLD])}{more}")


def _ends(world: World) -> Iterator[End]:
    for wire in world.wires:
        yield from (wire.one, wire.other)


def _held(world: World) -> Iterator[tuple[str, str, str]]:
    """(space, device, address) of all that are given, as written."""
    for end in _ends(world):
        yield from ((end.space, end.device, address.partition("/")[0]) for address in end.addresses)
    for space in world.spaces:
        for words in map(str.split, space.ip):
            if words[:2] == ["addr", "add"]:
                yield space.name, words[words.index("dev") + 1], words[2].partition("/")[0]


def _nowhere(world: World, vantages: Iterable[str]) -> Iterator[str]:
    there = {spot.vantage for spot in world.vantages}
    yield from (f"the place of the vantage {name} is not on the map" for name in vantages if name not in there)


def _unusable(world: World) -> Iterator[str]:
    for space, device, text in _held(world):
        address = ip_address(text)
        if address.is_unspecified or address.is_multicast or text == "255.255.255.255":
            yield f"{space} cannot have {text}: nobody can be at it"
        elif address.is_loopback:
            yield f"{space} cannot have {text}: only it itself would reach that"
        elif isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            yield f"{space} cannot have {text}: it is written for {address.ipv4_mapped}, and on no network"
        elif text == ROUTER and not _is_router(world, space, device):
            yield f"{space} cannot have {text}: routers have it here"


def _is_router(world: World, space: str, device: str) -> bool:
    """Is it `Draft.uplink` or the router of a site that gave the address to a device?"""
    return any(end.addresses == (f"{ROUTER}/64",) for end in _ends(world) if (end.space, end.device) == (space, device))


def _narrow(world: World) -> Iterator[str]:
    network_of = {bridge: network for network, bridge in world.networks.items()}
    for wire in world.wires:
        if min(wire.one.mtu, wire.other.mtu) < LEAST_MTU:
            network = network_of.get(wire.one.bridge) or network_of.get(wire.other.bridge)
            what = f"the network {network}" if network else f"what joins {wire.one.space} and {wire.other.space}"
            yield f"the MTU of {what} is {wire.one.mtu}, and a rehearsal routes by IPv6, which needs {LEAST_MTU}"


def _twice(world: World) -> Iterator[str]:
    """Addresses that a device is given again, that two have on a segment, or that two have behind one router."""
    yield from _repeated(((space, device, address), space) for space, device, address in _held(world))
    network_of = {bridge: network for network, bridge in world.networks.items()}
    places: list[tuple[tuple[str, ...], str]] = []
    for wire in world.wires:
        for near, far in ((wire.one, wire.other), (wire.other, wire.one)):
            if far.space == SWITCH and far.bridge:
                where = f"on the network {network_of.get(far.bridge, far.bridge)}"
            elif far.addresses == (f"{ROUTER}/64",):
                where = f"behind {far.space}"
            else:
                continue
            places += [((where, "", a.partition("/")[0]), near.space) for a in near.addresses]
    yield from _repeated(place for place in places if not ip_address(place[0][2]).is_link_local)


def _repeated(places: Iterable[tuple[tuple[str, ...], str]]) -> Iterator[str]:
    """Those of ((where, device, address), who) that were seen before."""
    first: dict[tuple[str, ...], str] = {}
    for place, who in places:
        if place not in first:
            first[place] = who
        elif first[place] == who:
            yield f"{who} is given {place[2]} twice"
        else:
            yield f"{first[place]} and {who} both have {place[2]} {place[0]}"
