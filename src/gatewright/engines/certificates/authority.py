"""A private certificate authority that lives in one folder: the certificates of listeners that bring none.

Not an ACME client and no judge of other people's certificates: its counterparts are `base.keypair`, which reads
what this makes, and `local`, for CAs that users bring.  The folder belongs to the authority alone:

    ca.crt              what clients trust (0644)
    ca.key              0600, as everything below
    leaves/<hash>.pem   one file per set of names: certificate, then key, so that both change at once

Issued certificates outlive the process, so that a restart changes nothing for servers and clients.  A file
that cannot be read is told about and left alone: whoever put it there may need it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gatewright.base.errors import EngineError
from gatewright.base.keypair import Fault, inspect
from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates import keys, signing
from gatewright.engines.certificates.issued import Issued
from gatewright.system import files

_CA_LIFE = timedelta(days=3650)
_LEAF_LIFE = timedelta(days=90)
_RENEW_BEFORE = timedelta(days=30)


class _Leaf(NamedTuple):
    issued: Issued
    renew_at: datetime


class _Root(NamedTuple):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PrivateAuthority:
    """Loads the authority of `folder`, or founds it there; raises EngineError where neither is possible."""

    def __init__(self, folder: Path, clock: Callable[[], datetime] = _utc_now) -> None:
        self._leaves = folder / "leaves"
        self._clock = clock
        self._issued: dict[tuple[str, ...], _Leaf] = {}
        self.ca_file = folder / "ca.crt"
        """What clients have to trust."""
        try:
            _private_folder(folder)
            _private_folder(self._leaves)
            with _locked(folder):
                self._root = _load_or_found(self.ca_file, folder / "ca.key", clock())
        except OSError as error:
            raise EngineError(f"the private CA cannot use {folder}: {error.strerror or error}") from error

    def issue(self, names: tuple[str, ...]) -> Issued:
        """A certificate for these host names and IP addresses, in any order; the same one until it is due.

        Takes 0.1 to 0.3 ms the first time, a dictionary look-up later.
        """
        known = self._issued.get(names)
        now = self._clock()
        if known and now < known.renew_at:
            return known.issued
        wanted = _normal(names)
        leaf = self._stored(wanted, now) or self._new(wanted, now)
        self._issued[names] = leaf
        return leaf.issued

    @property
    def signer(self) -> signing.Signer:
        """Who signs, for certificates that are not to be kept."""
        return signing.Signer(self._root.certificate.subject, self._root.key)

    def _file(self, names: tuple[str, ...]) -> Path:
        return self._leaves / f"{hashlib.sha256(' '.join(names).encode()).hexdigest()[:40]}.pem"

    def _stored(self, names: tuple[str, ...], now: datetime) -> _Leaf | None:
        """The certificate of an earlier run, unless it is due or comes from another authority."""
        file = self._file(names)
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EngineError(f"cannot read {file}: {error.strerror}") from error
        if not data:
            return None
        chain, _, key = data.partition(b"-----BEGIN PRIVATE KEY-----")
        key = b"-----BEGIN PRIVATE KEY-----" + key
        facts = inspect(chain, key, now)
        if not facts.presentable or facts.not_after is None or {*facts.names, *facts.addresses} != {*names}:
            fault = facts.faults[0] if facts.faults else "it is for other names"
            raise EngineError(f"{file} is damaged: {fault}; remove it to have it issued again")
        leaf = _Leaf(Issued(chain, Sensitive(key)), _renewal(facts.not_after, self._root))
        if (
            Fault.NOT_YET_VALID in facts.faults
            or now >= leaf.renew_at
            or not signing.signed_by(x509.load_pem_x509_certificate(chain), self._root.certificate)
        ):
            return None
        return leaf

    def _new(self, names: tuple[str, ...], now: datetime) -> _Leaf:
        root = self._root
        if now >= root.certificate.not_valid_after_utc:
            raise EngineError(f"{self.ca_file} has expired: remove its folder and let clients trust the new ca.crt")
        # A key of its own for each certificate: on P-256 it takes 0.01 ms, a tenth of the signature.
        key = ec.generate_private_key(ec.SECP256R1())
        not_after = min(now + _LEAF_LIFE, root.certificate.not_valid_after_utc)
        # No subject: the names are the alternative names.
        certificate = signing.certificate(x509.Name([]), key, names, self.signer, (now - signing.CLOCK_SKEW, not_after))
        issued = Issued(certificate.public_bytes(serialization.Encoding.PEM), Sensitive(keys.pem(key)))
        try:
            files.write(self._file(names), issued.chain + issued.key.reveal(), 0o600)
        except OSError as error:
            raise EngineError(f"cannot write {self._file(names)}: {error.strerror}") from error
        return _Leaf(issued, _renewal(certificate.not_valid_after_utc, root))


def _renewal(not_after: datetime, root: _Root) -> datetime:
    """When to replace a leaf; one that ends with its authority has no better successor to wait for."""
    if not_after >= root.certificate.not_valid_after_utc:
        return not_after
    return not_after - _RENEW_BEFORE


def _normal(names: tuple[str, ...]) -> tuple[str, ...]:
    normal = {name.rstrip(".").lower() for name in names}
    if not normal or "" in normal or "*" in normal:
        raise ValueError(f"a certificate needs real names, not {names}")
    return tuple(sorted(normal))


# -- the root -----------------------------------------------------------------------------------------------


def _load_or_found(cert_file: Path, key_file: Path, now: datetime) -> _Root:
    present = [file.exists() for file in (cert_file, key_file)]
    if not any(present):
        root = _found(now)
        files.write(key_file, keys.pem(root.key), 0o600, durable=True)
        files.write(cert_file, root.certificate.public_bytes(serialization.Encoding.PEM), 0o644, durable=True)
        return root
    if not all(present):
        missing, other = (cert_file, key_file) if present[1] else (key_file, cert_file)
        raise EngineError(f"{missing} is missing: restore it, or remove {other} to found a new private CA")
    return _load(cert_file, key_file, now)


def _load(cert_file: Path, key_file: Path, now: datetime) -> _Root:
    mode = key_file.stat().st_mode & 0o777
    if mode & 0o077:
        raise EngineError(f"{key_file} can be read by others (mode {mode:o}): chmod 600 {key_file}")
    cert_pem, key_pem = cert_file.read_bytes(), key_file.read_bytes()
    faults = [fault for fault in inspect(cert_pem, key_pem, now).faults if fault is not Fault.NO_NAMES]
    if faults:
        file = key_file if faults[0] in (Fault.EMPTY_KEY, Fault.UNPARSABLE_KEY, Fault.ENCRYPTED_KEY) else cert_file
        raise EngineError(f"{file} is not usable for a private CA: {faults[0]}; restore it or remove its folder")
    certificate = x509.load_pem_x509_certificate(cert_pem)
    key = serialization.load_pem_private_key(key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not signing.may_sign(certificate):
        raise EngineError(f"{cert_file} is not a certificate authority with an ECDSA key")
    return _Root(certificate, key)


def _found(now: datetime) -> _Root:
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    # The name differs from founding to founding: clients that trust an old one must not confuse the two.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Gatewright"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Gatewright private CA {serial:x}"[:30]),
        ]
    )
    validity = (now - signing.CLOCK_SKEW, now + _CA_LIFE)
    return _Root(signing.authority(name, key, (), signing.Signer(name, key), validity, path_length=0), key)


# -- files --------------------------------------------------------------------------------------------------


def _private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two processes that start at once must not found two authorities in one folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
