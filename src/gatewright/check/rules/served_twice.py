"""Two controllers publish one Ingress or IngressRoute.

A Traefik without `ingressClass` takes every object that has no class, and so does the second one.  Both serve the
hosts, each with its own certificates and entry points; both write their address into the status, which flips between
them, and external-dns and k8s_gateway follow it.  Where one of the doors is public, a name that was meant for home is
on the internet.

    kind: Ingress
    metadata: {name: nas}
    spec:
      rules: [{host: nas.home.example.com, ...}]        # no ingressClassName, and two Traefiks

Give every controller a class of its own (`providers.kubernetesIngress.ingressClass`,
`providers.kubernetesCRD.ingressClass`) and every object the class of its door (`ingressClassName`, for Traefik's own
kinds the annotation `kubernetes.io/ingress.class`).

It is no fault when the object is meant for both doors: accept it where it stands, with the reason.  Controllers of
different clusters (`clusters[].namespaces` of the map) have objects of their own, and are no finding.

    annotations: {gatewright.dev/ignore: "served-twice: at home and on the internet"}
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules._doors import open_ports
from gatewright.graph.network.doors import door_addresses
from gatewright.graph.network.placement import home
from gatewright.graph.nodes import Gateway
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.doors import ClassRef, RouteIntent

ID = "served-twice"


def check(sight: Sight, route: RouteIntent) -> Iterable[Finding]:
    """A route with a class, or none, that has a place at more than one controller."""
    if not isinstance(route.attach, ClassRef):
        return
    attachment = sight.attachment(route.key)
    if attachment is None:
        return
    doors = sorted({key.gateway for key in attachment.virtual_hosts})
    if len(doors) < 2:
        return
    found = (sight.gateway(door) for door in doors)
    gateways = [gateway for gateway in found if gateway is not None and not _of_another_cluster(sight, gateway, route)]
    if len(gateways) < 2:
        return
    public = [gateway.id for gateway in gateways if sight.ask(open_ports, gateway.id)]
    named = "has no class" if route.attach.name is None else f"is of class {route.attach.name}"
    ids = {gateway.id for gateway in gateways}
    hosts = tuple(sorted({key.hostname for key in attachment.virtual_hosts if key.gateway in ids}))
    exposed = f", and {', '.join(public)} is on the internet" if public and len(public) < len(gateways) else ""
    yield Finding(
        ID,
        Severity.WARNING if route.attach.name is None else Severity.INFO,  # two doors of one class are mostly meant
        f"{route.key} {named}, so {' and '.join(_told(sight, gateway) for gateway in gateways)} publish it{exposed}",
        _consequence(route, leaks=bool(exposed)),
        "name the class of the one that is meant"
        + (" in spec.ingressClassName" if route.attach.provider == "ingress" else " (kubernetes.io/ingress.class)")
        + ", or accept it with gatewright.dev/ignore where both are",
        (route.origin, *dict.fromkeys(gateway.origin for gateway in gateways)),
        hosts=hosts,
    )


def _of_another_cluster(sight: Sight, gateway: Gateway, route: RouteIntent) -> bool:
    """Does the map put the two into different clusters?  Controllers read the objects of their own."""
    if not gateway.key.namespace:
        return False
    there, here = (sight.ask(home, namespace).cluster for namespace in (gateway.key.namespace, route.key.namespace))
    return bool(there and here) and there != here


def _told(sight: Sight, gateway: Gateway) -> str:
    addresses = sight.ask(door_addresses, gateway.id)
    return f"{gateway.id} ({addresses[0]})" if addresses else gateway.id


def _consequence(route: RouteIntent, *, leaks: bool) -> str:
    if leaks:
        return "a name that may be meant for inside answers on the internet, and addresses follow whoever wrote last"
    if route.attach.provider == "ingress":  # type: ignore[union-attr]
        return "its status flips between two addresses, and DNS that follows it leads to either door"
    return "both doors answer for it, each with its own certificates and entry points"


RULE = Rule(ID, "one route on two doors", Severity.WARNING, Scope.OBJECT, __doc__, check, (RouteIntent,))
