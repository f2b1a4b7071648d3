"""Routes of Gatewright's own, such as the answer to an ACME challenge: before every other rule, on plain HTTP.

Such a route is a rule of whichever VirtualHost answers for its hostname already: the one of that very name, of a
wildcard or the catch-all.  So no rule of the manifests stops answering because a challenge is under way, and no name
comes into being that the manifests do not have.  Only a gateway that is named, and none of whose listeners takes the
hostname, gets a VirtualHost for it.  Counterparts: `precedence`, which puts these first; `runtime.http_challenges`.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from gatewright.base import hostnames
from gatewright.graph.listeners import PLAIN
from gatewright.graph.nodes import Family, Gateway, Refusal, VirtualHostKey
from gatewright.graph.objects import OWN_ROUTES, Placement, View
from gatewright.graph.resolve.placement.placing import Places
from gatewright.kinds.intents.doors import AtDoors, RouteIntent
from gatewright.kinds.intents.routing import Dialect, Match, Protocol


def routes(view: View, gateway: Gateway, key: VirtualHostKey) -> Iterator[RouteIntent]:
    """Those that may answer in a VirtualHost, sorted."""
    if key.family is Family.HTTP:
        for route in view.listed(OWN_ROUTES, key.hostname, RouteIntent):
            if route.doors is not None and _is_at(route.doors, gateway):
                yield route


def matches(route: RouteIntent, gateway: Gateway, hostname: str) -> list[tuple[int, Match]]:
    """The matches of such a route in the VirtualHost of `hostname`; a wider one asks each request for its host."""
    (rule,) = route.rules
    found: list[tuple[int, Match]] = []
    for position, match in enumerate(rule.matches):
        (host,) = match.hosts
        if host.value == hostname:
            found.append((position, structs.replace(match, hosts=())))
        elif hostnames.covers(hostname, host.value, gateway.depth):
            found.append((position, match))
    return found


def attach(view: View, route: RouteIntent, doors: AtDoors, places: Places) -> None:
    """The VirtualHosts that there are for its sake alone: at gateways that are named and have no place for its name."""
    for gateway_id in doors.gateways:
        gateway = view.gateway(gateway_id)
        if gateway is None:
            places.refusals.append(_absent(route, gateway_id))
            continue
        if gateway.dialect is not Dialect.GATEWAY_API:
            continue  # each of its entry points answers for every name
        for listener in gateway.listeners:
            if listener.protocol is not Protocol.HTTP or listener.conflict:
                continue
            for hostname in route.hostnames:
                key = VirtualHostKey(gateway_id, listener.port, Family.HTTP, hostname)
                taken = view.owner(gateway, listener.port, PLAIN, hostname)
                if taken is None and all(key != placed for placed, _ in places.placed):
                    places.placed.append((key, Placement(route.key, listener.name)))


def _absent(route: RouteIntent, gateway_id: str) -> Refusal:
    message = f"there is no gateway {gateway_id}"
    return Refusal(
        gateway_id, "NoMatchingParent", message, route.origin, "correct the solver's parentRefs", absent=True
    )


def _is_at(doors: AtDoors, gateway: Gateway) -> bool:
    if doors.class_name and gateway.dialect is not Dialect.GATEWAY_API and doors.class_name in gateway.classes:
        return True
    return gateway.id in doors.gateways if doors.gateways else not doors.class_name
