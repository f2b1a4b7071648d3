"""Certificate signing requests, and what a certificate is called when it is renewed.

Pure: no network, no files.  Counterpart: `orders`.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Sequence

from acme import messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import NameOID

from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates.obtaining import IssueError

# ub-common-name of RFC 5280, appendix A.
_LONGEST_COMMON_NAME = 64


def is_address(name: str) -> bool:
    """An IP address, not a hostname?"""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def identifiers(names: Sequence[str]) -> list[messages.Identifier]:
    """What an order asks for (RFC 8555, 7.1.3; RFC 8738): each name once, in order."""
    return [
        messages.Identifier(typ=messages.IDENTIFIER_IP if is_address(name) else messages.IDENTIFIER_FQDN, value=name)
        for name in dict.fromkeys(names)
    ]


def signing_request(names: Sequence[str], key: Sensitive) -> x509.CertificateSigningRequest:
    """A request for these names, the first of them also as common name where it fits; IssueError when impossible."""
    try:
        private = serialization.load_pem_private_key(key.reveal(), password=None)
    except (ValueError, TypeError):
        raise IssueError("the private key for the certificate is not PEM", permanent=True) from None
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise IssueError("the private key for the certificate is neither RSA, ECDSA nor Ed25519", permanent=True)
    first = names[0]
    subject = []
    if not is_address(first) and len(first) <= _LONGEST_COMMON_NAME:
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, first)]
    try:
        alternative = x509.SubjectAlternativeName([_general(name) for name in dict.fromkeys(names)])
    except ValueError:
        raise IssueError(f"{', '.join(names)}: a certificate holds names in ASCII only", permanent=True) from None
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name(subject))
        .add_extension(alternative, critical=not subject)
        .sign(private, None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )


def _general(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if is_address(name) else x509.DNSName(name)


def fingerprint(key: PublicKeyTypes | ed448.Ed448PublicKey) -> str:
    """SHA-256 of a public key, in hexadecimal."""
    data = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(data).hexdigest()


def renewal_identity(certificate: x509.Certificate) -> str | None:
    """What an authority calls a certificate that is to be renewed (RFC 9773, 4.1); None without a key identifier."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except (x509.ExtensionNotFound, ValueError):
        return None
    issuer = extension.value.key_identifier
    if issuer is None:
        return None
    serial = certificate.serial_number
    # As in DER: signed, so one bit more than the number needs.
    octets = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (issuer, octets))


def names_of(certificate: x509.Certificate) -> frozenset[str]:
    """The hostnames and addresses that a certificate is for."""
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    hosts = (name.lower() for name in alternative.get_values_for_type(x509.DNSName))
    return frozenset((*hosts, *map(str, alternative.get_values_for_type(x509.IPAddress))))


def top_issuer(chain: bytes) -> str:
    """The common name of who issued the last certificate of a chain (PEM), "" when it has none."""
    certificates = x509.load_pem_x509_certificates(chain)
    found = certificates[-1].issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""
