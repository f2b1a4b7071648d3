"""What the k8s_gateway plugin of a CoreDNS knows: where the routes and Services of the cluster lead, name by name.

Counterparts: `resolvers` (what is answered of it), `announced` (what external-dns makes of the same routes), `routed`
(zones that are told their gateways).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from gatewright.graph.names import announced, servers
from gatewright.graph.network.doors import door_addresses
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import GatewayIntent, RouteIntent
from gatewright.kinds.intents.material import ServiceIntent
from gatewright.kinds.intents.naming import GatewayNames


def targets(sight: Sight, resolver: Key, name: str, domain: str) -> Mapping[str, tuple[str, ...]]:
    """Where the routes of a name lead, by type of record; else those of the wildcard one label above."""
    found = sight.ask(listed, resolver, domain, name)
    if found or name == domain:
        return found
    return sight.ask(listed, resolver, domain, "*." + name.partition(".")[2])


def listed(sight: Sight, key: Key, domain: str, name: str) -> Mapping[str, tuple[str, ...]]:
    """A question: what the k8s_gateway in a resolver has for this very name or wildcard, by type of record."""
    names = sight.ask(servers.listed, key).gateway_names.get(domain)
    if names is None:
        return {}
    found: dict[str, None] = {}
    for gateway_id, route in announced.serving(sight, name):
        if _told(sight, gateway_id, route, names):
            addresses = announced.published if route.kind == "Ingress" else door_addresses
            found.update(dict.fromkeys(sight.ask(addresses, gateway_id)))
    if not found and (not names.resources or "Service" in names.resources):
        found.update(dict.fromkeys(_service_targets(sight, name, domain)))
    by_type: dict[str, list[str]] = defaultdict(list)
    for target in found:
        by_type[announced.record_type(target)].append(target)
    return {kind: tuple(values) for kind, values in by_type.items()}


def _told(sight: Sight, gateway_id: str, route: Key, names: GatewayNames) -> bool:
    """Does this k8s_gateway look at such a route at this gateway?"""
    kinds = names.resources or ("Ingress", "HTTPRoute", "TLSRoute", "GRPCRoute")
    if route.kind not in kinds or not _names_hosts(sight, route):
        return False
    if names.gateways and gateway_id not in names.gateways:
        return False
    wanted = names.ingress_classes if route.kind == "Ingress" else names.classes
    return not wanted or not frozenset(wanted).isdisjoint(sight.ask(classes_of, gateway_id))


def _names_hosts(sight: Sight, key: Key) -> bool:
    """Has the route hostnames of its own?  k8s_gateway does not look at those of listeners."""
    route = sight.get(key, RouteIntent) if key.kind in announced.GATEWAY_API else None
    return route is None or bool(route.hostnames)


def classes_of(sight: Sight, gateway_id: str) -> tuple[str, ...]:
    """A question: the classes that a gateway is of or serves."""
    gateway = sight.gateway(gateway_id)
    intent = sight.get(gateway.key, GatewayIntent) if gateway else None
    if intent is not None:
        return (intent.class_name,)
    return tuple(name for name in gateway.classes if name) if gateway else ()


def _service_targets(sight: Sight, name: str, domain: str) -> tuple[str, ...]:
    """A load balancer Service is found by the name that it is annotated with, or as service.namespace.domain."""
    found = announced.annotated_addresses(sight, name)
    labels = name.removesuffix("." + domain).split(".")
    if found or len(labels) != 2:
        return found
    service = sight.get(Key("Service", labels[1], labels[0]), ServiceIntent)
    if service is None or service.type != "LoadBalancer":
        return ()
    return sight.ask(announced.service_addresses, service.key)
