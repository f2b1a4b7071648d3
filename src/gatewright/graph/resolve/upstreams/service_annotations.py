"""What Traefik reads from a Service that an Ingress refers to (traefik.ingress.kubernetes.io/service.*).

An Ingress has no place to say how its backends are spoken to, so their Services say it: for every Ingress, and for
nobody else.  Counterparts: `kinds.annotations.traefik.ingress`, for those of the Ingress itself;
`kinds.traefik.service`, where an IngressRoute says the same in fields.
"""

from __future__ import annotations

from msgspec import Struct, structs

from gatewright.base.problem import Problem
from gatewright.graph.nodes import Gateway
from gatewright.graph.objects import View
from gatewright.kinds.annotations.names import TRAEFIK
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.annotations.traefik.ingress import meanings
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.material import ServiceIntent
from gatewright.kinds.intents.routing import BackendRef, Dialect, SessionPersistence

_COOKIE = "service.sticky.cookie"
_SCHEMES = ("http", "https", "h2c")
_SAME_SITE = ("none", "lax", "strict", "default")


class Told(Struct, frozen=True):
    """A reference with what its Service says, how clients stick to one endpoint, and what is wrong with it.

    `missing`: the ServersTransport that is named and nowhere; Traefik then has no such service.
    """

    ref: BackendRef
    persistence: SessionPersistence | None = None
    problems: tuple[Problem, ...] = ()
    missing: str = ""


def told(view: View, gateway: Gateway, route: RouteIntent, ref: BackendRef) -> Told:
    """The reference as the annotations of its Service change it at a Traefik, for an Ingress."""
    if gateway.dialect is not Dialect.TRAEFIK or route.dialect is not Dialect.INGRESS:
        return Told(ref)
    service = view.get(ref.target, ServiceIntent)
    own = (
        {n.lower(): v for n, v in service.annotations if n.lower().startswith(f"{TRAEFIK}service.")} if service else {}
    )
    if service is None or not own:
        return Told(ref)
    notes = Notes(own, service.key, service.origin.at("metadata", "annotations"), TRAEFIK)
    transport = ref.transport
    missing = ""
    if name := notes.text("service.serverstransport"):
        transport = _transport(view, name, service.key.namespace)
        missing = "" if transport else name
    pass_host = notes.flag("service.passhostheader")
    changed = structs.replace(
        ref,
        scheme=notes.choice("service.serversscheme", _SCHEMES, ignore_case=True) or ref.scheme,
        pass_host=ref.pass_host if pass_host is None else pass_host,
        native_lb=notes.flag("service.nativelb") or ref.native_lb,
        transport=transport,
    )
    persistence = _persistence(notes)
    return Told(changed, persistence, tuple(notes.problems), missing)


def _transport(view: View, name: str, namespace: str) -> Key | None:
    return next((key for key in meanings("ServersTransport", name, namespace) if view.exists(key)), None)


def _persistence(notes: Notes) -> SessionPersistence | None:
    """By a cookie, where any annotation speaks of one."""
    asked = [name for name in notes.names() if name == "service.sticky" or name.startswith(_COOKIE)]
    if not asked or (asked == [_COOKIE] and notes.flag(_COOKIE) is False):
        return None
    return SessionPersistence(
        kind="cookie",
        name=notes.text(f"{_COOKIE}.name") or "",
        path=notes.text(f"{_COOKIE}.path") or "/",
        max_age=notes.number(f"{_COOKIE}.maxage") or 0,
        secure=bool(notes.flag(f"{_COOKIE}.secure")),
        http_only=bool(notes.flag(f"{_COOKIE}.httponly")),
        same_site=notes.choice(f"{_COOKIE}.samesite", _SAME_SITE, ignore_case=True) or "",
    )
