"""What the values of a chart make of a door: the controller, its Service, its pods and its class.

Nobody should describe a Traefik again whose Helm values are in the input.  `installations` says for every release of a
chart that we know what its templates would make, as far as it decides where requests go.  Values are anybody's input:
what has the wrong type counts as not given.  Counterparts: `releases`, which puts the values together, and
`controllers`, which turns what is made here into gateways.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct, structs

from gatewright.base.origin import Origin
from gatewright.graph.resolve.doors import traefik_values
from gatewright.graph.resolve.doors.releases import (
    Objects,
    Release,
    Values,
    flag,
    given,
    mapping,
    pairs,
    port,
    releases,
    text,
    texts,
    written,
)
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import (
    ControllerIntent,
    DoorSettings,
    FrontendTls,
    IngressClassIntent,
    ListenerIntent,
)
from gatewright.kinds.intents.material import ContainerPort, ServiceIntent, ServicePort, WorkloadIntent
from gatewright.kinds.intents.places import Spot
from gatewright.kinds.intents.routing import Protocol
from gatewright.kinds.programs.charts import merged
from gatewright.kinds.traefik import static
from gatewright.kinds.traefik.static import EVERYBODY, EntryPoint, Providers, cidrs

TRAEFIK = ("traefik",)
NGINX = ("ingress-nginx",)
HAPROXY = {"haproxy": ("haproxy", "kubernetes-ingress"), "haproxy-ingress": ("haproxy-ingress",)}
_HAPROXY_CLASSES = {
    "haproxy": "haproxy.org/ingress-controller",
    "haproxy-ingress": "haproxy-ingress.github.io/controller",
}
ALB = ("aws-load-balancer-controller",)


class Installation(Struct, frozen=True):
    """What a release makes.  The Service and the pods are those of the chart, also where no manifest has them.

    `config`: the class-wide settings that the chart puts into the controller's ConfigMap; `to_clients` and
    `to_backends`: the headers of ConfigMaps that it makes as well.
    """

    release: str
    namespace: str
    controller: ControllerIntent
    service: ServiceIntent | None
    workload: WorkloadIntent
    ingress_class: IngressClassIntent | None
    config: tuple[tuple[str, str], ...] = ()
    config_origin: Origin = Origin("(inferred)")
    to_clients: tuple[tuple[str, str], ...] = ()
    to_backends: tuple[tuple[str, str], ...] = ()


class _Opening(Struct, frozen=True):
    """A port of a chart: inside the pod, on the node (0: not there), on the Service (0: not there)."""

    name: str
    inside: int
    origin: Origin
    on_node: int = 0
    on_service: int = 0
    udp: bool = False
    tls: bool = False

    @property
    def outside(self) -> int:
        """Where clients find it: on the node if it listens there, else on the Service, else nowhere (0)."""
        return self.on_node or self.on_service


def installations(objects: Objects) -> list[Installation]:
    """Every release of a chart that makes a door, in order of their releases."""
    made = [_traefik(release) for release in releases(objects, TRAEFIK)]
    made += [_nginx(release) for release in releases(objects, NGINX)]
    made += [_haproxy(release, name) for name, charts in HAPROXY.items() for release in releases(objects, charts)]
    return made


def installed(objects: Objects) -> Mapping[str, Installation]:
    """A question: what charts install, by the id of the gateway that it would be."""
    return {f"{one.namespace}/{one.release}".lstrip("/"): one for one in installations(objects)}


def made_classes(objects: Objects) -> dict[str, IngressClassIntent]:
    """The IngressClasses that the charts make, by name; one that is in the input, too, is the same."""
    found = [one.ingress_class for one in installations(objects) if one.ingress_class]
    for release in releases(objects, ALB):
        if flag(release.values, "createIngressClassResource") is not False:
            name = text(release.values, "ingressClass") or "alb"
            found.append(_class(name, "ingress.k8s.aws/alb", release, "ingressClass"))
    return {one.key.name: one for one in found}


def _class(name: str, controller: str, release: Release, *path: str, default: bool = False) -> IngressClassIntent:
    return IngressClassIntent(Key("IngressClass", "", name), release.at(*path), controller, default)


# --- Traefik --------------------------------------------------------------------------------------


def _traefik(release: Release) -> Installation:
    values = merged(traefik_values.DEFAULTS, release.values)
    config = traefik_values.options(values)
    config.update(static.from_arguments(texts(values, "globalArguments")))
    config.update(static.from_arguments(texts(values, "additionalArguments")))
    points = static.entry_points(config)
    openings = [_traefik_opening(point, values, release) for point in points]
    name = text(values, "fullnameOverride") or _fullname(release, "traefik")
    labels = {
        **dict(pairs(values, "deployment", "podLabels")),
        "app.kubernetes.io/name": text(values, "nameOverride") or "traefik",
        "app.kubernetes.io/instance": f"{release.name}-{release.namespace}" if release.namespace else release.name,
    }
    service = _service(release, name, values, openings, labels)
    workload = _workload(release, name, values, openings, labels, ("deployment",))
    settings = structs.replace(
        _settings(release, workload),
        proxy_protocol_from=tuple(dict.fromkeys(cidr for point in points for cidr in point.proxy_from)),
        forwarded_from=tuple(dict.fromkeys(cidr for point in points for cidr in point.forwarded_from)),
        publishes_status=flag(values, "providers", "kubernetesIngress", "publishedService", "enabled"),
    )
    controller = _traefik_controller(release, static.providers(config), openings, points)
    default = tuple(o.name for o, point in zip(openings, points, strict=True) if point.default)
    controller = structs.replace(
        controller,
        default_entry_points=default or controller.default_entry_points,
        addresses=_addresses(service),
        version=text(values, "image", "tag"),
        service=service.key if service else None,
        settings=settings,
    )
    made = _traefik_class(release, values, name)
    return Installation(release.name, release.namespace, controller, service, workload, made)


def _traefik_controller(
    release: Release, told: Providers, openings: list[_Opening], points: list[EntryPoint]
) -> ControllerIntent:
    shown = [opening for opening in openings if opening.outside]
    listeners: dict[tuple[int, bool], ListenerIntent] = {}
    for opening, point in zip(openings, points, strict=True):
        if opening.outside:
            item = static.listener(point, points, opening.name, opening.outside, opening.origin)
            listeners.setdefault((opening.outside, opening.udp), item)
    return ControllerIntent(
        key=Key("IngressController", release.namespace, release.name),
        origin=release.origin,
        implementation="traefik",
        listeners=tuple(listeners.values()),
        classes=(*told.classes, "traefik") if told.classes and told.classless else told.classes,
        claims_classless=told.classless,
        default_entry_points=tuple(opening.name for opening in shown if not opening.udp),
        tls_entry_points=tuple(opening.name for opening in shown if opening.tls),
        namespaces=told.namespaces,
        allow_external_name_crd=told.external_name_crd,
        allow_external_name_ingress=told.external_name_ingress,
        allow_cross_namespace=told.cross_namespace,
        strict_prefixes=told.strict_prefixes,
    )


def _traefik_class(release: Release, values: Values, name: str) -> IngressClassIntent | None:
    if flag(values, "ingressClass", "enabled") is False:
        return None
    own = text(values, "ingressClass", "name") or name
    default = flag(values, "ingressClass", "isDefaultClass") is not False
    return _class(own, "traefik.io/ingress-controller", release, "ingressClass", default=default)


def _traefik_opening(point: EntryPoint, values: Values, release: Release) -> _Opening:
    """Entry points that only an argument names are reachable on the host's network alone."""
    spelled = next((name for name in mapping(values, "ports") if name.lower() == point.name), point.name)
    one = mapping(values, "ports", spelled)
    expose = given(one, "expose")
    exposed = (flag(one, "expose", "default") if isinstance(expose, dict) else flag(one, "expose")) or False
    on_host = flag(values, "hostNetwork") or False
    return _Opening(
        name=spelled,
        inside=point.port,
        origin=release.at("ports", spelled),
        on_node=point.port if on_host else port(one, "hostPort"),
        on_service=(port(one, "exposedPort") or point.port) if exposed and _has_service(values) else 0,
        udp=point.udp,
        tls=point.tls,
    )


# --- ingress-nginx --------------------------------------------------------------------------------

_NGINX_DEFAULTS: Values = {
    "controller": {
        "kind": "Deployment",
        "containerPort": {"http": 80, "https": 443},
        "hostPort": {"enabled": False, "ports": {"http": 80, "https": 443}},
        "ingressClass": "nginx",
        "ingressClassResource": {"enabled": True, "name": "nginx", "controllerValue": "k8s.io/ingress-nginx"},
        "service": {"enabled": True, "type": "LoadBalancer", "ports": {"http": 80, "https": 443}},
    }
}


def _nginx(release: Release) -> Installation:
    values = mapping(merged(_NGINX_DEFAULTS, release.values), "controller")
    config = mapping(values, "config")
    full = text(release.values, "fullnameOverride") or _fullname(release, "ingress-nginx")
    name = f"{full}-{text(values, 'name') or 'controller'}"
    labels = {
        **dict(pairs(values, "podLabels")),
        "app.kubernetes.io/name": text(release.values, "nameOverride") or "ingress-nginx",
        "app.kubernetes.io/instance": release.name,
        "app.kubernetes.io/component": "controller",
    }
    on_node = flag(values, "hostPort", "enabled") is True
    openings = _web_openings(release, values, on_node=mapping(values, "hostPort", "ports") if on_node else {})
    service = _service(release, name, values, openings, labels)
    workload = _workload(release, name, values, openings, labels, ())
    trusted = cidrs(text(config, "proxy-real-ip-cidr").split(",")) or EVERYBODY
    snippets = flag(config, "allow-snippet-annotations")
    settings = structs.replace(
        _settings(release, workload),
        proxy_protocol_from=trusted if flag(config, "use-proxy-protocol") else (),
        forwarded_from=trusted if flag(config, "use-forwarded-headers") else (),
        publishes_status=flag(values, "publishService", "enabled"),
        idle_timeout=_seconds(text(config, "proxy-read-timeout")),
        body_limit=_octets(text(config, "proxy-body-size")),
        snippets=snippets if snippets is not None else flag(values, "allowSnippetAnnotations"),
        passthrough=_switch(mapping(values, "extraArgs"), "enable-ssl-passthrough"),
    )
    classes = dict.fromkeys((text(values, "ingressClassResource", "name"), text(values, "ingressClass")))
    controller = _plain_controller(
        release, "ingress-nginx", openings, service, settings, tuple(name for name in classes if name)
    )
    controller = structs.replace(controller, claims_classless=flag(values, "watchIngressWithoutClass") is True)
    return Installation(
        release.name,
        release.namespace,
        controller,
        service,
        workload,
        _resource_class(release, values, "controllerValue"),
        written({"allow-snippet-annotations": values.get("allowSnippetAnnotations"), **config}),
        release.at("controller", "config"),
        written(mapping(values, "addHeaders")),
        written(mapping(values, "proxySetHeaders")),
    )


# --- HAProxy --------------------------------------------------------------------------------------

_HAPROXY_DEFAULTS: Values = {
    "controller": {
        "kind": "Deployment",
        "containerPort": {"http": 8080, "https": 8443},
        "daemonset": {"useHostPort": False, "hostPorts": {"http": 80, "https": 443}},
        "ingressClassResource": {"name": "haproxy"},
        "service": {"enabled": True, "type": "NodePort", "ports": {"http": 80, "https": 443}},
    }
}


def _haproxy(release: Release, implementation: str) -> Installation:
    values = mapping(merged(_HAPROXY_DEFAULTS, release.values), "controller")
    config = mapping(values, "config")
    name = text(release.values, "fullnameOverride") or _fullname(release, "kubernetes-ingress")
    labels = {
        **dict(pairs(values, "podLabels")),
        "app.kubernetes.io/name": text(release.values, "nameOverride") or "kubernetes-ingress",
        "app.kubernetes.io/instance": release.name,
    }
    daemon = mapping(values, "daemonset") if text(values, "kind") == "DaemonSet" else {}
    if flag(daemon, "useHostNetwork"):
        values = {**values, "hostNetwork": True}
    on_node = mapping(daemon, "hostPorts") if flag(daemon, "useHostPort") else {}
    openings = _web_openings(release, values, on_node=on_node)
    service = _service(release, name, values, openings, labels)
    workload = _workload(release, name, values, openings, labels, ())
    settings = structs.replace(
        _settings(release, workload),
        proxy_protocol_from=cidrs(text(config, "proxy-protocol").split(",")),
        idle_timeout=_seconds(text(config, "timeout-server")),
        passthrough=flag(config, "ssl-passthrough"),
    )
    classes = dict.fromkeys((text(values, "ingressClassResource", "name"), text(values, "ingressClass")))
    controller = _plain_controller(
        release, implementation, openings, service, settings, tuple(name for name in classes if name)
    )
    made = _resource_class(release, values, "", _HAPROXY_CLASSES[implementation])
    return Installation(release.name, release.namespace, controller, service, workload, made)


# --- what the charts share ------------------------------------------------------------------------


def _fullname(release: Release, chart: str) -> str:
    """As the helper of every chart says it: a release whose name tells goes by its name alone."""
    return release.name if chart in release.name else f"{release.name}-{chart}"


def _web_openings(release: Release, values: Values, *, on_node: Mapping[str, object]) -> list[_Opening]:
    """The two ports of a controller that is told by `containerPort`; `on_node` where it opens them on its nodes."""
    on_host = flag(values, "hostNetwork") is True
    served = _has_service(values)
    found = []
    for name in ("http", "https"):
        inside = port(values, "containerPort", name)
        on_service = port(values, "service", "ports", name) if served else 0
        if flag(values, "service", f"enable{name.capitalize()}") is False:
            on_service = 0
        outer = inside if on_host else port(dict(on_node), name)
        origin = release.at("controller")
        found.append(_Opening(name, inside, origin, outer, on_service, tls=name == "https"))
    return [opening for opening in found if opening.inside]


def _listeners(openings: list[_Opening], release: Release) -> tuple[ListenerIntent, ...]:
    """The doors' listeners where clients find them; of several on one port the first."""
    found: dict[tuple[int, bool], ListenerIntent] = {}
    for opening in openings:
        if opening.outside:
            protocol = Protocol.UDP if opening.udp else Protocol.HTTPS if opening.tls else Protocol.HTTP
            tls = FrontendTls(opening.origin) if opening.tls and not opening.udp else None
            item = ListenerIntent(opening.name, opening.outside, protocol, opening.origin, tls=tls)
            found.setdefault((opening.outside, opening.udp), item)
    return tuple(found.values())


def _plain_controller(
    release: Release,
    implementation: str,
    openings: list[_Opening],
    service: ServiceIntent | None,
    settings: DoorSettings,
    classes: tuple[str, ...],
) -> ControllerIntent:
    listeners = _listeners(openings, release)
    return ControllerIntent(
        key=Key("IngressController", release.namespace, release.name),
        origin=release.origin,
        implementation=implementation,
        listeners=listeners,
        classes=classes,
        default_entry_points=tuple(item.name for item in listeners),
        tls_entry_points=tuple(item.name for item in listeners if item.tls),
        addresses=_addresses(service),
        allow_external_name_ingress=True,
        service=service.key if service else None,
        settings=settings,
    )


def _has_service(values: Values) -> bool:
    return flag(values, "service", "enabled") is not False


def _service(
    release: Release, name: str, values: Values, openings: list[_Opening], labels: dict[str, str]
) -> ServiceIntent | None:
    """The chart's Service; a ClusterIP is no way in from outside, but its name is one from within."""
    if not _has_service(values):
        return None
    one = mapping(values, "service")
    address = text(one, "spec", "loadBalancerIP") or text(one, "loadBalancerIP")
    ports = tuple(
        ServicePort(o.name, o.on_service, "UDP" if o.udp else "TCP", o.inside) for o in openings if o.on_service
    )
    kind = text(one, "type") or text(one, "spec", "type")
    outside = (address, *texts(one, "externalIPs"), *texts(one, "spec", "externalIPs"))
    return ServiceIntent(
        key=Key("Service", release.namespace, name),
        origin=release.at("service") if "service" in release.values else release.at("controller", "service"),
        type=kind if kind in ("ClusterIP", "NodePort", "LoadBalancer") else "LoadBalancer",
        ports=ports,
        selector=tuple(sorted(labels.items())),
        load_balancer_ips=tuple(dict.fromkeys(address for address in outside if address)),
        annotations=pairs(one, "annotations"),
        labels=pairs(one, "labels"),
        families=texts(one, "ipFamilies"),
        family_policy=text(one, "ipFamilyPolicy"),
        load_balancer_class=text(one, "loadBalancerClass"),
        external_traffic_policy=text(one, "externalTrafficPolicy") or text(one, "spec", "externalTrafficPolicy"),
    )


# Where load-balancer implementations are asked for certain addresses.
_ASKED = (
    "metallb.io/loadBalancerIPs",
    "metallb.universe.tf/loadBalancerIPs",
    "lbipam.cilium.io/ips",
    "io.cilium/lb-ipam-ips",
    "kube-vip.io/loadbalancerIPs",
)


def _addresses(service: ServiceIntent | None) -> tuple[str, ...]:
    """The addresses that the values ask for.  Others are given by whoever gives them, see `graph.network`."""
    if service is None or service.type != "LoadBalancer":
        return ()
    annotations = dict(service.annotations)
    asked = [part.strip() for name in _ASKED for part in annotations.get(name, "").split(",")]
    return tuple(dict.fromkeys(a for a in (*service.load_balancer_ips, *asked) if a))


def _workload(
    release: Release,
    name: str,
    values: Values,
    openings: list[_Opening],
    labels: dict[str, str],
    where: tuple[str, ...],
) -> WorkloadIntent:
    """The chart's pods; `where` the values have their kind and number."""
    own = mapping(values, *where)
    kind = "DaemonSet" if text(own, "kind") == "DaemonSet" else "Deployment"
    rolling = mapping(values, "updateStrategy", "rollingUpdate")
    strategy = text(values, "updateStrategy", "type")
    surges = strategy in ("", "RollingUpdate")
    return WorkloadIntent(
        key=Key(kind, release.namespace, name),
        origin=release.at(*where) if where else release.at("controller"),
        labels=tuple(sorted(labels.items())),
        ports=tuple(ContainerPort(o.name, o.inside, "UDP" if o.udp else "TCP", o.on_node) for o in openings),
        host_network=flag(values, "hostNetwork") is True,
        replicas=port(own, "replicas") or port(own, "replicaCount") or 1,
        strategy=strategy,
        max_surge=text(rolling, "maxSurge") if surges else "",
        max_unavailable=text(rolling, "maxUnavailable") if surges else "",
        node_selector=pairs(values, "nodeSelector"),
        args=(*texts(values, "globalArguments"), *texts(values, "additionalArguments")),
    )


def _settings(release: Release, workload: WorkloadIntent) -> DoorSettings:
    """What the pods say of the way to a door."""
    node = dict(workload.node_selector).get("kubernetes.io/hostname", "")
    return DoorSettings(
        runs_on=(Spot(node=node),) if node else (),
        pods=workload.labels,
        pod_namespace=release.namespace,
        host_ports=any(item.host_port for item in workload.ports),
    )


def _resource_class(
    release: Release, values: Values, controller_field: str, controller: str = ""
) -> IngressClassIntent | None:
    one = mapping(values, "ingressClassResource")
    name = text(one, "name")
    if flag(one, "enabled") is False or not name:
        return None
    path = ("controller", "ingressClassResource")
    return _class(name, text(one, controller_field) or controller, release, *path, default=flag(one, "default") is True)


def _switch(options: Values, name: str) -> bool:
    """An option of a command line that needs no value to be on."""
    return name in options and flag(options, name) is not False


_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SIZE = re.compile(r"([0-9]{1,9})([kmg]?)", re.IGNORECASE | re.ASCII)
_TIME = re.compile(r"([0-9]{1,9})(ms|s|m|h|)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}


def _octets(size: str) -> int | None:
    found = _SIZE.fullmatch(size)
    return int(found[1]) * _UNITS[found[2].lower()] if found else None


def _seconds(time: str) -> float | None:
    found = _TIME.fullmatch(time)
    return int(found[1]) * _SECONDS[found[2]] if found else None
