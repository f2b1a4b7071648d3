"""What a certificate chain and its private key say about themselves, and what is wrong with them.

Pure: bytes and a time in, facts out; a broken pair gives faults, never an exception.  Whether anything
needs the pair is the graph's business; making pairs is that of `engines.certificates`.  Private key material
is looked at and forgotten: nothing here keeps or prints it.
"""

from __future__ import annotations

import enum
import itertools
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct

from gatewright.base import hostnames

# What the parsers raise for bytes that are not what they claim to be.
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_SMALLEST_RSA = 2048


class Fault(enum.StrEnum):
    """One thing that is wrong with a pair, in words for the user."""

    EMPTY_CERTIFICATE = "the certificate is empty"
    EMPTY_KEY = "the private key is empty"
    UNPARSABLE_CERTIFICATE = "the certificate is not readable PEM"
    UNPARSABLE_KEY = "the private key is not readable PEM"
    ENCRYPTED_KEY = "the private key is encrypted"
    UNSUPPORTED_KEY = "the key is neither RSA, Ed25519 nor ECDSA on P-256, P-384 or P-521"
    WEAK_KEY = "the RSA key is shorter than 2048 bits"
    MISMATCHED_KEY = "the private key does not belong to the certificate"
    EXPIRED = "the certificate has expired"
    NOT_YET_VALID = "the certificate is not valid yet"
    CHAIN_ORDER = "the chain is out of order: each certificate must be issued by the one after it"
    NO_NAMES = "the certificate has no subject alternative names"


# A server can present a pair with these faults (clients may refuse it); it cannot load one with any other.
_PRESENTABLE = frozenset({Fault.EXPIRED, Fault.NOT_YET_VALID, Fault.CHAIN_ORDER, Fault.NO_NAMES})


class CertificateFacts(Struct, frozen=True):
    """What is known about a pair: the leaf's names and validity, and its faults (empty: all is well).

    `names` are the DNS names of the leaf, lower-case; `addresses` its IP addresses.  `fingerprint` is the
    SHA-256 of the leaf in hexadecimal.  Where the certificate is not readable the validity is None and the
    rest is empty.
    """

    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    not_before: datetime | None = None
    not_after: datetime | None = None
    issuer: str = ""
    fingerprint: str = ""
    faults: tuple[Fault, ...] = ()

    @property
    def presentable(self) -> bool:
        """Can a server start with this pair, whatever clients then think of it?"""
        return _PRESENTABLE.issuperset(self.faults)


def inspect(cert_pem: bytes, key_pem: bytes, now: datetime) -> CertificateFacts:
    """The facts of a pair at the time `now` (which has a time zone)."""
    key, key_faults = _public_half(key_pem)
    if not cert_pem.strip():
        return CertificateFacts(faults=(Fault.EMPTY_CERTIFICATE, *key_faults))
    try:
        chain = x509.load_pem_x509_certificates(cert_pem)
        return _facts(chain, key, key_faults, now)
    except _UNREADABLE:
        return CertificateFacts(faults=(Fault.UNPARSABLE_CERTIFICATE, *key_faults))


def covers(facts: CertificateFacts, hostname: str) -> bool:
    """Would a client that asks for `hostname` (a name, a `*.x`, an IP address) accept the names of the leaf?

    A wildcard stands for exactly one label (RFC 9525, section 6.3), whatever that of a listener stands for.
    """
    wanted = hostname.rstrip(".").lower()
    if wanted in facts.addresses:
        return True
    return any(hostnames.covers(name, wanted, hostnames.Depth.ONE) for name in facts.names if name != hostnames.ANY)


def _facts(
    chain: list[x509.Certificate], key: PublicKeyTypes | None, key_faults: tuple[Fault, ...], now: datetime
) -> CertificateFacts:
    leaf = chain[0]
    names, addresses = _names(leaf)
    own = leaf.public_key()
    faults = [*key_faults, *_key_faults(own)]
    if key is not None and key != own:
        faults.append(Fault.MISMATCHED_KEY)
    if now > leaf.not_valid_after_utc:
        faults.append(Fault.EXPIRED)
    if now < leaf.not_valid_before_utc:
        faults.append(Fault.NOT_YET_VALID)
    if not all(_issued_by(one, other) for one, other in itertools.pairwise(chain)):
        faults.append(Fault.CHAIN_ORDER)
    if not names and not addresses:
        faults.append(Fault.NO_NAMES)
    return CertificateFacts(
        names=names,
        addresses=addresses,
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        issuer=leaf.issuer.rfc4514_string(),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        faults=tuple(faults),
    )


def _public_half(key_pem: bytes) -> tuple[PublicKeyTypes | None, tuple[Fault, ...]]:
    if not key_pem.strip():
        return None, (Fault.EMPTY_KEY,)
    try:
        # Proving the primes of an RSA key takes 30 to 250 ms, too long for thousands of Secrets; the public
        # half suffices here, and the server that signs with the key checks it again.
        key = load_pem_private_key(key_pem, password=None, unsafe_skip_rsa_key_validation=True)
        return key.public_key(), ()
    except TypeError:  # the library's way to say that a password is missing
        return None, (Fault.ENCRYPTED_KEY,)
    except (ValueError, UnsupportedAlgorithm):
        return None, (Fault.UNPARSABLE_KEY,)


def _key_faults(key: PublicKeyTypes) -> tuple[Fault, ...]:
    """Faults of keys that Envoy refuses to load, found here so that they are told with file and line."""
    match key:
        case rsa.RSAPublicKey():
            return (Fault.WEAK_KEY,) if key.key_size < _SMALLEST_RSA else ()
        case ed25519.Ed25519PublicKey():
            return ()
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1() | ec.SECP384R1() | ec.SECP521R1()):
            return ()
        case _:
            return (Fault.UNSUPPORTED_KEY,)


def _names(leaf: x509.Certificate) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return (), ()
    dns = names.get_values_for_type(x509.DNSName)
    addresses = names.get_values_for_type(x509.IPAddress)
    return tuple(name.rstrip(".").lower() for name in dns), tuple(str(address) for address in addresses)


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True
