"""Service (core/v1): what a backend reference names.

Which endpoints stand behind it comes from EndpointSlices, Endpoints or workloads; the graph joins them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds import syntax
from gatewright.kinds.decode import Ignored, Lenient, Object, Report, Schema, decode, has_variable, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.material import ServiceIntent, ServicePort
from gatewright.kinds.kind import Kind

Port = Annotated[int, Meta(ge=1, le=65535)]

# Where people ask load balancer implementations for fixed addresses.
ADDRESS_ANNOTATIONS = (
    "lbipam.cilium.io/ips",
    "io.cilium/lb-ipam-ips",
    "metallb.io/loadBalancerIPs",
    "metallb.universe.tf/loadBalancerIPs",
    "kube-vip.io/loadbalancerIPs",
)


class _Port(Schema, frozen=True):
    port: Port
    name: str = ""
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    target_port: int | str | None = None
    app_protocol: str = ""
    node_port: Annotated[int, Meta(ge=0, le=65535)] = 0


class _Spec(Schema, frozen=True):
    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = "ClusterIP"
    ports: tuple[_Port, ...] = ()
    selector: dict[str, str] = field(default_factory=dict)
    external_name: str = ""
    cluster_ip: str = field(default="", name="clusterIP")
    load_balancer_ip: str = field(default="", name="loadBalancerIP")
    external_ips: tuple[str, ...] = field(default=(), name="externalIPs")
    cluster_ips: tuple[str, ...] | None = field(default=(), name="clusterIPs")
    ip_families: tuple[Literal["IPv4", "IPv6"], ...] | None = ()
    ip_family_policy: Literal["", "SingleStack", "PreferDualStack", "RequireDualStack"] | None = ""
    load_balancer_class: str | None = ""
    external_traffic_policy: Literal["", "Cluster", "Local"] | None = ""
    # How nodes spread and admit traffic to a Service's own address: a gateway reaches endpoints directly.
    allocate_load_balancer_node_ports: Ignored = None
    health_check_node_port: Ignored = None
    internal_traffic_policy: Ignored = None
    load_balancer_source_ranges: Ignored = None
    publish_not_ready_addresses: Ignored = None
    session_affinity: Ignored = None
    session_affinity_config: Ignored = None
    topology_keys: Ignored = None
    traffic_distribution: Ignored = None


class _Address(Lenient, frozen=True):
    ip: str = ""


class _LoadBalancer(Lenient, frozen=True):
    ingress: tuple[_Address, ...] | None = ()


class _Status(Lenient, frozen=True):
    load_balancer: _LoadBalancer | None = None


class Service(Object, frozen=True):
    spec: _Spec = _Spec()
    status: _Status | None = None


def lower(document: Document) -> Lowered:
    """Lower a Service, checking what the API server would check of its ports and name."""
    service, problems = decode(document, Service)
    report = Report(document, problems)
    if service is None:
        return report.lowered(None)
    spec = service.spec
    external = spec.type == "ExternalName"
    external_name = spec.external_name.removesuffix(".")
    if external and not (syntax.is_hostname(external_name) or syntax.is_ip(external_name)):
        report.invalid("a Service of type ExternalName needs a hostname here", "spec", "externalName")
    if not external and not spec.ports and spec.cluster_ip != "None":
        report.invalid("a Service needs at least one port", "spec", "ports")
    _check_ports(spec.ports, report)
    intent = ServiceIntent(
        key=key_of(document),
        origin=document.origin,
        type=spec.type,
        ports=tuple(
            ServicePort(
                p.name,
                p.port,
                p.protocol,
                p.port if p.target_port is None or p.target_port == "" else p.target_port,
                p.app_protocol,
                p.node_port,
            )
            for p in spec.ports
        ),
        selector=tuple(sorted(spec.selector.items())),
        external_name=external_name if external else "",
        headless=spec.cluster_ip == "None",
        load_balancer_ips=_addresses(service),
        annotations=service.metadata.notes,
        labels=tuple(sorted(service.metadata.labels.items())),
        families=spec.ip_families or (),
        family_policy=spec.ip_family_policy or "",
        cluster_ips=_cluster_ips(spec),
        load_balancer_class=spec.load_balancer_class or "",
        external_traffic_policy=spec.external_traffic_policy or "",
        asked_ips=_asked(service),
    )
    return report.lowered(intent)


def _check_ports(ports: tuple[_Port, ...], report: Report) -> None:
    names: set[str] = set()
    numbers: set[tuple[int, str]] = set()
    for index, port in enumerate(ports):
        where = ("spec", "ports", index)
        if len(ports) > 1 and not port.name:
            report.invalid("a Service with several ports has to name each of them", *where, "name")
        elif port.name and port.name in names:
            report.invalid(f"the port name {port.name!r} is used twice", *where, "name")
        if (port.port, port.protocol) in numbers:
            report.invalid(f"port {port.port}/{port.protocol} is listed twice", *where, "port")
        target = port.target_port
        if isinstance(target, int) and not 0 <= target <= 65535:
            report.invalid(f"{target} is not a port number", *where, "targetPort")
        elif isinstance(target, str) and target.isdigit() and not has_variable(target):
            hint = f"write {target} without quotes"
            report.invalid("a port number in quotes would be looked up as a name", *where, "targetPort", hint=hint)
        names.add(port.name)
        numbers.add((port.port, port.protocol))


def _cluster_ips(spec: _Spec) -> tuple[str, ...]:
    """The addresses of its own; a headless Service has none."""
    found = spec.cluster_ips or (spec.cluster_ip,)
    return tuple(ip for ip in found if ip and ip != "None")


def _asked(service: Service) -> tuple[str, ...]:
    """The addresses that it asks a load balancer for, each once."""
    found = [service.spec.load_balancer_ip]
    for annotation in ADDRESS_ANNOTATIONS:
        found += service.metadata.annotations.get(annotation, "").split(",")
    return _each(found)


def _addresses(service: Service) -> tuple[str, ...]:
    """The addresses a load balancer has or was asked for, each once."""
    found = [service.spec.load_balancer_ip, *service.spec.external_ips, *_asked(service)]
    if service.status and service.status.load_balancer:
        found += [address.ip for address in service.status.load_balancer.ingress or ()]
    return _each(found)


def _each(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(stripped for ip in found if (stripped := ip.strip())))


KIND = Kind("Service", ("v1",), lower)
