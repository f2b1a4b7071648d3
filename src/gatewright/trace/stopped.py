"""Gateways that do not work at all, because they or all machines on which they may be are down."""

from __future__ import annotations

from gatewright.graph.network.outages import gateways_down, machines_down
from gatewright.graph.network.starts import starts
from gatewright.graph.sight import Sight
from gatewright.trace.hops import Outcome, OutcomeKind


def stopped(sight: Sight, gateway_id: str) -> Outcome | None:
    """A question: what clients of a gateway meet that does not run, None where it does."""
    if gateway_id in sight.ask(gateways_down):
        return Outcome(OutcomeKind.REFUSED, 0, f"connection refused: {gateway_id} is down")
    gone = sight.ask(machines_down)
    machines = {id_ for start in sight.ask(starts, gateway_id) for id_ in start.machines} if gone else set()
    if machines and machines <= gone:
        where = ", ".join(sorted(machines))
        return Outcome(OutcomeKind.UNREACHABLE, 0, f"{where}, where {gateway_id} would run, is down")
    return None
