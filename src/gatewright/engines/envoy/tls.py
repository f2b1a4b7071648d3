"""How a port ends TLS: versions, ciphers, client certificates, and certificates on demand by SNI."""

from __future__ import annotations

from typing import Final

from envoy.config.core.v3 import base_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, tls_pb2
from msgspec import Struct

from gatewright.engines.envoy.on_demand_secret import certificate_selector
from gatewright.engines.envoy.wire import pack
from gatewright.graph.nodes import TlsSettings

TLS: Final = "envoy.transport_sockets.tls"
NO_SNI: Final = "-"
"""The name under which a connection without SNI asks for its certificate: no hostname."""

_VERSIONS: Final = {
    "1.0": common_pb2.TlsParameters.TLSv1_0,
    "1.1": common_pb2.TlsParameters.TLSv1_1,
    "1.2": common_pb2.TlsParameters.TLSv1_2,
    "1.3": common_pb2.TlsParameters.TLSv1_3,
}
_UNVERIFIED: Final = ("any", "request", "answer", "optional")
"""The modes in which the handshake succeeds with any client certificate, and with none."""
_HTTP_ALPN: Final = ("h2", "http/1.1")
_SUITES_1_3: Final = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
_CIPHERS: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
}
"""IANA's name (TLS_...) to the one that the library behind Envoy has; it knows no others."""


class Termination(Struct, frozen=True):
    """A transport socket, and the ciphers that were asked for in vain.

    `only_newest`: none of them is there, so that TLS 1.3 alone is spoken, which has its own.
    """

    socket: base_pb2.TransportSocket
    unknown_ciphers: tuple[str, ...] = ()
    only_newest: bool = False


def terminate(settings: TlsSettings, *, http: bool, place: str = "") -> Termination:
    """End TLS with the certificate that the resolver has for the SNI; nothing older than TLS 1.2 unless asked.

    `place`: whose names the certificates have (see `on_demand_secret`).
    """
    made = tls_pb2.DownstreamTlsContext(
        # The selector chooses per handshake, so no session may skip it.
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
    )
    common = made.common_tls_context
    common.custom_tls_certificate_selector.CopyFrom(certificate_selector(NO_SNI, place))
    common.alpn_protocols.extend(settings.alpn or (_HTTP_ALPN if http else ()))
    usable, unknown = ciphers(settings.ciphers)
    # An empty list would mean the library's usual ones, which nobody has asked for.
    only_newest = bool(settings.ciphers) and not usable
    parameters = common.tls_params
    lowest, highest = ("1.3", "1.3") if only_newest else (settings.min_version or "1.2", settings.max_version or "1.3")
    parameters.tls_minimum_protocol_version = _VERSIONS.get(lowest, common_pb2.TlsParameters.TLSv1_3)
    parameters.tls_maximum_protocol_version = _VERSIONS.get(highest, common_pb2.TlsParameters.TLSv1_3)
    parameters.cipher_suites.extend(usable)
    _client(made, settings)
    return Termination(base_pb2.TransportSocket(name=TLS, typed_config=pack(made)), unknown, only_newest)


def ciphers(wanted: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The wanted suites under the library's names, and those that it does not have.

    The suites of TLS 1.3 are always on; naming them changes nothing.
    """
    known = frozenset(_CIPHERS.values())
    usable = [_CIPHERS.get(name, name) for name in wanted if name not in _SUITES_1_3]
    unknown = tuple(name for name in usable if name not in known)
    return tuple(dict.fromkeys(name for name in usable if name in known)), unknown


def _client(made: tls_pb2.DownstreamTlsContext, settings: TlsSettings) -> None:
    """Client certificates by `client_mode`: those that nothing refuses in the handshake are judged by routes, or not.

    Without authorities nobody can be verified; whoever requires that has been refused before (see the graph).
    """
    mode = settings.client_mode
    if not mode:
        return
    validation = made.common_tls_context.validation_context
    if settings.client_ca:
        validation.trusted_ca.inline_bytes = settings.client_ca
    if settings.client_depth:
        validation.max_verify_depth.value = settings.client_depth
    if mode in _UNVERIFIED:
        validation.trust_chain_verification = common_pb2.CertificateValidationContext.ACCEPT_UNTRUSTED
    made.require_client_certificate.value = mode == "require"
