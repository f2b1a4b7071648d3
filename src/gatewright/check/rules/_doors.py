"""Which doors the internet reaches, and which of them somebody described.  Shared by rules about routes."""

from __future__ import annotations

from collections.abc import Mapping

from gatewright.graph.network import cidrs
from gatewright.graph.network.addresses import service_of
from gatewright.graph.network.doors import door_addresses
from gatewright.graph.network.topology import topology
from gatewright.graph.nodes import Gateway
from gatewright.graph.resolve.doors.controllers import INFERRED
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import IngressClassIntent
from gatewright.trace.passages import passage
from gatewright.trace.vantages import INTERNET_PLACE


def open_ports(sight: Sight, gateway_id: str) -> tuple[tuple[str, int], ...]:
    """A question: the (address, port) pairs at which a connection from the internet ends in this gateway.

    Without a site map nobody knows a way; then every global address of the gateway counts.
    """
    gateway = sight.gateway(gateway_id)
    if gateway is None:
        return ()
    known = sight.ask(topology).known
    found = []
    for address in sight.ask(door_addresses, gateway_id):
        value = cidrs.address(address)
        if value is None or not cidrs.is_global(value):
            continue
        for port in gateway.ports:
            if port.udp:
                continue
            if known:
                way = sight.ask(passage, INTERNET_PLACE, address, port.number, "tcp")
                if gateway_id not in way.gateways:
                    continue
            found.append((address, port.number))
    return tuple(found)


def is_described(sight: Sight, gateway: Gateway) -> bool:
    """Does the input tell of the door itself, not only of classes and objects that need one?"""
    if gateway.origin == INFERRED:
        return False
    classes = (sight.get(Key("IngressClass", "", name), IngressClassIntent) for name in gateway.classes if name)
    return all(item is None or item.origin != gateway.origin for item in classes)


def behind(sight: Sight) -> Mapping[Key, str]:
    """A question: the gateways by the Service that is in front of them."""
    found: dict[Key, str] = {}
    for gateway_id in sight.gateways():
        service = sight.ask(service_of, gateway_id)
        if service is not None:
            found.setdefault(service, gateway_id)
    return found
