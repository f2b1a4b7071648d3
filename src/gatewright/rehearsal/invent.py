"""What a world needs that manifests leave open: pods behind Services, and the addresses of Services.

Manifests say which pods a Service selects, never which there are; a cluster decides.  Here it is decided once, and both
sides are told: the model takes it in by `Model.provide`, and `plan.clusters` makes spaces of it.  The choice depends on
names alone, so that a change of one object moves nobody else's pods.  Counterpart: `ranges`, where addresses are from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, structs

from gatewright.base.errors import UsageError
from gatewright.graph.network.addresses import service_of
from gatewright.graph.network.nodes import Cluster, Machine
from gatewright.graph.network.placement import candidates, home
from gatewright.graph.network.starts import workloads_of
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.material import (
    EndpointAddress,
    EndpointsIntent,
    ServiceIntent,
    ServicePort,
    WorkloadIntent,
)
from gatewright.rehearsal import ranges

MOST = 2
"""How many pods stand for a workload's replicas."""


class Pod(Struct, frozen=True):
    """A pod that is invented: its name, its node, an address of each family that its cluster has."""

    name: str
    machine: Machine
    addresses: tuple[str, ...]


def invented(sight: Sight) -> Mapping[Key, Intent | None]:
    """Endpoints for Services that select pods and list none, and ClusterIPs for those that name none.

    The Services of gateways get no endpoints: what is behind them is the gateway.  Those of namespaces whose cluster
    the map does not tell get nothing.
    """
    inventor = _Inventor(sight)
    doors = {sight.ask(service_of, gateway_id) for gateway_id in sight.gateways()}
    found: dict[Key, Intent | None] = {}
    for service in ranges.services(sight):
        cluster = sight.ask(topology).clusters.get(sight.ask(home, service.key.namespace).cluster)
        if cluster is None or service.type == "ExternalName":
            continue
        if not service.cluster_ips and not service.headless:
            found[service.key] = inventor.addressed(cluster, service)
        if service.selector and service.key not in doors and not ranges.endpoints(sight, service.key):
            listed = inventor.listed(cluster, service)
            found[listed.key] = listed
    return found


class _Inventor:
    """Hands out pods and addresses; nothing is given twice."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._taken = ranges.mentioned(sight)
        self._pods: dict[tuple[str, str], Pod] = {}
        self._named: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}

    def addressed(self, cluster: Cluster, service: ServiceIntent) -> ServiceIntent:
        """A Service with addresses of its own."""
        families = ranges.service_families(self._sight, cluster, service)
        nets = ranges.of_families(ranges.service_ranges(self._sight, cluster), families)
        return structs.replace(
            service, cluster_ips=tuple(ranges.pick(net, str(service.key), self._taken) for net in nets)
        )

    def listed(self, cluster: Cluster, service: ServiceIntent) -> EndpointsIntent:
        """The pods of a Service, one list for each workload: their ports may differ."""
        workloads = workloads_of(self._sight, service.key.namespace, service.selector)
        families = ranges.service_families(self._sight, cluster, service)
        key = Key("EndpointSlice", service.key.namespace, f"{service.key.name}-rehearsal")
        lists = [
            EndpointsIntent(
                key=key,
                origin=service.origin,
                service=service.key,
                addresses=tuple(self._addresses(cluster, service, workload, families)),
                ports=tuple((port.name, number(workload, port)) for port in service.ports),
            )
            for workload in workloads or (None,)
        ]
        return structs.replace(lists[0], more=tuple(lists[1:]))

    def _addresses(
        self, cluster: Cluster, service: ServiceIntent, workload: WorkloadIntent | None, families: tuple[int, ...]
    ) -> Iterator[EndpointAddress]:
        pods = list(self._of_workload(cluster, service, workload))
        for family in families:
            for pod in pods:
                own = [a for a in pod.addresses if (6 if ":" in a else 4) == family]
                yield from (EndpointAddress(a, pod=pod.name, node=pod.machine.name) for a in own[:1])

    def _of_workload(self, cluster: Cluster, service: ServiceIntent, workload: WorkloadIntent | None) -> Iterable[Pod]:
        """The pods of a workload; where no manifest has it, one named for the first Service that selects it."""
        namespace = service.key.namespace
        if workload is None:
            name = self._named.setdefault((namespace, service.selector), service.key.name)
            return (self._pod(cluster, namespace, f"{name}-0", None),)
        if workload.key.kind == "Pod":
            return (self._pod(cluster, namespace, workload.key.name, workload),)
        count = max(1, min(MOST, workload.replicas))
        return [self._pod(cluster, namespace, f"{workload.key.name}-{n}", workload) for n in range(count)]

    def _pod(self, cluster: Cluster, namespace: str, name: str, workload: WorkloadIntent | None) -> Pod:
        if (namespace, name) not in self._pods:
            self._pods[namespace, name] = self._made(cluster, namespace, name, workload)
        return self._pods[namespace, name]

    def _made(self, cluster: Cluster, namespace: str, name: str, workload: WorkloadIntent | None) -> Pod:
        machine = chosen(self._sight, cluster, f"{namespace}/{name}", workload)
        if workload is not None and workload.host_network:
            return Pod(name, machine, machine.addresses)
        nets = ranges.pod_ranges(self._sight, cluster, machine)
        return Pod(name, machine, tuple(ranges.pick(net, f"{namespace}/{name}", self._taken) for net in nets))


def chosen(sight: Sight, cluster: Cluster, pod: str, workload: WorkloadIntent | None = None) -> Machine:
    """The node that a pod ("namespace/name") runs on: one of those that may run it, by its name; the pods of one
    workload go round.  UsageError when the cluster has no nodes."""
    node, selector = (workload.node_name, workload.node_selector) if workload is not None else ("", ())
    fitting = sight.ask(candidates, cluster.id, node, selector)
    if not fitting:
        raise UsageError(f"the cluster {cluster.id} has no nodes on the map: list those that its pods run on")
    base, _, tail = pod.rpartition("-")
    turn = ranges.stable(base, len(fitting)) + int(tail) if tail.isdigit() else ranges.stable(pod, len(fitting))
    return sight.ask(topology).machines[fitting[turn % len(fitting)]]


def number(workload: WorkloadIntent | None, port: ServicePort) -> int:
    """The port of a pod behind a Service's port.  One whose name no container has is the Service's own."""
    if isinstance(port.target, int):
        return port.target
    for container in workload.ports if workload is not None and port.target is not None else ():
        if container.name == port.target and container.protocol == port.protocol:
            return container.port
    return port.port
