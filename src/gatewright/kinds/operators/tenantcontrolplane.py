"""TenantControlPlane of Steward (steward.butlerlabs.dev) and Kamaji (kamaji.clastix.io): an API server as pods.

What decides how clients, nodes and konnectivity agents reach it is read strictly; how its pods are run is accepted
unread.  Without arguments that say otherwise, agents dial the control plane's address on the port of the konnectivity
server.  Counterpart: the graph, which knows the routes that the operator makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds import addressing, syntax
from gatewright.kinds.decode import Ignored, Lenient, LenientObject, Path, Report, Schema, decode, has_variable, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.material import TenantIntent
from gatewright.kinds.kind import Kind

API_PORT = 6443
KONNECTIVITY_PORT = 8132
Port = Annotated[int, Meta(ge=1, le=65535)]


class _Metadata(Schema, frozen=True):
    annotations: dict[str, str] | None = field(default_factory=dict)
    labels: Ignored = None


class _Ingress(Schema, frozen=True):
    hostname: str = ""
    ingress_class_name: str = ""
    controller_type: Literal["traefik", "haproxy", "nginx", "generic", ""] = ""
    additional_metadata: _Metadata = _Metadata()


class _Service(Schema, frozen=True):
    service_type: Literal["ClusterIP", "NodePort", "LoadBalancer", ""] = ""
    additional_metadata: Ignored = None
    additional_ports: Ignored = None


class _ControlPlane(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "gateway": "the routes that the operator makes for a Gateway are not known here"
    }
    ingress: _Ingress | None = None
    service: _Service = _Service()
    deployment: Ignored = None


class _Network(Schema, frozen=True):
    address: str = ""
    port: Port = API_PORT
    cert_sans: tuple[str, ...] | None = field(default=(), name="certSANs")
    pod_cidr: str = ""
    service_cidr: str = ""
    allow_address_as_external_ip: Ignored = field(default=None, name="allowAddressAsExternalIP")
    cluster_domain: Ignored = None
    dns_service_ips: Ignored = field(default=None, name="dnsServiceIPs")
    load_balancer_class: Ignored = None
    load_balancer_source_ranges: Ignored = None


class _KonnectivityServer(Lenient, frozen=True):
    port: Port = KONNECTIVITY_PORT


class _KonnectivityAgent(Lenient, frozen=True):
    extra_args: tuple[str, ...] | None = ()


class _Konnectivity(Schema, frozen=True):
    server: _KonnectivityServer | None = None
    agent: _KonnectivityAgent | None = None


class _Addons(Schema, frozen=True):
    konnectivity: _Konnectivity | None = None
    tcp_proxy: Ignored = None
    core_dns: Ignored = field(default=None, name="coreDNS")
    kube_proxy: Ignored = None


class _Spec(Lenient, frozen=True):
    control_plane: _ControlPlane = _ControlPlane()
    network_profile: _Network = _Network()
    addons: _Addons = _Addons()


class TenantControlPlane(LenientObject, frozen=True):
    spec: _Spec = _Spec()


def lower(document: Document) -> Lowered:
    """Lower a TenantControlPlane."""
    tenant, problems = decode(document, TenantControlPlane)
    report = Report(document, problems)
    if tenant is None:
        return report.lowered(None)
    network, addons = tenant.spec.network_profile, tenant.spec.addons
    ingress = tenant.spec.control_plane.ingress or _Ingress()
    intent = TenantIntent(
        key=key_of(document),
        origin=document.origin,
        hostname=_hostname(ingress.hostname, report),
        class_name=ingress.ingress_class_name,
        controller_type=ingress.controller_type,
        address=network.address.strip(),
        port=network.port,
        cert_sans=tuple(name.lower() for name in network.cert_sans or ()),
        pod_cidr=_cidr(network.pod_cidr, ("spec", "networkProfile", "podCidr"), report),
        service_cidr=_cidr(network.service_cidr, ("spec", "networkProfile", "serviceCidr"), report),
        service_type=tenant.spec.control_plane.service.service_type,
        tcp_proxy=addons.tcp_proxy is not None,
        konnectivity=_konnectivity(addons.konnectivity, network, report) if addons.konnectivity else None,
        annotations=tuple(sorted((ingress.additional_metadata.annotations or {}).items())),
    )
    return report.lowered(intent)


def _hostname(text: str, report: Report) -> str:
    """The name without a port, which Kamaji lets stand behind it."""
    name, _, port = text.lower().partition(":")
    if text and not (syntax.is_hostname(name) and (not port or port.isdigit())):
        report.invalid(f"{text[:60]!r} is not a hostname", "spec", "controlPlane", "ingress", "hostname")
    return name


def _cidr(text: str, path: Path, report: Report) -> str:
    found = addressing.cidr(text) if text else ""
    if found is None and not has_variable(text):
        report.invalid(f"{text[:60]!r} is not a CIDR", *path)
    return found or ""


def _konnectivity(wanted: _Konnectivity, network: _Network, report: Report) -> tuple[str, int]:
    """Where the agents dial to."""
    server, agent = wanted.server or _KonnectivityServer(), wanted.agent or _KonnectivityAgent()
    host, port = network.address.strip(), server.port
    for index, argument in enumerate(agent.extra_args or ()):
        name, _, value = argument.partition("=")
        if name == "--proxy-server-host":
            host = value.strip().lower()
        elif name == "--proxy-server-port":
            if value.isdigit() and 0 < int(value) < 65536:
                port = int(value)
            elif not has_variable(value):
                path = ("spec", "addons", "konnectivity", "agent", "extraArgs", index)
                report.invalid(f"{value[:60]!r} is not a port number", *path)
    return host, port


KIND = Kind("TenantControlPlane", ("steward.butlerlabs.dev/v1alpha1", "kamaji.clastix.io/v1alpha1"), lower)
