"""What a gateway goes by for names of backends: its last answer, for as long as nobody answers it, and it runs.

Envoy looks such names up again and again (clusters of type STRICT_DNS); what fails leaves the addresses that it has,
while an answer that there is no such name takes them away.  One that starts again has nothing to keep.  Counterparts:
`resolvers`, what is answered now; `network.outages`, what is down.
"""

from __future__ import annotations

from typing import Final

from msgspec import structs

from gatewright.graph.names.nodes import NameStep, Resolution, Status
from gatewright.graph.names.resolvers import resolutions
from gatewright.graph.network.nodes import Place
from gatewright.graph.network.outages import OUTAGE, Down, down, machines_down
from gatewright.graph.network.starts import starts
from gatewright.graph.sight import Sight, without

FAILED: Final = frozenset({Status.UNREACHED, Status.REFUSED, Status.LOOP})
"""What leaves a gateway without an answer, rather than with one that says no."""

USEFUL: Final = frozenset({Status.ANSWER, Status.EDGE})


Lookup = tuple[tuple[str, ...], str, str, Place | None]
"""The arguments of `resolutions`: resolvers, name, type, place."""


def kept(sight: Sight, gateway_id: str, lookup: Lookup, now: tuple[Resolution, ...]) -> tuple[Resolution, ...]:
    """What a gateway goes by that looks up the name of a backend, and is answered `now`."""
    if not now or any(one.status not in FAILED for one in now) or sight.ask(down) == Down():
        return now
    if sight.ask(begins_anew, gateway_id):
        return now
    before: tuple[Resolution, ...] = sight.ask(without, OUTAGE, resolutions, lookup)
    steps = (*now[0].steps, NameStep(gateway_id, f"{gateway_id} keeps the last answer for {lookup[1]}"))
    useful = (one for one in before if one.status in USEFUL)
    return tuple(structs.replace(one, steps=steps, asked=now[0].asked) for one in useful) or now


def begins_anew(sight: Sight, gateway_id: str) -> bool:
    """A question: may the program of a gateway have ended by what is down, and be started again elsewhere?"""
    gone = sight.ask(machines_down)
    ran = sight.ask(without, OUTAGE, starts, (gateway_id,)) if gone else ()
    return any(not gone.isdisjoint(start.machines) for start in ran)
