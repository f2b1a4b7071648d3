"""Accounts at ACME servers (RFC 8555, 7.3): the key, its registration, and what is remembered of it.

One account for each directory and account Secret, or issuer where it names none.  A key that the manifests hold is
used as it is; else one is made and kept in the folder of the accounts:

    <hash>.pem     the account key, 0600; losing it means a new account, nothing worse
    <hash>.json    the account's URL, so that a restart registers nothing

Counterpart: `acme_client`, which signs with the key.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from acme import messages
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.json_util import encode_b64jose
from josepy.jwa import ES256, ES384, ES512, RS256, JWASignature
from josepy.jwk import JWK, JWKEC, JWKRSA

from gatewright.base.errors import EngineError
from gatewright.engines.certificates import keeping
from gatewright.engines.certificates.acme_client import AcmeClient, RefusedError
from gatewright.engines.certificates.obtaining import IssueError
from gatewright.graph.issuing import Issuer

_CURVES = {256: ES256, 384: ES384, 521: ES512}


class Account:
    """The account of an issuer at the directory `server`; its key is loaded or made.

    IssueError when the issuer's Secret holds no usable key, EngineError when the folder cannot be used.
    """

    def __init__(self, folder: Path, server: str, issuer: Issuer) -> None:
        settings = issuer.intent.acme
        owner = settings.account.secret if settings.account else issuer.intent.key
        self.id = hashlib.sha256(f"{server}\n{owner}".encode()).hexdigest()[:32]
        self._issuer = issuer
        self._file = folder / f"{self.id}.json"
        self._is_new = False
        entry = settings.account
        held = issuer.secret(entry.secret, entry.entry) if entry else None
        if held and entry:
            self.key, self.algorithm = _load(held.reveal(), f"{entry.secret}, entry {entry.entry}")
        else:
            self.key, self.algorithm = self._own(folder / f"{self.id}.pem")
        self._thumbprint = encode_b64jose(self.key.thumbprint())

    def _own(self, file: Path) -> tuple[JWK, JWASignature]:
        data = keeping.read(file)
        if data is None:
            made = ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            # Of two processes that get here at once, one is first, and both use its key.
            self._is_new = keeping.write_new(file, made)
            data = keeping.read(file) or made
        try:
            return _load(data, str(file))
        except IssueError as error:
            raise EngineError(f"{error}; remove it to have a new account") from None

    def sign_in(self, client: AcmeClient) -> None:
        """Let `client` use the account: the one remembered, found by its key, or registered now.  IssueError."""
        known = keeping.read_object(self._file)
        url = known.get("url")
        if isinstance(url, str) and url and known.get("key") == self._thumbprint:
            client.account = url
            if known.get("contact") != list(self._contact()):
                client.update_account(messages.UpdateRegistration(contact=self._contact()))
                self._remember(url)
            return
        client.account = ""
        url = self._find(client) or client.new_account(self._registration(client))
        client.account = url
        self._remember(url)

    def forget(self) -> None:
        """The server does not know the account any more."""
        keeping.remove(self._file)

    def _find(self, client: AcmeClient) -> str:
        """The account of a key that is older than us; asked for first since binding credentials may serve only once."""
        if self._is_new:
            return ""
        try:
            return client.new_account(messages.NewRegistration(only_return_existing=True))
        except RefusedError as refused:
            if refused.code != "accountDoesNotExist":
                raise
            return ""

    def _registration(self, client: AcmeClient) -> messages.NewRegistration:
        binding = self._binding(client)
        if binding is None and client.directory().meta.external_account_required:
            raise IssueError(
                f"{self._issuer.intent.key}: {client.url} needs an externalAccountBinding",
                permanent=True,
            )
        return messages.NewRegistration(
            contact=self._contact(), terms_of_service_agreed=True, external_account_binding=binding
        )

    def _binding(self, client: AcmeClient) -> dict[str, object] | None:
        """RFC 8555, 7.3.4: our public key, signed with the MAC key of the CA's customer."""
        settings = self._issuer.intent.acme
        if not settings.external_key_id:
            return None
        entry = settings.external_key
        mac = self._issuer.secret(entry.secret, entry.entry) if entry else None
        where = f"{entry.secret}, entry {entry.entry}" if entry else "externalAccountBinding.keySecretRef"
        if not mac:
            raise IssueError(
                f"{self._issuer.intent.key}: {where} does not hold the external account's key", permanent=True
            )
        try:
            # Authorities hand it out in base64url; some tools save it in the common alphabet and with padding.
            text = mac.reveal().decode("ascii").strip().rstrip("=").translate(str.maketrans("+/", "-_"))
            return messages.ExternalAccountBinding.from_data(
                self.key.public_key(), settings.external_key_id, text, client.directory()
            )
        except (ValueError, TypeError):
            raise IssueError(f"{self._issuer.intent.key}: {where} is not in base64url", permanent=True) from None

    def _contact(self) -> tuple[str, ...]:
        email = self._issuer.intent.acme.email
        return (f"mailto:{email}",) if email else ()

    def _remember(self, url: str) -> None:
        keeping.write_object(self._file, {"url": url, "key": self._thumbprint, "contact": list(self._contact())})


def _load(data: bytes, where: str) -> tuple[JWK, JWASignature]:
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError):
        raise IssueError(f"{where} holds no private key in PEM", permanent=True) from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size in _CURVES:
        return JWKEC(key=key), _CURVES[key.curve.key_size]
    if isinstance(key, rsa.RSAPrivateKey):
        return JWKRSA(key=key), RS256
    raise IssueError(f"{where}: an account key is ECDSA or RSA", permanent=True)
