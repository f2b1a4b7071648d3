"""An Ingress or IngressRoute belongs to a class that nobody serves.

Every controller looks for the objects of its class and passes over all others without a word.  A class that does not
exist, no class where no IngressClass is the default one, or a class whose controller is not installed: the object is
applied, stays green, has no address, and its hosts answer 404 from whichever controller is there (ingress-nginx
ignores class-less objects since 1.0 unless `--watch-ingress-without-class` is set).

    kind: Ingress
    metadata: {name: shop}
    spec:
      ingressClassName: ngnix        # the IngressClass is called nginx
      rules: [...]

Name a class that exists, or make one the default:

    kind: IngressClass
    metadata:
      name: nginx
      annotations: {ingressclass.kubernetes.io/is-default-class: "true"}

The old annotation `kubernetes.io/ingress.class` still works with most controllers.  It is no fault when the controller
and its IngressClass are in another repository: where the input has neither, it is only mentioned.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding, Patch
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules._doors import is_described
from gatewright.graph.objects import ALL
from gatewright.graph.resolve.doors.controllers import INFERRED
from gatewright.graph.sight import Sight
from gatewright.kinds.decode import suggest
from gatewright.kinds.intents.doors import ClassRef, ControllerIntent, IngressClassIntent, RouteIntent
from gatewright.kinds.intents.routing import Dialect

ID = "ingress-class-unserved"
CONSEQUENCE = "no controller takes it: its hosts answer 404, and it never gets an address"


def check(sight: Sight, route: RouteIntent) -> Iterable[Finding]:
    """A route that only a door serves which was inferred because of it, beside doors and classes that are known."""
    attach = route.attach
    if not isinstance(attach, ClassRef):
        return
    known = sight.ask(_known, attach.provider)
    if not known.names or attach.name in known.names or (attach.name is None and known.classless):
        return
    attachment = sight.attachment(route.key)
    doors = sorted({key.gateway for key in attachment.virtual_hosts}) if attachment is not None else []
    gateways = [gateway for door in doors if (gateway := sight.gateway(door)) is not None]
    if not gateways or any(gateway.origin != INFERRED for gateway in gateways):
        return  # served, or refused with a Problem that says so
    yield _finding(route, attach, known)


def _finding(route: RouteIntent, attach: ClassRef, known: _Known) -> Finding:
    names = ", ".join(sorted(known.names))
    own = attach.provider == "ingress" and "kubernetes.io/ingress.class" not in dict(route.annotations)
    path = ("spec", "ingressClassName") if own else ("metadata", "annotations", "kubernetes.io/ingress.class")
    field = route.origin.at(*path)
    if attach.name is None:
        return Finding(
            ID,
            # A cluster such as k3s comes with a default class that no manifest shows.
            Severity.WARNING if known.described else Severity.INFO,
            f"{route.key} names no class, and nothing that the input tells of serves objects without one",
            CONSEQUENCE,
            f"name its class in {'.'.join(path[-2:])} ({names}), or make an IngressClass the default",
            (route.origin,),
            patch=Patch(field, names) if own and len(known.names) == 1 else None,
        )
    meant = suggest(attach.name, known.names)
    return Finding(
        ID,
        Severity.WARNING if meant else Severity.INFO,
        f"{route.key} is of class {attach.name}, which nothing that the input tells of serves (there is: {names})",
        CONSEQUENCE,
        meant or "name a class that exists, or give the controller of this one among the input, too",
        (field,),
    )


class _Known(Struct, frozen=True):
    """The class names that the input tells of, whether class-less objects are anybody's, and whether it tells of
    doors, not only of classes."""

    names: frozenset[str]
    classless: bool
    described: bool


def _known(sight: Sight, provider: str) -> _Known:
    """A question: what the input tells of classes for Ingress objects ("ingress") or for Traefik's own ("crd")."""
    names: set[str] = set()
    classless = described = False
    if provider == "ingress":
        for item in sight.listed("ingress-classes", ALL, IngressClassIntent):
            names.add(item.key.name)
            classless = classless or item.default
    for controller in sight.listed("controllers", ALL, ControllerIntent):
        if provider == "ingress" or controller.implementation == "traefik":
            names.update(controller.classes)
    for gateway_id in sight.gateways():
        gateway = sight.gateway(gateway_id)
        if gateway is None or gateway.dialect is Dialect.GATEWAY_API or gateway.origin == INFERRED:
            continue
        if provider == "ingress" or gateway.dialect is Dialect.TRAEFIK:
            names.update(name for name in gateway.classes if name is not None)
            classless = classless or None in gateway.classes
            described = described or is_described(sight, gateway)
    return _Known(frozenset(names), classless, described)


RULE = Rule(
    ID, "a class that nobody serves", Severity.ERROR, Scope.OBJECT, __doc__, check, (RouteIntent,),
    lifts=(ID,), consequence=CONSEQUENCE, fix="correct the class, or describe the controller that serves it",
)  # fmt: skip
