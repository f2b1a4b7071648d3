"""Certificates for the names that clients ask for: the answers to Envoy's requests on demand.

Nothing is pushed: Envoy asks for the Secret named as the SNI of a handshake, and the graph says which
certificate that is.  Pure but for `issue`, by which the caller brings certificates of a private CA.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from msgspec import Struct

from gatewright.base import hostnames
from gatewright.base.sensitive import Sensitive
from gatewright.engines.envoy.bindings import Bindings
from gatewright.engines.envoy.tls import NO_SNI
from gatewright.engines.envoy.wire import serialise
from gatewright.graph import lookup
from gatewright.graph.nodes import Change, Family, Gateway, Graph


class KeyPair(Struct, frozen=True):
    """A chain and its private key, both PEM."""

    chain: bytes
    private_key: Sensitive


Issue = Callable[[Gateway, int, str], KeyPair | None]
"""(gateway, port, hostname of the VirtualHost) -> a certificate from elsewhere, or None."""


def nothing_issued(gateway: Gateway, port: int, hostname: str) -> KeyPair | None:
    """For whoever has no certificates but the graph's."""
    return None


def resolve_secret(graph: Graph, bindings: Bindings, name: str, issue: Issue = nothing_issued) -> bytes | None:
    """The Secret for an SNI as the client wrote it; None: no gateway here serves that name.

    Gateways that share an Envoy share its names.  The first (by id and port) that serves a name decides.
    """
    sni = "" if name == NO_SNI else hostnames.normalize(name)
    if "|" in sni:
        return None
    for gateway, port in terminating(graph, bindings):
        pair = _pair(graph, gateway, port, sni, issue)
        if pair is not None:
            made = secret_pb2.Secret(name=name)
            made.tls_certificate.certificate_chain.inline_bytes = pair.chain
            made.tls_certificate.private_key.inline_bytes = pair.private_key.reveal()
            return serialise(made)
    return None


def terminating(graph: Graph, bindings: Bindings) -> Iterator[tuple[Gateway, int]]:
    """The bound ports at which TLS ends, in a stable order."""
    for key in sorted(bindings.sockets):
        gateway = graph.gateways.get(key.gateway)
        port = next((p for p in gateway.ports if p.number == key.port and not p.udp), None) if gateway else None
        if gateway is not None and port is not None and port.tls and not key.udp:
            yield gateway, key.port


def _pair(graph: Graph, gateway: Gateway, port: int, sni: str, issue: Issue) -> KeyPair | None:
    found = lookup.certificate(graph, gateway, port, sni)
    if found is not None:
        return KeyPair(found.chain, found.private_key)
    for family in (Family.HTTPS, Family.TERMINATED):
        host = lookup.virtual_host(graph, gateway, port, family, sni)
        if host is not None:
            return issue(gateway, port, host.key.hostname)
    return None


def may_have_changed(name: str, change: Change) -> bool:
    """Could a change have given this SNI another certificate?  Cheap, and never wrongly no."""
    if change.certificates or change.gateways:
        return True
    if not change.virtual_hosts:
        return False
    changed = {key.hostname for key in change.virtual_hosts}
    host = hostnames.normalize(name)
    return any(pattern in changed for pattern in hostnames.parents(host, hostnames.Depth.MANY))
