"""Load balancers that Ingresses describe (ALB): where they listen, whose rules go first, what a group shares.

At AWS an Ingress without a group has a load balancer of its own.  Here all of a class are at one door, unless the site
map describes several.  Counterpart: `controllers`, doors that are described or inferred as a whole.
"""

from __future__ import annotations

from gatewright.graph.nodes import Gateway, Listener
from gatewright.graph.objects import BALANCED_GROUPS, BALANCED_PORTS, View
from gatewright.kinds.intents.doors import ClassRef, ControllerIntent, ListenerIntent, RouteIntent
from gatewright.kinds.intents.options import NOTHING, Options
from gatewright.kinds.intents.routing import Protocol

ALB = "alb"


def said(route: RouteIntent) -> Options:
    """What an Ingress says to a load balancer of AWS."""
    return dict(route.options).get(ALB, NOTHING)


def listeners(view: View, intent: ControllerIntent, classes: tuple[str | None, ...]) -> tuple[ListenerIntent, ...]:
    """The listeners of a controller: those described, and where its Ingresses want to be heard besides."""
    if intent.implementation != ALB:
        return intent.listeners
    taken = {item.port for item in intent.listeners}
    added: dict[int, str] = {}
    for value in sorted(view.values(BALANCED_PORTS), key=repr):
        assert isinstance(value, tuple)
        name, port, protocol = value
        if name in classes and port not in taken:
            added[port] = max(added.get(port, ""), protocol)  # HTTPS where they disagree
    return intent.listeners + tuple(
        ListenerIntent(f"{protocol.lower()}-{port}", port, Protocol(protocol), intent.origin)
        for port, protocol in sorted(added.items())
    )


def takes(gateway: Gateway, route: RouteIntent, listener: Listener) -> bool:
    """Is a route heard at this listener?  What does not say is so without TLS, or where the door has certificates."""
    if gateway.implementation != ALB:
        return True
    asked = said(route).listen
    if asked:
        return (listener.port, "HTTPS" if listener.tls else "HTTP") in asked
    plain = any(not item.tls for item in gateway.listeners)
    return not listener.tls or not plain or bool(gateway.settings.certificate_names)


def rank(route: RouteIntent) -> tuple[int, str]:
    """Whose rules are asked first: by group.order, then by "namespace/name"."""
    return (said(route).order or 0, f"{route.key.namespace}/{route.key.name}")


def shared(view: View, route: RouteIntent) -> Options:
    """What the others of a route's group say for all of it: the redirect to TLS, idle time, and who may connect."""
    own = said(route)
    if not own.group:
        return NOTHING
    members = view.listed(BALANCED_GROUPS, own.group, RouteIntent)
    others = [said(one) for one in sorted(members, key=rank) if one.key != route.key and _class(one) == _class(route)]
    return Options(
        tls_redirect=next((one.tls_redirect for one in others if one.tls_redirect), None),
        read_timeout=next((one.read_timeout for one in others if one.read_timeout is not None), None),
        allow=next((one.allow for one in others if one.allow and _together(one, own)), None),
    )


def _class(route: RouteIntent) -> str | None:
    return route.attach.name if isinstance(route.attach, ClassRef) else None


def _together(one: Options, other: Options) -> bool:
    """Do two Ingresses share a listener?  Those that say nothing may."""
    return not one.listen or not other.listen or bool(set(one.listen) & set(other.listen))
