"""A certificate is asked for that its issuer cannot make.

Whoever asks waits for ever, and the gateway serves a certificate that no client trusts.  An issuer over ACME makes
certificates for names that it can be shown control of: each name needs a solver whose selector admits it; a wildcard
needs a DNS-01 solver; and an authority that everybody trusts makes none for names that belong to nobody (`.home.arpa`,
`.local`, names without a dot, private addresses), nor for CAs (`isCA`).

    kind: ClusterIssuer
    spec:
      acme:
        server: https://acme-v02.api.letsencrypt.org/directory
        solvers:
          - selector: {dnsZones: [example.com]}
            dns01: {cloudflare: {apiTokenSecretRef: {name: cloudflare, key: token}}}
    ---
    kind: Certificate
    spec: {dnsNames: [nas.home.arpa, app.example.org]}      # private; in no zone of a solver

Give such names to an issuer of type `ca`, whose root your clients trust, or add the solver.  Two who ask for one
Secret with different names or issuers get what the first says; a Certificate counts more than annotations.

It is no fault where the issuer is an ACME server of your own, which makes certificates for whatever it likes.  That
`gatewright run` asks no issuers but those of type acme, ca and selfSigned is told there, not here.

While it runs, `gatewright run` says of each certificate that its issuer has not given (certificate-failed) why, in the
issuer's own words: the authority did not see the challenge (the TXT record is in a private view only, port 80 does not
lead here), its limits are used up, the solver's token may not write the zone, the Secret of a CA issuer is not among
the manifests.  What was in use stays in use; where there was nothing, the private CA serves.  `gatewright status` shows
when it is tried next; SIGHUP tries again at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph import issuing
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ControllerIntent, GatewayIntent, RouteIntent
from gatewright.kinds.intents.issuance import CertificateIntent

ID = issuing.UNOBTAINABLE
CONSEQUENCE = "the certificate is never made, and clients meet one that they do not trust"
OTHERWISE = {
    issuing.CONTRADICTED: "one of the two gets a certificate without its names",
    "invalid-value": "cert-manager makes no certificate for it",
}
Subject = CertificateIntent | RouteIntent | GatewayIntent | ControllerIntent


def check(sight: Sight, subject: Subject) -> Iterable[Finding]:
    """What an object asks of an issuer that cannot be had."""
    for target in dict.fromkeys(_targets(subject)):
        for problem in sight.ask(issuing.faults, target):
            # That an HTTP-01 solver proves no wildcard of a Certificate is told by `http01-unreachable`.
            told = problem.id == issuing.WILDCARD and isinstance(subject, CertificateIntent)
            if problem.origin is not None and problem.severity is not Severity.INFO and not told:
                consequence = OTHERWISE.get(problem.id, CONSEQUENCE)
                yield Finding(ID, problem.severity, problem.message, consequence, problem.hint, (problem.origin,))


def _targets(subject: Subject) -> Iterator[Key]:
    if isinstance(subject, CertificateIntent):
        yield subject.secret
    elif isinstance(subject, RouteIntent):
        if subject.annotations and subject.key.kind == "Ingress":
            yield from (use.secret for use in subject.tls if use.secret is not None)
    elif isinstance(subject, GatewayIntent):
        for item in subject.listeners if subject.annotations else ():
            yield from item.tls.certificates if item.tls is not None else ()
        yield subject.key
    elif subject.settings.issuer is not None:
        # An IngressController of implementation gateway-api adds to the Gateway of its name, which is asked for itself.
        yield subject.key


RULE = Rule(
    ID, "a certificate that its issuer cannot make", Severity.ERROR, Scope.OBJECT, __doc__, check,
    (CertificateIntent, RouteIntent, GatewayIntent, ControllerIntent),
    lifts=(issuing.CONTRADICTED, issuing.WILDCARD, "certificate-failed"),
    consequence=CONSEQUENCE,
    fix="give the name to an issuer that can make a certificate for it, or its issuer the solver that it lacks",
)  # fmt: skip
