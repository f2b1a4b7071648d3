"""The certificate that clients are shown is for other names.

Browsers and programs compare the name that they asked for with the names on the certificate and go away when none
fits.  It happens when a route names the Secret of another application, when a Certificate's `dnsNames` was not extended
for a new host, and when a name leads to a load balancer or CDN that has certificates only for its old names.

    kind: Certificate
    spec: {secretName: shop-tls, dnsNames: [shop.example.com]}
    ---
    kind: Gateway
    spec:
      listeners: [{name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: shop-tls}]}}]
    ---
    kind: HTTPRoute
    spec: {hostnames: [wiki.example.com]}                    # shop-tls is shown for it

Add the name to the certificate, or refer to one that has it.

It is no fault where another certificate of the gateway covers the name.  A wildcard that is one label too short is
reported as wildcard-depth.  A Secret that is not among the manifests, and that no Certificate makes, is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Row
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _certificates, _names
from gatewright.graph.sight import Sight

ID = "certificate-name-mismatch"


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name for which clients meet a certificate of other names."""
    name = _names.asked(row.host)
    for met in _certificates.mismatched(sight, row):
        if _certificates.too_deep(met.names, name):
            continue
        yield Finding(
            ID,
            Severity.ERROR,
            f"{met.label} is for {_certificates.named(met.names)}, which is not what is asked there",
            "the TLS handshake fails" if met.zone is not None else "clients refuse the certificate",
            "order an edge certificate for these hosts and list it in edgeCertificates, or do not proxy their records"
            if met.zone is not None
            else "add the hosts to the certificate, or refer to one that has them",
            met.origins,
            (met.vantage,) if met.vantage else (),
            (row.host,),
        )


RULE = Rule(ID, "a certificate for other names", Severity.ERROR, Scope.NAME, __doc__, check)
