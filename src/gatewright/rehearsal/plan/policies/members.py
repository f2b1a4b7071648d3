"""Who is in a cluster of the world: pods and gateways with their labels, ports and addresses, and the nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct, structs

from gatewright.graph.network.addresses import service_of
from gatewright.graph.network.nodes import Cluster, Machine, Topology
from gatewright.graph.network.pods import CILIUM, controller, pods_of
from gatewright.graph.network.starts import starts
from gatewright.graph.network.topology import topology
from gatewright.graph.resolve.doors.helm_values import installed
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.material import ContainerPort, ServiceIntent
from gatewright.rehearsal.plan.clusters import joined
from gatewright.rehearsal.plan.identity import identify
from gatewright.rehearsal.world import Draft, node


class Member(Struct, frozen=True):
    """A pod, or a gateway that is one.

    `partial`: it may have more labels than these.  `ports` None: nobody says what it calls them.  `doors`: a gateway's
    (port of the pod as described, port that it listens on here, protocol); None for others.  `own_space`: nobody else
    is in it.  `cilium`: it is Cilium's own, an entity and no pod.  `handed`: the machines one of which may hand
    connections on to a gateway with an address of its own instead of the client's (externalTrafficPolicy Cluster).
    """

    space: str
    machine: str
    namespace: str
    labels: tuple[tuple[str, str], ...]
    addresses: tuple[str, ...]
    partial: bool = False
    ports: tuple[ContainerPort, ...] | None = None
    doors: tuple[tuple[int, int, str], ...] | None = None
    own_space: bool = True
    cilium: bool = False
    handed: tuple[str, ...] = ()


class Members(Struct, frozen=True):
    """All of one cluster."""

    cluster: Cluster
    pods: tuple[Member, ...]
    machines: tuple[Machine, ...]
    nodes: dict[str, tuple[str, ...]]
    """The addresses of each machine, those of its tunnels and in the pod network included."""


def members(draft: Draft, sight: Sight, cluster: Cluster) -> Members:
    """Everybody below the nodes of a cluster, and the gateways on the nodes themselves."""
    world = sight.ask(topology)
    spots = {spot.gateway: spot for spot in reversed(draft.gateways)}
    found: list[Member] = []
    gateways = {spot.space: gateway_id for gateway_id, spot in spots.items()}
    for one in joined.of_cluster(draft, cluster):
        machine = one.machine.removeprefix("node:")
        addresses = tuple(draft.spaces[one.space].addresses)
        if any(member.space == one.space for member in found):
            continue
        if one.space in gateways:
            found.append(_gateway(sight, gateways[one.space], one.space, machine, addresses))
            continue
        who = identify(sight, one.space)
        if who is not None:
            partial = who.workload is None and not who.told
            found.append(Member(one.space, machine, who.namespace, who.labels, addresses, partial, who.ports))
    machines = tuple(world.machines[id_] for id_ in cluster.machines)
    every = {m.id: (*draft.spaces[node(m.id)].addresses, *_addresses(world, m)) for m in machines}
    nodes = {id_: tuple(dict.fromkeys(addresses)) for id_, addresses in every.items()}
    return Members(cluster, (*found, *_on_nodes(draft, sight, nodes)), machines, nodes)


def _on_nodes(draft: Draft, sight: Sight, nodes: Mapping[str, tuple[str, ...]]) -> Iterator[Member]:
    """Gateways in the space of their node that are pods nevertheless: they take its ports, not its network.

    Which of its addresses they connect from depends on the way: those in tunnels and the pod network count, too.
    """
    names = {node(id_): id_ for id_ in nodes}
    for spot in draft.gateways:
        machine = names.get(spot.space)
        gateway = sight.gateway(spot.gateway)
        if machine is None or gateway is None:
            continue
        pods = sight.ask(pods_of, spot.gateway)
        is_pod = bool(pods.labels) or gateway.settings.host_ports
        if is_pod and not any(workload.host_network for workload in pods.workloads):
            made = _gateway(sight, spot.gateway, spot.space, machine, nodes[machine])
            yield structs.replace(made, own_space=False)


def _gateway(sight: Sight, gateway_id: str, space: str, machine: str, addresses: tuple[str, ...]) -> Member:
    gateway = sight.gateway(gateway_id)
    assert gateway is not None, gateway_id
    pods = sight.ask(pods_of, gateway_id)
    labels = pods.workloads[0].labels if pods.workloads else pods.labels
    return Member(
        space,
        machine,
        pods.namespace,
        labels,
        addresses,
        partial=not pods.workloads and not gateway.settings.pods,
        ports=pods.workloads[0].ports if pods.workloads else None,
        doors=tuple(_doors(sight, gateway_id)),
        cilium=controller(sight, gateway) == CILIUM,
        handed=_handing(sight, gateway_id),
    )


def _handing(sight: Sight, gateway_id: str) -> tuple[str, ...]:
    service = _service(sight, gateway_id)
    if service is None or service.external_traffic_policy == "Local":
        return ()
    return tuple(dict.fromkeys(id_ for start in sight.ask(starts, gateway_id) for id_ in start.machines))


def _service(sight: Sight, gateway_id: str) -> ServiceIntent | None:
    """The Service of a gateway, of the manifests or of its chart."""
    key = sight.ask(service_of, gateway_id)
    service = sight.get(key, ServiceIntent) if key is not None else None
    if service is None and key is not None and (made := sight.ask(installed).get(gateway_id)) is not None:
        return made.service
    return service


def _doors(sight: Sight, gateway_id: str) -> Iterator[tuple[int, int, str]]:
    """The pod's own port behind each port of a gateway, where its Service or workload tells."""
    gateway = sight.gateway(gateway_id)
    assert gateway is not None, gateway_id
    pods = sight.ask(pods_of, gateway_id)
    containers = [container for workload in pods.workloads for container in workload.ports]
    service = _service(sight, gateway_id)
    for port in gateway.ports:
        protocol = "UDP" if port.udp else "TCP"
        offered = [p for p in service.ports if (p.port, p.protocol) == (port.number, protocol)] if service else []
        if offered:
            target = port.number if offered[0].target is None else offered[0].target
            numbers = {target} if isinstance(target, int) else {c.port for c in containers if c.name == target}
        else:
            numbers = {c.port for c in containers if (c.host_port, c.protocol) == (port.number, protocol)}
        if len(numbers) == 1:
            yield int(next(iter(numbers))), port.number, protocol


def _addresses(world: Topology, machine: Machine) -> tuple[str, ...]:
    joints = (joint for tunnel in world.tunnels for joint in tunnel.joints if joint.place == machine.id)
    return tuple(dict.fromkeys((*machine.addresses, *(a for joint in joints for a in joint.addresses))))
