"""What a gateway's pods are: their namespace, their labels, the workloads that make them.

Taken from the gateway's description, else from its Service and the workloads in the manifests, else from what its
controller is known to make.  Nothing is guessed where several may be meant.  Counterpart: `doors`.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.graph.nodes import Gateway
from gatewright.graph.resolve.doors.helm_values import installed
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import GatewayClassIntent
from gatewright.kinds.intents.material import ServiceIntent, WorkloadIntent
from gatewright.kinds.intents.programs import HelmIntent

CILIUM = "io.cilium/gateway-controller"
ENVOY_GATEWAY = "gateway.envoyproxy.io/gatewayclass-controller"
ISTIO = "istio.io/gateway-controller"
NGINX = "gateway.nginx.org/nginx-gateway-controller"
KGATEWAY = "kgateway.dev/kgateway"

# The class names that these controllers' own instructions use, for manifests without the GatewayClass.
CLASSES = {"cilium": CILIUM, "eg": ENVOY_GATEWAY, "envoy-gateway": ENVOY_GATEWAY, "istio": ISTIO, "kgateway": KGATEWAY}
ENVOY_NAMESPACE = "envoy-gateway-system"

# The pod labels of the charts that most people install these controllers with.
CHARTS = {
    "traefik": (("app.kubernetes.io/name", "traefik"),),
    "ingress-nginx": (("app.kubernetes.io/component", "controller"), ("app.kubernetes.io/name", "ingress-nginx")),
}


class Pods(Struct, frozen=True):
    """The pods of one gateway.  `labels` empty: nobody says."""

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    workloads: tuple[WorkloadIntent, ...] = ()


def controller(sight: Sight, gateway: Gateway) -> str:
    """The controller of a Gateway API Gateway by the name in its GatewayClass, "" for other doors and unknown ones."""
    if gateway.key.kind != "Gateway":
        return ""
    class_ = sight.get(Key("GatewayClass", "", gateway.implementation), GatewayClassIntent)
    return class_.controller if class_ is not None else CLASSES.get(gateway.implementation, "")


def pods_of(sight: Sight, gateway_id: str) -> Pods:
    """A question: the pods of a gateway."""
    gateway = sight.gateway(gateway_id)
    if gateway is None:
        return Pods("")
    settings, service = gateway.settings, gateway.service
    namespace = settings.pod_namespace or (service.namespace if service else "") or gateway.key.namespace
    labels = settings.pods
    if not labels and service is not None:
        found = sight.get(service, ServiceIntent)
        labels = found.selector if found is not None else ()
    if not labels:
        namespace, labels = _made(sight, gateway, namespace)
    return Pods(namespace, labels, _workloads(sight, namespace, labels) or _of_chart(sight, gateway))


def _made(sight: Sight, gateway: Gateway, namespace: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What the controller or its chart makes."""
    name = gateway.key.name
    match controller(sight, gateway):
        case "gateway.envoyproxy.io/gatewayclass-controller":
            owner = "gateway.envoyproxy.io/owning-gateway-"
            return ENVOY_NAMESPACE, ((owner + "name", name), (owner + "namespace", gateway.key.namespace))
        case "istio.io/gateway-controller" | "gateway.nginx.org/nginx-gateway-controller" | "kgateway.dev/kgateway":
            return namespace, (("gateway.networking.k8s.io/gateway-name", name),)
    labels = CHARTS.get(gateway.implementation, ()) if gateway.key.kind != "Gateway" else ()
    charts = sight.listed("charts", gateway.implementation, HelmIntent) if labels else []
    releases = {chart.namespace for chart in charts}
    if namespace in releases:
        return namespace, labels
    return (releases.pop(), labels) if len(releases) == 1 and not namespace else (namespace, ())


def _of_chart(sight: Sight, gateway: Gateway) -> tuple[WorkloadIntent, ...]:
    """The workload that a chart makes, which no manifest has."""
    made = sight.ask(installed).get(gateway.id) if gateway.key.kind != "Gateway" else None
    return (made.workload,) if made is not None else ()


def _workloads(sight: Sight, namespace: str, labels: tuple[tuple[str, str], ...]) -> tuple[WorkloadIntent, ...]:
    wanted = set(labels)
    if not wanted:
        return ()
    listed = sight.listed("workloads", (namespace, labels[0]), WorkloadIntent)
    return tuple(workload for workload in listed if wanted <= set(workload.labels))
