"""Where the names of routes lead in a zone that is told its gateways: to the addresses of the doors that serve them.

Only the VirtualHosts of the very name are read, and their doors.  Counterparts: `announced` (what external-dns makes of
the same routes, by rules of its own), `zones` (which names are looked at, and what else a zone has).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.graph.names.announced import record_type
from gatewright.graph.network import cidrs
from gatewright.graph.network.doors import door_addresses
from gatewright.graph.sight import Sight
from gatewright.kinds.world import ALL_GATEWAYS, Record

TYPES = ("A", "AAAA")


class Door(Struct, frozen=True):
    """A gateway that serves a name.  `origin`: the first of the rules that it has for it."""

    gateway: str
    origin: Origin
    addresses: tuple[str, ...]


def records(sight: Sight, gateways: tuple[str, ...], name: str, *, public: bool, alias: bool) -> tuple[Record, ...]:
    """The record sets of this very hostname or wildcard; none when no gateway of the zone has a route for it.

    `public`: only addresses that the internet routes lead there, where all gateways count.  `alias`: the name cannot
    have a CNAME.
    """
    doors = _serving(sight, name)
    if doors and gateways == (ALL_GATEWAYS,):
        doors = _seen(doors, public=public)
    elif doors:
        doors = _first(doors, gateways)
    return _record_sets(doors, name, alias=alias) if doors else ()


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
    return [Door(gateway, origin, sight.ask(door_addresses, gateway)) for gateway, origin in origins.items()]


def _first(doors: list[Door], gateways: tuple[str, ...]) -> list[Door]:
    """Those of the first gateway of a list that serves the name."""
    for name in gateways:
        found = [door for door in doors if is_called(door.gateway, name)]
        if found:
            return found
    return []


def _seen(doors: list[Door], *, public: bool) -> list[Door]:
    """The doors with the addresses that a view may see.

    The internet sees what it routes.  Who is inside goes to the doors that are inside, where there are any, and to
    their private addresses, in each family that has some.
    """
    if public:
        return [_with(door, [a for a in door.addresses if not _is_private(a)]) for door in doors]
    inside = [door for door in doors if any(map(_is_private, door.addresses))]
    return [_with(door, _innermost(door.addresses)) for door in inside] or doors


def _innermost(addresses: tuple[str, ...]) -> Iterable[str]:
    for kind in TYPES:
        family = [address for address in addresses if record_type(address) == kind]
        yield from [address for address in family if _is_private(address)] or family


def _with(door: Door, addresses: Iterable[str]) -> Door:
    return Door(door.gateway, door.origin, tuple(addresses))


def _is_private(text: str) -> bool:
    """Is it an address that the internet does not route?  A hostname leads where it leads."""
    value = cidrs.address(text)
    return value is not None and not cidrs.is_global(value)


def _record_sets(doors: list[Door], name: str, *, alias: bool) -> tuple[Record, ...]:
    found: dict[str, dict[str, Origin]] = {"A": {}, "AAAA": {}, "CNAME": {}}
    for door in doors:
        for address in door.addresses:
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
