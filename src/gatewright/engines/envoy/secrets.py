"""Certificates for the names that clients ask for: the answers to Envoy's requests on demand.

Nothing is pushed: Envoy asks for the Secret named as the SNI of a handshake, and the graph says which
certificate that is.  Pure but for `issue`, by which the caller brings certificates of a private CA.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from msgspec import Struct

from gatewright.base import hostnames
from gatewright.base.keypair import covers
from gatewright.base.sensitive import Sensitive
from gatewright.engines.envoy import names
from gatewright.engines.envoy.bindings import Bindings
from gatewright.engines.envoy.tls import NO_SNI
from gatewright.engines.envoy.wire import serialise
from gatewright.graph import lookup
from gatewright.graph.nodes import Family, Gateway, Graph, VirtualHost


class KeyPair(Struct, frozen=True):
    """A chain and its private key, both PEM."""

    chain: bytes
    private_key: Sensitive


Issue = Callable[[Gateway, int, str], KeyPair | None]
"""(gateway, port, hostname of the VirtualHost) -> a certificate from elsewhere, or None."""


def nothing_issued(gateway: Gateway, port: int, hostname: str) -> KeyPair | None:
    """For whoever has no certificates but the graph's."""
    return None


def resolve_secret(graph: Graph, bindings: Bindings, name: str, issue: Issue, place: str = "") -> bytes | None:
    """The Secret for an SNI as the client wrote it; None: no gateway here serves that name.

    `place` (see `names.place`) is the port that asks.  Without one it is the port that has the common names; when all
    share them, who serves the name most specifically decides, among equals the first by id and port.
    """
    sni = "" if name == NO_SNI else hostnames.normalize(name)
    if "|" in sni:
        return None
    for gateway, port in _asking(graph, bindings, sni, place):
        pair = _pair(graph, gateway, port, sni, issue)
        if pair is not None:
            made = secret_pb2.Secret(name=name)
            made.tls_certificate.certificate_chain.inline_bytes = pair.chain
            made.tls_certificate.private_key.inline_bytes = pair.private_key.reveal()
            return serialise(made)
    return None


def _asking(graph: Graph, bindings: Bindings, sni: str, place: str) -> list[tuple[Gateway, int]]:
    """The ports whose certificate for `sni` is asked for, the one to be believed first."""
    common = bindings.common_names
    if not place and common is not None:
        place = names.place(common.gateway, common.port)
    if place:
        gateway_id, _, number = place.rpartition("|")
        gateway = graph.gateways.get(gateway_id)
        return [(gateway, int(number))] if gateway is not None else []
    served = [(rank, at) for at in terminating(graph, bindings) if (rank := _specificity(graph, *at, sni)) is not None]
    return [at for _, at in sorted(served, key=lambda pair: pair[0], reverse=True)]


def _specificity(graph: Graph, gateway: Gateway, port: int, sni: str) -> tuple[int, int] | None:
    """How precisely a port's VirtualHosts name this SNI; None: none of them covers it."""
    found = (lookup.virtual_host(graph, gateway, port, family, sni) for family in (Family.HTTPS, Family.TERMINATED))
    return max((hostnames.specificity(host.key.hostname) for host in found if host is not None), default=None)


def terminating(graph: Graph, bindings: Bindings) -> Iterator[tuple[Gateway, int]]:
    """The bound ports at which TLS ends, in a stable order."""
    for key in sorted(bindings.sockets):
        gateway = graph.gateways.get(key.gateway)
        port = next((p for p in gateway.ports if p.number == key.port and not p.udp), None) if gateway else None
        if gateway is not None and port is not None and port.tls and not key.udp:
            yield gateway, key.port


def _pair(graph: Graph, gateway: Gateway, port: int, sni: str, issue: Issue) -> KeyPair | None:
    """The pair for a name that ends here; a default certificate is not for names that nobody serves."""
    hosts = (lookup.virtual_host(graph, gateway, port, family, sni) for family in (Family.HTTPS, Family.TERMINATED))
    host = next((one for one in hosts if one is not None), None)
    if host is None:
        return None
    found = lookup.certificate(graph, gateway, port, sni)
    if _strict(gateway, port, host) and (found is None or not sni or not covers(found.facts, sni)):
        usable = found is None and sni and host.key.hostname != hostnames.ANY
        return issue(gateway, port, host.key.hostname) if usable else None
    return KeyPair(found.chain, found.private_key) if found else issue(gateway, port, host.key.hostname)


def _strict(gateway: Gateway, port: int, host: VirtualHost) -> bool:
    """Are only names served for which there is a certificate, and no default one shown (Traefik's sniStrict)?"""
    if host.tls is not None:
        return host.tls.sni_strict
    return any(one.settings.sni_strict for one in gateway.ports if one.number == port and not one.udp)
