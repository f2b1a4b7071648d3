"""A listener or route names a certificate that does not exist, has expired, or does not go with its key.

Controllers then serve a certificate of their own that no client trusts (Traefik: TRAEFIK DEFAULT CERT, ingress-nginx:
Kubernetes Ingress Controller Fake Certificate), or do not open the listener.  Where client certificates are required
and their CA is missing, nothing is served, because nobody could be verified.

    tls: [{hosts: [shop.example.com], secretName: shop-tls}]       # no Secret, and no Certificate that would make it

Create the Secret, or a cert-manager Certificate with this secretName in the same namespace.

It is no fault when cert-manager or an encrypted file makes the Secret elsewhere, which is why a missing one is only
mentioned; an unusable one is there and wrong.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "certificate-missing",
    "a certificate that is not there or cannot be used",
    Severity.WARNING,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "certificate-missing",
        "unusable-certificate",
        "client-ca-missing",
    ),
    consequence="clients get another certificate and warn, or cannot connect at all",
    fix="create the Secret with a certificate and its key, or correct the name",
)
