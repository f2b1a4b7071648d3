"""The certificates of a rehearsal: what the described issuers would have made, and whom clients trust.

There are three authorities of the occasion, since clients tell three things apart:

- `public` stands for the authorities that every device trusts: ACME issuers of public directories, and doors whose
  certificate is said to be elsewhere (a cloud's)
- `staging` for their staging directories, which nobody trusts
- `unsaid` for whoever makes what the manifests do not say the issuer of.  The model does not judge these, so that
  every client trusts them; backends and ACME directories that nobody knows show such ones, too.

CA and SelfSigned issuers are asked for real, and key pairs of the manifests are shown as they are.  Where the Secret of
a CA has no key among the manifests, as is usual, a CA is founded for it and given to the model: both sides know it.
Counterparts: `trace.trust`, what the model thinks of certificates; `runtime.certificates`, which asks issuers for real.
"""

from __future__ import annotations

import itertools
import ssl
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.base.origin import made
from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates import keys, signing
from gatewright.engines.certificates.authority import PrivateAuthority
from gatewright.engines.certificates.issued import Issued
from gatewright.engines.certificates.local import local_obtainer
from gatewright.engines.certificates.obtaining import IssueError
from gatewright.graph import issuing, solving
from gatewright.graph.issuing import Issuer, Wanted
from gatewright.graph.nodes import Change
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.kinds.intents.doors import GatewayIntent
from gatewright.kinds.intents.issuance import IssuerIntent, PrivateKey
from gatewright.kinds.intents.material import SecretIntent
from gatewright.pipeline import Model
from gatewright.system import files
from gatewright.trace import trust

PUBLIC: Final = "public"
ACME: Final = "acme"
ROUNDS: Final = 8
"""How many authorities may stand above each other: each is there one round before those that it signs."""

CA_LIFE: Final = timedelta(days=30)
ELLIPTIC: Final = PrivateKey("ECDSA", encoding="PKCS8")
"""All keys are of this kind, whatever is described: RSA keys take a tenth of a second each to make."""


class Certificates:
    """The authorities of one rehearsal, which live in `folder`, and what they and the described issuers have made."""

    def __init__(self, folder: Path) -> None:
        self.public = PrivateAuthority(folder / "public")
        self.staging = PrivateAuthority(folder / "staging")
        self.unsaid = PrivateAuthority(folder / "unsaid")
        self.unsaid_folder = folder / "unsaid"
        """For `servers`, whose backends show certificates of it."""
        self._model = Model()
        self._made: dict[Key, SecretIntent] = {}
        self._doors: dict[Key, list[tuple[tuple[str, ...], Issued]]] = {}
        self._faults: dict[str, str] = {}
        self._public_orders: list[tuple[Wanted, Issuer]] = []
        self._roots = b""
        self._ordered: list[Wanted] = []
        self._ended: dict[Key, tuple[tuple[str, ...], Issued]] = {}

    @property
    def failures(self) -> tuple[str, ...]:
        """What could not be made as described, each in a sentence."""
        return tuple(self._faults.values())

    @property
    def public_orders(self) -> tuple[tuple[Wanted, Issuer], ...]:
        """What `public` was asked for in place of an ACME directory."""
        return tuple(self._public_orders)

    @property
    def secrets(self) -> Mapping[Key, SecretIntent]:
        """The Secrets that were made."""
        return dict(self._made)

    def provide(self, model: Model) -> None:
        """Make what is wanted of issuers and give it to the model (`Model.provide`), the CAs first."""
        self._model = model
        for _ in range(ROUNDS):
            new = self._round(model)
            if not new:
                break
            model.provide(dict(new))
            self._made |= new
        for gateway in model.graph.gateways.values():
            if names := gateway.settings.certificate_names:
                self._doors.setdefault(gateway.key, []).append(((hostnames.ANY,), self.public.issue(names)))

    def replace(self, got: Iterable[tuple[tuple[Wanted, Issuer], Issued | str]], root: bytes) -> Change:
        """Use certificates of another public authority with this root (PEM) from now on, where one was got (else why
        not); what of the graph changes by it."""
        self._roots += root
        files.write(self.unsaid_folder.parent / "roots.pem", self._roots, 0o600)  # for `edging`
        new: dict[Key, SecretIntent] = {}
        for (wanted, _), issued in got:
            if isinstance(issued, str):
                self._faults[wanted.id] = f"the certificate {wanted.id} of {wanted.issuer}: {issued}"
            elif wanted.target.kind == "Secret":
                new[wanted.target] = _secret(wanted.target, issued)
            else:
                self._doors[wanted.target] = [
                    (names, issued if names == wanted.names else old) for names, old in self._doors[wanted.target]
                ]
        self._made |= new
        return self._model.provide(dict(new)).change

    @property
    def ordered(self) -> frozenset[str]:
        """The Secrets for which issuers have made certificates, as namespace/name."""
        return frozenset(f"{wanted.target.namespace}/{wanted.target.name}" for wanted in self._ordered)

    def expire(self, only: str = "") -> Change:
        """Let the certificates that issuers have made for Secrets (`only`: for this one, namespace/name) have ended
        yesterday, until `renew`; what of the graph changes by it."""
        new: dict[Key, Intent | None] = {}
        for wanted in self._ordered:
            issuer = self._model.analysis.answer(issuing.issuer, wanted.issuer)
            meant = only in ("", f"{wanted.target.namespace}/{wanted.target.name}")
            if issuer is not None and meant:
                ended = self._past(wanted, issuer)
                self._ended[wanted.target] = wanted.names, ended
                new[wanted.target] = _secret(wanted.target, ended)
        return self._model.provide(new).change

    def renew(self) -> Change:
        """Have the certificates again that `expire` has taken; what of the graph changes by it."""
        self._ended.clear()
        return self._model.provide(dict(self._made)).change

    def for_door(self, gateway: Key, name: str) -> Issued | None:
        """The certificate of a door's own issuer for a hostname of it, or the one that it is said to have elsewhere.

        Also one that has ended, which gateways of others would go on to show; for names that none is for, too.
        """
        for names, issued in itertools.chain(self._ended.values(), self._doors.get(gateway, ())):
            if any(one == hostnames.ANY or hostnames.matches(one, name, Depth.ONE) for one in names):
                return issued
        shown = self._model.analysis.answer(_for_any_name, gateway)
        return next((self._ended[secret][1] for secret in shown if secret in self._ended), None)

    def trust_for(self, vantage: VantageIntent) -> bytes:
        """The authorities that a Vantage trusts, PEM: `trust` of its description, and those that nobody judges."""
        found = [self.unsaid.ca_file.read_bytes()]
        for one in vantage.trust:
            found.append(self._public() if one == PUBLIC else self._model.analysis.answer(_authority, _key(one)))
        return b"\n".join(pem for pem in found if pem)

    def trust_for_backend(self, ca: bytes) -> bytes:
        """The authorities that a gateway trusts where it verifies a backend with these (PEM; b"": the public ones)."""
        return (ca or self._public()) + b"\n" + self.unsaid.ca_file.read_bytes()

    # --- inside ---------------------------------------------------------------------------------

    def _public(self) -> bytes:
        """Where the manifests hold certificates of others, the real public authorities are among these."""
        own = self.public.ca_file.read_bytes() + self._roots
        system = ssl.get_default_verify_paths().cafile or ""
        if system and self._model.graph.certificates.keys() - self._made.keys():
            return own + Path(system).read_bytes()
        return own

    def _round(self, model: Model) -> dict[Key, SecretIntent]:
        """The Secrets that can be made now and have not been."""
        ask = model.analysis.answer
        targets = ask(issuing.targets)
        new: dict[Key, SecretIntent] = {}
        for target in sorted(targets):
            for wanted in ask(issuing.wanted, target):
                if target in self._made or wanted.present > time.time() or wanted.id in self._faults:
                    continue
                issuer = ask(issuing.issuer, wanted.issuer)
                if issuer is None or issuer.intent.type not in issuing.USABLE:
                    continue
                ca = issuer.intent.ca
                if ca is not None and issuer.fault:
                    if ca not in targets and ca not in self._made:
                        new[ca] = _founded(ca)
                elif self._is_due(wanted):
                    self._obtain(wanted, issuer, new)
        return new

    def _is_due(self, wanted: Wanted) -> bool:
        return wanted.target.kind == "Secret" or all(
            names != wanted.names for names, _ in self._doors.get(wanted.target, ())
        )

    def _obtain(self, wanted: Wanted, issuer: Issuer, new: dict[Key, SecretIntent]) -> None:
        try:
            issued = self._issued(wanted, issuer)
        except (IssueError, ValueError) as error:
            self._faults[wanted.id] = f"the certificate {wanted.id} of {wanted.issuer}: {error}"
            return
        if wanted.target.kind == "Secret":
            new[wanted.target] = _secret(wanted.target, issued)
            if not wanted.is_ca:
                self._ordered.append(wanted)
        else:
            self._doors.setdefault(wanted.target, []).append((wanted.names, issued))

    def _issued(self, wanted: Wanted, issuer: Issuer) -> Issued:
        if issuer.intent.type != ACME:
            return local_obtainer(issuer).obtain(wanted, keys.new(ELLIPTIC))
        directory = self._directory(issuer.intent)
        if directory is self.public:
            self._public_orders.append((wanted, issuer))
        return directory.issue(wanted.names)

    def _past(self, wanted: Wanted, issuer: Issuer) -> Issued:
        """The certificate of a Secret, as it would be had it ended yesterday."""
        secret = self._made[wanted.target]
        chain = x509.load_pem_x509_certificates(secret.get("tls.crt") or b"")
        pair = Sensitive(secret.get("tls.key") or b"")
        key = keys.load(pair)
        assert key is not None, "we made it"
        signer = self._signer(issuer) or signing.Signer(chain[0].subject, key)
        end = datetime.now(UTC) - timedelta(days=1)
        leaf = signing.certificate(chain[0].subject, key, wanted.names, signer, (end - timedelta(days=1), end))
        below = [] if issuer.intent.type == ACME else chain[1:]
        pem = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (leaf, *below))
        return Issued(pem, pair, secret.get("ca.crt") or b"")

    def _signer(self, issuer: Issuer) -> signing.Signer | None:
        """Who signs for an issuer; None where certificates sign themselves."""
        if issuer.intent.type == ACME:
            return self._directory(issuer.intent).signer
        chain, pair = (
            issuer.secret(issuer.intent.ca, entry) if issuer.intent.ca is not None else None
            for entry in ("tls.crt", "tls.key")
        )
        key = keys.load(pair) if pair is not None else None
        if chain is None or key is None:
            return None
        return signing.Signer(x509.load_pem_x509_certificates(chain.reveal())[0].subject, key)

    def _directory(self, issuer: IssuerIntent) -> PrivateAuthority:
        """Who stands for an ACME directory."""
        if not solving.is_public(issuer):
            return self.unsaid if "staging" not in issuer.server else self.staging
        return self.staging if "staging" in issuer.server else self.public


def _founded(secret: Key) -> SecretIntent:
    """A CA of the occasion for a Secret that has none."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = signing.common_name(f"rehearsal of {secret.namespace}/{secret.name}")
    now = datetime.now(UTC)
    certificate = signing.authority(name, key, (), signing.Signer(name, key), (now - signing.CLOCK_SKEW, now + CA_LIFE))
    chain = certificate.public_bytes(serialization.Encoding.PEM)
    return _secret(secret, Issued(chain, Sensitive(keys.pem(key)), chain))


def _secret(key: Key, issued: Issued) -> SecretIntent:
    """As cert-manager would write it."""
    data = [("tls.crt", Sensitive(issued.chain)), ("tls.key", issued.key)]
    if issued.ca:
        data.append(("ca.crt", Sensitive(issued.ca)))
    return SecretIntent(key, made("the rehearsal"), "kubernetes.io/tls", tuple(data))


def _for_any_name(sight: Sight, gateway: Key) -> tuple[Key, ...]:
    """A question: the Secrets whose certificates a gateway shows for names that it has none for."""
    intent = sight.get(gateway, GatewayIntent)
    open_ = [one.tls for one in intent.listeners if one.hostname == hostnames.ANY] if intent is not None else []
    default = sight.ask(trust.default_secret, f"{gateway.namespace}/{gateway.name}")
    return (*(key for tls in open_ if tls is not None for key in tls.certificates), *([default] if default else []))


def _authority(sight: Sight, key: Key) -> bytes:
    """A question: the authority in a Secret or ConfigMap, b"" where there is none that can be read."""
    secret = sight.get(key, SecretIntent)
    pem = (secret.get("ca.crt") or secret.get("tls.crt") or b"") if secret is not None else b""
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError:
        return b""
    return pem


def _key(text: str) -> Key:
    """The Key that a Vantage writes as "kind:namespace/name"."""
    kind, _, rest = text.partition(":")
    namespace, _, name = rest.partition("/")
    return Key(kind, namespace, name)
