"""Who answers for names in a world: the public DNS, the resolvers of the map, those of clusters, our own primaries.

`placing` puts them somewhere; `behaviours`, `programs` and `ours` say what runs there: a name server of ours, the real
program, or our DNS engine; `contents` is what they serve.  Planned from descriptions and configurations, never from
what the model concludes (`graph.names.resolvers`, `graph.names.zones.look`), which is what is to be checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from msgspec import structs

from gatewright.base.errors import UsageError
from gatewright.graph.names import servers, serving
from gatewright.graph.names.nodes import PUBLIC
from gatewright.graph.network import cidrs
from gatewright.graph.network.spots import places
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.kinds.intents.material import SecretIntent
from gatewright.kinds.intents.naming import ResolverIntent, ZoneIntent
from gatewright.rehearsal.nameserving.behaviour import Behaviour, Forward
from gatewright.rehearsal.plan.clusters.joined import below
from gatewright.rehearsal.plan.names import ours, programs
from gatewright.rehearsal.plan.names.behaviours import (
    PUBLIC_ADDRESSES,
    Described,
    Upstreams,
    behaviour,
    described,
    family,
)
from gatewright.rehearsal.plan.names.contents import Contents
from gatewright.rehearsal.plan.names.placing import Places, Spot
from gatewright.rehearsal.plan.names.programs import Secondary, Wanted
from gatewright.rehearsal.world import (
    INTERNET,
    PUBLIC_DNS,
    Draft,
    NameServer,
    Role,
    VantageSpot,
    default_routes,
    node,
    resolver,
)

OURS: Final = "gatewright"
PUBLIC_IMPLEMENTATION: Final = "public"
OUR_PRIMARY: Final = "gatewright"


def plan(draft: Draft, sight: Sight) -> None:
    """Put everybody who answers for names into a world, and tell the vantages of the draft whom they ask where."""
    _Planning(draft, sight).everything()


class _Planning:
    """One plan.  `_spots`: where each resolver of the map is; `_primaries`, `_daemons`: who has our zones, by view."""

    def __init__(self, draft: Draft, sight: Sight) -> None:
        self._draft = draft
        self._sight = sight
        self._contents = Contents(draft, sight)
        self._places = Places(draft, sight)
        self._spots: dict[Key, Spot] = {}
        self._of_clusters: dict[str, Spot] = {}
        self._primaries: dict[str, str] = {}
        self._daemons: dict[str, str] = {}

    def everything(self) -> None:
        intents = {intent.key: intent for intent in self._sight.all("Resolver", ResolverIntent)}
        for key, intent in intents.items():
            if intent.implementation == PUBLIC_IMPLEMENTATION:
                continue
            try:
                self._spots[key] = self._places.of(intent)
            except UsageError as error:
                self._draft.note(f"the resolver {key.name} is left out: {error}", intent.origin)
        upstreams = Upstreams(self._draft, self._sight, self._spots)
        everybody = [described(self._sight, intents[key], spot, upstreams) for key, spot in self._spots.items()]
        self._find_primaries(everybody)
        self._clusters()
        for what in everybody:
            self._resolver(what)
        self._public(everybody, [i for i in intents.values() if i.implementation == PUBLIC_IMPLEMENTATION])
        self._vantages(upstreams)
        self._programs(upstreams)

    # --- resolvers of the map ---

    def _resolver(self, what: Described) -> None:
        intent = what.intent
        if intent.implementation == OURS:
            ours.serve(self._draft, self._sight, intent.key.name, what.spot, intent.views)
            return
        wanted = Wanted(
            what,
            behaviour(self._sight, what, self._contents, self._cluster_of(intent)),
            self._text(intent),
            tuple(self._secondaries(what)),
            tuple(dict.fromkeys(self._daemons[view] for view in self._copied(what))),
        )
        if not programs.realised(self._draft, wanted):
            self._answer(intent.key.name, what.spot, wanted.behaviour)

    def _answer(self, name: str, spot: Spot, does: Behaviour) -> None:
        server = NameServer(f"resolver:{name}", spot.space, spot.listens, msgspec.msgpack.encode(does))
        self._draft.name_servers.append(server)

    def _cluster_of(self, intent: ResolverIntent) -> str:
        """The cluster whose Services a resolver knows: the one that it runs in, or whose machine."""
        for place in places(self._sight, intent.at) if intent.at is not None else ():
            if place.kind == "cluster":
                return place.id
            for cluster in self._sight.ask(topology).clusters.values():
                if place.kind == "machine" and place.id in cluster.machines:
                    return cluster.id
        return ""

    def _text(self, intent: ResolverIntent) -> str:
        """The text of a resolver's own configuration, "" when it is not at hand."""
        if intent.file is None:
            return ""
        if intent.file.kind in servers.HELD:
            held = self._sight.get(intent.file, SecretIntent)
            octets = held.get(intent.file_entry) if held is not None else None
            return octets.decode(errors="replace") if octets else ""
        return self._draft.texts.get(intent.file, "")

    # --- our primaries ---

    def _find_primaries(self, everybody: list[Described]) -> None:
        """Where resolvers of the map copy views from us: at a Resolver of ours that has the view, else in a space of
        its own beside the first of them."""
        for what in everybody:
            for view in self._copied(what):
                if view in self._primaries:
                    continue
                offering = [
                    (f"resolver:{other.intent.key.name}", other.spot.addresses[0])
                    for other in everybody
                    if other.intent.implementation == OURS and view in (other.intent.views or (view,))
                ]
                if offering:
                    self._daemons[view], self._primaries[view] = offering[0]
                else:
                    self._daemons[view], self._primaries[view] = self._primary(what, view)

    def _copied(self, what: Described) -> Iterator[str]:
        """The views that a resolver is a secondary of."""
        for view in self._sight.ask(serving.views):
            is_secondary = any(other.address in what.spot.addresses for other in view.secondaries)
            if is_secondary and view.name in what.intent.views:
                yield view.name

    def _primary(self, beside: Described, view: str) -> tuple[str, str]:
        """Our engine on the network of a secondary, since no Resolver says where it is: its daemon and address."""
        name = f"{OUR_PRIMARY}-{view}"
        world = self._sight.ask(topology)
        address = cidrs.address(beside.spot.addresses[0])
        held = [
            network
            for network in world.networks.values()
            for net in network.cidrs
            if address is not None and net.version == address.version and address in net
        ]
        spot = self._places.in_network(resolver(name), (), held, None, f"resolver:{name}")
        ours.serve(self._draft, self._sight, name, spot, (view,))
        self._draft.note(f"zones of ours are copied from {spot.addresses[0]}: no Resolver says where we serve {view}")
        return f"resolver:{name}", spot.addresses[0]

    def _secondaries(self, what: Described) -> Iterator[Secondary]:
        copied = set(self._copied(what))
        for zone in self._sight.all("Zone", ZoneIntent):
            if zone.view in copied and zone.provider == OURS:
                yield Secondary(zone.domain, self._primaries[zone.view])

    # --- clusters ---

    def _clusters(self) -> None:
        """The cluster DNS of clusters that name no resolver: it knows their Services, and asks the public DNS."""
        for cluster in self._sight.ask(topology).clusters.values():
            if cluster.resolver or not cluster.machines:
                continue
            name = f"{servers.CLUSTER_DNS}-{cluster.id}"
            try:
                spot = self._places.in_cluster(cluster.id, resolver(name), (), cluster.origin, f"resolver:{name}")
            except UsageError as error:
                self._draft.note(f"{cluster.id} has no DNS of its own: {error}", cluster.origin)
                continue
            self._of_clusters[cluster.id] = spot
            families = {family(address) for address in spot.addresses}
            asked = tuple(address for address in PUBLIC_ADDRESSES[:2] if family(address) in families)
            zone = self._contents.services(cluster.id, servers.CLUSTER_DOMAIN)
            self._answer(name, spot, Behaviour(zones=(zone,), forwards=(Forward("", (asked,)),)))

    # --- the public DNS ---

    def _public(self, everybody: list[Described], listed: list[ResolverIntent]) -> None:
        """At the usual addresses, and at every global one that is asked and that nobody has."""
        had = set().union(*(space.addresses for space in self._draft.spaces.values()))
        asked = [
            address for what in everybody for forward in what.forwards for server in forward.to for address in server
        ]
        asked += [address for intent in listed for address in intent.addresses]
        asked += [
            servers.address_of(ref)
            for vantage in self._sight.all("Vantage", VantageIntent)
            for ref in vantage.resolvers
        ]
        wanted = dict.fromkeys(PUBLIC_ADDRESSES)
        for text in asked:
            value = cidrs.address(text)
            if value is not None and cidrs.is_global(value):
                wanted[text] = None
        addresses = tuple(address for address in wanted if address not in had)
        space = self._draft.space(PUBLIC_DNS, Role.SERVER)
        device, _ = self._draft.uplink(space, self._draft.spaces[INTERNET], addresses)
        default_routes(space, device)
        does = msgspec.msgpack.encode(Behaviour(zones=self._contents.public()))
        self._draft.name_servers.append(NameServer(PUBLIC_DNS, PUBLIC_DNS, addresses, does))
        for intent in listed:
            for space_name, own in self._hosts(intent, addresses).items():
                self._draft.name_servers.append(NameServer(f"resolver:{intent.key.name}", space_name, own, does))

    def _hosts(self, intent: ResolverIntent, public: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
        """The spaces that have addresses of a public resolver of the map."""
        found: dict[str, tuple[str, ...]] = {}
        for address in intent.addresses:
            for space in self._draft.spaces.values():
                if address in space.addresses and address not in public:
                    found[space.name] = (*found.get(space.name, ()), address)
                    break
        return found

    # --- vantages ---

    def _vantages(self, upstreams: Upstreams) -> None:
        """Whom each vantage asks, and where."""
        intents = {intent.key.name: intent for intent in self._sight.all("Vantage", VantageIntent)}
        for number, spot in enumerate(self._draft.vantages):
            intent = intents[spot.vantage]
            asked = {ref: self._asked_at(ref, intent, spot, upstreams) for ref in self._resolvers(intent)}
            for ref, addresses in asked.items():
                if not addresses:
                    self._draft.note(
                        f"{spot.vantage} cannot ask {ref}: the map does not say where that is", intent.origin
                    )
            resolvers = tuple((ref, address) for ref, addresses in asked.items() for address in addresses)
            self._draft.vantages[number] = structs.replace(spot, resolvers=resolvers)

    def _resolvers(self, intent: VantageIntent) -> tuple[str, ...]:
        if intent.resolvers:
            return intent.resolvers
        cluster = self._cluster_at(intent)
        return (servers.cluster_resolver(self._sight, cluster),) if cluster else (PUBLIC,)

    def _cluster_at(self, intent: VantageIntent) -> str:
        found = next(iter(places(self._sight, intent.at)), None)
        return found.id if found is not None and found.kind == "cluster" else ""

    def _asked_at(self, ref: str, intent: VantageIntent, spot: VantageSpot, upstreams: Upstreams) -> tuple[str, ...]:
        """The addresses of a resolver, those of families that the client has first."""
        if ref == servers.CLUSTER_DNS:
            found: tuple[str, ...] = ()
            where = self._of_clusters.get(self._cluster_at(intent))
            found = where.addresses if where is not None else ()
        else:
            found = upstreams.addresses(ref, "46")
        mine = [address for address in found if family(address) in spot.families]
        return tuple(dict.fromkeys((*mine, *found)))

    # --- programs ---

    def _programs(self, upstreams: Upstreams) -> None:
        """Whom everything else asks: on nodes and pods of a cluster its resolver, elsewhere the public DNS."""
        asked: dict[str, str] = {}
        for cluster in self._sight.ask(topology).clusters.values():
            own = self._of_clusters.get(cluster.id)
            found = upstreams.addresses(cluster.resolver, "46") if cluster.resolver else own.addresses if own else ()
            for machine in cluster.machines if found else ():
                asked[node(machine)] = found[0]
        for one in below(self._draft):
            if one.machine in asked:
                asked[one.space] = asked[one.machine]
        for name, space in self._draft.spaces.items():
            if space.role in (Role.MACHINE, Role.POD, Role.GATEWAY, Role.EDGE, Role.SERVER) and name != PUBLIC_DNS:
                self._draft.resolver_of.setdefault(name, asked.get(name, PUBLIC_ADDRESSES[0]))
