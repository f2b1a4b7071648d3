"""Where the names of routes lead in a zone that is told its gateways: to the addresses of the doors that serve them.

Only the VirtualHosts of the very name are read, and their doors.  Counterparts: `announced` (what external-dns makes of
the same routes, by rules of its own), `zones` (which names are looked at, and what else a zone has).
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.graph.names.announced import record_type
from gatewright.graph.network import cidrs
from gatewright.graph.network.doors import door_addresses
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.naming import ALL_GATEWAYS, Record

TYPES = ("A", "AAAA")


class Sides(Struct, frozen=True):
    """The addresses and hostnames of a door: all of them, those that the internet may see, and those that a private
    view does: in each family the private ones, where there are any.  `inside`: has it a private address at all?"""

    every: tuple[str, ...]
    outer: tuple[str, ...]
    inner: tuple[str, ...]
    inside: bool


class Door(Struct, frozen=True):
    """A gateway that serves a name.  `origin`: the first of the rules that it has for it."""

    gateway: str
    origin: Origin


Led = tuple[Door, tuple[str, ...]]
"""A door with the addresses that count."""


def records(sight: Sight, gateways: tuple[str, ...], name: str, *, public: bool, alias: bool) -> tuple[Record, ...]:
    """The record sets of this very hostname or wildcard; none when no gateway of the zone has a route for it.

    `public`: only addresses that the internet routes lead there, where all gateways count.  `alias`: the name cannot
    have a CNAME.
    """
    doors = _serving(sight, name)
    if not doors:
        return ()
    if gateways == (ALL_GATEWAYS,):
        led = _seen(sight, doors, public=public)
    else:
        led = [(door, sight.ask(sides, door.gateway).every) for door in _first(doors, gateways)]
    return _record_sets(led, name, alias=alias)


def sides(sight: Sight, gateway_id: str) -> Sides:
    """A question: where a gateway is reached, from outside and from inside."""
    addresses = sight.ask(door_addresses, gateway_id)
    private = frozenset(filter(cidrs.is_private, addresses))
    inner: list[str] = []
    for kind in TYPES:
        family = [address for address in addresses if record_type(address) == kind]
        inner += [address for address in family if address in private] or family
    return Sides(
        addresses,
        tuple(address for address in addresses if address not in private),
        tuple(inner) if private else addresses,
        bool(private),
    )


def is_called(gateway_id: str, name: str) -> bool:
    """Does a gateway's id or its bare name stand in a Zone?"""
    return gateway_id in (name, f"{gateway_id.rpartition('/')[0]}/{name}")


def _serving(sight: Sight, name: str) -> list[Door]:
    """The gateways with rules for this very name, sorted."""
    origins: dict[str, Origin] = {}
    for key in sight.serving(name):
        if key.gateway not in origins:
            host = sight.virtual_host(key)
            if host is not None and host.entries:
                origins[key.gateway] = host.entries[0].rule.origin
    return [Door(gateway, origin) for gateway, origin in origins.items()]


def _first(doors: list[Door], gateways: tuple[str, ...]) -> list[Door]:
    """Those of the first gateway of a list that serves the name."""
    for name in gateways:
        found = [door for door in doors if is_called(door.gateway, name)]
        if found:
            return found
    return []


def _seen(sight: Sight, doors: list[Door], *, public: bool) -> list[Led]:
    """The doors with the addresses that a view may see.

    The internet sees what it routes.  Who is inside goes to the doors that are inside, where there are any, and to
    their private addresses, in each family that has some.
    """
    found = [(door, sight.ask(sides, door.gateway)) for door in doors]
    if public:
        return [(door, side.outer) for door, side in found]
    inside = [(door, side.inner) for door, side in found if side.inside]
    return inside or [(door, side.every) for door, side in found]


def _record_sets(led: list[Led], name: str, *, alias: bool) -> tuple[Record, ...]:
    found: dict[str, dict[str, Origin]] = {"A": {}, "AAAA": {}, "CNAME": {}}
    for door, addresses in led:
        for address in addresses:
            if address != name:
                found[record_type(address)].setdefault(address, door.origin)
    sets = tuple(
        Record(name, kind, tuple(values), next(iter(values.values())))
        for kind, values in found.items()
        if values and kind in TYPES
    )
    if sets or not found["CNAME"]:
        return sets
    # A door that is known by hostname alone; a name can only be another name for one.
    target, origin = next(iter(found["CNAME"].items()))
    return (Record(name, "ALIAS" if alias else "CNAME", (target,), origin),)
