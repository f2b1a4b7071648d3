"""The border of the internet: which addresses it routes to the machines and sites of a map, and what a packet that goes
out there comes from.

It moves nothing and knows no firewall.  Counterparts: `forwarding` (what comes in and is translated), `walker` (the
stations).
"""

from __future__ import annotations

from collections import defaultdict

from msgspec import structs

from gatewright.graph.network import cidrs
from gatewright.graph.network.cidrs import Address
from gatewright.graph.network.nodes import Machine, StepKind, Topology, Way
from gatewright.graph.network.packets import Packet, hosts
from gatewright.graph.network.routing import Tables
from gatewright.kinds.intents.places import INTERNET


class Border:
    """The public addresses of one map."""

    def __init__(self, topology: Topology, tables: Tables) -> None:
        self._map = topology
        self._tables = tables
        public: dict[str, set[str]] = defaultdict(set)
        for machine in topology.machines.values():
            for value in map(cidrs.address, machine.addresses):
                if (
                    value is not None
                    and value.version == 4
                    and cidrs.is_global(value)
                    and self.routes_to(machine, value)
                ):
                    public[machine.site].add(str(value))
        self._public = {site: found.pop() for site, found in public.items() if len(found) == 1}

    def routes_to(self, machine: Machine, value: Address) -> bool:
        """Does the internet know the way to a public address of a machine?"""
        segments = [n for n in machine.networks if n != INTERNET and self._tables.connected(n, value) >= 0]
        return not segments or any(self._map.networks[n].internet for n in segments)

    def is_beside(self, machine: Machine, version: int) -> bool:
        """Is it on the internet itself, by an address of this family that no network of its site holds?"""
        segments = [name for name in machine.networks if name != INTERNET]
        values = (cidrs.address(text) for text in machine.addresses)
        return any(
            value is not None
            and value.version == version
            and cidrs.is_global(value)
            and not any(self._tables.connected(name, value) >= 0 for name in segments)
            for value in values
        )

    def translated(self, packet: Packet, name: str, site: str) -> tuple[Packet, Way | None]:
        """The packet with a source that the internet routes back, and the Way that ends where it can have none.

        `name`: the network or machine of the site that it leaves from.
        """
        same = tuple(net for net in packet.sources if net.version == packet.wanted.version)
        shut = [net for n in self._map.networks.values() if n.site == site and not n.internet for net in n.cidrs]
        routed = tuple(
            net for net in same if cidrs.is_global(net) and not any(cidrs.within(net, outer) for outer in shut)
        )
        if not routed and packet.wanted.version == 6 and same:
            reason = f"the sender's address is of {same[0]}, which the internet does not route"
            return packet, packet.failed(f"{reason}: no way from {name} to {packet.wanted}")
        if not routed and same:
            public = self._public.get(site, "")
            if public == str(packet.wanted):  # nobody comes to an address from that very address
                public = ""
            detail = (f"its source becomes {public}",) if public else ()
            packet = packet.step(StepKind.NAT, f"{site or name} translates IPv4 to its public address", None, *detail)
            routed = hosts((public,)) if public else ()
        return structs.replace(packet, sources=routed), None
