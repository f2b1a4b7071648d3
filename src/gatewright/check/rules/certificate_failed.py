"""An issuer has not given a certificate that was asked of it.

`gatewright run` says this of certificates that it gets itself; the sentence is the issuer's own where it gave one.
What was in use stays in use, and where there was nothing a certificate of the private CA is served, which clients do
not trust by themselves.  `gatewright status` shows when it is tried next; the pauses grow from a minute to a day, and
an authority's own wish (`Retry-After`) is respected.

    CERTIFICATE   STATE   NAMES            ISSUER                 ENDS        NEXT ATTEMPT
    shop/web-tls  failed  app.example.com  Issuer shop/le         2026-12-01  2026-11-21 10:05

Usual reasons: the authority cannot see the challenge (the TXT record is in a private view only, port 80 does not lead
here), its limits are used up, the solver's token may not write the zone, or the Secret of a CA issuer is not among the
manifests.  SIGHUP tries again at once.

It is no fault on a machine where issuers are only tried out: there the private CA is enough.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "certificate-failed",
    "an issuer that has not given a certificate",
    Severity.ERROR,
    Scope.PROBLEM,
    __doc__,
    lifts=("certificate-failed",),
    consequence="clients meet an old certificate, or one of the private CA",
    fix="mend what the sentence names, then send SIGHUP to the run",
)
