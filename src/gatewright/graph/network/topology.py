"""The map: sites, machines and clusters as the site map and the manifests together say, and where those disagree.

Everything that names something else is looked up here once; contradictions are Problems, one at each of the two
places that disagree.  The cost is linear in what is written: addresses are looked up by longest prefix, never compared
all with all.  Counterparts: `links` (tunnels and the configuration files of their ends), `ways` (which walks the map).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from msgspec import structs

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.graph.network import cidrs
from gatewright.graph.network.cidrs import Prefixes
from gatewright.graph.network.links import Linked, tunnels
from gatewright.graph.network.naming import Names
from gatewright.graph.network.nodes import Cluster, Machine, Net, Network, Topology
from gatewright.graph.network.outages import links_down, machines_down
from gatewright.graph.network.routing import Tables, circles
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.places import (
    INTERNET,
    ClusterSpec,
    FirewallIntent,
    LinkIntent,
    NodeIntent,
    NodeSpec,
    SiteIntent,
    Spot,
)

BUILT_IN = Origin("(built in)")

# What encapsulation takes from a packet between nodes, in octets.
ENCAPSULATION = {"vxlan": 50, "geneve": 50, "wireguard": 80, "ipip": 20}


def topology(sight: Sight) -> Topology:
    """All of the map."""
    sites = sight.all("Site", SiteIntent)
    links = sight.all("Link", LinkIntent)
    firewalls = sight.all("Firewall", FirewallIntent)
    draft = _Draft(sites)
    draft.join(sight.all("Node", NodeIntent))
    draft.group(sites)
    linked = tunnels(sight, draft.names(), draft.behind, links)
    draft.problems += linked.problems
    draft.check_addresses(linked)
    draft.check_firewalls(firewalls)
    draft.problems += circles(Tables(draft.networks, draft.machines, draft.clusters, linked.tunnels))
    owners = draft.owners()
    broken = sight.ask(links_down)
    working = tuple(link for link in linked.tunnels if link.name not in broken)
    for link in working:
        for joint in link.joints:
            if joint.place in draft.machines:
                owners.update((address, joint.place) for address in joint.addresses if address not in owners)
    return Topology(
        networks=draft.networks,
        machines=draft.machines,
        clusters=draft.clusters,
        tunnels=working,
        firewalls=tuple(firewalls),
        links=tuple(links),
        owners=owners,
        problems=tuple(dict.fromkeys(draft.problems)),
        known=bool(sites),
        broken=tuple(link for link in linked.tunnels if link.name in broken),
        down=sight.ask(machines_down),
    )


def contradiction(id_: str, one: tuple[str, Origin], other: tuple[str, Origin], hint: str) -> tuple[Problem, ...]:
    """A contradiction is told at both of its places."""
    return (
        Problem(id_, f"{one[0]}, but {other[0]} ({other[1].file})", one[1], Severity.ERROR, hint),
        Problem(id_, f"{other[0]}, but {one[0]} ({one[1].file})", other[1], Severity.ERROR, hint),
    )


class _Draft:
    """The map while it is being put together."""

    def __init__(self, sites: Iterable[SiteIntent]) -> None:
        self.networks = {INTERNET: Network(INTERNET, "", (), BUILT_IN)}
        self.machines: dict[str, Machine] = {}
        self.clusters: dict[str, Cluster] = {}
        self.problems: list[Problem] = []
        self._said: dict[str, tuple[str, Origin]] = {}
        self._pods: dict[str, tuple[str, ...]] = {}
        for site in sites:
            for spec in site.networks:
                id_ = self._name(site, "network", spec.name, spec.origin, self.networks)
                nets = cidrs.networks(spec.cidrs)
                self.networks.setdefault(
                    id_, Network(id_, site.key.name, nets, spec.origin, spec.mtu, spec.dhcp, spec.internet)
                )
        self._segments = self._prefixes()
        self._everywhere = Prefixes((net, n.id) for n in self.networks.values() for net in n.cidrs)
        for site in sites:
            for node in site.nodes:
                id_ = self._name(site, "node", node.name, node.origin, self.machines)
                self.machines.setdefault(id_, self._machine(id_, site.key.name, node))

    def names(self) -> Names:
        return Names(self.networks, self.machines, self.clusters)

    def _name(self, site: SiteIntent, kind: str, name: str, origin: Origin, taken: Mapping[str, object]) -> str:
        """The full name of something in a site; a Problem at both places when something else has it already."""
        id_ = f"{site.key.name}/{name}"
        before = self._said.setdefault(id_, (kind, origin))
        if before != (kind, origin):
            one, other = f"the {kind} {id_} is described here", f"a {before[0]} is called {id_} too"
            hint = "give each a name of its own" if id_ not in taken else "keep one of them"
            self.problems += contradiction("site-map-name-twice", (one, origin), (other, before[1]), hint)
        return id_

    def _prefixes(self) -> dict[str, Prefixes[str]]:
        entries: dict[str, list[tuple[Net, str]]] = defaultdict(list)
        for network in self.networks.values():
            entries[network.site] += [(net, network.id) for net in network.cidrs]
        return {site: Prefixes(found) for site, found in entries.items()}

    def _holding(self, site: str, addresses: Iterable[str]) -> tuple[str, ...]:
        """The networks of the site that hold these addresses; the internet too, where one is nobody's but global."""
        found: dict[str, None] = {}
        for text in addresses:
            value = cidrs.address(text)
            if value is None:
                continue
            segments = self._segments.get(site)
            held = segments.longest(value)[1] if segments else ()
            if held:
                found[held[0]] = None
            elif cidrs.is_global(value):
                found[INTERNET] = None
        return tuple(found)

    def _machine(self, id_: str, site: str, spec: NodeSpec) -> Machine:
        networks = self._holding(site, spec.addresses)
        return Machine(id_, spec.name, site, spec.addresses, networks, spec.labels, spec.origin)

    # --- what Kubernetes says ---

    def join(self, nodes: Iterable[NodeIntent]) -> None:
        """Kubernetes Nodes are machines of the map by name; one that no Site names is a machine of no site."""
        for node in nodes:
            found = self.names_of(node)
            addresses = tuple(text for text in node.addresses if cidrs.address(text) is not None)
            if not found:
                id_ = node.key.name
                networks = self._anywhere(addresses)
                self.machines[id_] = Machine(
                    id_, id_, "", addresses, networks, node.labels, node.origin, cidrs.networks(node.pod_cidrs)
                )
            elif len(found) == 1:
                self._join(self.machines[found[0]], node, addresses)
            else:
                message = f"{node.key} may be any of {' and '.join(found)}"
                hint = "node names have to differ between sites that share a cluster"
                self.problems.append(Problem("site-map-ambiguous-node", message, node.origin, Severity.WARNING, hint))

    def names_of(self, node: NodeIntent) -> list[str]:
        """The machines of the Sites that have a Node's name."""
        if not self._pods:
            bare: dict[str, list[str]] = defaultdict(list)
            for machine in self.machines.values():
                bare[machine.name].append(machine.id)
            self._pods = {name: tuple(ids) for name, ids in bare.items()}
        return list(self._pods.get(node.key.name, ()))

    def _join(self, machine: Machine, node: NodeIntent, addresses: tuple[str, ...]) -> None:
        if addresses and machine.addresses and not set(addresses) & set(machine.addresses):
            one = f"{node.key} has the address {addresses[0]}", node.origin
            other = f"the node {machine.id} has {', '.join(machine.addresses)}", machine.origin
            hint = "the addresses of one machine have to agree"
            self.problems += contradiction("node-address-contradicts", one, other, hint)
        every = tuple(dict.fromkeys(machine.addresses + addresses))
        labels = tuple(sorted({**dict(node.labels), **dict(machine.labels)}.items()))
        self.machines[machine.id] = structs.replace(
            machine,
            addresses=every,
            networks=self._holding(machine.site, every),
            labels=labels,
            pod_cidrs=cidrs.networks(node.pod_cidrs),
        )

    def _anywhere(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """The networks of whatever site that hold these addresses, where only one does."""
        found: dict[str, None] = {}
        for text in addresses:
            value = cidrs.address(text)
            held = set(self._everywhere.longest(value)[1]) if value is not None else set()
            if len(held) == 1:
                found.update(dict.fromkeys(held))
            elif not held and value is not None and cidrs.is_global(value):
                found[INTERNET] = None
        return tuple(found)

    def behind(self, place: str) -> tuple[Net, ...]:
        """What is reached through the end of a link that names no routes: a network's or cluster's own prefixes, or
        those addresses of a machine that no network of its site explains."""
        if place in self.networks:
            return self.networks[place].cidrs
        if place in self.clusters:
            return self.clusters[place].pod_cidrs
        machine = self.machines[place]
        found = (cidrs.address(text) for text in machine.addresses)
        return tuple(
            cidrs.host(value)
            for value in found
            if value is not None and not cidrs.is_global(value) and not self._holding(machine.site, (str(value),))
        )

    # --- clusters ---

    def group(self, sites: Iterable[SiteIntent]) -> None:
        """The clusters and their machines: those that they list, else all of their site and all Kubernetes Nodes."""
        known = Names(self.networks, self.machines, {})
        only = sum(len(site.clusters) for site in sites) == 1
        for site in sites:
            for spec in site.clusters:
                id_ = self._name(site, "cluster", spec.name, spec.origin, self.clusters)
                members: list[str] = []
                for name in spec.nodes:
                    full = f"{site.key.name}/{name}"
                    spot = Spot(node=full if full in self.machines else name)
                    found, problems = known.look_up(spot, spec.origin, f"the cluster {id_}")
                    members += found
                    self.problems += problems
                if not spec.nodes:
                    members = [m.id for m in self.machines.values() if m.site == site.key.name or (only and not m.site)]
                self.clusters.setdefault(id_, self._cluster(id_, site.key.name, spec, tuple(dict.fromkeys(members))))

    def _cluster(self, id_: str, site: str, spec: ClusterSpec, machines: tuple[str, ...]) -> Cluster:
        pods = cidrs.networks(spec.pod_cidrs)
        for machine in machines:
            for net in self.machines[machine].pod_cidrs:
                if pods and not any(cidrs.within(net, outer) for outer in pods):
                    one = f"the node {machine} has the pods of {net}", self.machines[machine].origin
                    other = f"the pods of {id_} are in {', '.join(spec.pod_cidrs)}", spec.origin
                    self.problems += contradiction(
                        "pod-cidr-outside-cluster", one, other, "a node's podCIDR is part of its cluster's"
                    )
        overhead = ENCAPSULATION.get(spec.encapsulation, 0)
        under = [self.networks[n].mtu for m in machines for n in self.machines[m].networks]
        return Cluster(
            id=id_,
            site=site,
            pod_cidrs=pods,
            service_cidrs=cidrs.networks(spec.service_cidrs),
            machines=machines,
            namespaces=spec.namespaces,
            mtu=spec.overlay_mtu or min(under, default=1500) - overhead,
            enforces_policies=spec.enforces_policies,
            resolver=spec.resolver,
            origin=spec.origin,
            overhead=overhead,
        )

    # --- contradictions ---

    def owners(self) -> dict[str, str]:
        """The machine of each address.  Two of one site, or of the internet, cannot both have it."""
        found: dict[str, str] = {}
        seen: dict[tuple[str, str], str] = {}
        for machine in self.machines.values():
            for text in machine.addresses:
                value = cidrs.address(text)
                if value is None or cidrs.is_link_local(value):
                    continue
                scope = "" if cidrs.is_global(value) else machine.site
                before = seen.setdefault((scope, text), machine.id)
                if before != machine.id:
                    one = f"the node {machine.id} has the address {text}", machine.origin
                    other = f"{before} has it", self.machines[before].origin
                    self.problems += contradiction("node-address-twice", one, other, "give each an address of its own")
                found.setdefault(text, machine.id)
        return found

    def check_addresses(self, linked: Linked) -> None:
        """A private address that no network of its site holds, unless a link explains it."""
        families = {
            site: {net.version for n in self.networks.values() if n.site == site for net in n.cidrs}
            for site in {machine.site for machine in self.machines.values()}
        }
        for machine in self.machines.values():
            if not machine.site or machine.id in linked.ends:
                continue
            segments = self._segments.get(machine.site)
            for text in machine.addresses:
                value = cidrs.address(text)
                if value is None or cidrs.is_global(value) or cidrs.is_link_local(value):
                    continue
                if value.version not in families[machine.site] or segments is None or segments.longest(value)[1]:
                    continue
                held = ", ".join(str(n) for x in self.networks.values() if x.site == machine.site for n in x.cidrs)
                one = f"the node {machine.id} has the address {text}", machine.origin
                network = next(n for n in self.networks.values() if n.site == machine.site)
                other = f"the networks of {machine.site} are {held}", network.origin
                hint = "correct the address, or describe the network that it is in"
                self.problems += contradiction("address-outside-networks", one, other, hint)

    def check_firewalls(self, firewalls: Iterable[FirewallIntent]) -> None:
        """Firewalls that protect what there is not."""
        known = self.names()
        for firewall in firewalls:
            for spot in firewall.spots:
                self.problems += known.look_up(spot, firewall.origin, f"the firewall {firewall.key.name}")[1]
