"""Issuers that need nobody else: a CA in a Secret of the manifests, and what signs itself.

They mean what they mean to cert-manager, so that a chain which begins with a SelfSigned Certificate with `isCA`, whose
Secret an Issuer of type `ca` signs with, comes up by itself.  Counterparts: `authority`, the private CA of listeners
that bring none; `orders`, which asks authorities over ACME.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gatewright.base.keypair import Fault, inspect
from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates import keys, signing
from gatewright.engines.certificates.issued import Issued
from gatewright.engines.certificates.obtaining import IssueError, Obtainer, Window
from gatewright.engines.certificates.signing import Signer
from gatewright.graph.issuing import Issuer, Wanted
from gatewright.kinds.operators.certificatespec import DEFAULT_DURATION

# An authority has no names of a server, and its chain is not for presenting.
_NO_FAULTS = frozenset({Fault.NO_NAMES, Fault.CHAIN_ORDER})


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def local_obtainer(issuer: Issuer, now: Callable[[], datetime] = utc_now) -> Obtainer:
    """Who gets certificates from an issuer of type "ca" or "selfSigned"."""
    return _CaIssuer(issuer, now) if issuer.intent.type == "ca" else _SelfSigned(now)


class _SelfSigned:
    """Each certificate is signed with its own key."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def obtain(self, wanted: Wanted, key: Sensitive) -> Issued:
        """As Obtainer."""
        own = _loaded(key)
        # The issuer must have a name (RFC 5280, 4.1.2.4), and it is the subject.
        subject = signing.common_name(wanted.common_name or next(iter(wanted.names), wanted.id))
        made = _made(wanted, subject, own, Signer(subject, own), (self._now(), None))
        chain = made.public_bytes(serialization.Encoding.PEM)
        return Issued(chain, key, chain)

    def window(self, chain: bytes) -> Window | None:
        """It says nothing."""
        return None


class _CaIssuer:
    """An authority whose certificate and key are in a Secret."""

    def __init__(self, issuer: Issuer, now: Callable[[], datetime]) -> None:
        self._issuer = issuer
        self._now = now

    def obtain(self, wanted: Wanted, key: Sensitive) -> Issued:
        """As Obtainer."""
        now = self._now()
        above, signer = self._signer(now)
        own = above[0]
        if wanted.is_ca and own.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0:
            raise IssueError(f"the CA of {self._issuer.intent.key} may sign no other CA (pathlen 0)", permanent=True)
        subject = signing.common_name(wanted.common_name or (wanted.id if wanted.is_ca else ""))
        made = _made(wanted, subject, _loaded(key), signer, (now, own.not_valid_after_utc))
        chain = [made, *(one for one in above if not _is_root(one))]
        pem = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
        return Issued(pem, key, above[-1].public_bytes(serialization.Encoding.PEM))

    def window(self, chain: bytes) -> Window | None:
        """It says nothing."""
        return None

    def _signer(self, now: datetime) -> tuple[list[x509.Certificate], Signer]:
        """The authority's chain and its key; IssueError when they are of no use."""
        intent = self._issuer.intent
        if intent.ca is None:
            raise IssueError(f"{intent.key} names no Secret with a CA", permanent=True)
        chain, key = (self._issuer.secret(intent.ca, entry) for entry in ("tls.crt", "tls.key"))
        if chain is None or key is None:
            raise IssueError(f"{intent.ca} has no CA (tls.crt and tls.key) yet")
        fault = next(
            (fault for fault in inspect(chain.reveal(), key.reveal(), now).faults if fault not in _NO_FAULTS), None
        )
        if fault is not None:
            raise IssueError(f"{intent.ca} is of no use as a CA: {fault}", permanent=True)
        above = x509.load_pem_x509_certificates(chain.reveal())
        if not signing.may_sign(above[0]):
            raise IssueError(f"{intent.ca} is no CA: its certificate may not sign others (isCA)", permanent=True)
        return above, Signer(above[0].subject, _loaded(key))


def _made(
    wanted: Wanted, subject: x509.Name, key: keys.Key, signer: Signer, validity: tuple[datetime, datetime | None]
) -> x509.Certificate:
    begin, latest = validity
    end = begin + timedelta(seconds=wanted.duration or DEFAULT_DURATION)
    period = (begin - signing.CLOCK_SKEW, min(end, latest) if latest is not None else end)
    try:
        make = signing.authority if wanted.is_ca else signing.certificate
        return make(subject, key, wanted.names, signer, period)
    except ValueError as error:
        raise IssueError(f"no certificate can be made for {', '.join(wanted.names)}: {error}", permanent=True) from None


def _is_root(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer


def _loaded(key: Sensitive) -> keys.Key:
    loaded = keys.load(key)
    if loaded is None:
        raise IssueError("the private key is none of RSA, ECDSA or Ed25519", permanent=True)
    return loaded
