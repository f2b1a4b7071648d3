"""Doors that are not Gateway API: described by an IngressController, or inferred from the classes that objects name.

Nobody should have to describe a Traefik whose IngressClass is in the manifests: where no IngressController
serves a class that is in use, one is inferred for it, with its implementation's usual entry points.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import structs

from gatewright.base.document import Document
from gatewright.base.hostnames import Depth
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import Gateway, Listener, TlsSettings
from gatewright.graph.objects import ALL, DOOR_FILES, View
from gatewright.graph.resolve.doors import command_lines, helm_values, load_balancers
from gatewright.graph.resolve.doors.controller_config import class_wide
from gatewright.graph.resolve.doors.door_options import configured
from gatewright.graph.resolve.doors.gateways import addresses, ports, tls_settings
from gatewright.graph.resolve.doors.tls_options import of_traefik
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ControllerIntent, DoorFileIntent, IngressClassIntent, ListenerIntent
from gatewright.kinds.intents.material import TlsOptionIntent, TlsStoreIntent, WorkloadIntent
from gatewright.kinds.intents.routing import Dialect, Protocol
from gatewright.kinds.site_map import ingresscontroller

# spec.controller of the IngressClasses that people have, and how a class of that name is usually implemented.
CONTROLLERS = {
    "traefik.io/ingress-controller": "traefik",
    "k8s.io/ingress-nginx": "ingress-nginx",
    "nginx.org/ingress-controller": "ingress-nginx",
    "haproxy.org/ingress-controller": "haproxy",
    "haproxy-ingress.github.io/controller": "haproxy-ingress",
    "ingress.k8s.aws/alb": "alb",
}
FAMILIAR = {
    "traefik": "traefik",
    "nginx": "ingress-nginx",
    "haproxy-ingress": "haproxy-ingress",
    "haproxy": "haproxy",
    "alb": "alb",
}
_MAY_BE = {"haproxy": "haproxy-ingress"}
"""Who is described by one name may be the other, which has the same usual class: the class's own controller tells."""
CLASSLESS = "traefik"
INFERRED = Origin("(inferred)")


def described(view: View) -> dict[str, ControllerIntent]:
    """The IngressControllers of the site map that are doors of their own, by gateway id."""
    listed = view.listed("controllers", ALL, ControllerIntent)
    return {gateway_id(c.key): c for c in listed if c.implementation != ingresscontroller.GATEWAY_API}


def gateway_id(key: Key) -> str:
    return f"{key.namespace}/{key.name}" if key.namespace else key.name


def inferred(view: View) -> dict[str, ControllerIntent]:
    """The controllers that nobody described, by gateway id: those that charts install, and one for each class in use
    that none of all these serves.

    Classes whose implementation nobody can tell stay unserved: their routes say so.
    """
    own = list(described(view).values())
    found = _installed(view, own)
    known = [*own, *found.values()]
    classes = classes_of(view)
    default = next((name for name, c in sorted(classes.items()) if c.default), CLASSLESS)
    wanted: set[tuple[str, str]] = set()
    classless: set[str] = set()
    for name, provider in _uses(view):
        if any(serves(controller, name, classes) for controller in known):
            continue
        if name is None:
            name_ = default if provider == "ingress" else CLASSLESS
            classless.add(name_)
        else:
            name_ = name
        wanted.add((name_, provider))
    installed = frozenset(found)
    for name, provider in sorted(wanted):
        entry = classes.get(name)
        implementation = _implementation(name, provider, entry)
        if implementation and name not in installed and (name not in found or implementation == "traefik"):
            origin = entry.origin if entry else INFERRED
            found[name] = _shortest(name, implementation, origin, classless=name in classless)
    return found


def _installed(view: View, described: list[ControllerIntent]) -> dict[str, ControllerIntent]:
    """The doors that charts and command lines make and the site map does not tell of, by gateway id.

    A configuration file on its own is one where there is no other of that implementation, whose it may be.
    """
    charts = helm_values.installations(view)
    made = [one.controller for one in charts]
    for workload, controller in command_lines.controllers(view):
        if not any(_makes(one.workload, workload) for one in charts):
            made.append(controller)
    known = {one.implementation for one in (*described, *made)}
    files = (one.controller for one in view.listed(DOOR_FILES, ALL, DoorFileIntent))
    made += [one for one in files if one.implementation not in known]
    around = Counter((one.implementation, one.key.namespace) for one in made)
    return {
        gateway_id(one.key): one
        for one in made
        if not any(
            _is_of(other, one, only_one=around[one.implementation, one.key.namespace] == 1) for other in described
        )
    }


def _makes(charts: WorkloadIntent, workload: WorkloadIntent) -> bool:
    """Is this workload of the input what a chart made, whose values are there, too?"""
    if charts.key.namespace not in ("", workload.key.namespace):
        return False
    return charts.key.name == workload.key.name or set(workload.labels) >= set(charts.labels)


def _is_of(described: ControllerIntent, installed: ControllerIntent, *, only_one: bool) -> bool:
    """Does the site map tell of what is installed?  It then has the last word, and all of it.

    It is the same door when it has its name or Service, or is the only one of that implementation in that namespace.
    Of values without a release nobody knows where they are used: any description of that implementation may be theirs.
    """
    if described.implementation != installed.implementation:
        return False
    namespace = installed.key.namespace
    if not namespace or (described.service is not None and described.service == installed.service):
        return True
    if described.key.namespace not in ("", namespace):
        return False
    return described.key.name == installed.key.name or (only_one and described.key.namespace == namespace)


def _shortest(name: str, implementation: str, origin: Origin, *, classless: bool) -> ControllerIntent:
    """The controller that its shortest description would be."""
    spec = {"implementation": implementation, "classes": [name], "claimsClassless": classless}
    kind = "IngressController"
    data = {"apiVersion": ingresscontroller.API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
    document = Document(origin, ingresscontroller.API_VERSION, kind, "", name, data)
    lowered = ingresscontroller.lower(document).intent
    assert isinstance(lowered, ControllerIntent)
    return lowered


def _uses(view: View) -> list[tuple[str | None, str]]:
    uses = [use for use in view.values("class-use") if isinstance(use, tuple)]
    return sorted(uses, key=lambda use: (use[0] or "", use[1]))


def _implementation(name: str, provider: str, entry: IngressClassIntent | None) -> str:
    if provider == "crd":
        return "traefik"
    if entry is not None:
        base = entry.controller
        return CONTROLLERS.get(base) or next((v for k, v in CONTROLLERS.items() if base.startswith(k)), "")
    return next((v for k, v in FAMILIAR.items() if name == k or name.startswith(k + "-")), "")


def classes_of(view: View) -> dict[str, IngressClassIntent]:
    """The IngressClasses by name: those of the input, and those that charts make."""
    own = {c.key.name: c for c in view.listed("ingress-classes", ALL, IngressClassIntent)}
    return {**helm_values.made_classes(view), **own}


def serves(controller: ControllerIntent, name: str | None, classes: Mapping[str, IngressClassIntent]) -> bool:
    """Does this controller serve objects of this class (None: without a class)?

    By its own list of classes.  One that lists none serves its implementation's usual class, and every IngressClass
    that names its implementation.
    """
    if name is None:
        if controller.claims_classless:
            return True
        return any(serves(controller, c.key.name, classes) for c in classes.values() if c.default)
    if controller.classes:
        return name in controller.classes
    entry = classes.get(name)
    if entry is not None:
        named = CONTROLLERS.get(entry.controller)
        return named is not None and named in (controller.implementation, _MAY_BE.get(controller.implementation))
    return FAMILIAR.get(name) == controller.implementation


def usual_classes(view: View, doors: Iterable[Gateway]) -> set[str]:
    """The classes that doors serve by their description, else by the usual name; whichever are in use or not."""
    own = described(view)
    usual = {implementation: name for name, implementation in FAMILIAR.items()}
    found: set[str] = set()
    for door in doors:
        intent = own.get(door.id)
        listed = intent.classes if intent is not None else ()
        found.update(listed or ({usual[door.implementation]} if door.implementation in usual else ()))
    return found


def gateway(view: View, intent: ControllerIntent) -> Gateway:
    """The door that a described or inferred controller is."""
    used = dict.fromkeys(name for name, _ in _uses(view))
    known = classes_of(view)
    classes = tuple(name for name in used if serves(intent, name, known))
    intent = _told_apart(intent, classes, known)
    traefik = intent.implementation == "traefik"
    shared = _traefik_tls(view) if traefik else None
    default = _traefik_certificate(view) if traefik else None
    points = load_balancers.listeners(view, intent, classes)
    listeners = tuple(_entry_point(view, item, number, shared) for number, item in enumerate(points))
    sockets = ports(listeners)
    if traefik:  # every entry point of a Traefik looks whether TLS is spoken and serves both
        sockets = tuple(p if p.udp else structs.replace(p, tls=True, plain=True) for p in sockets)
    configuration = class_wide(view, intent)
    if listeners and configuration.problems:
        first = structs.replace(listeners[0], problems=(*listeners[0].problems, *configuration.problems))
        listeners = (first, *listeners[1:])
    door = Gateway(
        id=gateway_id(intent.key),
        key=intent.key,
        dialect=Dialect.TRAEFIK if traefik else Dialect.INGRESS,
        implementation=intent.implementation,
        origin=intent.origin,
        # The * of an ALB's host-header stands for any characters, dots among them.
        depth=Depth.MANY if intent.implementation == load_balancers.ALB else Depth.ONE,
        listeners=listeners,
        ports=sockets,
        addresses=addresses(view, intent),
        classes=classes,
        default_entry_points=(
            *intent.default_entry_points,
            *(item.name for item in points[len(intent.listeners) :]),
        ),
        tls_entry_points=intent.tls_entry_points,
        allow_external_name=tuple(
            provider
            for provider, allowed in (
                ("crd", intent.allow_external_name_crd),
                ("ingress", intent.allow_external_name_ingress),
            )
            if allowed
        ),
        allow_cross_namespace=intent.allow_cross_namespace,
        pools_certificates=traefik,
        default_certificate=_own_default(view, intent) or default,
        settings=intent.settings,
        service=intent.service,
        namespaces=intent.namespaces,
        options=configuration.options,
        strict_prefixes=intent.strict_prefixes,
    )
    return configured(door)


def _told_apart(
    intent: ControllerIntent, served: Iterable[str | None], known: Mapping[str, IngressClassIntent]
) -> ControllerIntent:
    """The controller as what its IngressClasses say that it is, where its description leaves it open."""
    named = {CONTROLLERS.get(known[name].controller) for name in served if name is not None and name in known}
    other = _MAY_BE.get(intent.implementation)
    if other is None or named != {other}:
        return intent
    return structs.replace(intent, implementation=other)


def _entry_point(
    view: View, item: ListenerIntent, number: int, shared: tuple[TlsSettings, tuple[Problem, ...]] | None
) -> Listener:
    """An entry point.  `shared`: TLS settings of all of them (Traefik), told of at the first."""
    conflict = ""
    secure = item.protocol in (Protocol.HTTPS, Protocol.TLS)
    if shared is not None:
        settings, problems = shared[0], shared[1] if number == 0 else ()
    elif item.tls is not None and secure:
        settings, conflict, problems = tls_settings(view, item.tls)
    else:
        settings, problems = TlsSettings(), ()
    return Listener(
        name=item.name,
        port=item.port,
        protocol=item.protocol,
        hostname="*",
        origin=item.origin,
        tls=secure,
        settings=settings,
        conflict=conflict,
        problems=problems,
        own=item.own,
        tls_options=item.tls_options,
        options=item.options,
        redirection=item.redirection,
    )


def _traefik_tls(view: View) -> tuple[TlsSettings, tuple[Problem, ...]]:
    """The TLSOption named `default`, wherever it lives: it applies to all of a Traefik.  There may be only one."""
    options = [o for o in view.listed("tls-options", ALL, TlsOptionIntent) if o.key.name == "default"]
    if not options:
        return TlsSettings(), ()
    used, *others = options
    settings, _, problems = tls_settings(view, used.tls)
    settings = of_traefik(settings)
    hint = "keep one: Traefik uses none of several"
    doubled = tuple(
        Problem("duplicate-default", f"{other.key} is not used beside {used.key}", other.origin, Severity.WARNING, hint)
        for other in others
    )
    return settings, problems + doubled


def _traefik_certificate(view: View) -> Key | None:
    """The default certificate of the TLSStore named `default`, wherever it lives."""
    stores = [store for store in view.listed("tls-stores", ALL, TlsStoreIntent) if store.key.name == "default"]
    named = (store.default_certificate for store in stores if store.default_certificate is not None)
    return next((key for key in named if view.certificate(key) is not None), None)


def _own_default(view: View, intent: ControllerIntent) -> Key | None:
    """The default certificate that the controller's description names."""
    named = (key for item in intent.listeners if item.tls for key in item.tls.certificates)
    return next((key for key in named if view.certificate(key) is not None), None)
