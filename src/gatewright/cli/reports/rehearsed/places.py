"""Where the spaces of a world are to be drawn: what hangs on what.  Pure.  Counterpart: `drawing`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from gatewright.rehearsal.world import INTERNET, PUBLIC_DNS, SWITCH, End, Role, World

KINDS: Mapping[Role, str] = {
    Role.MACHINE: "node",
    Role.POD: "pod",
    Role.GATEWAY: "gateway",
    Role.VANTAGE: "vantage",
    Role.RESOLVER: "resolver",
    Role.SERVER: "server",
    Role.EDGE: "edge",
    Role.ROUTER: "router",
}
MOST_ROWS = 12
"""How many lines a box has; the rest is counted."""


class Box(Struct, frozen=True):
    """A space.  `rows` (kind, text): its addresses, and what hangs on it."""

    space: str
    kind: str
    title: str
    rows: tuple[tuple[str, str], ...]


class Segment(Struct, frozen=True):
    """A network and who is on it; "" for those of a site that are on none."""

    name: str
    boxes: tuple[Box, ...]


class Place(Struct, frozen=True):
    """A site: its router ("" for none), and whether that one reaches the internet."""

    name: str
    router: str
    reaches: bool
    segments: tuple[Segment, ...]


class Map(Struct, frozen=True):
    """Everything.  `within`: the box in which a space is told of that has none."""

    internet: tuple[Box, ...]
    sites: tuple[Place, ...]
    within: Mapping[str, str]


def arranged(world: World) -> Map:
    """The spaces of a world in their places, the same for the same world."""
    return _Arranging(world).map()


class _Arranging:
    def __init__(self, world: World) -> None:
        self._world = world
        self._roles = {space.name: space.role for space in world.spaces}
        self._network: dict[str, str] = {}
        self._above: dict[str, str] = {}
        self._addresses: dict[str, list[str]] = {name: [] for name in self._roles}
        networks = {bridge: name for name, bridge in world.networks.items()}
        for wire in world.wires:
            self._addresses[wire.one.space] += _shown(wire.one)
            self._addresses[wire.other.space] += _shown(wire.other)
            if wire.other.space == SWITCH:
                self._network.setdefault(wire.one.space, networks.get(wire.other.bridge, ""))
            else:
                self._above.setdefault(wire.one.space, wire.other.space)

    def map(self) -> Map:
        boxes = {name: self._site(name) for name, role in self._roles.items() if self._is_box(name, role)}
        sites = dict.fromkeys(
            [*(name.removeprefix("site:") for name, role in self._roles.items() if role is Role.ROUTER)]
            + [name.partition("/")[0] for name in self._world.networks]
            + [site for site in boxes.values() if site]
        )
        outside = tuple(self._box(name) for name, site in boxes.items() if not site)
        return Map(outside, tuple(self._place(site, boxes) for site in sites), self._above)

    def _is_box(self, name: str, role: Role) -> bool:
        """Not those who are told of inside of another's box."""
        if role in (Role.INTERNET, Role.SWITCH, Role.ROUTER):
            return False
        return role is Role.MACHINE or self._roles.get(self._above.get(name, "")) is not Role.MACHINE

    def _site(self, name: str) -> str:
        """The site that a space is at, "" for the internet."""
        if name in self._network:
            return self._network[name].partition("/")[0]
        if self._roles[name] is Role.MACHINE:
            return name.removeprefix("node:").partition("/")[0]
        above = self._above.get(name, INTERNET)
        return above.removeprefix("site:") if self._roles.get(above) is Role.ROUTER else ""

    def _place(self, site: str, boxes: Mapping[str, str]) -> Place:
        router = f"site:{site}" if f"site:{site}" in self._roles else ""
        own = [name for name, where in boxes.items() if where == site]
        networks = [name for name in self._world.networks if name.partition("/")[0] == site]
        segments = [
            Segment(network, tuple(self._box(name) for name in own if self._network.get(name) == network))
            for network in networks
        ]
        if rest := [name for name in own if self._network.get(name) not in networks]:
            segments.append(Segment("", tuple(map(self._box, rest))))
        return Place(site, router, self._above.get(router) == INTERNET, tuple(segments))

    def _box(self, name: str) -> Box:
        role = self._roles[name]
        rows = [("address", address) for address in self._addresses[name]]
        inside = [other for other, above in self._above.items() if above == name and other not in self._network]
        for spot in self._world.gateways:
            if spot.space == name or spot.space in inside:
                rows.append(("gateway", spot.gateway))
            if spot.space in inside:
                rows += [("address", address) for address in spot.addresses[:2]]
        rows += [
            ("vantage", spot.vantage) for spot in self._world.vantages if spot.space == name and role is Role.MACHINE
        ]
        for other in sorted(inside, key=lambda each: KINDS.get(self._roles[each], "")):
            if self._roles[other] is not Role.GATEWAY:
                rows.append((KINDS.get(self._roles[other], ""), other.partition(":")[2]))
        if len(rows) > MOST_ROWS:
            rows = [*rows[: MOST_ROWS - 1], ("", f"… and {len(rows) - MOST_ROWS + 1} more")]
        title = "public DNS" if name == PUBLIC_DNS else name.partition(":")[2].rpartition("/")[2]
        return Box(name, KINDS.get(role, ""), title or name, tuple(rows))


def _shown(end: End) -> Iterable[str]:
    """Addresses that somebody gave: not those of next hops."""
    return [address.partition("/")[0] for address in end.addresses if not address.startswith("fe80:")]
