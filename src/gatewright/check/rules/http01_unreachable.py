"""An HTTP-01 challenge that nobody can fetch.

The authority fetches `http://NAME/.well-known/acme-challenge/TOKEN` on port 80 from the internet, over IPv6 first
where the name has an AAAA record, and cert-manager fetches it before that from its own pod (the self check): both
have to get through.  The first fails at a private address, a firewall without port 80 or a name that the public DNS
does not have; the second where the router does not lead connections from inside back to its own public address
(hairpin), or where the gateway insists on PROXY protocol, which only the load balancer outside speaks.  A wildcard
cannot be proved so at all.

    kind: ClusterIssuer
    spec:
      acme:
        solvers: [{http01: {ingress: {ingressClassName: traefik}}}]
    ---
    kind: Certificate
    spec: {dnsNames: [app.home.example.com]}         # 192.168.178.10

Use a DNS-01 solver for names that are not on the internet, and for wildcards; else open port 80 up to the gateway
(a redirect to HTTPS is followed).  For the self check, resolve the name to the gateway's inner address for the
cluster, or let the load balancer speak to it by hostname, so that connections from inside pass it, too.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from gatewright.base import hostnames
from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _acme, _names
from gatewright.graph.names import resolvers, servers
from gatewright.graph.names.nodes import PUBLIC, Resolution, Status
from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Place
from gatewright.graph.nodes import Gateway
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.issuance import CertificateIntent, IssuerIntent, Solver
from gatewright.trace.passages import passage
from gatewright.trace.request import is_address
from gatewright.trace.vantages import INTERNET_PLACE

ID = "http01-unreachable"
PORT = 80
ABSENT = frozenset({Status.NODATA, Status.NXDOMAIN})


class Failure(Struct, frozen=True):
    """Why port 80 of a name cannot be reached, and where that is decided."""

    reason: str
    origins: tuple[Origin, ...]


def check(sight: Sight, certificate: CertificateIntent) -> Iterable[Finding]:
    """A certificate with names that its HTTP-01 solver cannot prove."""
    issuer = _acme.issuer_of(sight, certificate)
    if issuer is None or not any(solver.type == "http01" for solver in issuer.solvers):
        return
    public = _acme.is_public(sight, issuer)
    for name in _acme.names_of(certificate):
        solver = _acme.solver_for(issuer, certificate, name)
        if solver is None and hostnames.is_wildcard(name):
            yield _wildcard(certificate, issuer, name)
        if solver is None or solver.type != "http01":
            continue
        failure = _from(sight, INTERNET_PLACE, (PUBLIC,), name) if public else None
        if failure is not None:
            yield _finding("the authority on the internet", failure, certificate, solver, name)
            continue
        failure = _self_check(sight, name)
        if failure is not None:
            yield _finding("cert-manager's self check", failure, certificate, solver, name)


def _wildcard(certificate: CertificateIntent, issuer: IssuerIntent, name: str) -> Finding:
    return Finding(
        ID,
        Severity.ERROR,
        f"{certificate.key} asks for the wildcard {name}, and {issuer.key} has only HTTP-01 solvers for it",
        "the authority offers DNS-01 alone for wildcards: the certificate is never made",
        f"add a dns01 solver to {issuer.key}, or list the names one by one",
        (certificate.origin.at("spec", "dnsNames"), issuer.origin.at("spec", "acme", "solvers")),
        hosts=(name,),
    )


def _finding(who: str, failure: Failure, certificate: CertificateIntent, solver: Solver, name: str) -> Finding:
    return Finding(
        ID,
        Severity.ERROR,
        f"{who} cannot fetch HTTP-01 challenges: {failure.reason}",
        "the certificate is neither made nor renewed",
        "prove the name by DNS-01, or let port 80 of its address through to the gateway",
        _names.places(solver.origin, *failure.origins) if failure.origins else (solver.origin, certificate.origin),
        hosts=(name,),
    )


def _self_check(sight: Sight, name: str) -> Failure | None:
    cluster = _acme.cluster(sight)
    if not cluster or sight.ask(_acme.controller).own_dns:
        return None
    place = Place("cluster", cluster, namespace=sight.ask(_acme.controller).namespace)
    return _from(sight, place, (sight.ask(servers.cluster_resolver, cluster),), name)


def _from(sight: Sight, place: Place, refs: tuple[str, ...], name: str) -> Failure | None:
    """Why port 80 of a name cannot be reached from a place; None when it can, or nobody knows."""
    found: list[Failure] = []
    absent: list[Resolution] = []
    for kind in ("A", "AAAA"):
        for item in resolvers.resolutions(sight, refs, name, kind, place):
            if item.status in ABSENT:
                absent.append(item)
                continue
            if item.status is not Status.ANSWER:
                return None
            for address in item.addresses:
                failure = _reach(sight, place, item, address)
                if failure is None:
                    return None
                found.append(failure)
    if found:
        reasons = dict.fromkeys(failure.reason for failure in found)
        return Failure("; ".join(reasons), tuple(origin for failure in found for origin in failure.origins))
    if not absent:
        return None
    who = "the public DNS" if absent[0].asked[-1] == PUBLIC else absent[0].asked[-1]
    return Failure(f"{who} has no address for the name", _names.places(absent[0].origin))


def _reach(sight: Sight, place: Place, item: Resolution, address: str) -> Failure | None:
    if not is_address(address):
        return None
    origins = _names.places(item.origin)
    if place == INTERNET_PLACE and cidrs.is_private(address):
        return Failure(f"{address} is a private address", origins)
    found = sight.ask(passage, place, address, PORT, "tcp")
    if not found.way.reached:
        blocked = _names.places(found.way.blocked_by) or origins
        return None if found.way.unknown else Failure(f"no way to {address} port {PORT}: {found.way.reason}", blocked)
    if found.others and not found.gateways:
        return Failure(f"{', '.join(found.others)} at {address} does not listen on port {PORT}", origins)
    gateways = [gateway for id_ in found.gateways if (gateway := sight.gateway(id_)) is not None]
    wanting = [gateway for gateway in gateways if _wants_proxy(gateway, found.way.source)]
    if wanting and len(wanting) == len(gateways) and place.kind == "cluster":
        reason = f"gateway {wanting[0].id} expects PROXY protocol, which nobody inside the cluster speaks"
        return Failure(reason, (wanting[0].origin.at("spec", "settings", "proxyProtocol"),))
    return None


def _wants_proxy(gateway: Gateway, source: str) -> bool:
    """Does a gateway refuse a connection from this address that does not begin with PROXY protocol?

    Traefik does not: it takes the header from those that it trusts and does without.
    """
    if gateway.implementation == "traefik":
        return False
    senders = cidrs.networks(gateway.settings.proxy_protocol_from)
    client = cidrs.address(source)
    return any(not net.prefixlen if client is None else client in net for net in senders)


RULE = Rule(
    ID, "an HTTP-01 challenge that nobody can fetch", Severity.ERROR, Scope.OBJECT, __doc__, check, (CertificateIntent,)
)
