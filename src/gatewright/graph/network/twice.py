"""Private addresses that several networks hold: which of those who have one is it that a way ends at?

Sites that were made apart use the same prefixes, and each is right at home.  Networks of one site that lie within each
other are a mistake (`check` says so), but hosts look for their neighbours on their own segment all the same.
Counterparts: `ways`, which ends on one of these networks; `doors` and `names.upstreams`, which say who has an address
without asking where.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Place, Way
from gatewright.graph.network.topology import topology
from gatewright.graph.network.ways import tables
from gatewright.graph.sight import Sight


def ends_elsewhere(sight: Sight, way: Way, places: Iterable[Place]) -> bool:
    """Does a way to an address end on another network than those of whoever runs at these places and has this address?

    False where only one network holds it, and where nobody says which network of theirs it is in.
    """
    value = cidrs.address(way.address)
    if value is None or cidrs.is_global(value) or not (way.machine or way.segment):
        return False
    world = sight.ask(topology)
    holding = set(sight.ask(tables).anywhere(value))
    if len(holding) < 2:
        return False
    at = {way.segment} if way.segment else set(world.machines[way.machine].networks)
    own = {name for place in places for name in _networks(sight, place)}
    return bool(at & holding and own & holding) and not at & own & holding


def _networks(sight: Sight, place: Place) -> Iterable[str]:
    world = sight.ask(topology)
    if place.kind == "network":
        return (place.id,)
    ids = world.clusters[place.id].machines if place.kind == "cluster" else (place.id,)
    return (name for id_ in ids for name in world.machines[id_].networks)
