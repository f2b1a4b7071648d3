"""Links of the map: what joins the spaces of their ends, and the routes that lead through it.

Those that carry others come first, so that a link is dialled when what carries it stands.  Planned after `network`,
before everything that has to know which devices lead into links.
"""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.graph.network.nodes import Topology, Tunnel
from gatewright.graph.network.routing import endpoint_address
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.places import LinkType
from gatewright.rehearsal.plan.links import direct, nebula, wireguard
from gatewright.rehearsal.plan.links.ends import Carried, End, Places
from gatewright.rehearsal.plan.links.routes import Routes
from gatewright.rehearsal.world import Chain, Draft


def plan(draft: Draft, sight: Sight) -> None:
    """All Links but tunnels to a CDN, which are part of its edge."""
    known = sight.ask(topology)
    links = _Links(draft, Places(draft, sight, known), Routes(draft, known))
    for tunnel in carriers_first(known):
        links.add(tunnel)


def carriers_first(known: Topology) -> list[Tunnel]:
    """The links of packets, each after those through which its own endpoints are reached."""
    tunnels = [tunnel for tunnel in known.tunnels if tunnel.type is not LinkType.CLOUDFLARE_TUNNEL]
    ordered: list[Tunnel] = []
    waiting: list[Tunnel] = []

    def place(tunnel: Tunnel) -> None:
        if tunnel in ordered or tunnel in waiting:  # links that carry each other: a finding of `check`
            return
        waiting.append(tunnel)
        for other in tunnels:
            if other is not tunnel and carries(other, tunnel):
                place(other)
        waiting.remove(tunnel)
        ordered.append(tunnel)

    for tunnel in tunnels:
        place(tunnel)
    return ordered


def carries(outer: Tunnel, inner: Tunnel) -> bool:
    """Does one link lead to an address at which another is dialled?"""
    dialled = [found for joint in inner.joints if (found := endpoint_address(joint)) is not None]
    nets = [net for joint in outer.joints for net in joint.routes if net.prefixlen]
    return any(one.version == net.version and one in net for one in dialled for net in nets)


class _Links:
    """The links planned so far."""

    def __init__(self, draft: Draft, places: Places, routes: Routes) -> None:
        self._draft = draft
        self._places = places
        self._routes = routes
        self._devices = 0
        self._tunnels: list[Tunnel] = []

    def add(self, tunnel: Tunnel) -> None:
        ends = self._places.ends(tunnel)
        if len(ends) < 2:
            return
        if tunnel.type is LinkType.DIRECT:
            direct.plan(self._draft, self._routes, tunnel, ends)
            return
        carriers = {f"link:{other.name}" for other in self._tunnels if carries(other, tunnel)}
        needs = tuple(daemon.name for daemon in self._draft.daemons if daemon.concerns in carriers)
        carried = Carried(self._dialling(tunnel, ends), needs)
        program = nebula if tunnel.type is LinkType.NEBULA else wireguard
        program.plan(self._draft, self._routes, tunnel, ends, self._devices, carried)
        if tunnel.type is LinkType.LIQO:
            for number, end in enumerate(ends):
                self._as_pods(end, f"wg{self._devices + number}")
        self._devices += len(ends)
        self._tunnels.append(tunnel)

    def _as_pods(self, end: End, device: str) -> None:
        """What nodes themselves send into Liqo goes as if from a pod: only pods' addresses are known at the far end."""
        for version, ip in ((4, "ip"), (6, "ip6")):
            nets = [net for net in end.routes if net.version == version and net.prefixlen < net.max_prefixlen]
            if nets:
                own = self._draft.free(nets[0])
                end.space.address("lo", f"{own}/{nets[0].max_prefixlen}")
                held = ", ".join(map(str, nets))
                text = f'oifname "{device}" {ip} saddr != {{ {held} }} snat {ip} to {own}'
                end.space.rule(Chain.POSTROUTING, text)

    def _dialling(self, tunnel: Tunnel, ends: Sequence[End]) -> dict[tuple[int, int], str]:
        """Where each end (by number) dials each other one; all dial the first where nobody says anything."""
        at: dict[tuple[int, int], str] = {}
        for one in range(len(ends)):
            for two, other in enumerate(ends):
                if one != two and other.dialled is not None:
                    at[one, two] = _joined(*other.dialled)
        for number, end in enumerate(ends[1:], 1):
            if ends[0].dialled is None:
                near, far = self._places.carry(tunnel, ends[0], end)
                at[number, 0] = _joined(near, ends[0].port)
                at[0, number] = _joined(far, end.port)
        return at


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
