"""Signed messages (RFC 8945): requests verified, answers signed, each message of a transfer chained to the one before.

The arithmetic is dnspython's; here is what a server does about it.  Keys are told by their name, and a key's view is
the one that its holder sees.  Counterpart: `privileged`.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.tsig
from msgspec import Struct

from gatewright.engines.dns.content import KeyConfig, ViewConfig
from gatewright.engines.dns.records import MalformedError, Survey, read_name, reply
from gatewright.engines.dns.wire import TSIG

NOTAUTH: Final = 9
BADSIG, BADKEY, BADTIME, BADTRUNC = 16, 17, 18, 22
FUDGE: Final = 300
"""Seconds that clocks may differ (RFC 8945, 10)."""

_ANY: Final = 255
_ALIASES: Final = {"hmac-md5": dns.tsig.HMAC_MD5}

Tsig = dns.rdtypes.ANY.TSIG.TSIG


class Signer:
    """Signs the answers to one request, in their order; or one request, to verify the answers to it."""

    def __init__(self, key: KeyConfig, request_mac: bytes, clock: Callable[[], float]) -> None:
        self._key = _key(key)
        self._name = key.name
        self._mac = request_mac
        self._context: object = None
        self._clock = clock

    def sign(self, message: bytes, error: int = 0, time: int | None = None) -> bytes:
        """The message with its signature; `time` of a request that came too late or early (RFC 8945, 5.2.3)."""
        now = int(self._clock())
        other = now.to_bytes(6) if error == BADTIME else b""
        blank = _rdata(self._key.algorithm, now if time is None else time, message, error, other)
        rdata, self._context = _sign(message, self._key, blank, self._mac, self._context)
        return _append(message, self._name, rdata)

    @property
    def octets(self) -> int:
        """How much a signature adds to a message."""
        return (
            len(self._name) + 26 + len(self._key.algorithm.to_wire() or b"") + dns.tsig.mac_sizes[self._key.algorithm]
        )


class Verified(Struct, frozen=True):
    """A request whose signature is right: the view of its key, the request without it, who signs the answers."""

    view: ViewConfig
    key: KeyConfig
    message: bytes
    signer: Signer


def verify(
    message: bytes, outline: Survey, views: Iterable[ViewConfig], clock: Callable[[], float]
) -> Verified | bytes:
    """The request verified by a key of these views (the first that fits), or else the answer that says why not.

    Raises MalformedError when the signature cannot be read.
    """
    name, rdata = _read(message, outline.signature)
    bare = _strip(message, outline.signature)
    rejection = reply(message, outline, NOTAUTH)
    keys = [pair for pair in _named(views, name) if _key(pair[1]).algorithm == rdata.algorithm]
    if not keys:
        return _unsigned(rejection, name, rdata, BADKEY)
    if not max(10, _size(keys[0][1]) // 2) <= len(rdata.mac) <= _size(keys[0][1]):  # RFC 8945, 5.2.2.1
        raise MalformedError
    for view, key in keys:
        whole = _sign(bare, _key(key), rdata)[0].mac
        if not hmac.compare_digest(whole[: len(rdata.mac)], rdata.mac):
            continue
        signer = Signer(key, rdata.mac, clock)
        if len(rdata.mac) < len(whole):  # nobody of ours needs truncated ones
            return signer.sign(rejection, BADTRUNC)
        if abs(rdata.time_signed - int(clock())) > rdata.fudge:
            return signer.sign(rejection, BADTIME, rdata.time_signed)
        return Verified(view, key, bare, signer)
    return _unsigned(rejection, name, rdata, BADSIG)


def sign_request(message: bytes, key: KeyConfig, clock: Callable[[], float]) -> tuple[bytes, bytes]:
    """A request signed, and its MAC, which its answer is verified with."""
    signed = Signer(key, b"", clock).sign(message)
    return signed, _read(signed, len(message))[1].mac


def is_answer_to(answer: bytes, at: int, key: KeyConfig, request_mac: bytes, clock: Callable[[], float]) -> bool:
    """Is the answer, whose signature begins at this octet (0: it has none), signed by the key for this request?"""
    if not at:
        return False
    try:
        name, rdata = _read(answer, at)
    except MalformedError:
        return False
    if name != key.name or rdata.algorithm != _key(key).algorithm or rdata.error:
        return False
    mac = _sign(_strip(answer, at), _key(key), rdata, request_mac)[0].mac
    return hmac.compare_digest(mac, rdata.mac) and abs(rdata.time_signed - int(clock())) <= rdata.fudge


def _named(views: Iterable[ViewConfig], name: bytes) -> Iterator[tuple[ViewConfig, KeyConfig]]:
    """The keys of this name; one without a secret would let everybody in."""
    return ((view, key) for view in views for key in view.keys if key.name == name and key.secret)


def _key(key: KeyConfig) -> dns.tsig.Key:
    algorithm = _ALIASES.get(key.algorithm) or dns.name.from_text(key.algorithm)
    return dns.tsig.Key(dns.name.from_wire(key.name, 0)[0], key.secret.reveal(), algorithm)


def _sign(
    message: bytes, key: dns.tsig.Key, rdata: Tsig, request_mac: bytes = b"", context: object = None
) -> tuple[Tsig, object]:
    """The signature, and the context of the message that follows."""
    signed: tuple[Tsig, object] = dns.tsig.sign(  # type: ignore[no-untyped-call]
        message, key, rdata, rdata.time_signed, request_mac, context, multi=True
    )
    return signed


def _size(key: KeyConfig) -> int:
    return dns.tsig.mac_sizes[_key(key).algorithm]


def _read(message: bytes, at: int) -> tuple[bytes, Tsig]:
    name, start = read_name(message, at)
    rclass, ttl, length = struct.unpack_from("!HIH", message, start + 2)
    if rclass != _ANY or ttl:
        raise MalformedError
    try:
        rdata = dns.rdata.from_wire(dns.rdataclass.ANY, dns.rdatatype.TSIG, message, start + 10, length)
    except (dns.exception.DNSException, ValueError, struct.error, IndexError) as error:
        raise MalformedError from error
    if not isinstance(rdata, Tsig):
        raise MalformedError
    return name, rdata


def _strip(message: bytes, at: int) -> bytes:
    return message[:10] + (int.from_bytes(message[10:12]) - 1).to_bytes(2) + message[12:at]


def _rdata(algorithm: dns.name.Name, time: int, message: bytes, error: int, other: bytes = b"") -> Tsig:
    id = int.from_bytes(message[:2])
    return Tsig(  # type: ignore[no-untyped-call]
        dns.rdataclass.ANY, dns.rdatatype.TSIG, algorithm, time, FUDGE, b"", id, error, other
    )


def _unsigned(message: bytes, name: bytes, request: Tsig, error: int) -> bytes:
    """An answer about the key or signature itself bears no signature (RFC 8945, 5.3.2)."""
    return _append(message, name, _rdata(request.algorithm, request.time_signed, message, error))


def _append(message: bytes, name: bytes, rdata: Tsig) -> bytes:
    data = rdata.to_wire() or b""
    record = name + struct.pack("!HHIH", TSIG, _ANY, 0, len(data)) + data
    return message[:10] + (int.from_bytes(message[10:12]) + 1).to_bytes(2) + message[12:] + record
