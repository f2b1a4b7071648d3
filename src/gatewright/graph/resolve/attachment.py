"""Where a route attaches, and why not elsewhere.

Gateway API: parentRefs, sectionName, port, allowedRoutes, hostname intersection and listener isolation, with the
specification's own condition reasons.  Ingress and Traefik: by class and entry point.  Refused places are kept with
their reason: "it does not work" is the question that users ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.base import hostnames
from gatewright.graph.nodes import Attachment, Family, Gateway, Listener, Refusal, VirtualHostKey
from gatewright.graph.objects import Placement, View
from gatewright.graph.resolve.controllers import gateway_id
from gatewright.graph.resolve.hosts import candidates
from gatewright.graph.resolve.references import namespace_allowed
from gatewright.kinds.intents import (
    AllowedRoutes,
    ClassRef,
    ControllerIntent,
    Dialect,
    GatewayIntent,
    HostKind,
    Key,
    ListenerIntent,
    ListenerSetIntent,
    ParentRef,
    Protocol,
    RouteIntent,
)

# Which listener protocols a route may attach to (Gateway API, "Attaching to Gateways").
COMPATIBLE = {
    "HTTPRoute": (Protocol.HTTP, Protocol.HTTPS),
    "GRPCRoute": (Protocol.HTTP, Protocol.HTTPS),
    "TLSRoute": (Protocol.TLS,),
    "TCPRoute": (Protocol.TCP, Protocol.TLS),
    "UDPRoute": (Protocol.UDP,),
}

Placed = list[tuple[VirtualHostKey, Placement]]


def attachment(view: View, route: RouteIntent) -> tuple[Attachment, Placed]:
    """All the places of one route, sorted, and all its refusals."""
    placed: Placed = []
    refusals: list[Refusal] = []
    if isinstance(route.attach, ClassRef):
        _by_class(view, route, route.attach, placed, refusals)
    else:
        for ref in route.attach:
            _by_parent(view, route, ref, placed, refusals)
    placed = sorted(set(placed))
    where = tuple(sorted({key for key, _ in placed}))
    return Attachment(route.key, route.origin, where, tuple(refusals)), placed


# --- Gateway API -----------------------------------------------------------------------------


def _by_parent(view: View, route: RouteIntent, ref: ParentRef, placed: Placed, refusals: list[Refusal]) -> None:
    def refuse(reason: str, message: str) -> None:
        refusals.append(Refusal(str(ref.target), reason, message, ref.origin))

    owner, gateway, offered = _offered(view, ref)
    if gateway is None or owner is None:
        refuse("NoMatchingParent", f"{ref.target} does not exist" if owner is None else "it is not admitted")
        return
    resolved = {listener.name: listener for listener in gateway.listeners}
    candidates_ = [
        (name, item)
        for name, item in offered
        if (not ref.section or item.name == ref.section) and (not ref.port or item.port == ref.port)
    ]
    if not candidates_:
        asked = " ".join(
            [f"named {ref.section}" if ref.section else "", f"on port {ref.port}" if ref.port else ""]
        ).strip()
        names = ", ".join(sorted({item.name for _, item in offered})) or "none"
        refuse("NoMatchingParent", f"{ref.target} has no listener {asked} (it has: {names})")
        return
    reasons: list[tuple[str, str]] = []
    before = len(placed)
    for name, item in candidates_:
        listener = resolved[name]
        why = _not_allowed(view, route, ref.target, item, listener)
        if why:
            reasons.append(why)
            continue
        hosts = _intersections(route, listener, gateway)
        if not hosts:
            wanted = ", ".join(route.hostnames)
            reasons.append(("NoMatchingListenerHostname", f"listener {name} serves {listener.hostname}, not {wanted}"))
            continue
        family = _family(route, listener)
        for host in hosts:
            key = VirtualHostKey(gateway.id, listener.port, family, host)
            placed.append((key, Placement(route.key, name)))
    if len(placed) == before:
        # The reason that came closest to attaching says most.
        order = ("NoMatchingListenerHostname", "NotAllowedByListeners", "NoMatchingParent")
        reason, message = min(reasons, key=lambda pair: order.index(pair[0]) if pair[0] in order else 9)
        refuse(reason, message)


def _offered(view: View, ref: ParentRef) -> tuple[Key | None, Gateway | None, list[tuple[str, ListenerIntent]]]:
    """The parent that exists, the gateway behind it, and its listeners with their names in that gateway."""
    if ref.target.kind == "ListenerSet":
        group = view.get(ref.target, ListenerSetIntent)
        if group is None:
            return None, None, []
        gateway = view.gateway(gateway_id(group.parent))
        prefix = f"{group.key.namespace}/{group.key.name}"
        known = {listener.name for listener in gateway.listeners} if gateway else set()
        offered = [(f"{prefix}/{item.name}", item) for item in group.listeners]
        if any(name not in known for name, _ in offered):
            return group.key, None, []
        return group.key, gateway, offered
    intent = view.get(ref.target, GatewayIntent)
    if intent is None:
        return None, None, []
    return intent.key, view.gateway(gateway_id(intent.key)), [(item.name, item) for item in intent.listeners]


def _not_allowed(
    view: View, route: RouteIntent, parent: Key, item: ListenerIntent, listener: Listener
) -> tuple[str, str] | None:
    if listener.conflict:
        return "NoMatchingParent", f"listener {listener.name} is not open ({listener.conflict})"
    kind = route.key.kind
    compatible = COMPATIBLE.get(kind, ())
    if kind == "TCPRoute" and listener.passthrough:
        compatible = (Protocol.TCP,)
    if item.protocol not in compatible:
        message = f"listener {listener.name} speaks {item.protocol}, which a {kind} cannot use"
        return "NotAllowedByListeners", message
    allowed: AllowedRoutes = item.allowed
    if allowed.kinds and kind not in allowed.kinds:
        message = f"listener {listener.name} allows only {', '.join(allowed.kinds)}"
        return "NotAllowedByListeners", message
    if not namespace_allowed(view, allowed, parent.namespace, route.key.namespace):
        message = f"listener {listener.name} allows routes from namespaces: {allowed.namespaces}"
        return "NotAllowedByListeners", message
    return None


def _intersections(route: RouteIntent, listener: Listener, gateway: Gateway) -> list[str]:
    """The hostnames that route and listener share and that no more specific listener of the port owns."""
    if route.key.kind in ("TCPRoute", "UDPRoute"):
        return [listener.hostname if listener.protocol is Protocol.TLS else hostnames.ANY]
    wanted = route.hostnames or (hostnames.ANY,)
    shared = [hostnames.intersect(listener.hostname, name, gateway.depth) for name in wanted]
    return [
        name
        for name in dict.fromkeys(shared)
        if name is not None and owner(gateway, listener.port, listener.tls, name) == listener.name
    ]


def owner(gateway: Gateway, port: int, tls: bool, hostname: str) -> str | None:
    """The listener that a hostname belongs to: the most specific one of that port that covers it (listener isolation)."""
    best: Listener | None = None
    for listener in gateway.listeners:
        if listener.port != port or listener.tls != tls or listener.conflict:
            continue
        if not hostnames.covers(listener.hostname, hostname, gateway.depth):
            continue
        if best is None or hostnames.specificity(listener.hostname) > hostnames.specificity(best.hostname):
            best = listener
    return best.name if best else None


def _family(route: RouteIntent, listener: Listener) -> Family:
    match listener.protocol:
        case Protocol.HTTP:
            return Family.HTTP
        case Protocol.HTTPS:
            return Family.HTTPS
        case Protocol.TLS:
            return Family.PASSTHROUGH if listener.passthrough else Family.TERMINATED
        case Protocol.UDP:
            return Family.UDP
        case _:
            return Family.TCP


# --- Ingress and Traefik ----------------------------------------------------------------------


def _by_class(view: View, route: RouteIntent, ref: ClassRef, placed: Placed, refusals: list[Refusal]) -> None:
    found = False
    for gateway_id_ in view.served():
        gateway = view.gateway(gateway_id_)
        if gateway is None or not _serves(view, gateway, route, ref):
            continue
        found = True
        _on_entry_points(view, route, ref, gateway, placed, refusals)
    if not found:
        name = f"class {ref.name}" if ref.name else "objects without a class"
        served = ", ".join(view.served()) or "none"
        message = f"no controller serves {name} (known: {served}); describe it with an IngressController"
        refusals.append(Refusal(ref.name or "", "NoMatchingController", message, route.origin))


def _serves(view: View, gateway: Gateway, route: RouteIntent, ref: ClassRef) -> bool:
    if ref.provider == "crd" and gateway.dialect is not Dialect.TRAEFIK:
        return False
    controller = view.get(gateway.key, ControllerIntent)
    if controller and controller.namespaces and route.key.namespace not in controller.namespaces:
        return False
    return ref.name in gateway.classes


def _on_entry_points(
    view: View,
    route: RouteIntent,
    ref: ClassRef,
    gateway: Gateway,
    placed: Placed,
    refusals: list[Refusal],
) -> None:
    named = {listener.name: listener for listener in gateway.listeners}
    wanted = ref.entry_points or gateway.default_entry_points or tuple(named)
    for name in wanted:
        listener = named.get(name)
        if listener is None:
            message = f"{gateway.id} has no entry point {name} (it has: {', '.join(sorted(named)) or 'none'})"
            refusals.append(Refusal(gateway.id, "NoMatchingParent", message, route.origin))
            continue
        if (route.protocol is Protocol.UDP) != (listener.protocol is Protocol.UDP):
            if ref.entry_points:
                message = f"entry point {name} speaks {listener.protocol}"
                refusals.append(Refusal(gateway.id, "NotAllowedByListeners", message, route.origin))
            continue
        for family, host in _class_hosts(route, gateway, listener):
            key = VirtualHostKey(gateway.id, listener.port, family, host)
            placed.append((key, Placement(route.key, name)))


def _class_hosts(route: RouteIntent, gateway: Gateway, listener: Listener) -> Iterator[tuple[Family, str]]:
    """(family, hostname) of each rule of the route on this entry point."""
    names = sorted({candidates(match) for rule in route.rules for match in rule.matches or ()} or {hostnames.ANY})
    if any(not rule.matches for rule in route.rules):
        names = sorted({*names, hostnames.ANY})
    if route.protocol is Protocol.UDP:
        yield Family.UDP, hostnames.ANY
    elif route.protocol is Protocol.TCP:
        yield Family.TCP, hostnames.ANY
    elif route.protocol is Protocol.TLS:
        passthrough = any(use.passthrough for use in route.tls)
        yield from ((Family.PASSTHROUGH if passthrough else Family.TERMINATED, name) for name in names)
    elif gateway.dialect is Dialect.TRAEFIK:
        tls = listener.name in gateway.tls_entry_points or _asks_tls(route)
        yield from ((Family.HTTPS if tls else Family.HTTP, name) for name in names)
    else:
        yield from ((Family.HTTPS if listener.tls else Family.HTTP, name) for name in names)


def _asks_tls(route: RouteIntent) -> bool:
    """Does the route itself ask a Traefik for TLS?  An Ingress does so by annotation, not by its tls section."""
    if route.dialect is Dialect.TRAEFIK:
        return bool(route.tls)
    return any(use.secret is None and not use.hosts for use in route.tls)


def brought(
    route: RouteIntent, placed: Iterable[tuple[VirtualHostKey, Placement]]
) -> set[tuple[str, Key, tuple[str, ...]]]:
    """(gateway id, Secret, hostnames) of each certificate that an attached Ingress or Traefik route brings."""
    if not isinstance(route.attach, ClassRef):
        return set()
    gateways = {key.gateway for key, _ in placed}
    exact = {
        h.value for r in route.rules for m in r.matches for h in m.hosts if h.kind is HostKind.EXACT and not h.negate
    }
    found = set()
    for use in route.tls:
        if use.secret is not None:
            hosts = use.hosts or tuple(sorted(exact)) or (hostnames.ANY,)
            found |= {(gateway, use.secret, hosts) for gateway in gateways}
    return found
