"""What load balancer Services get: addresses handed out as MetalLB, Cilium's LB IPAM and k3s's ServiceLB do.

A cluster hands addresses out in the order in which Services were created, which manifests do not tell: here the order
is that of Keys, and an address that another order would have given to somebody else is marked (`certain` False).
Services that a controller makes for a Gateway are counted although no manifest has them.  Counterparts: `doors` (whose
addresses these are), `lending` (the pools while they are handed out).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gatewright.graph.network import cidrs
from gatewright.graph.network.lending import Lender, Request
from gatewright.graph.network.nodes import Allocation
from gatewright.graph.network.placement import home
from gatewright.graph.network.pods import CILIUM, ENVOY_GATEWAY, ENVOY_NAMESPACE, ISTIO, KGATEWAY, NGINX, controller
from gatewright.graph.network.topology import topology
from gatewright.graph.objects import ALL
from gatewright.graph.resolve.doors.helm_values import installed
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import GatewayIntent
from gatewright.kinds.intents.material import NamespaceIntent, ServiceIntent, ServicePort
from gatewright.kinds.intents.places import PoolIntent
from gatewright.kinds.intents.programs import HelmIntent

POOLS = ("IPAddressPool", "AddressPool", "CiliumLoadBalancerIPPool")

# The Services that controllers make for a Gateway: "cilium-gateway-web".
MADE = {CILIUM: "cilium-gateway-{name}", ISTIO: "{name}-{class_}", NGINX: "{name}-{class_}", KGATEWAY: "{name}"}
WITH_BALANCER = frozenset({"traefik", "ingress-nginx"})
CLASSES = {"io.cilium/": "cilium", "metallb": "metallb"}


def allocations(sight: Sight) -> Mapping[Key, Allocation]:
    """A question: the addresses of every load balancer Service, also of those that controllers make."""
    requests = list(_requests(sight))
    pools = [pool for kind in POOLS for pool in sight.all(kind, PoolIntent)]
    if not pools and _service_lb(sight):
        return {request.service: _on_nodes(sight, request) for request in requests}
    lender = Lender(pools, {r.namespace: _labels(sight, r.namespace) for r in requests})
    found = {request.service: lender.held(request) for request in requests if request.asked}
    lent = [lender.lend(request) for request in requests if not request.asked]
    return found | {allocation.service: lender.settled(allocation) for allocation in lent}


def service_of(sight: Sight, gateway_id: str) -> Key | None:
    """A question: the load balancer Service in front of a gateway, be it in a manifest or made by its controller."""
    gateway = sight.gateway(gateway_id)
    if gateway is None or gateway.service is not None:
        return gateway.service if gateway is not None else None
    if gateway.key.kind != "Gateway":
        return None
    name, namespace = gateway.key.name, gateway.key.namespace
    made_by = controller(sight, gateway)
    if made_by == ENVOY_GATEWAY:
        return Key("Service", ENVOY_NAMESPACE, f"envoy-{namespace}-{name}")
    pattern = MADE.get(made_by)
    return Key("Service", namespace, pattern.format(name=name, class_=gateway.implementation)) if pattern else None


def unseen(sight: Sight, gateway_id: str) -> Request | None:
    """A question: what the Service of a gateway asks for, where no manifest has that Service.

    A chart's values say what its Service is; of others it is known that they are load balancers.
    """
    gateway = sight.gateway(gateway_id)
    service = sight.ask(service_of, gateway_id)
    if gateway is None or service is None or gateway.addresses or sight.get(service, ServiceIntent) is not None:
        return None
    made = sight.ask(installed).get(gateway_id)
    if made is not None:
        told = made.service
        return _request(sight, told) if told is not None and told.type == "LoadBalancer" else None
    intent = sight.get(gateway.key, GatewayIntent)
    if intent is None and (gateway.implementation not in WITH_BALANCER or gateway.settings.host_ports):
        return None
    ports = tuple(ServicePort("", p.number, "UDP" if p.udp else "TCP") for p in gateway.ports)
    notes = intent.address_annotations if intent else ()
    return _request(sight, ServiceIntent(service, gateway.origin, "LoadBalancer", ports, annotations=notes))


def _requests(sight: Sight) -> Iterator[Request]:
    """All that want an address, by Key."""
    found = {s.key: _request(sight, s) for s in sight.listed("load-balancers", ALL, ServiceIntent)}
    for gateway_id in sight.gateways():
        request = sight.ask(unseen, gateway_id)
        if request is not None:
            found.setdefault(request.service, request)
    yield from (found[key] for key in sorted(found))


def _request(sight: Sight, service: ServiceIntent) -> Request:
    implementation = next((i for prefix, i in CLASSES.items() if service.load_balancer_class.startswith(prefix)), "")
    return Request(
        service=service.key,
        origin=service.origin,
        labels=service.labels,
        annotations=service.annotations,
        asked=service.load_balancer_ips,
        families=_families(sight, service),
        prefers=service.family_policy == "PreferDualStack",
        ports=frozenset((port.protocol, port.port) for port in service.ports),
        implementation=implementation,
        foreign=service.load_balancer_class if service.load_balancer_class and not implementation else "",
        pods=service.selector if service.external_traffic_policy == "Local" else None,
    )


def _families(sight: Sight, service: ServiceIntent) -> tuple[int, ...]:
    """The families that it gets, as the API server would default them from the cluster's Service CIDRs."""
    if service.families:
        return tuple(6 if family == "IPv6" else 4 for family in service.families)
    cluster = sight.ask(topology).clusters.get(sight.ask(home, service.key.namespace).cluster)
    served = tuple(dict.fromkeys(net.version for net in cluster.service_cidrs)) if cluster else ()
    if service.family_policy in ("PreferDualStack", "RequireDualStack"):
        return served or (4, 6)
    return served[:1] or (4,)


def _labels(sight: Sight, namespace: str) -> dict[str, str]:
    intent = sight.get(Key("Namespace", "", namespace), NamespaceIntent)
    return {"kubernetes.io/metadata.name": namespace, **dict(intent.labels if intent else ())}


def _service_lb(sight: Sight) -> bool:
    """Is this k3s, which answers for load balancers on its nodes unless told not to?  Its Helm controller shows it."""
    k3s = ("node.kubernetes.io/instance-type", "k3s")
    machines = sight.ask(topology).machines.values()
    return bool(sight.all("HelmChartConfig", HelmIntent)) or any(k3s in machine.labels for machine in machines)


def _on_nodes(sight: Sight, request: Request) -> Allocation:
    """ServiceLB: the addresses of the cluster's nodes."""
    if request.asked or request.foreign:
        return Allocation(request.service, request.asked, (), request.origin)
    machines = sight.ask(topology).machines
    found = (text for id_ in sight.ask(home, request.namespace).machines for text in machines[id_].addresses)
    values = ((text, cidrs.address(text)) for text in found)
    held = tuple(dict.fromkeys(t for t, v in values if v is not None and v.version in request.families))
    return Allocation(request.service, held, (), request.origin, "" if held else "no node of its cluster is described")
