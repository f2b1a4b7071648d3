"""TXT records by dynamic update (RFC 2136), signed with TSIG (RFC 8945), at a name server of the user's.

Settings as cert-manager's `rfc2136` has them: nameserver, tsigKeyName, tsigAlgorithm, protocol; tsigSecretSecretRef.
Counterpart: `lookup`, which finds the zone and sees whether all of its servers have the record.
"""

from __future__ import annotations

import base64
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from functools import partial

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update

from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates.challenge import Challenge, SolverError
from gatewright.engines.certificates.solvers.callbacks import wait_until
from gatewright.engines.certificates.solvers.lookup import Lookup, Server, absolute

_TTL = 60
_TIMEOUT = 10.0
_WAIT = 120.0
_ALGORITHMS = {
    "HMACMD5": dns.tsig.HMAC_MD5,
    "HMACSHA1": dns.tsig.HMAC_SHA1,
    "HMACSHA256": dns.tsig.HMAC_SHA256,
    "HMACSHA512": dns.tsig.HMAC_SHA512,
}


class Rfc2136:
    """Writes at one name server; SolverError for settings that cannot be."""

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, Sensitive], lookup: Lookup) -> None:
        self._server = _server(settings.get("nameserver", ""))
        self._keyring, self._algorithm = _keyring(settings, secrets.get("tsigSecretSecretRef"))
        self._send = dns.query.udp if settings.get("protocol", "").upper() == "UDP" else dns.query.tcp
        self._lookup = lookup
        self._zones: dict[str, tuple[dns.name.Name, tuple[Server, ...]]] = {}

    def present(self, challenges: Sequence[Challenge]) -> None:
        """Add each value, and wait until every server of the zone that answers at all has it."""
        for challenge in challenges:
            zone, _ = self._zone(challenge.record)
            update = self._update(zone)
            update.add(absolute(challenge.record), _TTL, "TXT", challenge.value)
            self._apply(update, challenge.record)
        for challenge in challenges:
            if not wait_until(partial(self._visible, challenge), _WAIT):
                raise SolverError(f"not all name servers have the TXT record {challenge.record} after {_WAIT:g} s")

    def remove(self, challenges: Sequence[Challenge]) -> None:
        """Delete each value; others at the name stay (RFC 2136, 2.5.4)."""
        for challenge in challenges:
            zone, _ = self._zone(challenge.record)
            update = self._update(zone)
            update.delete(absolute(challenge.record), "TXT", challenge.value)
            self._apply(update, challenge.record)

    def _zone(self, record: str) -> tuple[dns.name.Name, tuple[Server, ...]]:
        if record not in self._zones:
            zone = self._lookup.zone(record, self._server)
            self._zones[record] = zone, self._lookup.servers(zone, self._server)
        return self._zones[record]

    def _visible(self, challenge: Challenge) -> bool:
        _, servers = self._zone(challenge.record)
        seen = self._lookup.values(challenge.record, servers)
        # A secondary that is down hinders nobody; the server that we write to has to answer.
        return challenge.value in (seen[self._server] or ()) and all(
            challenge.value in values for values in seen.values() if values is not None
        )

    def _update(self, zone: dns.name.Name) -> dns.update.UpdateMessage:
        return dns.update.UpdateMessage(zone, keyring=self._keyring, keyalgorithm=self._algorithm)

    def _apply(self, update: dns.update.UpdateMessage, record: str) -> None:
        try:
            answer = self._send(update, self._server.address, timeout=_TIMEOUT, port=self._server.port)
        except dns.tsig.PeerBadTime:
            raise SolverError(f"{self._server} refuses to change {record}: its clock and ours differ") from None
        except (dns.tsig.PeerError, dns.tsig.BadSignature, dns.message.UnknownTSIGKey) as error:
            raise SolverError(
                f"{self._server} refuses to change {record}: {_said(error)}; is it the TSIG key?"
            ) from None
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise SolverError(f"{self._server} cannot be asked to change {record}: {_said(error)}") from None
        if answer.rcode() != dns.rcode.NOERROR:
            raise SolverError(f"{self._server} refuses to change {record}: {dns.rcode.to_text(answer.rcode())}")


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _server(text: str) -> Server:
    """ "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53", "2001:db8::1" or a host name with or without port."""
    host, port = text, "53"
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or "53"
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise SolverError(f"rfc2136: {text!r} is not the address of a name server")
    try:
        return Server(str(ipaddress.ip_address(host)), int(port))
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise SolverError(f"rfc2136: the name server {host} has no address") from None
    return Server(str(found[0][4][0]), int(port))


def _keyring(
    settings: Mapping[str, str], secret: Sensitive | None
) -> tuple[dict[dns.name.Name, dns.tsig.Key] | None, dns.name.Name]:
    written = settings.get("tsigAlgorithm", "") or "HMACMD5"
    algorithm = _ALGORITHMS.get(written.upper().replace("-", ""))
    name = settings.get("tsigKeyName", "")
    if algorithm is None:
        raise SolverError(f"rfc2136: tsigAlgorithm {written} is none of {', '.join(_ALGORITHMS)}")
    if not name and secret is None:
        return None, algorithm
    if not name or secret is None:
        raise SolverError("rfc2136: tsigKeyName and tsigSecretSecretRef are set together")
    try:
        shared = base64.b64decode(secret.reveal().strip(), validate=True)
        key = dns.tsig.Key(dns.name.from_text(name), shared, algorithm)
    except (dns.exception.DNSException, ValueError):
        raise SolverError(f"rfc2136: the secret of the TSIG key {name} is not in base64") from None
    return {key.name: key}, algorithm
