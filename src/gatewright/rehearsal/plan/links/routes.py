"""Leads packets into links: at their ends, from routers and nodes beside these, and by answering for addresses.

Routes into links have a metric of their own, so that what is connected goes before them as longest prefix wins anyway;
default routes are given as two halves, which go before other default routes.  What carries a link is routed as if that
link were not there.  Counterpart: `ends`, which says where a link ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Final

from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Machine, Net, Topology
from gatewright.rehearsal import world
from gatewright.rehearsal.plan.links.ends import End, segments
from gatewright.rehearsal.world import Draft, SpaceDraft

METRIC: Final = 2000
"""Metrics of routes into links begin here: behind those of what is connected (IPv6: 256) and described (1024)."""

BYPASS: Final = 4000
"""Numbers of the routing tables that packets which carry links go by begin here."""


class Routes:
    """Routes into the links of one world."""

    def __init__(self, draft: Draft, known: Topology) -> None:
        self._draft = draft
        self._known = known
        self._metric = METRIC
        self._table = BYPASS

    def into(self, end: End, others: Iterable[End], how: str) -> tuple[str, ...]:
        """The lines that send the routes of the other ends into a link: `how` is the rest of a route ("dev wg0").

        Everybody beside the end is told to send these its way.
        """
        others = tuple(others)
        nets = wanted(end, others)
        self._metric += 1
        lines = tuple(self._line(end, net, how) for net in halves(nets))
        end.space.routes()
        # Not what leads to the other ends themselves: their routers have to carry the link.
        outer = [one for one in _outer(others) if cidrs.is_global(one)]
        self._tell(end, [net for net in nets if net.prefixlen and not _holds(net, outer)])
        self._answer_for(end, nets)
        return lines

    def bypass(self, end: End, others: Iterable[End], device: str) -> None:
        """Packets that carry the link never go through it: where its routes hold addresses of its other ends, these
        packets go by a table with all routes but those."""
        others = tuple(others)
        nets = wanted(end, others)
        outer = _outer(others)
        public = any(cidrs.is_global(net) or net.prefixlen == 0 for net in nets)
        if not public and not any(_holds(net, outer) for net in nets):
            return
        self._table += 1
        space = end.space
        space.ip(*(f"{line} table {self._table}" for line in self._without(space, device)))
        for family in ("", "-6 "):
            select = f"ipproto udp sport {end.port}"
            space.ip(f"{family}rule add {select} lookup {self._table} priority {self._table}")

    # --- lines ---

    def _line(self, end: End, net: Net, how: str) -> str:
        source = next((a for a in end.addresses if ip_address(a).version == net.version), "")
        return f"route add {net} {how} metric {self._metric}" + (f" src {source}" if source else "")

    def _without(self, space: SpaceDraft, device: str) -> list[str]:
        """The routes that a space has by now, but for those into a device; what is connected among them."""
        lines: list[str] = []
        for wire in self._draft.wires:
            for near in (wire.one, wire.other):
                if near.space == space.name:
                    nets = (ip_network(address, strict=False) for address in near.addresses)
                    lines += [f"route replace {net} dev {near.device}" for net in nets if not net.is_link_local]
        for line in space.lines:
            words = line.split()
            if words[0] == "route" and "table" not in words and device not in words:
                lines.append(line.replace("route add", "route replace"))
        return lines

    # --- those beside an end ---

    def _tell(self, end: End, nets: Iterable[Net]) -> None:
        """The routers of an end's segments, and the other nodes of a cluster that it speaks for."""
        machine = self._machine(end.space)
        if machine is None:
            return
        listeners = {world.site(machine.site)} if any(joint.place == machine.id for joint in end.joints) else set()
        for joint in end.joints:
            cluster = self._known.clusters.get(joint.place)
            listeners |= {world.node(one) for one in cluster.machines} if cluster is not None else set()
        for name in sorted(listeners - {end.space.name}):
            if name in self._draft.spaces:
                self._tell_one(self._draft.spaces[name], end, machine, nets)

    def _tell_one(self, space: SpaceDraft, end: End, machine: Machine, nets: Iterable[Net]) -> None:
        bridges = dict(segments(self._draft, space))
        told: set[Net] = set()
        for network in machine.networks:
            bridge = self._draft.networks.get(network)
            device = next((device for device, known in bridges.items() if known == bridge), "")
            held = self._known.networks[network].cidrs
            for net in nets if device else ():
                via = _of(machine.addresses, held, net.version)
                if via and net not in told:  # one way is enough to a machine on several segments
                    told.add(net)
                    lines = (f"route add {one} via {via} dev {device} metric {self._metric}" for one in halves((net,)))
                    space.ip(*lines)

    def _machine(self, space: SpaceDraft) -> Machine | None:
        return next((m for m in self._known.machines.values() if world.node(m.id) == space.name), None)

    def _answer_for(self, end: End, nets: Iterable[Net]) -> None:
        """On the segments that an end is on it answers (ARP, NDP) for addresses of theirs that are behind the link."""
        by_bridge = {bridge: network for network, bridge in self._draft.networks.items()}
        for device, bridge in segments(self._draft, end.space):
            network = self._known.networks.get(by_bridge[bridge])
            for net in nets if network is not None else ():
                assert network is not None
                if not any(cidrs.within(net, held) and net != held for held in network.cidrs):
                    continue
                if net.prefixlen == net.max_prefixlen:
                    end.space.ip(f"neigh add proxy {net.network_address} dev {device}")
                    end.space.sysctl("ipv6/conf/all/proxy_ndp", "1")
                elif net.version == 4:
                    end.space.sysctl("ipv4/conf/all/proxy_arp", "1")
                else:
                    text = f"{net} is behind a link but of the segment {network.id}, where nobody answers for it"
                    self._draft.note(text, end.joints[0].origin)


def _outer(others: Iterable[End]) -> list[cidrs.Address]:
    """Where packets that carry a link may go: all addresses that its other ends have without it, and are dialled at."""
    texts = (text for other in others for text in (*other.own, *(other.dialled or ())[:1]))
    return [found for found in map(cidrs.address, map(str, texts)) if found is not None]


def _holds(net: Net, addresses: Iterable[cidrs.Address]) -> bool:
    return any(one.version == net.version and one in net for one in addresses)


def wanted(end: End, others: Iterable[End]) -> tuple[Net, ...]:
    """What an end reaches through a link: the routes of its other ends."""
    nets = (net for other in others for net in other.routes if other is not end)
    own = {str(ip_network(address)) for address in end.addresses}
    return tuple(dict.fromkeys(net for net in nets if str(net) not in own))


def halves(nets: Iterable[Net]) -> tuple[Net, ...]:
    """The same, default routes as two halves."""
    return tuple(part for net in nets for part in (net.subnets() if net.prefixlen == 0 else (net,)))


def _of(addresses: Iterable[str], held: Iterable[Net], version: int) -> str:
    """The first address that a segment holds, of a family."""
    known = [found for found in map(cidrs.address, addresses) if found is not None and found.version == version]
    return next((str(a) for a in known if any(a.version == net.version and a in net for net in held)), "")
