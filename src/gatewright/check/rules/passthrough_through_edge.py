"""A door passes TLS through, but clients come through a CDN's edge, which ends TLS itself.

A proxied record, or an HTTP rule of a tunnel, puts the CDN between client and backend: it shows its own certificate,
reads the request and opens a connection of its own.  Whatever the passthrough was for is gone: the backend sees neither
the client's certificate (kubectl with a kubeconfig, agents with mTLS) nor a protocol other than HTTP, and clients that
pin the backend's CA refuse the CDN's certificate.

    kind: TLSRoute                                                  # passed through to an API server
    spec: {hostnames: [api.example.com]}
    ---
    kind: Zone
    spec: {provider: cloudflare, records: [{name: api, values: [203.0.113.9], proxied: true}]}

Do not proxy the record ("DNS only"), or carry TCP: a VPN, a `tcp://` rule with `cloudflared access` at the client, or
Spectrum.

It is no fault from places whose resolver answers with the door's own address, nor where another door ends TLS for the
same name.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Row, serving
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _certificates, _names
from gatewright.graph.nodes import Family
from gatewright.graph.sight import Sight

ID = "passthrough-through-edge"


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A passed-through name that some vantage reaches through an edge only."""
    hosts = serving(sight, row.host)
    passed = [host for host in hosts if host.key.family is Family.PASSTHROUGH]
    if not passed or any(host.key.family in _certificates.TERMINATING for host in hosts):
        return
    for vantage, edge in _certificates.only_edges(sight, row):
        if edge.tunnel and not _certificates.speaks_http(sight, edge, row):
            continue
        gateways = sorted({host.key.gateway for host in passed})
        verb = "pass" if len(gateways) > 1 else "passes"
        what = f"{_names.edge_name(edge.provider)}{' of a tunnel' if edge.tunnel else ''}"
        yield Finding(
            ID,
            Severity.WARNING,
            f"{_names.listing(gateways)} {verb} TLS through to the backend, but the record leads to {what}, "
            "which ends TLS itself",
            "the backend never meets the client's TLS: client certificates are lost, and only HTTP gets through",
            "do not proxy the record, or carry TCP to the door",
            _names.places(edge.origin, *(host.origin for host in passed)),
            (vantage,) if vantage else (),
            (row.host,),
        )


RULE = Rule(ID, "passthrough behind an edge that ends TLS", Severity.WARNING, Scope.NAME, __doc__, check)
