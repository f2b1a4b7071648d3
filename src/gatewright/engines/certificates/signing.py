"""Signing certificates with a key that we have: what the private CA and the issuers of Secrets (`local`) share.

Pure.  RFC 5280 says what has to be in which certificate.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from gatewright.engines.certificates.keys import Key

CLOCK_SKEW = timedelta(hours=1)
"""Clients whose clock is behind ours must not see a certificate from the future."""
_LONGEST_COMMON_NAME = 64


class Signer(Struct, frozen=True):
    """Who signs: its name and its key."""

    name: x509.Name
    key: Key


def common_name(text: str) -> x509.Name:
    """A subject of one common name, cut to what fits (ub-common-name); none for ""."""
    name = [x509.NameAttribute(NameOID.COMMON_NAME, text[:_LONGEST_COMMON_NAME])] if text else []
    return x509.Name(name)


def certificate(
    subject: x509.Name, key: Key, names: tuple[str, ...], signer: Signer, validity: tuple[datetime, datetime]
) -> x509.Certificate:
    """A server's certificate for hostnames and addresses.  Without a subject they have to be critical (4.2.1.6)."""
    builder = _builder(subject, key, signer, validity)
    return _signed(
        builder.add_extension(_alternative(names), critical=not subject.rdns)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(encipherment=isinstance(key, rsa.RSAPrivateKey)), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False),
        signer,
    )


def authority(
    subject: x509.Name, key: Key, names: tuple[str, ...], signer: Signer, validity: tuple[datetime, datetime],
    path_length: int | None = None,
) -> x509.Certificate:  # fmt: skip
    """A certificate authority's own certificate."""
    builder = _builder(subject, key, signer, validity)
    if names:
        builder = builder.add_extension(_alternative(names), critical=False)
    return _signed(
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True).add_extension(
            _usage(signs_certificates=True), critical=True
        ),
        signer,
    )


def may_sign(certificate: x509.Certificate) -> bool:
    """Is it an authority's (4.2.1.9)?"""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Does the issuer's key verify it?"""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _builder(
    subject: x509.Name, key: Key, signer: Signer, validity: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    public, above = key.public_key(), signer.key.public_key()
    builder = x509.CertificateBuilder(signer.name, subject, public, x509.random_serial_number(), *validity)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    if public != above:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(above)
        builder = builder.add_extension(identifier, critical=False)
    return builder


def _signed(builder: x509.CertificateBuilder, signer: Signer) -> x509.Certificate:
    algorithm = None if isinstance(signer.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(signer.key, algorithm)


def _alternative(names: tuple[str, ...]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_general(name) for name in names])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool = False, encipherment: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
