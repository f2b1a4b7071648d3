"""Many hosts of one domain, each with a certificate of its own from Let's Encrypt.

Let's Encrypt makes at most 50 new certificates a week for one registered domain and takes 300 new orders in three hours
from one account.  Renewals are exempt; a cluster that is built anew, a renamed Secret or lab sessions that come and go
ask for new ones.  Beyond the limit no host gets a certificate until the week is over.

    kind: Ingress                                                        # one of a hundred
    metadata: {annotations: {cert-manager.io/cluster-issuer: letsencrypt}}
    spec: {tls: [{hosts: [lab-17.example.com], secretName: lab-17-tls}]}

One Certificate for `*.example.com` (a DNS-01 challenge) serves them all: set it as the default certificate of the
controller or name its Secret in each route.

It is mentioned from 20 certificates directly below one domain, since then a third installation within a week fails, and
a warning from 50, when the first one does.  Fewer are no fault, nor other authorities, nor the staging directory.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph.objects import ISSUED_UNDER
from gatewright.graph.sight import Sight
from gatewright.kinds.decode import has_variable
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.issuance import CertificateIntent, IssuerIntent

ID = "certificate-per-host"
MANY = 20
LIMIT = 50
"""New certificates a week for one registered domain."""


class Crowd(Struct, frozen=True):
    """The Secrets that are made for single hosts of one domain: how many, and where the first of them is asked for."""

    secrets: int
    first: Origin


def check(sight: Sight, issuer: IssuerIntent) -> Iterable[Finding]:
    """An issuer of Let's Encrypt that many hosts of one domain ask for a certificate each."""
    if issuer.type != "acme" or "letsencrypt.org" not in issuer.server or "staging" in issuer.server:
        return
    asked: Key
    domain: str
    for asked, domain in sight.values(ISSUED_UNDER):  # type: ignore[misc]
        found = sight.ask(crowd, asked, domain) if asked == issuer.key and not has_variable(domain) else None
        if found is None:
            continue
        dns = any(solver.type == "dns01" for solver in issuer.solvers)
        how = "" if dns else f", for which {issuer.key} needs a DNS-01 solver"
        yield Finding(
            ID,
            Severity.WARNING if found.secrets >= LIMIT else Severity.INFO,
            f"{issuer.key} makes {found.secrets} certificates for single hosts directly below {domain}",
            f"Let's Encrypt makes {LIMIT} new ones a week for a domain: "
            + (
                "some hosts wait for theirs"
                if found.secrets > LIMIT
                else "building the cluster anew soon meets the limit"
            ),
            f"make one Certificate for *.{domain}{how}",
            (found.first, issuer.origin),
        )


def crowd(sight: Sight, issuer: Key, domain: str) -> Crowd | None:
    """A question: what asks this issuer for certificates of single hosts directly below a domain, if it is much."""
    if sight.count(ISSUED_UNDER, (issuer, domain)) < MANY:
        return None
    secrets: dict[Key, Origin] = {}
    for item in sight.listed(ISSUED_UNDER, (issuer, domain), object):
        if isinstance(item, CertificateIntent):
            secrets.setdefault(item.secret, item.origin)
        elif isinstance(item, RouteIntent):
            for use in item.tls:
                if use.secret is not None:
                    secrets.setdefault(use.secret, item.origin)
    return Crowd(len(secrets), next(iter(secrets.values()))) if len(secrets) >= MANY else None


RULE = Rule(
    ID, "a certificate for each of many hosts", Severity.WARNING, Scope.OBJECT, __doc__, check, (IssuerIntent,)
)  # fmt: skip
