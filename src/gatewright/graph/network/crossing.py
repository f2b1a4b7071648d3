"""What firewalls make of a packet that crosses them.

Only what stands between a station and the next is asked here, place after place; which places that are is the station's
to say.  Counterparts: `firewalls` (how one place's firewalls judge), `walker` (the stations).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from gatewright.graph.network import cidrs
from gatewright.graph.network.firewalls import Direction, Guard, judge
from gatewright.graph.network.nodes import StepKind, Way
from gatewright.graph.network.packets import Packet


def crossed(
    packet: Packet, direction: Direction, *places: Sequence[Guard], default_counts: bool = True
) -> tuple[Packet, Way | None]:
    """Past the firewalls of each place in turn: the packet with what they said, and the Way that ends if one refuses.

    `default_counts` False: only rules that match refuse, see `firewalls`.
    """
    for guards in places:
        packet, blocked = _passed(packet, direction, guards, default_counts)
        if blocked is not None:
            return packet, blocked
    return packet, None


def _passed(
    packet: Packet, direction: Direction, guards: Sequence[Guard], default_counts: bool
) -> tuple[Packet, Way | None]:
    if not guards or not packet.judged:
        return packet, None
    seen = [guard for guard in guards if not (packet.hidden and guard.group)]
    traffic = packet.traffic
    if direction is Direction.OUTBOUND:  # rules outwards tell of whom it goes to
        traffic = structs.replace(traffic, peer=cidrs.host(packet.wanted))
    for ruling in judge(seen, direction, traffic):
        if not ruling.explicit and (ruling.allowed or not default_counts):
            continue
        verb = "lets" if ruling.allowed else "does not let"
        side = "in" if direction is Direction.INBOUND else "out"
        summary = f"{ruling.name} {verb} {packet.said} {side}"
        packet = packet.step(StepKind.FIREWALL, summary, ruling.origin)
        if not ruling.allowed:
            return packet, packet.failed(f"the firewall {summary}", blocked_by=ruling.origin)
    return packet, None
