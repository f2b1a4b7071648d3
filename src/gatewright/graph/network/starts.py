"""Where a gateway's connections to backends start, and as whom network policies see them.

A gateway's pods are pods of a cluster; those on their node's network are the node; Cilium's own gateways are its entity
"ingress".  Counterparts: `doors`, which says where a gateway is; `reach`, which goes on from here.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from gatewright.graph.network import parties
from gatewright.graph.network.doors import place_of
from gatewright.graph.network.nodes import Place
from gatewright.graph.network.parties import Party
from gatewright.graph.network.placement import candidates, home
from gatewright.graph.network.topology import topology
from gatewright.graph.nodes import Gateway
from gatewright.graph.sight import Sight
from gatewright.kinds.intents import GatewayClassIntent, Key, WorkloadIntent

CILIUM_CONTROLLER = "io.cilium/gateway-controller"
CILIUM = "cilium"


class Start(Struct, frozen=True):
    """One place from which a gateway connects.  `place` None: nobody says.

    `cluster`: the one whose pod network it can use, "" for none; `machines` those of it on which it may run.
    """

    place: Place | None
    party: Party
    cluster: str = ""
    machines: tuple[str, ...] = ()


def starts(sight: Sight, gateway_id: str) -> tuple[Start, ...]:
    """Where a gateway's connections start; never empty."""
    gateway = sight.gateway(gateway_id)
    if gateway is None:
        return (Start(None, parties.unknown(f"gateway {gateway_id}")),)
    found = tuple(start for place in sight.ask(place_of, gateway_id) for start in _at(sight, gateway, place))
    return found or (Start(None, _party(sight, gateway, None, "")),)


def workloads_of(sight: Sight, namespace: str, selector: tuple[tuple[str, str], ...]) -> tuple[WorkloadIntent, ...]:
    """The workloads whose pods a Service's selector takes."""
    wanted = set(selector)
    if not wanted:
        return ()
    listed = sight.fewest("workloads", tuple((namespace, label) for label in selector), WorkloadIntent)
    return tuple(workload for workload in listed if wanted <= set(workload.labels))


def _at(sight: Sight, gateway: Gateway, place: Place) -> Iterator[Start]:
    world = sight.ask(topology)
    if place.kind == "cluster":
        at = world.clusters.get(place.id)
        machines = at.machines if at else ()
        for workload in workloads_of(sight, place.namespace, place.labels)[:1]:
            machines = sight.ask(candidates, place.id, workload.node_name, workload.node_selector)
        only = machines[0] if len(machines) == 1 else ""
        yield Start(place, _party(sight, gateway, place, only), place.id, machines)
    elif place.kind == "machine":
        joined = [cluster.id for cluster in world.clusters.values() if place.id in cluster.machines]
        preferred = sight.ask(home, gateway.key.namespace).cluster
        cluster = preferred if preferred in joined else joined[0] if joined else ""
        yield Start(place, _party(sight, gateway, place, place.id), cluster, (place.id,))
    else:
        yield Start(place, parties.party_of(place))


def _party(sight: Sight, gateway: Gateway, place: Place | None, machine: str) -> Party:
    """Who it is to policies, by what is known of its pods."""
    name = f"gateway {gateway.id}"
    if _is_cilium(sight, gateway):
        return parties.entity("ingress")
    namespace = (place.namespace if place else "") or gateway.settings.pod_namespace or gateway.key.namespace
    labels = (place.labels if place else ()) or gateway.settings.pods
    on_host = any(workload.host_network for workload in workloads_of(sight, namespace, labels))
    if labels and not on_host:
        addresses = sight.ask(home, namespace).pod_cidrs
        return parties.pod(namespace, labels, addresses=addresses, machine=machine, name=name)
    if on_host or (place is not None and place.kind == "machine"):
        return node_of(sight, machine)
    return parties.unknown(name)


def node_of(sight: Sight, machine_id: str) -> Party:
    """A machine, or any of a cluster's for "", as policies see it."""
    machine = sight.ask(topology).machines.get(machine_id)
    return parties.node(machine_id, machine.addresses, machine.labels) if machine else parties.node("")


def _is_cilium(sight: Sight, gateway: Gateway) -> bool:
    """Is it served by the Envoy inside of Cilium's agents?"""
    if gateway.key.kind != "Gateway":
        return gateway.implementation == CILIUM
    class_ = sight.get(Key("GatewayClass", "", gateway.implementation), GatewayClassIntent)
    return class_.controller == CILIUM_CONTROLLER if class_ else gateway.implementation == CILIUM
