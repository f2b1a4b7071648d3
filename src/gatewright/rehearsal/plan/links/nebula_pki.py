"""A Nebula CA and certificates of its hosts, in Nebula's own format (version 1: `cert/cert.proto` of Nebula).

Only what a rehearsal needs: keys are X25519, the CA signs with Ed25519, nothing expires in this century.  Messages of
Protocol Buffers are written by hand, fields in the order of their numbers and without those that are empty, since
Nebula checks signatures against what it would write itself.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

FROM: Final = 1_577_836_800
UNTIL: Final = 4_102_444_800
"""2020 to 2100, in seconds since 1970."""

VARINT, BYTES = 0, 2


class Authority:
    """A CA that lives as long as this object: its key goes nowhere."""

    def __init__(self, name: str) -> None:
        self._key = Ed25519PrivateKey.generate()
        public = self._key.public_key().public_bytes_raw()
        self._certificate = self._signed(_details(name, public, is_ca=True))

    @property
    def certificate(self) -> str:
        """Its own certificate, PEM."""
        return _pem("NEBULA CERTIFICATE", self._certificate)

    def host(self, name: str, address: IPv4Interface, subnets: Iterable[IPv4Network]) -> tuple[str, str]:
        """A host's certificate and private key, PEM.  `subnets`: what else it may speak for (unsafe_routes)."""
        key = X25519PrivateKey.generate()
        issuer = hashlib.sha256(self._certificate).digest()
        public = key.public_key().public_bytes_raw()
        details = _details(name, public, _pairs([address]), _pairs(map(IPv4Interface, subnets)), issuer)
        private = _pem("NEBULA X25519 PRIVATE KEY", key.private_bytes_raw())
        return _pem("NEBULA CERTIFICATE", self._signed(details)), private

    def _signed(self, details: bytes) -> bytes:
        return _field(1, details) + _field(2, self._key.sign(details))


def _details(
    name: str, public: bytes, addresses: bytes = b"", subnets: bytes = b"", issuer: bytes = b"", *, is_ca: bool = False
) -> bytes:
    """RawNebulaCertificateDetails."""
    found = _field(1, name.encode()) + _field(2, addresses) + _field(3, subnets)
    found += _number(5, FROM) + _number(6, UNTIL) + _field(7, public)
    return found + _number(8, int(is_ca)) + _field(9, issuer)


def _pairs(nets: Iterable[IPv4Interface]) -> bytes:
    """Addresses, each followed by its mask."""
    return b"".join(_varint(int(net.ip)) + _varint(int(IPv4Address(net.netmask))) for net in nets)


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | BYTES) + _varint(len(value)) + value if value else b""


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | VARINT) + _varint(value) if value else b""


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _pem(label: str, content: bytes) -> str:
    text = base64.b64encode(content).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])
