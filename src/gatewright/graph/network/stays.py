"""On which machines pods have been seen that may run on several (`StayIntent`).

Counterpart: `placement`, which says where they may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gatewright.graph.network.outages import machines_down
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.stays import StayIntent

STAY: Final = "Stay"


class Stays(Struct, frozen=True):
    """Machines by id of a gateway, by name of a Vantage, by name of a Resolver or id of a cluster for its own."""

    gateways: Mapping[str, str]
    vantages: Mapping[str, str]
    resolvers: Mapping[str, str]


def stays(sight: Sight) -> Stays:
    """A question: all that somebody has seen.  What was on a machine that is down is not there any more."""
    seen, gone = list(sight.all(STAY, StayIntent)), sight.ask(machines_down)
    gateways = dict(pair for one in seen for pair in one.gateways if pair[1] not in gone)
    vantages = dict(pair for one in seen for pair in one.vantages if pair[1] not in gone)
    resolvers = dict(pair for one in seen for pair in one.resolvers if pair[1] not in gone)
    return Stays(gateways, vantages, resolvers)


def only(machine: str | None) -> tuple[str, ...]:
    """The machines of a Place where it is this one; any where nobody says."""
    return (machine,) if machine else ()
