"""Ways: how packets get from a place to an address and port, over networks, links, firewalls and translation.

A way is walked station by station: at each, the longest prefix says where it goes on; several equal ones are all tried
and the first that arrives counts.  What the map does not know is said so rather than guessed: an address of a known
segment that no machine has is taken to be there (a load balancer's, a host's), a public one that nobody has is unknown.
Return packets are taken to find their way, but for those through links that do not lead back.  Counterparts: `routing`
(the tables), `firewalls` (the judges), `walker` (the stations), `answers` (what comes back).
"""

from __future__ import annotations

from gatewright.graph.network import cidrs
from gatewright.graph.network.firewalls import guards
from gatewright.graph.network.nodes import Place, Way
from gatewright.graph.network.routing import Tables
from gatewright.graph.network.topology import topology
from gatewright.graph.network.walker import Walker
from gatewright.graph.sight import Sight


def tables(sight: Sight) -> Tables:
    """A question: the routing tables of the map."""
    found = sight.ask(topology)
    return Tables(found.networks, found.machines, found.clusters, found.tunnels)


def walker(sight: Sight) -> Walker:
    """A question: what walks the ways of this map."""
    return Walker(sight.ask(topology), sight.ask(tables), sight.ask(guards))


def way(sight: Sight, place: Place, address: str, port: int, protocol: str) -> Way:
    """A question: the way from a place to an address and port; `protocol` "tcp" or "udp"."""
    wanted = cidrs.address(address)
    if wanted is None:
        return Way(False, (), f"{address} is not an address", address, port, unknown=True)
    return sight.ask(walker).walk(place, wanted, port, protocol)
