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

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding, Patch
from gatewright.check.rule import Rule, Scope
from gatewright.graph.resolve.controllers import INFERRED
from gatewright.graph.sight import Sight
from gatewright.kinds.decode import suggest
from gatewright.kinds.intents import ClassRef, IngressClassIntent, RouteIntent

ID = "ingress-class-unserved"
CONSEQUENCE = "no controller takes it: its hosts answer 404, and it never gets an address"


def check(sight: Sight, route: RouteIntent) -> Iterable[Finding]:
    """An Ingress that only a door serves which was inferred because of it, beside doors and classes that are known."""
    attach = route.attach
    if not isinstance(attach, ClassRef) or attach.provider != "ingress":
        return
    known, defaults = sight.ask(_known)
    if not known or attach.name in known or (attach.name is None and defaults):
        return
    attachment = sight.attachment(route.key)
    doors = sorted({key.gateway for key in attachment.virtual_hosts}) if attachment is not None else []
    gateways = [gateway for door in doors if (gateway := sight.gateway(door)) is not None]
    if not gateways or any(gateway.origin != INFERRED for gateway in gateways):
        return  # served, or refused with a Problem that says so
    names = ", ".join(sorted(known))
    field = route.origin.at("spec", "ingressClassName")
    if attach.name is None:
        yield Finding(
            ID,
            Severity.WARNING,
            f"{route.key} names no class, no IngressClass is the default one, and none of the controllers that are "
            "known serves objects without a class",
            CONSEQUENCE,
            f"set spec.ingressClassName ({names}), or make an IngressClass the default",
            (route.origin,),
            patch=Patch(field, names) if len(known) == 1 else None,
        )
        return
    meant = suggest(attach.name, frozenset(known))
    yield Finding(
        ID,
        Severity.WARNING if meant else Severity.INFO,
        f"{route.key} is of class {attach.name}, and nothing in the input serves that class (there is: {names})",
        CONSEQUENCE,
        meant or "name a class that exists, or give the controller of this one among the input, too",
        (field,),
    )


def _known(sight: Sight) -> tuple[frozenset[str], bool]:
    """A question: the class names that the input tells of, and whether class-less objects are anybody's."""
    classes = sight.listed("ingress-classes", "", IngressClassIntent)
    names = {item.key.name for item in classes}
    classless = any(item.default for item in classes)
    for gateway_id in sight.gateways():
        gateway = sight.gateway(gateway_id)
        if gateway is None or gateway.origin == INFERRED:
            continue
        names.update(name for name in gateway.classes if name is not None)
        classless = classless or None in gateway.classes
    return frozenset(names), classless


RULE = Rule(
    ID, "a class that nobody serves", Severity.ERROR, Scope.OBJECT, __doc__, check, (RouteIntent,),
    lifts=(ID,), consequence=CONSEQUENCE,
)  # fmt: skip
