"""A certificate is asked of an issuer that does not exist.

cert-manager waits for it ("Referenced ClusterIssuer not found"), the Secret never appears, and the gateway serves a
certificate of its own.  Mostly it is the kind: `issuerRef.kind` is Issuer unless said, and an Issuer is looked up in
the namespace of the Certificate; the annotations `cert-manager.io/issuer` and `cert-manager.io/cluster-issuer` differ
in the same way.

    kind: ClusterIssuer
    metadata: {name: letsencrypt}
    ---
    kind: Certificate
    spec:
      issuerRef: {name: letsencrypt}            # an Issuer of that namespace; wants kind: ClusterIssuer

Name an issuer that is there, with its kind.

It is no fault when the manifests have no issuers, or only those that applications bring along for their webhooks
(`selfSigned`, `ca`): then the others are somewhere else.  Issuers of other API groups are
not looked at.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph.objects import ISSUER_ANNOTATIONS
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import GatewayIntent, RouteIntent
from gatewright.kinds.intents.issuance import CertificateIntent, IssuerIntent

ID = "issuer-missing"
KINDS = ("ClusterIssuer", "Issuer")
GROUP = "cert-manager.io"
OWN = ("selfSigned", "ca")
"""Types of issuers that applications bring along for themselves: they say nothing of where the others are."""


def check(sight: Sight, subject: CertificateIntent | RouteIntent | GatewayIntent) -> Iterable[Finding]:
    """A Certificate, Ingress or Gateway whose issuer is not there."""
    for key, origin in _wanted(subject):
        if sight.get(key, IssuerIntent) is not None or "$" in key.name or "{" in key.name:
            continue
        known = sight.ask(issuers)
        elsewhere = all(item.type in OWN for item in known) and not _alike(key, known)
        if elsewhere:
            continue
        yield Finding(
            ID,
            Severity.WARNING,
            f"{subject.key} asks {key} for its certificate, which does not exist",
            "cert-manager waits for the issuer, and no certificate is made",
            _advice(key, known, isinstance(subject, CertificateIntent)),
            (origin,),
        )


def _wanted(subject: CertificateIntent | RouteIntent | GatewayIntent) -> Iterator[tuple[Key, Origin]]:
    """The issuers that a document names, and where."""
    if isinstance(subject, CertificateIntent):
        if subject.issuer is not None and subject.issuer.kind in KINDS:
            yield subject.issuer, subject.origin.at("spec", "issuerRef", "name")
        return
    if not subject.annotations or (isinstance(subject, RouteIntent) and subject.key.kind != "Ingress"):
        return
    notes = dict(subject.annotations)
    if notes.get(f"{GROUP}/issuer-group", GROUP) != GROUP or notes.get(f"{GROUP}/issuer-kind", "Issuer") not in KINDS:
        return
    for name, usual in ISSUER_ANNOTATIONS:
        if notes.get(name):
            kind = notes.get(f"{GROUP}/issuer-kind", usual) if usual == "Issuer" else usual
            namespace = "" if kind == "ClusterIssuer" else subject.key.namespace
            yield Key(kind, namespace, notes[name]), subject.origin.at("metadata", "annotations", name)


class Known(Struct, frozen=True):
    key: Key
    type: str


def issuers(sight: Sight) -> tuple[Known, ...]:
    """A question: all issuers, sorted."""
    return tuple(Known(item.key, item.type) for kind in KINDS for item in sight.all(kind, IssuerIntent))


def _alike(key: Key, known: tuple[Known, ...]) -> Key | None:
    """An issuer that was probably meant: of that name and another kind, or of nearly that name."""
    reachable = [item.key for item in known if item.key.namespace in ("", key.namespace)]
    near = difflib.get_close_matches(key.name, [item.name for item in reachable], n=1)
    return next((item for item in reachable if item.name in near), None)


def _advice(key: Key, known: tuple[Known, ...], certificate: bool) -> str:
    other = _alike(key, known)
    if other is not None and other.kind != key.kind:
        how = f"issuerRef.kind: {other.kind}" if certificate else f"the annotation {_annotation(other)}"
        return f"name {other} with {how}"
    if other is not None:
        return f"name {other.name}, which is there"
    fitting = [item.key for item in known if item.key.namespace in ("", key.namespace)]
    if fitting:
        return f"create it, or name one that is there, such as {fitting[0]}"
    return f"create it in namespace {key.namespace}" if key.namespace else "create it"


def _annotation(issuer: Key) -> str:
    return next(name for name, kind in ISSUER_ANNOTATIONS if kind == issuer.kind)


RULE = Rule(
    ID, "an issuer that does not exist", Severity.WARNING, Scope.OBJECT, __doc__, check,
    (CertificateIntent, RouteIntent, GatewayIntent),
)  # fmt: skip
