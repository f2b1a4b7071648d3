"""Where a route attaches, and why not elsewhere.

`parents` decides for Gateway API, `classes` for Ingress and Traefik.  Refused places are kept with their reason, since
"it does not work" is the question that users ask: a route without any place is an error, one with some is warned of.
"""

from __future__ import annotations

from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import Attachment, Refusal
from gatewright.graph.objects import View
from gatewright.graph.resolve.placement import classes, own_routes, parents
from gatewright.graph.resolve.placement.classes import NO_CONTROLLER
from gatewright.graph.resolve.placement.placing import Placed, Places
from gatewright.kinds.intents.doors import ClassRef, RouteIntent

CLASS = "ingress-class-unserved"


def attachment(view: View, route: RouteIntent) -> tuple[Attachment, Placed]:
    """All the places of one route, sorted, and all its refusals."""
    places = Places()
    if route.doors is not None:
        own_routes.attach(view, route, route.doors, places)
    elif isinstance(route.attach, ClassRef):
        classes.attach(view, route, route.attach, places)
    else:
        for ref in route.attach:
            parents.attach(view, route, ref, places)
    placed = sorted(set(places.placed))
    where = tuple(sorted({key for key, _ in placed}))
    return Attachment(route.key, route.origin, where, tuple(dict.fromkeys(places.refusals))), placed


def problems(found: Attachment) -> tuple[Problem, ...]:
    """The refusals as Problems."""
    return tuple(_problem(found, refusal) for refusal in found.refusals)


def _problem(found: Attachment, refusal: Refusal) -> Problem:
    if refusal.reason == NO_CONTROLLER:
        severity = Severity.INFO if refusal.absent else Severity.ERROR
        return Problem(CLASS, f"{found.route}: {refusal.message}", refusal.origin, severity, refusal.hint)
    lost = not found.virtual_hosts and not refusal.absent
    told = "is attached elsewhere but not here" if found.virtual_hosts else "is not attached"
    message = f"{found.route} {told}: {refusal.message}"
    severity = Severity.ERROR if lost else Severity.WARNING
    return Problem("not-attached", message, refusal.origin, severity, refusal.hint)
