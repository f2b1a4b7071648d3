"""A certificate among the manifests has expired.

Clients refuse it, and controllers put one of their own in its place.  It happens to Secrets that somebody once made by
hand, and to copies of what cert-manager made, which nobody renews in the manifests.

    kind: Secret
    type: kubernetes.io/tls
    metadata: {name: shop-tls}                    # tls.crt was valid until last month

Replace `tls.crt` and `tls.key`, or let a cert-manager Certificate make the Secret and drop it from the manifests.

Where a Certificate makes the Secret it is only mentioned: the one in the cluster is another than this copy, unless the
copy overwrites it.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "certificate-expired",
    "a certificate that has expired",
    Severity.ERROR,
    Scope.PROBLEM,
    __doc__,
    lifts=("certificate-expired",),
    consequence="clients refuse the certificate, or get another one and warn",
    fix="renew the certificate, and see why nobody did",
)
