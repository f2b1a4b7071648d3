"""cert-manager makes no certificates from the hostnames of HTTPRoutes.

On a Gateway that is annotated with an issuer it looks at the listeners: those of protocol HTTPS or TLS with a hostname
and a certificateRef get a Certificate for that hostname.  A listener without a hostname is passed over, however many
HTTPRoutes with hostnames attach to it, and an annotation on an HTTPRoute is read by nobody.  The Secret never appears,
so the listener stays unprogrammed (InvalidCertificateRef) or shows a certificate that clients refuse.

    kind: Gateway
    metadata: {annotations: {cert-manager.io/cluster-issuer: letsencrypt}}
    spec:
      listeners:
        - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: web-tls}]}}    # no hostname
    ---
    kind: HTTPRoute
    spec: {hostnames: [app.example.com]}

Give the listener a hostname (`*.example.com` serves all names one label below, with a DNS-01 issuer), one listener per
name where they differ, or write a Certificate for the Secret that lists the names.

It is no fault where a Certificate makes the Secret, or where the Secret is there.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base import hostnames
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph.objects import ISSUER_ANNOTATIONS
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import GatewayIntent, ListenerIntent, RouteIntent
from gatewright.kinds.intents.issuance import CertificateIntent
from gatewright.kinds.intents.material import SecretIntent
from gatewright.kinds.intents.routing import Protocol

ID = "certificate-from-route-hostname"
NAMES = tuple(name for name, _ in ISSUER_ANNOTATIONS)
ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute")
SECURED = (Protocol.HTTPS, Protocol.TLS)


def check(sight: Sight, subject: GatewayIntent | RouteIntent) -> Iterable[Finding]:
    """A Gateway's listeners that cert-manager passes over; a route with an annotation for it."""
    if not subject.annotations:
        return
    annotation = next((name for name, _ in subject.annotations if name in NAMES), "")
    if not annotation or (isinstance(subject, RouteIntent) and subject.key.kind not in ROUTES):
        return
    if isinstance(subject, RouteIntent):
        yield Finding(
            ID,
            Severity.WARNING,
            f"{subject.key} has the annotation {annotation}, which cert-manager does not read on routes",
            "no certificate is made for its hostnames",
            "annotate the Gateway, whose listeners need hostnames, or write a Certificate for the listener's Secret",
            (subject.origin.at("metadata", "annotations", annotation),),
            hosts=subject.hostnames,
        )
        return
    named = {key for item in subject.listeners if item.hostname != hostnames.ANY for key in _secrets(item)}
    for listener in subject.listeners:
        missing = [key for key in _secrets(listener) if key not in named and not _made(sight, key)]
        if listener.hostname == hostnames.ANY and missing:
            yield Finding(
                ID,
                Severity.ERROR,
                f"listener {listener.name} of {subject.key} has no hostname, so cert-manager makes no {missing[0]}: "
                "it reads the hostnames of listeners, not those of routes",
                "the listener has no certificate, whatever hostnames its routes have",
                "give the listener a hostname such as *.example.com, or write a Certificate for that Secret",
                (listener.origin, subject.origin.at("metadata", "annotations", annotation)),
            )


def _secrets(listener: ListenerIntent) -> tuple[Key, ...]:
    tls = listener.tls if listener.protocol in SECURED else None
    return tls.certificates if tls is not None and not tls.passthrough else ()


def _made(sight: Sight, secret: Key) -> bool:
    """Is the Secret there, or will a Certificate make it?"""
    return sight.get(secret, SecretIntent) is not None or bool(
        sight.listed("certificates-for", secret, CertificateIntent)
    )


RULE = Rule(
    ID, "no certificate from an HTTPRoute's hostnames", Severity.ERROR, Scope.OBJECT, __doc__, check,
    (GatewayIntent, RouteIntent),
)  # fmt: skip
