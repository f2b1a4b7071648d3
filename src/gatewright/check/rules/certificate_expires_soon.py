"""A certificate among the manifests expires within two weeks, and nothing in them renews it.

A certificate that cert-manager makes is renewed when a third of its life is left, so one of 90 days never gets below
30.  A Secret that somebody made by hand ends on its day, for all of its names at once.

    kind: Secret
    type: kubernetes.io/tls
    metadata: {name: shop-tls}                    # tls.crt is valid for ten more days

Replace `tls.crt` and `tls.key` now, or let a cert-manager Certificate make the Secret.

It is no fault where a Certificate makes the Secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from cryptography import x509

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.issuance import CertificateIntent
from gatewright.kinds.intents.material import SecretIntent

ID = "certificate-expires-soon"
TYPE = "kubernetes.io/tls"
SOON = timedelta(days=14)


def check(sight: Sight, secret: SecretIntent) -> Iterable[Finding]:
    """A Secret whose certificate ends soon and that nobody renews."""
    chain = secret.get("tls.crt") if secret.type == TYPE else None
    if not chain:
        return
    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
    except ValueError:
        return  # unusable-certificate says so
    day = leaf.not_valid_after_utc.date()
    if not sight.today() <= day <= sight.today() + SOON:
        return
    if sight.listed("certificates-for", secret.key, CertificateIntent):
        return
    yield Finding(
        ID,
        Severity.WARNING,
        f"the certificate in {secret.key} expires on {day.isoformat()}, and no Certificate renews it",
        "from that day clients refuse it",
        "replace tls.crt and tls.key, or let a cert-manager Certificate make the Secret",
        (secret.origin,),
    )


RULE = Rule(
    ID, "a certificate that expires soon", Severity.WARNING, Scope.OBJECT, __doc__, check, (SecretIntent,)
)  # fmt: skip
