"""A way with everything that all requests over it share: its hops, its limits, and the gateways at its end."""

from __future__ import annotations

from msgspec import Struct, structs

from gatewright.graph.network.announcing import unannounced
from gatewright.graph.network.doors import gateways_at, place_of
from gatewright.graph.network.entry import entered
from gatewright.graph.network.nodes import Place, Step, StepKind, Way
from gatewright.graph.network.policies import Verdict
from gatewright.graph.network.twice import ends_elsewhere
from gatewright.graph.network.ways import way
from gatewright.graph.sight import Sight
from gatewright.trace.branches import NO_LIMITS, Limit, Limits
from gatewright.trace.hops import Hop, HopKind
from gatewright.trace.request import is_address

HOP_KINDS = {
    StepKind.NETWORK: HopKind.NETWORK,
    StepKind.ROUTE: HopKind.NETWORK,
    StepKind.INTERNET: HopKind.NETWORK,
    StepKind.CLUSTER: HopKind.NETWORK,
    StepKind.LINK: HopKind.LINK,
    StepKind.FIREWALL: HopKind.FIREWALL,
    StepKind.NAT: HopKind.NAT,
    StepKind.NODE: HopKind.NODE,
    StepKind.POLICY: HopKind.POLICY,
}


class Passage(Struct, frozen=True):
    """`gateways` listen where the way ends; `others` are there too, but not on that port.

    `closed`: those of the gateways into whose pods network policies do not let whoever comes this way.
    """

    way: Way
    hops: tuple[Hop, ...]
    limits: Limits = NO_LIMITS
    gateways: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    closed: tuple[tuple[str, Verdict], ...] = ()


def passage(sight: Sight, place: Place, address: str, port: int, protocol: str) -> Passage:
    """A question: the way from a Place to an address and port, and the gateways that answer there."""
    if is_address(address):
        found = sight.ask(way, place, address, port, protocol)
        silence = sight.ask(unannounced, place, found.address or address) if found.reached and not found.machine else ""
        if silence:
            found = structs.replace(found, reached=False, reason=silence)
    else:  # a load balancer that is known by its hostname only, which whoever runs it keeps reachable
        step = Step(StepKind.INTERNET, f"to wherever {address} is")
        found = Way(True, (step,), address=address, port=port, source=next(iter(place.addresses), ""))
    limits = Limits(mtu=Limit(found.mtu.value, found.mtu.hop, found.mtu.origin)) if found.mtu is not None else NO_LIMITS
    stations = hops(found.steps)
    if not found.reached:
        return Passage(found, stations, limits)
    listening: list[str] = []
    others: list[str] = []
    gateways = sight.ask(gateways_at, found.address or address)
    here = [one for one in gateways if not ends_elsewhere(sight, found, sight.ask(place_of, one))]
    if gateways and not here:
        reason = f"{found.address} is {gateways[0]}'s on another network: the map does not say who has it here"
        return Passage(structs.replace(found, reached=False, unknown=True, reason=reason), stations, limits)
    for gateway_id in here:
        gateway = sight.gateway(gateway_id)
        ports = gateway.ports if gateway is not None else ()
        open_ = any(item.number == (found.port or port) and item.udp == (protocol == "udp") for item in ports)
        (listening if open_ else others).append(gateway_id)
    at = found.port or port
    judged = ((one, sight.ask(entered, one, place, found.source, at, protocol)) for one in listening)
    closed = tuple((one, verdict) for one, verdict in judged if not verdict.allowed)
    return Passage(found, stations, limits, tuple(listening), tuple(others), closed)


def hops(steps: tuple[Step, ...]) -> tuple[Hop, ...]:
    """Steps of a way as hops of a branch."""
    return tuple(Hop(HOP_KINDS[step.kind], step.summary, step.origin, step.details) for step in steps)
