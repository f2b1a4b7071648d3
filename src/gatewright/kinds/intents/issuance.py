"""Intents of certificates that somebody is to make: issuers, their solvers and accounts, certificates."""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key


class SecretEntry(Struct, frozen=True, gc=False):
    """One entry of a Secret."""

    secret: Key
    entry: str


class Solver(Struct, frozen=True, gc=False):
    """How challenges of some names are met: `type` "dns01" or "http01".

    dns01: `provider` ("cloudflare", "route53", "rfc2136", "acmeDNS", ...), its `settings` under cert-manager's field
    names (nameserver, tsigKeyName, host ...) and `secrets` by field (tsigSecretSecretRef ...); `follow_cname`: the
    challenge name may be a CNAME to where the record is to be put.  http01: `class_name` of its Ingress or `gateways`
    it attaches to.  `names`/`zones`/`labels` limit it (dnsNames, dnsZones, matchLabels); all empty: everything.
    """

    type: str
    origin: Origin
    provider: str = ""
    class_name: str = ""
    gateways: tuple[Key, ...] = ()
    names: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, SecretEntry], ...] = ()
    follow_cname: bool = False


class AcmeSettings(Struct, frozen=True):
    """What an ACME issuer says beside its server and solvers.  `ca_bundle` PEM: whom to trust for the server itself.

    `account`: the Secret of the account key.  `external_key_id` with `external_key`: external account binding
    (RFC 8555, 7.3.4), the entry holds the MAC key in base64url.  `preferred_chain`: the issuer's common name at the top
    of the chain that is wanted.
    """

    email: str = ""
    ca_bundle: bytes = b""
    skip_tls_verify: bool = False
    account: SecretEntry | None = None
    external_key_id: str = ""
    external_key: SecretEntry | None = None
    preferred_chain: str = ""
    profile: str = ""


class IssuerIntent(Struct, frozen=True):
    """Issuer or ClusterIssuer.  `type` "acme" | "ca" | "selfSigned" | "vault" | "other"; `server`: ACME directory."""

    key: Key
    origin: Origin
    type: str
    server: str = ""
    solvers: tuple[Solver, ...] = ()
    ca: Key | None = None
    acme: AcmeSettings = AcmeSettings()


class PrivateKey(Struct, frozen=True, gc=False):
    """What key a certificate is made with: `algorithm` "RSA" | "ECDSA" | "Ed25519", `size` in bits (0: 2048, P-256).

    `rotate`: a new one for every certificate.  `encoding` "PKCS1" | "PKCS8".
    """

    algorithm: str = "RSA"
    size: int = 0
    rotate: bool = True
    encoding: str = "PKCS1"


class CertificateIntent(Struct, frozen=True):
    """cert-manager's Certificate: `secret` will hold it for `names`.

    `duration` and `renew_before` seconds, 0 the default; `renew_percentage` of the lifetime before its end, 0 unset.
    """

    key: Key
    origin: Origin
    secret: Key
    names: tuple[str, ...]
    issuer: Key | None = None
    labels: tuple[tuple[str, str], ...] = ()
    created: str = ""
    common_name: str = ""
    private_key: PrivateKey = PrivateKey()
    duration: float = 0.0
    renew_before: float = 0.0
    renew_percentage: int = 0
    is_ca: bool = False
