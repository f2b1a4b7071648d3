"""Port forwards: which packets a router translates to an address inside, and what becomes of them.

Only the destination is rewritten here; the source of packets that go out is `internet`'s.  Counterpart: `walker`, which
sends the packet on from whoever has translated it.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import StepKind
from gatewright.graph.network.packets import Packet
from gatewright.kinds.intents.places import FirewallIntent, PortForward


def by_guard(firewall: FirewallIntent, packet: Packet) -> Packet | None:
    """What a firewall of a machine makes of a packet for one of its addresses; None when it forwards no such thing."""
    wanted = str(packet.wanted)
    mine = ((firewall, forward) for forward in firewall.forwards if forward.address in ("", wanted))
    found = first(mine, packet)
    return found[1] if found is not None else None


def first(
    forwards: Iterable[tuple[FirewallIntent, PortForward]], packet: Packet
) -> tuple[FirewallIntent, Packet] | None:
    """The first of these that forwards the packet, and the packet translated."""
    for firewall, forward in forwards:
        if fits(forward, packet):
            return firewall, _translated(packet, firewall, forward)
    return None


def fits(forward: PortForward, packet: Packet) -> bool:
    """Is this packet what is forwarded?  To another family nothing is."""
    target = cidrs.address(forward.to_address)
    same = target is not None and target.version == packet.wanted.version
    return same and forward.port == packet.port and forward.protocol in ("any", packet.protocol)


def _translated(packet: Packet, firewall: FirewallIntent, forward: PortForward) -> Packet:
    target = cidrs.address(forward.to_address)
    assert target is not None, "only what fits is translated"
    summary = f"{firewall.key.name} forwards port {forward.port} to {target} port {forward.to_port}"
    packet = packet.step(StepKind.NAT, summary, forward.origin)
    return structs.replace(packet, wanted=target, port=forward.to_port)
