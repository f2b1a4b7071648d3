"""A wildcard certificate is asked for a name that lies two labels below it.

`*.example.com` covers exactly one label (RFC 9525, section 6.3): app.example.com, but neither a.b.example.com nor
example.com itself.  Routes and DNS wildcards go deeper, so the name resolves and the gateway has a route for it; only
browsers refuse, with a warning that a user cannot click away where HSTS holds.  It happens wherever TLS ends: at the
gateway, at a load balancer with a certificate of ACM, at Cloudflare, whose universal certificate covers the domain and
one label below it and whose edge then does not even finish the handshake.

    kind: Certificate
    spec: {secretName: wild, dnsNames: [example.com, "*.example.com"]}
    ---
    kind: Ingress
    spec: {rules: [{host: sid.labs.example.com}], tls: [{secretName: wild}]}      # needs *.labs.example.com

Add `*.labs.example.com` to the certificate (a DNS-01 challenge), or choose names with one label: sid-labs.example.com.
At Cloudflare order an advanced certificate for the deeper wildcard and name it in the Zone's `edgeCertificates`, or do
not proxy the record.

It is no fault where another certificate of the same gateway covers the name, or where TLS is passed through to a
backend that shows one of its own.  Names that no client asks for there are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Row
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _certificates, _names
from gatewright.graph.sight import Sight

ID = "wildcard-depth"


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name for which clients meet a wildcard that is one label too short."""
    name = _names.asked(row.host)
    for met in _certificates.mismatched(sight, row):
        wildcard = _certificates.too_deep(met.names, name)
        if not wildcard:
            continue
        missing = _certificates.above(row.host)
        if met.zone is not None:
            fix = f"order an edge certificate for {missing} (edgeCertificates of the Zone), or do not proxy the records"
        else:
            fix = f"add {missing} to the certificate, or use names one label below {wildcard[2:]}"
        yield Finding(
            ID,
            Severity.ERROR,
            f"{met.label} is for {_certificates.named(met.names)}: a wildcard covers exactly one label, "
            f"which leaves out {missing}",
            "the TLS handshake fails" if met.zone is not None else "clients refuse the certificate",
            fix,
            met.origins,
            (met.vantage,) if met.vantage else (),
            (row.host,),
        )


RULE = Rule(ID, "a wildcard certificate one label too short", Severity.ERROR, Scope.NAME, __doc__, check)
