"""Do answers come back out of a link?

They do where an end speaks for the sender: where the sender's address is of its `routes`.  WireGuard (AllowedIPs) and
Nebula (the networks of a certificate) do not even take packets from others.  Beyond other links it is the routes that
count, and there may be another way back.  Who is translated, or whose address nobody knows, is taken to be answered.
Counterpart: `walker`, which sends packets there and, where it has to, back.
"""

from __future__ import annotations

from typing import Final

from gatewright.graph.network.nodes import Joint, Net, StepKind, Tunnel, Way
from gatewright.graph.network.packets import Packet
from gatewright.graph.network.routing import Hop
from gatewright.kinds.intents.places import LinkType

FILTERING: Final = frozenset((LinkType.WIREGUARD, LinkType.NEBULA))
"""Links that look at where a packet comes from."""

TRANSLATING: Final = frozenset((LinkType.LIQO, LinkType.CLOUDFLARE_TUNNEL))
"""Links that give packets a source of their own."""


def stranger(tunnel: Tunnel, hop: Hop, packet: Packet) -> Net | None:
    """Where a packet for the link comes from, when none of its ends, but for the one that it leaves by, speaks for it;
    None when one does, or when it cannot be told."""
    if not packet.judged or tunnel.type in TRANSLATING or any(step.kind is StepKind.NAT for step in packet.steps):
        return None
    same = [net for net in packet.sources if net.version == packet.wanted.version]
    ends = (joint for number, joint in enumerate(tunnel.joints) if number != hop.leave)
    routes = (net for joint in ends for net in joint.routes if net.version == packet.wanted.version)
    return None if any(net.overlaps(source) for net in routes for source in same) else packet.source


def to(sender: Net) -> Packet:
    """An answer on its way, which no firewall looks at: it belongs to what was let in."""
    return Packet(sender.network_address, 0, "tcp", judged=False)


def lost(tunnel: Tunnel, enter: Joint, leave: Joint, packet: Packet, sender: Net) -> Way:
    """The Way that ends since nobody answers."""
    whom = str(sender.network_address) if sender.prefixlen == sender.max_prefixlen else str(sender)
    reason = f"answers do not come back: {leave.place} has no route to {whom} over {tunnel.name}"
    return packet.step(StepKind.ROUTE, reason, enter.origin).failed(reason)
