"""TLS as a vantage's client has it: whom it trusts, what it offers, and what it makes of a certificate.

A refused certificate is looked at again by a connection that trusts anybody, so that it can be said what was wrong with
it, in the order in which `trace.trust` looks: names, expiry, issuer.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime

from cryptography import x509

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.rehearsal.asking import Ended
from gatewright.rehearsal.clients.connect import Failure, Line, said
from gatewright.trace.branches import Trust
from gatewright.trace.request import is_address


class Contexts:
    """TLS settings of one vantage's clients, made once each.  `trusted`: authorities, PEM; empty: it trusts nobody."""

    def __init__(self, trusted: bytes) -> None:
        self._trusted = trusted
        self._made: dict[tuple[tuple[str, ...], bool, bool], ssl.SSLContext] = {}

    def context(self, alpn: tuple[str, ...], *, named: bool, verifies: bool) -> ssl.SSLContext:
        """`named`: the certificate has to be for the name that is asked for by SNI."""
        key = (alpn, named, verifies)
        if key not in self._made:
            self._made[key] = self._make(*key)
        return self._made[key]

    def _make(self, alpn: tuple[str, ...], named: bool, verifies: bool) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = named and verifies
        context.verify_mode = ssl.CERT_REQUIRED if verifies else ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if self._trusted:
            context.load_verify_locations(cadata=self._trusted.decode("ascii"))
        return context


async def encrypted(made: socket.socket, context: ssl.SSLContext, sni: str, seconds: float) -> Line | Failure:
    """TLS on a connection, `sni` "" for none; `seconds` for the handshake."""
    try:
        async with asyncio.timeout(seconds):
            return Line(*await asyncio.open_connection(sock=made, ssl=context, server_hostname=sni))
    except ssl.SSLCertVerificationError as error:
        return Failure(Ended.UNTRUSTED, error.verify_message)
    except ssl.SSLError as error:
        return Failure(Ended.TLS_FAILED, f"the TLS handshake fails: {error.reason or error}")
    except TimeoutError:
        return Failure(Ended.SILENT, f"no answer to the TLS handshake in {seconds:g} s")
    except OSError as error:
        return Failure(Ended.TLS_FAILED, f"the connection ends in the TLS handshake: {said(error)}")


def names(line: Line) -> tuple[str, ...]:
    """The names of the certificate that was shown, () in clear."""
    certificate = _shown(line)
    return _names(certificate) if certificate is not None else ()


def distrust(line: Line, name: str) -> Trust:
    """What is wrong with a certificate that was refused, for whoever asked for `name`."""
    certificate = _shown(line)
    if certificate is not None:
        if not covers(_names(certificate), name):
            return Trust.NAME_MISMATCH
        if certificate.not_valid_after_utc < datetime.now(UTC):
            return Trust.EXPIRED
    return Trust.UNTRUSTED


def covers(shown: tuple[str, ...], name: str) -> bool:
    """Is a certificate of these names for this name or address (RFC 9525, clause 6.3)?"""
    if is_address(name):
        return str(ipaddress.ip_address(name.strip("[]"))) in shown
    return any(own == name or hostnames.covers(own, name, Depth.ONE) for own in shown)


def _shown(line: Line) -> x509.Certificate | None:
    octets = line.tls.getpeercert(binary_form=True) if line.tls is not None else None
    return x509.load_der_x509_certificate(octets) if octets else None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    with suppress(x509.ExtensionNotFound):
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        addresses = map(str, found.get_values_for_type(x509.IPAddress))
        return (*map(str.lower, found.get_values_for_type(x509.DNSName)), *addresses)
    return ()
