"""cert-manager's DNS-01 self check looks into the private view of the zone, where the challenge never appears.

Before cert-manager asks the authority to validate, it looks for the TXT record itself: it asks the resolver of its
own pods for the zone's SOA and NS, and then these servers.  With split DNS that resolver answers from the private
zone, which does not have the record that was just written to the public one.  The challenge stays pending ("DNS
record for ... not yet propagated") for ever; the record at the provider is right all along.

    kind: Zone
    spec: {domain: example.com, view: internal}          # served by the resolver of the cluster
    ---
    kind: ClusterIssuer
    spec:
      acme:
        solvers: [{dns01: {cloudflare: {...}}}]

Tell cert-manager whom to ask: `--dns01-recursive-nameservers=1.1.1.1:53,9.9.9.9:53` together with
`--dns01-recursive-nameservers-only` (Helm: `dns01RecursiveNameservers` and `dns01RecursiveNameserversOnly`, in older
charts `extraArgs`).  The second flag alone keeps asking the cluster's resolver.  Or forward
`_acme-challenge` names to the public DNS.

It is no fault where the solver writes into the private zone's own server (rfc2136 to both views), nor for an
authority of the house.  Where cert-manager is not among the input, this is only a hint.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _acme, _names
from gatewright.graph.names import resolvers, servers, zones
from gatewright.graph.names.nodes import Resolution, Status
from gatewright.graph.names.servers import ServerKind
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.issuance import CertificateIntent, Solver
from gatewright.kinds.intents.naming import ZoneIntent

ID = "dns01-private-view"
CHALLENGE = "_acme-challenge."
SETTLED = frozenset({Status.ANSWER, Status.NODATA, Status.NXDOMAIN})


def check(sight: Sight, certificate: CertificateIntent) -> Iterable[Finding]:
    """A certificate whose challenges cert-manager looks for where they are not."""
    issuer = _acme.issuer_of(sight, certificate)
    if issuer is None or not any(solver.type == "dns01" for solver in issuer.solvers):
        return
    manager = sight.ask(_acme.controller)
    if manager.own_dns or not _acme.is_public(sight, issuer):
        return
    refs = _acme.asked(sight)
    for name in _acme.names_of(certificate):
        solver = _acme.solver_for(issuer, certificate, name)
        if solver is None or solver.type != "dns01":
            continue
        for item in resolvers.resolutions(sight, refs, CHALLENGE + name.removeprefix("*."), "TXT", None):
            told = _private(sight, item, solver)
            if told is not None:
                view, origin = told
                yield Finding(
                    ID,
                    Severity.ERROR if manager.origin is not None else Severity.INFO,
                    f"cert-manager asks {item.asked[0]} whether challenges have appeared, which answers from {view}",
                    "challenges stay pending, and certificates are neither made nor renewed"
                    + ("" if manager.origin is not None else ", unless cert-manager is told to ask elsewhere"),
                    f"start cert-manager with {_acme.NAMESERVERS}=1.1.1.1:53,9.9.9.9:53 and {_acme.ONLY}",
                    _names.places(manager.origin, origin, solver.origin),
                    hosts=(name,),
                )


def _private(sight: Sight, item: Resolution, solver: Solver) -> tuple[str, Origin] | None:
    """The private view that answered, and where it is written; None for any other answer."""
    if item.status not in SETTLED or not item.asked:
        return None
    if item.zone is not None:
        zone = sight.get(item.zone, ZoneIntent)
        if zone is None or zone.view == zones.PUBLIC_VIEW or zone.provider == solver.provider.lower():
            return None
        return f"{zone.key}, the private view {zone.view}", zone.origin
    server = sight.ask(servers.server, item.asked[-1])
    if server.kind is not ServerKind.LISTED or item.status is Status.ANSWER:
        return None
    domain = item.canonical
    while domain:
        names = server.gateway_names.get(domain)
        if names is not None:
            return f"{server.label}, which has the say for {domain} and knows routes only", names.origin
        if domain in server.domains and server.origin is not None:
            return f"{server.label}, which has the say for {domain}", server.origin
        domain = domain.partition(".")[2]
    return None


RULE = Rule(
    ID, "DNS-01 self check in the private view", Severity.ERROR, Scope.OBJECT, __doc__, check, (CertificateIntent,)
)
