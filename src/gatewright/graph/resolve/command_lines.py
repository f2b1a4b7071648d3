"""Doors whose configuration is the command line of a workload: a Traefik that the manifests run.

Only one with entry points on its command line is a door; where a configuration file has them, nobody can tell.  What
is on the nodes' ports, or on those of its load balancer Service, is open.  Counterpart for charts: `helm_values`.
"""

from __future__ import annotations

from gatewright.graph.objects import ALL, TRAEFIKS
from gatewright.graph.resolve import traefik_config
from gatewright.graph.resolve.releases import Objects
from gatewright.graph.resolve.traefik_config import EntryPoint
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ControllerIntent, DoorSettings, FrontendTls, ListenerIntent
from gatewright.kinds.intents.material import ServiceIntent, WorkloadIntent
from gatewright.kinds.intents.places import Spot
from gatewright.kinds.intents.routing import Protocol


def controllers(objects: Objects) -> list[tuple[WorkloadIntent, ControllerIntent]]:
    """The workloads that are doors, each with the controller that it is."""
    found = []
    for workload in objects.listed(TRAEFIKS, ALL, WorkloadIntent):
        controller = _controller(objects, workload)
        if controller is not None:
            found.append((workload, controller))
    return found


def _controller(objects: Objects, workload: WorkloadIntent) -> ControllerIntent | None:
    config = traefik_config.from_arguments(workload.args)
    service = _service(objects, workload)
    points = {point.name: point for point in traefik_config.entry_points(config)}
    open_ = {name: port for name, point in points.items() if (port := _outside(point, workload, service))}
    if not open_:
        return None
    told = traefik_config.providers(config)
    shown = [points[name] for name in open_]
    node = workload.node_name or dict(workload.node_selector).get("kubernetes.io/hostname", "")
    settings = DoorSettings(
        runs_on=(Spot(node=node),) if node else (),
        pods=workload.labels,
        pod_namespace=workload.key.namespace,
        host_ports=workload.host_network or any(port.host_port for port in workload.ports),
        proxy_protocol_from=tuple(dict.fromkeys(cidr for point in shown for cidr in point.proxy_from)),
        forwarded_from=tuple(dict.fromkeys(cidr for point in shown for cidr in point.forwarded_from)),
        publishes_status=told.publishes_status,
    )
    return ControllerIntent(
        key=Key("IngressController", workload.key.namespace, workload.key.name),
        origin=workload.origin,
        implementation="traefik",
        listeners=tuple(_listener(point, open_[point.name], workload) for point in shown),
        classes=(*told.classes, "traefik") if told.classes and told.classless else told.classes,
        claims_classless=told.classless,
        default_entry_points=tuple(p.name for p in shown if p.default) or tuple(p.name for p in shown if not p.udp),
        tls_entry_points=tuple(point.name for point in shown if point.tls),
        namespaces=told.namespaces,
        allow_external_name_crd=told.external_name_crd,
        allow_external_name_ingress=told.external_name_ingress,
        allow_cross_namespace=told.cross_namespace,
        service=service.key if service else None,
        settings=settings,
    )


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


def _listener(point: EntryPoint, port: int, workload: WorkloadIntent) -> ListenerIntent:
    protocol = Protocol.UDP if point.udp else Protocol.HTTPS if point.tls else Protocol.HTTP
    tls = FrontendTls(workload.origin) if point.tls and not point.udp else None
    return ListenerIntent(point.name, port, protocol, workload.origin, tls=tls)
