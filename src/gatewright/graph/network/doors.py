"""Doors on the map: at which addresses a gateway is reached, which gateways answer at an address, where each runs.

A door's addresses are those that its description names, else those that its load balancer Service gets, else those of
the machines whose ports it takes.  Counterparts: `addresses` (what load balancers hand out), `pods` (what a gateway's
pods are), `ways` (whether packets get there).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from gatewright.graph.network import cidrs
from gatewright.graph.network.addresses import allocations, service_of
from gatewright.graph.network.nodes import Place
from gatewright.graph.network.placement import candidates, home
from gatewright.graph.network.pods import Pods, pods_of
from gatewright.graph.network.spots import places
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.material import ServiceIntent

# Load balancers of a cloud: they are not in the cluster, and where their addresses are is the cloud's secret.
OUTSIDE = frozenset({"alb"})


def door_addresses(sight: Sight, gateway_id: str) -> tuple[str, ...]:
    """A question: where clients reach a gateway, addresses and hostnames."""
    gateway = sight.gateway(gateway_id)
    if gateway is None:
        return ()
    return gateway.addresses or sight.ask(handed_out, gateway_id) or sight.ask(machine_addresses, gateway_id)


def gateways_at(sight: Sight, address: str) -> tuple[str, ...]:
    """A question: the gateways that answer at an address or hostname, on whatever port, sorted."""
    return sight.ask(_by_address).get(_canonical(address), ())


def place_of(sight: Sight, gateway_id: str) -> tuple[Place, ...]:
    """A question: where a gateway runs: on the machines whose ports it takes, as described, on the machine that has its
    address, in the cluster of its pods; the first of these that is known."""
    gateway = sight.gateway(gateway_id)
    if gateway is None:
        return ()
    pods = sight.ask(pods_of, gateway_id)
    machines = sight.ask(host_machines, gateway_id)
    if machines:
        return tuple(_at("machine", id_, pods) for id_ in machines)
    described = [place for spot in gateway.settings.runs_on for place in places(sight, spot)]
    if described:
        return tuple(dict.fromkeys(_at(place.kind, place.id, pods) for place in described))
    owners = sight.ask(topology).owners
    owned = dict.fromkeys(owners[a] for a in map(_canonical, gateway.addresses) if a in owners)
    if owned:
        return tuple(_at("machine", id_, pods) for id_ in owned)
    cluster = sight.ask(home, pods.namespace or gateway.key.namespace).cluster
    return (_at("cluster", cluster, pods),) if cluster and gateway.implementation not in OUTSIDE else ()


def handed_out(sight: Sight, gateway_id: str) -> tuple[str, ...]:
    """A question: the addresses that the gateway's load balancer Service gets."""
    service = sight.ask(service_of, gateway_id)
    allocation = sight.ask(allocations).get(service) if service is not None else None
    return allocation.addresses if allocation is not None else ()


def host_machines(sight: Sight, gateway_id: str) -> tuple[str, ...]:
    """A question: the machines on whose own addresses a gateway listens; none when it does not."""
    gateway = sight.gateway(gateway_id)
    if gateway is None:
        return ()
    pods = sight.ask(pods_of, gateway_id)
    taking = [w for w in pods.workloads if w.host_network or any(port.host_port for port in w.ports)]
    if not gateway.settings.host_ports and not taking:
        return ()
    found: dict[str, None] = {}
    clusters: list[str] = []
    for spot in gateway.settings.runs_on:
        for place in places(sight, spot):
            if place.kind == "machine":
                found[place.id] = None
            elif place.kind == "cluster":
                clusters.append(place.id)
    if not found:
        clusters = clusters or [sight.ask(home, pods.namespace or gateway.key.namespace).cluster]
        for cluster in clusters:
            found.update(dict.fromkeys(_chosen(sight, cluster, pods)))
    return tuple(found)


def machine_addresses(sight: Sight, gateway_id: str) -> tuple[str, ...]:
    """A question: the addresses of the machines on which a gateway listens."""
    machines = sight.ask(topology).machines
    found = (address for id_ in sight.ask(host_machines, gateway_id) for address in machines[id_].addresses)
    return tuple(dict.fromkeys(found))


def _chosen(sight: Sight, cluster: str, pods: Pods) -> Iterable[str]:
    """The machines of a cluster on which the pods may be."""
    for workload in pods.workloads:
        yield from sight.ask(candidates, cluster, workload.node_name, workload.node_selector)
    if not pods.workloads:
        yield from sight.ask(candidates, cluster, "", ())


def _at(kind: str, id_: str, pods: Pods) -> Place:
    return Place(kind, id_, (), pods.namespace, pods.labels)


def _cluster_addresses(sight: Sight, gateway_id: str) -> tuple[str, ...]:
    """A question: the addresses of the gateway's Service inside of the cluster, where a manifest has them."""
    service = sight.ask(service_of, gateway_id)
    intent = sight.get(service, ServiceIntent) if service is not None else None
    return intent.cluster_ips if intent is not None else ()


def _by_address(sight: Sight) -> Mapping[str, tuple[str, ...]]:
    """All gateways by every address at which they answer: also those that nobody publishes."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for gateway_id in sight.gateways():
        for answer in (door_addresses, machine_addresses, handed_out, _cluster_addresses):
            for address in sight.ask(answer, gateway_id):
                found[_canonical(address)][gateway_id] = None
    return {address: tuple(ids) for address, ids in found.items()}


def _canonical(text: str) -> str:
    value = cidrs.address(text)
    return str(value) if value is not None else text.lower().rstrip(".")
