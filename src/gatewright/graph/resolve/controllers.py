"""Doors that are not Gateway API: described by an IngressController, or inferred from the classes that objects name.

Nobody should have to describe a Traefik whose IngressClass is in the manifests: where no IngressController
serves a class that is in use, one is inferred for it, with its implementation's usual entry points.
"""

from __future__ import annotations

from msgspec import structs

from gatewright.base.hostnames import Depth
from gatewright.base.origin import Origin
from gatewright.graph.nodes import Gateway, Listener, TlsSettings
from gatewright.graph.objects import ALL, View
from gatewright.graph.resolve.gateways import ports, tls_settings
from gatewright.kinds.ingresscontroller import defaults
from gatewright.kinds.intents import (
    ControllerIntent,
    Dialect,
    IngressClassIntent,
    Key,
    Protocol,
    TlsOptionIntent,
    TlsStoreIntent,
)

# spec.controller of the IngressClasses that people have, and how a class of that name is usually implemented.
CONTROLLERS = {
    "traefik.io/ingress-controller": "traefik",
    "k8s.io/ingress-nginx": "ingress-nginx",
    "nginx.org/ingress-controller": "ingress-nginx",
    "haproxy.org/ingress-controller": "haproxy",
    "haproxy-ingress.github.io/controller": "haproxy",
    "ingress.k8s.aws/alb": "alb",
}
FAMILIAR = {"traefik": "traefik", "nginx": "ingress-nginx", "haproxy": "haproxy", "alb": "alb"}
CLASSLESS = "traefik"
INFERRED = Origin("(inferred)")


def described(view: View) -> dict[str, ControllerIntent]:
    """The IngressControllers of the site map by gateway id."""
    return {gateway_id(c.key): c for c in view.listed("controllers", ALL, ControllerIntent)}


def gateway_id(key: Key) -> str:
    return f"{key.namespace}/{key.name}" if key.namespace else key.name


def inferred(view: View) -> dict[str, ControllerIntent]:
    """A controller for each class in use that no described one serves, by gateway id.

    Classes whose implementation nobody can tell stay unserved: their routes say so.
    """
    known = list(described(view).values())
    classes = {c.key.name: c for c in view.listed("ingress-classes", ALL, IngressClassIntent)}
    found: dict[str, ControllerIntent] = {}
    for name, provider in _uses(view):
        if any(serves(view, c, name) for c in known):
            continue
        if name is None:
            default = next((n for n, c in sorted(classes.items()) if c.default), None)
            name = default if default and provider == "ingress" else CLASSLESS
            if any(serves(view, c, name) for c in known):
                continue
        implementation = _implementation(name, provider, classes.get(name))
        if implementation:
            entry = classes.get(name)
            origin = entry.origin if entry else INFERRED
            found[name] = defaults(Key("IngressController", "", name), origin, implementation, name)
    return found


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


def serves(view: View, controller: ControllerIntent, name: str | None) -> bool:
    """Does this controller serve objects of this class (None: without a class)?

    By its own list of classes, or because an IngressClass of that name points at its implementation while it
    lists none.
    """
    if name is None:
        if controller.claims_classless:
            return True
        defaults_ = [c for c in view.listed("ingress-classes", ALL, IngressClassIntent) if c.default]
        return any(serves(view, controller, c.key.name) for c in defaults_)
    if controller.classes:
        return name in controller.classes
    entry = view.get(Key("IngressClass", "", name), IngressClassIntent)
    return entry is not None and CONTROLLERS.get(entry.controller) == controller.implementation


def gateway(view: View, intent: ControllerIntent) -> Gateway:
    """The door that a described or inferred controller is."""
    used = dict.fromkeys(name for name, _ in _uses(view))
    classes = tuple(name for name in used if serves(view, intent, name))
    traefik = intent.implementation == "traefik"
    settings, default = _traefik_tls(view) if traefik else (TlsSettings(), None)
    listeners = tuple(
        Listener(
            name=item.name,
            port=item.port,
            protocol=item.protocol,
            hostname="*",
            origin=item.origin,
            tls=item.protocol in (Protocol.HTTPS, Protocol.TLS),
            settings=tls_settings(view, item.tls)[0] if item.tls else settings,
        )
        for item in intent.listeners
    )
    sockets = ports(listeners)
    if traefik:  # every entry point of a Traefik looks whether TLS is spoken and serves both
        sockets = tuple(p if p.udp else structs.replace(p, tls=True, plain=True) for p in sockets)
    return Gateway(
        id=gateway_id(intent.key),
        key=intent.key,
        dialect=Dialect.TRAEFIK if traefik else Dialect.INGRESS,
        implementation=intent.implementation,
        origin=intent.origin,
        depth=Depth.ONE,
        listeners=listeners,
        ports=sockets,
        addresses=intent.addresses,
        classes=classes,
        default_entry_points=intent.default_entry_points,
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
        default_certificate=default,
    )


def _traefik_tls(view: View) -> tuple[TlsSettings, Key | None]:
    """The TLSOption and TLSStore named `default`, wherever they live; they apply to all of a Traefik."""
    settings, default = TlsSettings(), None
    for store in view.listed("tls-stores", ALL, TlsStoreIntent):
        if store.key.name == "default" and store.default_certificate and default is None:
            if view.certificate(store.default_certificate) is not None:
                default = store.default_certificate
    for option in view.listed("tls-options", ALL, TlsOptionIntent):
        if option.key.name == "default":
            settings = tls_settings(view, option.tls)[0]
            break
    return settings, default
