"""Places to start from, by the Spots that name them.

Counterpart: `naming`, which says what a name stands for while the map is still being made.
"""

from __future__ import annotations

from gatewright.graph.network.naming import Names, kind_of
from gatewright.graph.network.nodes import Place
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.places import Spot


def known_names(sight: Sight) -> Names:
    """A question: the names of the map."""
    found = sight.ask(topology)
    return Names(found.networks, found.machines, found.clusters)


def places(sight: Sight, spot: Spot, addresses: tuple[str, ...] = ()) -> tuple[Place, ...]:
    """The Places that a Spot stands for; none when nothing has that name."""
    kind, _ = kind_of(spot)
    kind = {"node": "machine", "site": "network"}.get(kind, kind)
    return tuple(Place(kind, id_, addresses) for id_ in sight.ask(known_names).find(spot))
