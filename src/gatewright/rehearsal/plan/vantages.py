"""Where clients are: a space of its own on a network or the internet, the space of a machine, or a pod.

A client whose addresses the map leaves open gets some of its network that no rule of a Firewall singles out, since the
model takes it to be anybody there.  Pods are made by `plan.clusters`, those of vantages too.  Whom a vantage asks for
names is added by `plan.names`.  Counterpart: `trace.vantages`, which says where a request starts in the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Net, Network, Topology
from gatewright.graph.network.spots import places
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.kinds.intents.places import INTERNET as THE_INTERNET
from gatewright.rehearsal import world
from gatewright.rehearsal.world import INTERNET, Draft, Role, SpaceDraft, VantageSpot, default_routes

ANYBODY: Final = {"4": ip_network("198.18.0.0/24"), "6": ip_network("2001:2::/112")}
"""Where clients on the internet are whose addresses nobody knows (RFC 2544, RFC 5180)."""

TRIES: Final = 256


def plan(draft: Draft, sight: Sight) -> None:
    """A spot for each Vantage whose place is on the map."""
    for intent in sight.all("Vantage", VantageIntent):
        plan_one(draft, sight, intent)


def plan_one(draft: Draft, sight: Sight, intent: VantageIntent) -> None:
    """The spot of one Vantage; none when nothing on the map is called as its place is."""
    vantages = _Vantages(draft, sight.ask(topology))
    place = next(iter(places(sight, intent.at, intent.addresses)), None)
    if place is None:
        return
    if place.kind == "machine":
        vantages.beside(intent, draft.spaces[world.node(place.id)])
    elif place.kind == "cluster":
        vantages.beside(intent, draft.spaces[pod_of(intent)])
    elif place.id == THE_INTERNET:
        vantages.on_the_internet(intent)
    else:
        vantages.in_network(intent, vantages.known.networks[place.id])


def pod_of(vantage: VantageIntent) -> str:
    """The space of the pod that a vantage in a cluster is."""
    return world.pod(vantage.namespace or "default", f"vantage-{vantage.key.name}")


class _Vantages:
    def __init__(self, draft: Draft, known: Topology) -> None:
        self._draft = draft
        self.known = known
        rules = (rule for fw in known.firewalls for rule in (*fw.inbound, *fw.outbound))
        self._named = tuple(dict.fromkeys(net for rule in rules for net in cidrs.networks(rule.peers)))

    def beside(self, intent: VantageIntent, space: SpaceDraft) -> None:
        """In a space that is there already."""
        sources = {
            family: address
            for family in intent.families
            for address in reversed(space.addresses)
            if (":" in address) == (family == "6") and not ip_address(address).is_link_local
        }
        self._add(intent, space, sources)

    def on_the_internet(self, intent: VantageIntent) -> None:
        """Somewhere on the internet."""
        given = _given(intent)
        nets = {family: ANYBODY[family] for family in intent.families}
        sources = {family: given.get(family) or self._draft.free(net) for family, net in nets.items()}
        space = self._space(intent)
        device, _ = self._draft.uplink(space, self._draft.spaces[INTERNET], sources.values())
        default_routes(space, device, sorted(map(int, sources)))
        self._add(intent, space, sources)

    def in_network(self, intent: VantageIntent, network: Network) -> None:
        """On a segment; without an address of a family that the segment does not have."""
        given = _given(intent)
        sources: dict[str, str] = {}
        prefixed: list[str] = []
        for family in intent.families:
            nets = [net for net in network.cidrs if net.version == int(family)]
            own = [given[family]] if family in given else [self._some(net) for net in _usual(nets)]
            for address in own:
                held = [net.prefixlen for net in nets if ip_address(address) in net]
                sources.setdefault(family, address)
                prefixed.append(f"{address}/{max(held)}" if held else str(ip_network(address)))
        space = self._space(intent)
        device = self._draft.join(network.id, space, prefixed, network.mtu)
        default_routes(space, device, sorted(map(int, sources)))
        self._add(intent, space, sources)

    def _some(self, net: Net) -> str:
        """An address of a network that stands for all of it, as far as firewalls tell its addresses apart."""
        narrower = [named for named in self._named if cidrs.within(named, net) and named != net]
        address = self._draft.free(net)
        for _ in range(TRIES):
            if not any(ip_address(address) in named for named in narrower):
                break
            address = self._draft.free(net)
        return address

    def _space(self, intent: VantageIntent) -> SpaceDraft:
        name = world.vantage(intent.key.name)
        return self._draft.space(name, Role.VANTAGE, intent.origin)

    def _add(self, intent: VantageIntent, space: SpaceDraft, sources: Mapping[str, str]) -> None:
        ordered = {family: sources[family] for family in intent.families if family in sources}
        self._draft.vantages.append(VantageSpot(intent.key.name, space.name, intent.families, ordered))


def _usual(nets: Sequence[Net]) -> list[Net]:
    """Of which prefixes of a segment, all of one family, a host has addresses: of one, in IPv6 of a global one too."""
    found = list(nets[:1])
    if found and found[0].version == 6 and not cidrs.is_global(found[0]):
        found += [net for net in nets if cidrs.is_global(net)][:1]
    return found


def _given(intent: VantageIntent) -> dict[str, str]:
    """The first address of each family that the map gives a client."""
    return _by_family(intent.addresses)


def _by_family(addresses: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for address in addresses:
        found.setdefault("6" if ":" in address else "4", address)
    return found
