"""A client is shown a certificate of an authority that it was never given.

A private CA (a `ca` or `selfSigned` Issuer, mkcert, a company's own) and the staging directory of an ACME CA are
trusted only by machines that have their root certificate.  Phones, guests and containers without it refuse; `curl -k`
on the administrator's machine hides it.

    kind: ClusterIssuer
    metadata: {name: lan-ca}
    spec: {ca: {secretName: lan-ca}}
    ---
    kind: Vantage
    metadata: {name: phone}
    spec: {network: internet}                                # trust: [public] unless said

Have a public authority make it (ACME with DNS-01 works for names that are not reachable from outside), or give these
clients the CA and say so in the Vantage: `trust: [public, "Secret:cert-manager/lan-ca"]`.

It is no fault from a vantage that trusts the CA.  A certificate whose issuer the manifests do not show is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Row
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _certificates
from gatewright.graph.sight import Sight
from gatewright.trace.trust import KINDS

ID = "certificate-untrusted"


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name for which a vantage meets a certificate of an authority that it does not know."""
    for met in _certificates.untrusted(sight, row):
        issued = KINDS.get(met.shown.issued, "another authority") if met.shown is not None else ""
        yield Finding(
            ID,
            Severity.ERROR,
            f"{met.label} is of {issued}, which these clients do not trust",
            "browsers warn, and programs refuse the connection",
            "have a public authority issue it, or give these clients the CA and name it in the Vantage's trust",
            met.origins,
            (met.vantage,),
            (row.host,),
        )


RULE = Rule(ID, "a certificate of an unknown authority", Severity.ERROR, Scope.NAME, __doc__, check)
