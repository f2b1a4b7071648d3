"""Finding things in a graph the way a connection does: by port, name and SNI.  Used by `trace` and the engines alike.

Every lookup costs a handful of dictionary look-ups (one per label of the name), never a scan.
"""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.base.keypair import covers
from gatewright.graph.nodes import (
    AskAuth,
    BackendKey,
    Certificate,
    ErrorPage,
    Family,
    Forward,
    Gateway,
    Graph,
    TokenCheck,
    VirtualHost,
    VirtualHostKey,
)
from gatewright.kinds.identity import Key


def virtual_host(graph: Graph, gateway: Gateway, port: int, family: Family, host: str) -> VirtualHost | None:
    """The most specific VirtualHost that covers the normalised `host` ("" without one), or None."""
    for pattern in hostnames.parents(host, gateway.depth) if host else (hostnames.ANY,):
        found = graph.virtual_hosts.get(VirtualHostKey(gateway.id, port, family, pattern))
        if found is not None:
            return found
    return None


def by_sni(graph: Graph, gateway: Gateway, port: int, sni: str) -> VirtualHost | None:
    """What takes a TLS connection: the most specific of the passed through, terminated and HTTPS names.

    A tie goes to passthrough, then to terminated TCP: a name that somebody wanted untouched is never opened.
    """
    best: VirtualHost | None = None
    for family in (Family.PASSTHROUGH, Family.TERMINATED, Family.HTTPS):
        found = virtual_host(graph, gateway, port, family, sni)
        if found is not None and (
            best is None or hostnames.specificity(found.key.hostname) > hostnames.specificity(best.key.hostname)
        ):
            best = found
    return best


def misdirected(host: VirtualHost, sni: str, depth: Depth) -> bool:
    """Must a request for this VirtualHost, on a connection with this SNI ("" without), be answered 421?"""
    scope = host.sni
    if scope is None:
        return False
    if not sni:
        return scope.own != hostnames.ANY
    return not hostnames.matches(scope.own, sni, depth) or any(
        hostnames.matches(other, sni, depth) for other in scope.others
    )


def other_tls(graph: Graph, gateway: Gateway, host: VirtualHost, sni: str) -> bool:
    """Was the connection that a request for this VirtualHost came by, with this SNI, ended by other TLS settings?

    Then the request is answered 421: what its own settings ask for (a client's certificate, say) was never asked.
    """
    if host.key.family is not Family.HTTPS:
        return False
    came_by = virtual_host(graph, gateway, host.key.port, Family.HTTPS, sni)
    return (came_by.tls if came_by is not None else None) != host.tls


def certificate(graph: Graph, gateway: Gateway, port: int, sni: str) -> Certificate | None:
    """The certificate that a terminating port serves for `sni` ("" without one), or None when nothing fits.

    The VirtualHost's own candidates first: one that covers the name, else its first.  Then the gateway's
    pool and default, where the dialect has them.
    """
    for family in (Family.HTTPS, Family.TERMINATED):
        host = virtual_host(graph, gateway, port, family, sni)
        if host is not None:
            chosen = _best(graph, host.certificates, sni)
            if chosen is not None:
                return chosen
    if gateway.pools_certificates and sni:
        for pattern in (sni, "*." + sni.partition(".")[2]):
            for key in graph.certificate_names.get((gateway.id, pattern), ()):
                if key in graph.certificates:
                    return graph.certificates[key]
    return graph.certificates.get(gateway.default_certificate) if gateway.default_certificate else None


def _best(graph: Graph, keys: tuple[Key, ...], sni: str) -> Certificate | None:
    usable = [graph.certificates[k] for k in keys if k in graph.certificates]
    return next((c for c in usable if sni and covers(c.facts, sni)), usable[0] if usable else None)


def upstreams(host: VirtualHost) -> Iterator[BackendKey]:
    """The backends that requests for a VirtualHost, copies of them or questions about them go to, some repeatedly."""
    for entry in host.entries:
        action = entry.rule.action
        if isinstance(action, Forward):
            yield from (share.backend for share in action.backends if share.backend is not None)
            yield from (mirror.backend for mirror in action.mirrors)
        for step in entry.rule.steps:
            match step:
                case AskAuth() | ErrorPage():
                    yield step.backend
                case TokenCheck():
                    yield from (keys[0] for _, keys in step.keys if not isinstance(keys, str))
                case _:
                    pass
