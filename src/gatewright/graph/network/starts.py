"""Where a gateway's connections to backends start, and as whom network policies see them.

A gateway's pods are pods of a cluster; those on their node's network are the node; Cilium's own gateways are its entity
"ingress".  Counterparts: `doors` and `pods`, which say where a gateway is and what its pods are; `reach`, which goes on
from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct, structs

from gatewright.graph.network import parties
from gatewright.graph.network.doors import place_of
from gatewright.graph.network.nodes import Place
from gatewright.graph.network.parties import Party
from gatewright.graph.network.placement import candidates, clusters, home, positions
from gatewright.graph.network.pods import CILIUM, controller, pods_of
from gatewright.graph.network.stays import stays
from gatewright.graph.network.topology import topology
from gatewright.graph.nodes import Gateway
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.material import WorkloadIntent


class Start(Struct, frozen=True):
    """Places from which a gateway connects that are all in one position.  `place` (one of them) None: nobody says.

    `cluster`: the one whose pod network it can use, "" for none; `machines` those of it on which it may run.
    """

    place: Place | None
    party: Party
    cluster: str = ""
    machines: tuple[str, ...] = ()


def starts(sight: Sight, gateway_id: str) -> tuple[Start, ...]:
    """A question: where a gateway's connections start; never empty."""
    gateway = sight.gateway(gateway_id)
    if gateway is None:
        return (Start(None, parties.unknown(f"gateway {gateway_id}")),)
    places = sight.ask(place_of, gateway_id)
    found = [start for place in places if place.kind != "machine" for start in _elsewhere(sight, gateway, place)]
    found += _on_machines(sight, gateway, {place.id: place for place in places if place.kind == "machine"})
    return tuple(found) or (Start(None, _party(sight, gateway, ())),)


def workloads_of(sight: Sight, namespace: str, selector: tuple[tuple[str, str], ...]) -> tuple[WorkloadIntent, ...]:
    """The workloads whose pods a Service's selector takes."""
    wanted = set(selector)
    if not wanted:
        return ()
    listed = sight.fewest("workloads", tuple((namespace, label) for label in selector), WorkloadIntent)
    return tuple(workload for workload in listed if wanted <= set(workload.labels))


def visitor(sight: Sight, place: Place) -> Party:
    """Who starts a way at a place.  A pod whose address nobody says has one of its cluster's."""
    party = parties.party_of(place)
    cluster = sight.ask(clusters).get(place.id) if place.kind == "cluster" and not place.addresses else None
    return structs.replace(party, addresses=tuple(map(str, cluster.pod_cidrs))) if cluster is not None else party


def _elsewhere(sight: Sight, gateway: Gateway, place: Place) -> Iterator[Start]:
    if place.kind != "cluster":
        yield Start(place, parties.party_of(place))
        return
    pods = sight.ask(pods_of, gateway.id)
    found: dict[str, None] = {}
    for workload in pods.workloads:
        found.update(dict.fromkeys(sight.ask(candidates, place.id, workload.node_name, workload.node_selector)))
    machines = tuple(found) or sight.ask(candidates, place.id, "", ())
    seen = sight.ask(stays).gateways.get(gateway.id, "")
    machines = (seen,) if seen in machines else machines
    some = machines if len(machines) < len(sight.ask(candidates, place.id, "", ())) else ()
    yield Start(structs.replace(place, machines=some), _party(sight, gateway, machines), place.id, machines)


def _on_machines(sight: Sight, gateway: Gateway, places: dict[str, Place]) -> Iterator[Start]:
    """One Start for the machines that are in the same position, however many there are."""
    world = sight.ask(topology)
    preferred = sight.ask(home, gateway.key.namespace).cluster
    for group in positions(world, places):
        first = group[0]
        joined = [cluster.id for cluster in world.clusters.values() if first in cluster.machines]
        cluster = preferred if preferred in joined else joined[0] if joined else ""
        yield Start(places[first], _party(sight, gateway, group, on_machines=True), cluster, group)


def _party(sight: Sight, gateway: Gateway, machines: tuple[str, ...], *, on_machines: bool = False) -> Party:
    """Who it is to policies, by what is known of its pods.

    Without a workload among the input its labels may be more than those that its Service selects.
    """
    name = f"gateway {gateway.id}"
    if controller(sight, gateway) == CILIUM:
        return parties.entity("ingress")
    pods = sight.ask(pods_of, gateway.id)
    machine = machines[0] if len(machines) == 1 else ""
    if any(workload.host_network for workload in pods.workloads):
        return node_of(sight, machines)
    if pods.labels:
        party = parties.pod(
            pods.namespace,
            pods.workloads[0].labels if pods.workloads else pods.labels,
            addresses=sight.ask(home, pods.namespace).pod_cidrs,
            machine=machine,
            name=name,
        )
        return structs.replace(party, partial=not pods.workloads and not gateway.settings.pods)
    return node_of(sight, machines) if on_machines and not gateway.settings.host_ports else parties.unknown(name)


def node_of(sight: Sight, machine_ids: Iterable[str]) -> Party:
    """One of these machines as policies see it, with what holds for all of them."""
    known = sight.ask(topology).machines
    found = [known[id_] for id_ in machine_ids if id_ in known]
    labels = set(found[0].labels).intersection(*(machine.labels for machine in found)) if found else set()
    addresses = tuple(address for machine in found for address in machine.addresses)
    return parties.node(found[0].id if len(found) == 1 else "", addresses, tuple(sorted(labels)))
