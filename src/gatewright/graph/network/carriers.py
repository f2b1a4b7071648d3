"""What carries a link: does it come up, and how large are the packets that it leaves room for?

A link comes up when one of its ends reaches the other where that is dialled, which is a way of its own.  Counterparts:
`links` (what a link joins), `walker` (which sends packets through it, and walks for the ends).
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, structs

from gatewright.graph.network.nodes import Topology, Way
from gatewright.graph.network.packets import Packet
from gatewright.graph.network.routing import Hop, endpoint_address, endpoint_port
from gatewright.kinds.intents.places import LinkType

# What a link takes from the packets that carry it, in octets, over IPv4; IPv6 headers are 20 longer.
OVERHEAD = {LinkType.WIREGUARD: 60, LinkType.NEBULA: 60, LinkType.LIQO: 110}
USUAL_PORT = {LinkType.WIREGUARD: 51820, LinkType.NEBULA: 4242, LinkType.LIQO: 51840}
USUAL_MTU = 1500
"""Of a segment or way of which nobody says it."""

Sent = Callable[[str, Packet], Way]
"""Where a packet ends that is sent by the machine, cluster or network of this id."""


class Carrier(Struct, frozen=True):
    """What carries a link: the packets that it leaves room for; the links that carry it, which are passed as well; the
    way that fails where no end can dial another."""

    mtu: int
    links: tuple[str, ...] = ()
    failed: Way | None = None

    @property
    def details(self) -> tuple[str, ...]:
        return (f"carried by {', '.join(self.links)}",) if self.links else ()


class Carriers:
    """What carries the links of one map, each found once."""

    def __init__(self, topology: Topology, sent: Sent) -> None:
        self._map = topology
        self._sent = sent
        self._found: dict[Hop, Carrier] = {}

    def carrier(self, hop: Hop, packet: Packet) -> Carrier:
        """What carries the link that a packet goes into.  Links that carry links are looked at, what carries those is
        taken to be as it should: nobody nests deeper on purpose, and links in a circle must come to an end."""
        if packet.banned:
            return self._plain(hop)
        if hop not in self._found:
            self._found[hop] = self._dialled(hop)
        return self._found[hop]

    def _dialled(self, hop: Hop) -> Carrier:
        """A link comes up when one of its ends reaches the other where that is dialled."""
        tunnel = self._map.tunnels[hop.tunnel]
        overhead = OVERHEAD.get(tunnel.type, 0)
        failed: Way | None = None
        for here, there in ((hop.enter, hop.leave), (hop.leave, hop.enter)) if overhead else ():
            start, end = tunnel.joints[here], tunnel.joints[there]
            wanted = endpoint_address(end)
            if wanted is None:
                continue
            port = endpoint_port(end) or USUAL_PORT[tunnel.type]
            way = self._sent(start.place, Packet(wanted, port, "udp", banned=frozenset((hop.tunnel,))))
            if way.reached or way.unknown:
                under = way.mtu.value if way.mtu is not None else USUAL_MTU
                return Carrier(min(tunnel.mtu, under - overhead - (20 if wanted.version == 6 else 0)), way.links)
            failed = failed or way
        return structs.replace(self._plain(hop), failed=failed)

    def _plain(self, hop: Hop) -> Carrier:
        """A link that is carried by the networks of its ends."""
        tunnel = self._map.tunnels[hop.tunnel]
        under = min(self._segment_mtu(tunnel.joints[end].place) for end in (hop.enter, hop.leave))
        return Carrier(min(tunnel.mtu, under - OVERHEAD.get(tunnel.type, 0)))

    def _segment_mtu(self, place: str) -> int:
        names = self._map.machines[place].networks if place in self._map.machines else (place,)
        return max((self._map.networks[n].mtu for n in names if n in self._map.networks), default=USUAL_MTU)
