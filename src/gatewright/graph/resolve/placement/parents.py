"""Gateway API: which listeners of its parents a route attaches to, by the specification's own rules and reasons.

parentRefs, sectionName, port, kinds and namespaces of allowedRoutes, hostname intersection and listener isolation.
Counterpart for Ingress and Traefik: `classes`.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base import hostnames
from gatewright.graph.listeners import PLAIN, TLS
from gatewright.graph.nodes import Family, Gateway, Listener, Refusal, VirtualHostKey
from gatewright.graph.objects import Placement, View
from gatewright.graph.resolve.doors.controllers import gateway_id
from gatewright.graph.resolve.placement.placing import Places
from gatewright.graph.resolve.references import namespace_allowed
from gatewright.kinds.decode import has_variable
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import (
    AllowedRoutes,
    GatewayIntent,
    ListenerIntent,
    ListenerSetIntent,
    ParentRef,
    RouteIntent,
)
from gatewright.kinds.intents.routing import Protocol

# Which listener protocols a route may attach to (Gateway API, "Attaching to Gateways").
COMPATIBLE = {
    "HTTPRoute": (Protocol.HTTP, Protocol.HTTPS),
    "GRPCRoute": (Protocol.HTTP, Protocol.HTTPS),
    "TLSRoute": (Protocol.TLS,),
    "TCPRoute": (Protocol.TCP, Protocol.TLS),
    "UDPRoute": (Protocol.UDP,),
}

HOSTNAME, DENIED, NO_PARENT = "NoMatchingListenerHostname", "NotAllowedByListeners", "NoMatchingParent"
_CLOSEST = (HOSTNAME, DENIED, NO_PARENT)


class Offer(Struct, frozen=True):
    """A parent as it was found: its gateway, and its listeners by their names in that gateway."""

    gateway: Gateway
    listeners: tuple[tuple[str, ListenerIntent], ...]


class Denial(Struct, frozen=True):
    """Why a parent or one of its listeners does not take a route.  `absent`: what decides it is not among the input."""

    reason: str
    message: str
    hint: str = ""
    absent: bool = False


def attach(view: View, route: RouteIntent, ref: ParentRef, places: Places) -> None:
    """Find the places under one parentRef; its refusal when there are none."""
    denials: list[Denial] = []
    found = _offer(view, ref)
    if isinstance(found, Denial):
        denials.append(found)
    else:
        chosen = [
            (name, item)
            for name, item in found.listeners
            if (not ref.section or item.name == ref.section) and (not ref.port or item.port == ref.port)
        ]
        if not chosen:
            denials.append(_no_listener(ref, found))
        before = len(places.placed)
        for name, item in chosen:
            denial = _on_listener(view, route, ref.target, found.gateway, (name, item), places)
            denials += [denial] if denial else []
        if len(places.placed) > before:
            return
    # The reason that came closest to attaching says most.
    best = min(denials, key=lambda denial: _CLOSEST.index(denial.reason))
    places.refusals.append(Refusal(str(ref.target), best.reason, best.message, ref.origin, best.hint, best.absent))


def _offer(view: View, ref: ParentRef) -> Offer | Denial:
    """The parent that exists and is admitted, or why there is none."""
    target = ref.target
    if target.kind == "ListenerSet":
        return _listener_set(view, target)
    if target.kind != "Gateway":
        hint = "refer to a Gateway or a ListenerSet"
        return Denial(NO_PARENT, f"{target} cannot be a parent here", hint, absent=True)
    intent = view.get(target, GatewayIntent)
    gateway = view.door(gateway_id(target)) if intent is not None else None
    if intent is None or gateway is None:
        return _absent(target)
    return Offer(gateway, tuple((item.name, item) for item in intent.listeners))


def _listener_set(view: View, target: Key) -> Offer | Denial:
    group = view.get(target, ListenerSetIntent)
    if group is None:
        return _absent(target)
    gateway = view.door(gateway_id(group.parent))
    if gateway is None:
        return _absent(group.parent)
    offered = tuple((f"{group.key.namespace}/{group.key.name}/{item.name}", item) for item in group.listeners)
    if any(view.listener(gateway.id, name) is None for name, _ in offered):
        hint = f"allow it on {group.parent}: spec.allowedListeners.namespaces.from: All"
        return Denial(DENIED, f"{group.parent} does not admit {target}", hint)
    return Offer(gateway, offered)


def _absent(target: Key) -> Denial:
    hint = f"read the file with {target} too, or correct the parentRef"
    return Denial(NO_PARENT, f"{target} does not exist", hint, absent=True)


def _no_listener(ref: ParentRef, found: Offer) -> Denial:
    named = f"named {ref.section}" if ref.section else ""
    asked = " ".join(part for part in (named, f"on port {ref.port}" if ref.port else "") if part)
    names = ", ".join(sorted({f"{item.name} ({item.port})" for _, item in found.listeners})) or "none"
    message = f"{ref.target} has no listener {asked} (it has: {names})".replace("  ", " ")
    return Denial(NO_PARENT, message, "correct sectionName or port of the parentRef")


def _on_listener(
    view: View, route: RouteIntent, parent: Key, gateway: Gateway, offered: tuple[str, ListenerIntent], places: Places
) -> Denial | None:
    """Place a route on one listener, or say why not."""
    name, item = offered
    listener = view.listener(gateway.id, name)
    if listener is None or listener.conflict:
        why = listener.conflict if listener else "it does not exist"
        return Denial(NO_PARENT, f"listener {name} is not open ({why})", "resolve the conflict of the listener first")
    denial = _not_allowed(view, route, parent, item, listener)
    if denial is not None:
        return denial
    shared = _intersections(route, listener, gateway)
    own = [host for host in shared if _owns(view, gateway, listener, host)]
    for host in own:
        key = VirtualHostKey(gateway.id, listener.port, _family(listener), host)
        places.placed.append((key, Placement(route.key, name)))
    if own:
        return None
    if shared:
        message = f"other listeners of port {item.port} are more specific for {', '.join(shared)} than {name}"
        return Denial(HOSTNAME, message, "attach to those listeners")
    wanted = ", ".join(route.hostnames)
    hint = f"use hostnames within {listener.hostname}, or another listener"
    if any(has_variable(hostname) for hostname in (listener.hostname, *route.hostnames)):
        message = f"whether listener {name}, which serves {listener.hostname}, takes {wanted} depends on a variable"
        return Denial(HOSTNAME, message, "render the manifests, and give the result", absent=True)
    return Denial(HOSTNAME, f"listener {name} serves {listener.hostname}, not {wanted}", hint)


def _not_allowed(
    view: View, route: RouteIntent, parent: Key, item: ListenerIntent, listener: Listener
) -> Denial | None:
    kind, name = route.key.kind, listener.name
    compatible = COMPATIBLE.get(kind, ())
    if kind == "TCPRoute" and listener.passthrough:
        compatible = (Protocol.TCP,)
    if item.protocol not in compatible:
        fitting = " or ".join(compatible)
        message = f"listener {name} speaks {item.protocol}, which a {kind} cannot use"
        return Denial(DENIED, message, f"attach to a listener of protocol {fitting}")
    allowed: AllowedRoutes = item.allowed
    if allowed.kinds and kind not in allowed.kinds:
        message = f"listener {name} allows only {', '.join(allowed.kinds)}"
        return Denial(DENIED, message, f"add {kind} to its allowedRoutes.kinds")
    if not namespace_allowed(view, allowed, parent.namespace, route.key.namespace):
        message = f"listener {name} allows routes from namespaces: {allowed.namespaces}, not from {route.key.namespace}"
        hint = f"label the namespace {route.key.namespace} as its selector asks"
        if allowed.namespaces != "Selector":
            hint = "set its allowedRoutes.namespaces.from to All, or to Selector with a selector"
        return Denial(DENIED, message, hint)
    return None


def _intersections(route: RouteIntent, listener: Listener, gateway: Gateway) -> list[str]:
    """The hostnames that route and listener share."""
    if route.key.kind in ("TCPRoute", "UDPRoute"):
        return [listener.hostname if listener.tls else hostnames.ANY]
    wanted = route.hostnames or (hostnames.ANY,)
    shared = [hostnames.intersect(listener.hostname, name, gateway.depth) for name in wanted]
    return [name for name in dict.fromkeys(shared) if name is not None]


def _owns(view: View, gateway: Gateway, listener: Listener, hostname: str) -> bool:
    """Listener isolation: a name belongs to the most specific listener of the port that covers it (GEP-3567)."""
    if listener.protocol in (Protocol.TCP, Protocol.UDP):
        return True
    return view.owner(gateway, listener.port, TLS if listener.tls else PLAIN, hostname) == listener.name


def _family(listener: Listener) -> Family:
    match listener.protocol:
        case Protocol.HTTP:
            return Family.HTTP
        case Protocol.HTTPS:
            return Family.HTTPS
        case Protocol.TLS:
            return Family.PASSTHROUGH if listener.passthrough else Family.TERMINATED
        case Protocol.UDP:
            return Family.UDP
        case Protocol.TCP:
            return Family.TCP
