"""Ingress and Traefik: which controllers serve a route, by its class, and on which of their entry points.

Also the certificates that such routes bring along.  Counterpart for Gateway API: `parents`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.base import hostnames
from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import Family, Gateway, Listener, Refusal, VirtualHostKey
from gatewright.graph.objects import ALL, Placement, View
from gatewright.graph.resolve.certificates import promised
from gatewright.graph.resolve.doors import controllers, load_balancers
from gatewright.graph.resolve.placement import further_hosts
from gatewright.graph.resolve.placement.parents import DENIED, NO_PARENT
from gatewright.graph.resolve.placement.placing import Placed, Places
from gatewright.kinds.decode import suggest
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ClassRef, IngressClassIntent, RouteIntent
from gatewright.kinds.intents.material import SecretIntent
from gatewright.kinds.intents.routing import Dialect, HostKind, Protocol

NO_CONTROLLER = "NoMatchingController"
INFERRED = "(inferred)"
"""The file of doors that nobody described, see `controllers`."""
Brought = set[tuple[tuple[str, str], Key]]
"""((gateway id, name pattern), Secret): certificates that may serve names at a gateway."""


def attach(view: View, route: RouteIntent, ref: ClassRef, places: Places) -> None:
    """Find the places on every controller that serves the route's class."""
    found = False
    for gateway_id in view.served():
        gateway = view.gateway(gateway_id)
        if gateway is not None and _serves(gateway, route, ref):
            found = True
            _on_entry_points(route, ref, gateway, places)
    if not found:
        places.refusals.append(_unserved(view, route, ref))


def _unserved(view: View, route: RouteIntent, ref: ClassRef) -> Refusal:
    """Why no controller takes a route.  Without any class or controller among the input, they are elsewhere."""
    name = f"class {ref.name}" if ref.name else "objects without a class"
    listed = view.listed("ingress-classes", ALL, IngressClassIntent)
    doors = [door for door in map(view.door, view.served()) if door is not None and door.origin.file != INFERRED]
    if not listed and not doors:
        hint = "give its IngressClass and its controller, too, or describe it with an IngressController"
        message = f"no controller serves {name}: there are none among the input, and no IngressClass"
        return Refusal(ref.name or "", NO_CONTROLLER, message, route.origin, hint, absent=True)
    known = {item.key.name for item in listed} | controllers.usual_classes(view, doors)
    served = ", ".join(sorted(known)) or "none"
    hint = "describe its controller with an IngressController, or correct the class"
    message = f"no controller serves {name} (classes that are known: {served})"
    own = next((item for item in listed if item.key.name == ref.name), None)
    if own is not None:
        message = f"no controller serves {name}: its IngressClass is {own.controller}'s, which is not known"
    elif ref.name and (meant := suggest(ref.name, frozenset(known))):
        hint = f"{meant}  Else {hint}"
    return Refusal(ref.name or "", NO_CONTROLLER, message, route.origin, hint)


def _serves(gateway: Gateway, route: RouteIntent, ref: ClassRef) -> bool:
    if ref.provider == "crd" and gateway.dialect is not Dialect.TRAEFIK:
        return False
    if gateway.namespaces and route.key.namespace not in gateway.namespaces:
        return False
    return ref.name in gateway.classes


def _on_entry_points(route: RouteIntent, ref: ClassRef, gateway: Gateway, places: Places) -> None:
    named = {listener.name: listener for listener in gateway.listeners}
    has = f"it has: {', '.join(sorted(named)) or 'none'}"
    for name in ref.entry_points or gateway.default_entry_points or tuple(named):
        listener = named.get(name)
        if listener is None:
            message = f"{gateway.id} has no entry point {name} ({has})"
            hint = "correct the entry point, or describe it in the IngressController"
            places.refusals.append(Refusal(gateway.id, NO_PARENT, message, route.origin, hint))
            continue
        if (route.protocol is Protocol.UDP) != (listener.protocol is Protocol.UDP):
            if ref.entry_points:
                message = f"entry point {name} of {gateway.id} speaks {listener.protocol}"
                hint = f"use one for {route.protocol} ({has})"
                places.refusals.append(Refusal(gateway.id, DENIED, message, route.origin, hint))
            continue
        if not ref.entry_points and not load_balancers.takes(gateway, route, listener):
            continue
        for family, host in _hosts(route, gateway, listener):
            key = VirtualHostKey(gateway.id, listener.port, family, host)
            places.placed.append((key, Placement(route.key, name)))


def _hosts(route: RouteIntent, gateway: Gateway, listener: Listener) -> Iterator[tuple[Family, str]]:
    """(family, hostname) of each rule of the route on this entry point."""
    names = _names(route, gateway)
    if route.protocol is Protocol.UDP:
        yield from [(Family.UDP, hostnames.ANY)] if route.rules else []
    elif route.protocol is Protocol.TCP:
        yield from [(Family.TCP, hostnames.ANY)] if route.rules else []
    elif route.protocol is Protocol.TLS and gateway.dialect is not Dialect.TRAEFIK and not listener.tls:
        return  # what is routed by SNI has no place on a port without TLS
    elif route.protocol is Protocol.TLS:
        passthrough = any(use.passthrough for use in route.tls)
        yield from ((Family.PASSTHROUGH if passthrough else Family.TERMINATED, name) for name in names)
    elif gateway.dialect is Dialect.TRAEFIK:
        tls = listener.name in gateway.tls_entry_points or _asks_tls(route)
        yield from ((Family.HTTPS if tls else Family.HTTP, name) for name in names)
    else:
        yield from ((Family.HTTPS if listener.tls else Family.HTTP, name) for name in names)


def _names(route: RouteIntent, gateway: Gateway) -> list[str]:
    """The hostnames of the rules, and those that the route answers for besides."""
    names = further_hosts.own(route, gateway)
    return sorted(names | further_hosts.further(route, gateway) if route.options else names)


def _asks_tls(route: RouteIntent) -> bool:
    """Does the route itself ask a Traefik for TLS?  An Ingress does so by annotation, not by its tls section."""
    if route.dialect is Dialect.TRAEFIK:
        return bool(route.tls)
    return any(use.origin.path[:1] == ("metadata",) for use in route.tls)


def brought(view: View, route: RouteIntent, placed: Placed) -> Brought:
    """The certificates that an attached route brings, under each name that they may serve.

    Where a gateway pools certificates these are the names in the certificate, elsewhere the route's hosts.
    """
    if not isinstance(route.attach, ClassRef):
        return set()
    pairs: Brought = set()
    for gateway_id in sorted({key.gateway for key, _ in placed}):
        gateway = view.door(gateway_id)
        for use in route.tls:
            if use.secret is None or gateway is None:
                continue
            names: Iterable[str] = use.hosts or _exact_hosts(route) or (hostnames.ANY,)
            if gateway.pools_certificates and (certificate := view.certificate(use.secret)) is not None:
                names = certificate.facts.names
            pairs |= {((gateway_id, name), use.secret) for name in names}
    return pairs


def _exact_hosts(route: RouteIntent) -> tuple[str, ...]:
    hosts = {h.value for r in route.rules for m in r.matches for h in m.hosts if h.kind is HostKind.EXACT}
    negated = {h.value for r in route.rules for m in r.matches for h in m.hosts if h.negate}
    return tuple(sorted(hosts - negated))


def missing_certificates(view: View, route: RouteIntent) -> tuple[Problem, ...]:
    """A Problem for each Secret that a route's TLS names, that is not there and that nobody promises to make."""
    if not isinstance(route.attach, ClassRef):
        return ()
    hint = "create it; until then a certificate of the private CA is served"
    return tuple(
        Problem("certificate-missing", f"{use.secret} does not exist", use.origin, Severity.INFO, hint)
        for use in route.tls
        if use.secret is not None
        and view.get(use.secret, SecretIntent) is None
        and not promised(view, use.secret, route.annotations)
    )
