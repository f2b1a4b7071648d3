"""Intents of what routes and doors refer to: Services and endpoints, Secrets, grants, TLS options, shared filters,
hosted control planes.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.sensitive import Sensitive
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import FrontendTls
from gatewright.kinds.intents.filters import Filter, Mirror
from gatewright.kinds.intents.routing import BackendRef, SessionPersistence, UpstreamTls


class ServicePort(Struct, frozen=True, gc=False):
    name: str
    port: int
    protocol: str = "TCP"
    target: int | str | None = None
    app_protocol: str = ""
    node_port: int = 0


class ServiceIntent(Struct, frozen=True):
    """A Service.  `type` ClusterIP | NodePort | LoadBalancer | ExternalName; `headless` when clusterIP is None.

    `load_balancer_ips`: the addresses that it has or wants, from wherever; `asked_ips` those of them that it asks a
    load balancer for (neither its externalIPs nor what its status has).
    """

    key: Key
    origin: Origin
    type: str = "ClusterIP"
    ports: tuple[ServicePort, ...] = ()
    selector: tuple[tuple[str, str], ...] = ()
    external_name: str = ""
    headless: bool = False
    load_balancer_ips: tuple[str, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    families: tuple[str, ...] = ()  # of "IPv4" and "IPv6", in order; empty: the cluster's first
    family_policy: str = ""
    cluster_ips: tuple[str, ...] = ()
    load_balancer_class: str = ""
    external_traffic_policy: str = ""
    asked_ips: tuple[str, ...] = ()


class EndpointAddress(Struct, frozen=True, gc=False):
    address: str
    ready: bool = True
    pod: str = ""
    node: str = ""
    zone: str = ""


class EndpointsIntent(Struct, frozen=True):
    """An EndpointSlice or a subset of Endpoints: addresses × ports of one Service.  `ports`: (name, number).

    `more`: the further subsets of the same Endpoints object, each with addresses and ports of its own.
    """

    key: Key
    origin: Origin
    service: Key
    addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[tuple[str, int], ...] = ()
    more: tuple[EndpointsIntent, ...] = ()


class ContainerPort(Struct, frozen=True, gc=False):
    name: str
    port: int
    protocol: str = "TCP"
    host_port: int = 0


class WorkloadIntent(Struct, frozen=True):
    """A Deployment, StatefulSet, DaemonSet or Pod: what its pods are labelled and listen on.

    `strategy` "RollingUpdate" | "Recreate" | "OnDelete" | "" (none said); `max_surge`/`max_unavailable` as written, ""
    unless said.  `args` are those of all containers, commands first.  `node_name`/`node_selector` say where it may run.
    """

    key: Key
    origin: Origin
    labels: tuple[tuple[str, str], ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    host_network: bool = False
    replicas: int = 1
    strategy: str = ""
    max_surge: str = ""
    max_unavailable: str = ""
    node_selector: tuple[tuple[str, str], ...] = ()
    node_name: str = ""
    args: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


class SecretIntent(Struct, frozen=True):
    """A Secret or ConfigMap: its values by key.  Never printed."""

    key: Key
    origin: Origin
    type: str = "Opaque"
    data: tuple[tuple[str, Sensitive], ...] = ()

    def get(self, name: str) -> bytes | None:
        """The value of one key, or None."""
        return next((v.reveal() for k, v in self.data if k == name), None)


class NamespaceIntent(Struct, frozen=True):
    key: Key
    origin: Origin
    labels: tuple[tuple[str, str], ...] = ()


class Grant(Struct, frozen=True, gc=False):
    """One from×to pair of a ReferenceGrant; `to_name` empty: every object of that kind."""

    from_kind: str
    from_namespace: str
    to_kind: str
    to_name: str = ""


class GrantIntent(Struct, frozen=True):
    """A ReferenceGrant: lives in the namespace that is referred to."""

    key: Key
    origin: Origin
    grants: tuple[Grant, ...]


class BackendTlsIntent(Struct, frozen=True):
    """A BackendTLSPolicy: TLS towards Services.  `targets`: (Service key, port section name or "").

    `ca` are ConfigMaps (or Secrets) with ca.crt; `well_known` "System" uses the system's trust store.
    `subject_alt_names`: (type "Hostname"|"URI", value) that the certificate must carry instead of hostname.
    """

    key: Key
    origin: Origin
    targets: tuple[tuple[Key, str], ...]
    hostname: str
    ca: tuple[Key, ...] = ()
    well_known: str = ""
    subject_alt_names: tuple[tuple[str, str], ...] = ()
    created: str = ""


class TransportIntent(Struct, frozen=True):
    """A Traefik ServersTransport(TCP): how to speak TLS to a backend.  Timeouts in seconds, None default.

    `header_timeout`: until an answer begins.  `peer_uri`: a URI that has to be among the names of the backend's
    certificate, "" any.
    """

    key: Key
    origin: Origin
    server_name: str = ""
    insecure_skip_verify: bool = False
    ca: tuple[Key, ...] = ()
    client_certificates: tuple[Key, ...] = ()
    spiffe: bool = False
    dial_timeout: float | None = None
    idle_timeout: float | None = None
    header_timeout: float | None = None
    disable_http2: bool = False
    proxy_protocol: int = 0
    peer_uri: str = ""


class TlsOptionIntent(Struct, frozen=True):
    """A Traefik TLSOption; `tls.origin` is the object's."""

    key: Key
    origin: Origin
    tls: FrontendTls


class TlsStoreIntent(Struct, frozen=True):
    """A Traefik TLSStore: only the one named `default` counts."""

    key: Key
    origin: Origin
    default_certificate: Key | None = None
    certificates: tuple[Key, ...] = ()


class MiddlewareIntent(Struct, frozen=True):
    """A reusable list of filters (Traefik Middleware, MiddlewareTCP): chain is several FilterRefs."""

    key: Key
    origin: Origin
    filters: tuple[Filter, ...]


class BackendGroupIntent(Struct, frozen=True):
    """A TraefikService: weighted backends, or one backend with mirrors."""

    key: Key
    origin: Origin
    backends: tuple[BackendRef, ...]
    mirrors: tuple[Mirror, ...] = ()
    persistence: SessionPersistence | None = None


class ExternalBackendIntent(Struct, frozen=True):
    """Endpoints that no Service stands for (Envoy Gateway's Backend): (IP or DNS name, port) each.

    `scheme` as in BackendRef; `tls` where it says how.
    """

    key: Key
    origin: Origin
    endpoints: tuple[tuple[str, int], ...]
    scheme: str = ""
    tls: UpstreamTls | None = None


class TenantIntent(Struct, frozen=True):
    """A TenantControlPlane (Steward, Kamaji): the API server that it makes, and the routes that its operator makes.

    `controller_type` "traefik" | "haproxy" | "nginx" | "generic" | ""; `konnectivity` (host, port) that agents dial,
    "" when off.  `address`: networkProfile.address, which becomes --advertise-address.
    """

    key: Key
    origin: Origin
    hostname: str
    class_name: str = ""
    controller_type: str = ""
    address: str = ""
    port: int = 6443
    cert_sans: tuple[str, ...] = ()
    pod_cidr: str = ""
    service_cidr: str = ""
    service_type: str = ""
    tcp_proxy: bool = False
    konnectivity: tuple[str, int] | None = None
    annotations: tuple[tuple[str, str], ...] = ()
