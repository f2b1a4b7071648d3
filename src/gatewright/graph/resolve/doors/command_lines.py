"""Doors whose configuration is the command line of a workload, or its file in a ConfigMap: a Traefik of the manifests.

Only one whose entry points are in either is a door.  What is on the nodes' ports, or on those of its load balancer
Service, is open.  Counterpart for charts: `helm_values`.
"""

from __future__ import annotations

from msgspec import structs

from gatewright.graph.objects import ALL, TRAEFIK_FILES, TRAEFIKS
from gatewright.graph.resolve.doors.releases import Objects
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ControllerIntent
from gatewright.kinds.intents.material import SecretIntent, ServiceIntent, WorkloadIntent
from gatewright.kinds.intents.places import Spot
from gatewright.kinds.traefik import static
from gatewright.kinds.traefik.static import Config, EntryPoint


def controllers(objects: Objects) -> list[tuple[WorkloadIntent, ControllerIntent]]:
    """The workloads that are doors, each with the controller that it is."""
    found = []
    for workload in objects.listed(TRAEFIKS, ALL, WorkloadIntent):
        controller = _controller(objects, workload)
        if controller is not None:
            found.append((workload, controller))
    return found


def _controller(objects: Objects, workload: WorkloadIntent) -> ControllerIntent | None:
    config = _config(objects, workload)
    service = _service(objects, workload)
    points = static.entry_points(config)
    open_ = {point.name: port for point in points if (port := _outside(point, workload, service))}
    if not open_:
        return None
    made = static.controller(
        config, open_, Key("IngressController", workload.key.namespace, workload.key.name), workload.origin
    )
    node = workload.node_name or dict(workload.node_selector).get("kubernetes.io/hostname", "")
    settings = structs.replace(
        made.settings,
        runs_on=(Spot(node=node),) if node else (),
        pods=workload.labels,
        pod_namespace=workload.key.namespace,
        host_ports=workload.host_network or any(port.host_port for port in workload.ports),
    )
    return structs.replace(made, service=service.key if service else None, settings=settings)


def _config(objects: Objects, workload: WorkloadIntent) -> Config:
    """The options of its command line; without entry points there, those of its file, which a ConfigMap holds.

    Traefik reads one of both alone.  The ConfigMap is any of its namespace that has such a file.
    """
    config = static.from_arguments(workload.args)
    if any(name.startswith("entrypoints.") for name in config):
        return config
    for holder in objects.listed(TRAEFIK_FILES, workload.key.namespace, SecretIntent):
        for name in static.FILES:
            text = holder.get(name)
            values = static.from_text(name, text.decode("utf-8", "replace")) if text is not None else None
            if values is not None:
                return static.from_mapping(values)
    return config


def _service(objects: Objects, workload: WorkloadIntent) -> ServiceIntent | None:
    """The load balancer Service in front of the workload, else the Service of its name."""
    labels = set(workload.labels)
    for service in objects.listed("load-balancers", ALL, ServiceIntent):
        if service.key.namespace == workload.key.namespace and service.selector and labels >= set(service.selector):
            return service
    return objects.get(Key("Service", workload.key.namespace, workload.key.name), ServiceIntent)


def _outside(point: EntryPoint, workload: WorkloadIntent, service: ServiceIntent | None) -> int:
    """The port on which clients find an entry point, 0 where they do not."""
    if workload.host_network:
        return point.port
    names: set[str] = set()
    for port in workload.ports:
        if port.port == point.port and (port.protocol == "UDP") == point.udp:
            if port.host_port:
                return port.host_port
            names.add(port.name)
    for offered in service.ports if service else ():
        if (offered.protocol == "UDP") == point.udp and (offered.target == point.port or offered.target in names):
            return offered.port
    return 0
