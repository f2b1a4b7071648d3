"""Certificates from an ACME server: one order from its beginning to the chain (RFC 8555, 7.4).

Here is decided when what is asked; `acme_client` says it, `accounts` is who we are, `solvers` put up challenges,
`limits` spares the authority.  An order that is interrupted is taken up again: its URL is kept in `orders/` until it
ends.  The private key of the certificate is the caller's and never leaves this process.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from acme import messages
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from msgspec import Struct

from gatewright.base.errors import EngineError
from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates import keeping
from gatewright.engines.certificates.accounts import Account
from gatewright.engines.certificates.acme_client import AcmeClient, NewOrder, RefusedError, sentence
from gatewright.engines.certificates.challenge import Challenge, ChallengeSolver, SolverError
from gatewright.engines.certificates.issued import Issued
from gatewright.engines.certificates.limits import Limits, Reservation
from gatewright.engines.certificates.obtaining import IssueError, Window
from gatewright.engines.certificates.request import (
    fingerprint,
    identifiers,
    is_address,
    names_of,
    renewal_identity,
    signing_request,
    top_issuer,
)
from gatewright.engines.certificates.solvers.choose import challenge_type, select
from gatewright.engines.certificates.transport import Transport
from gatewright.graph.issuing import Issuer, Wanted

Solve = Callable[[Wanted, str, str], ChallengeSolver]

# RFC 9773, 4.3.2: when the authority does not say, six hours; never more often than once a minute.
_ASK_AGAIN = 6 * 3600.0
_ASK_SOONEST, _ASK_LATEST = 60.0, 86400.0
_LONGEST_CHAIN = 10
_GONE = frozenset({"malformed", "unauthorized", "404", "410"})


class AcmeOptions(Struct, frozen=True):
    """`server`: a directory in place of the issuer's; `trust_file`: PEM, in place of its caBundle.

    `patience`: how many seconds an order may stay pending or processing before its attempt ends; the next takes it up.
    `tell` hears what went wrong without harm to a certificate.
    """

    server: str = ""
    trust_file: Path | None = None
    patience: float = 180.0
    tell: Callable[[str], None] = lambda _message: None


class AcmeObtainer:
    """Gets certificates from one ACME issuer; methods may run in many threads at once.

    `folder`: the engine's state, of which `accounts/`, `orders/` and `limits/` are ours.
    """

    def __init__(
        self,
        folder: Path,
        issuer: Issuer,
        options: AcmeOptions,
        solve: Solve,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.issuer = issuer
        self.solve = solve
        self.patience = options.patience
        self.clock = clock
        self.sleep = sleep
        self.tell = options.tell
        self.orders = folder / "orders"
        self.server = options.server or issuer.intent.server
        self.limits = Limits(folder / "limits", self.server, clock)
        self._folder = folder
        self._trust_file = options.trust_file
        self._lock = threading.Lock()
        self._session: tuple[AcmeClient, Account] | None = None
        self._replaceable: dict[frozenset[str], str] = {}

    def obtain(self, wanted: Wanted, key: Sensitive) -> Issued:
        """See Obtainer."""
        try:
            client, account = self._signed_in()
            try:
                return _Work(self, client, account, wanted, key).run()
            except RefusedError as refused:
                if refused.code != "accountDoesNotExist":
                    raise
                client, account = self._signed_in(lost=client)
                return _Work(self, client, account, wanted, key).run()
        except (SolverError, EngineError) as error:
            raise IssueError(str(error)) from error

    def window(self, chain: bytes) -> Window | None:
        """See Obtainer; also remembers that an order for the same names would replace this certificate."""
        try:
            certificate = x509.load_pem_x509_certificate(chain)
            identity = renewal_identity(certificate)
            client, _ = self._signed_in()
            # RFC 9773, 4.3: expired certificates are not asked about.
            expired = certificate.not_valid_after_utc.timestamp() <= self.clock()
            if expired or identity is None or not client.resource("renewalInfo"):
                return None
            info, wait = client.renewal_info(identity)
        except (IssueError, EngineError, ValueError):
            return None
        self._replaceable[names_of(certificate)] = identity
        start, end = (getattr(info.suggested_window, side, None) for side in ("start", "end"))
        if start is None or end is None or end < start:
            return None
        ask_again = min(max(_ASK_AGAIN if wait is None else wait, _ASK_SOONEST), _ASK_LATEST)
        return Window(start.timestamp(), end.timestamp(), ask_again)

    def replaced(self, names: frozenset[str]) -> str | None:
        """What the authority calls the certificate that one for these names replaces."""
        return self._replaceable.get(names)

    def forget_replaced(self, names: frozenset[str]) -> None:
        """It was replaced, or cannot be."""
        self._replaceable.pop(names, None)

    def _signed_in(self, lost: AcmeClient | None = None) -> tuple[AcmeClient, Account]:
        """The client with its account; `lost`: one whose account the server has lost, so that another is needed."""
        with self._lock:
            if self._session is not None and self._session[0] is not lost:
                return self._session
            if self.issuer.fault:
                raise IssueError(self.issuer.fault, permanent=True)
            account = Account(self._folder / "accounts", self.server, self.issuer)
            if lost is not None:
                account.forget()
            client = AcmeClient(self.server, account.key, account.algorithm, self._transport(), self.sleep)
            try:
                account.sign_in(client)
            except RefusedError as refused:
                # The account that we remembered is gone, as was noticed when it was to be updated.
                if refused.code != "accountDoesNotExist":
                    raise
                account.forget()
                account.sign_in(client)
            self._session = client, account
            return self._session

    def _transport(self) -> Transport:
        settings = self.issuer.intent.acme
        bundle = settings.ca_bundle
        if self._trust_file is not None:
            found = keeping.read(self._trust_file)
            if found is None:
                raise IssueError(f"{self._trust_file} is missing", permanent=True)
            bundle = found
        return Transport(bundle, skip_verify=settings.skip_tls_verify and not bundle)


class _Work:
    """One attempt at one certificate."""

    def __init__(
        self, owner: AcmeObtainer, client: AcmeClient, account: Account, wanted: Wanted, key: Sensitive
    ) -> None:
        self._owner = owner
        self._client = client
        self._account = account
        self._wanted = wanted
        self._key = key
        self._names = tuple(dict.fromkeys(wanted.names))
        self._csr = signing_request(self._names, key)
        self._fingerprint = fingerprint(self._csr.public_key())
        self._file = owner.orders / f"{hashlib.sha256(wanted.id.encode()).hexdigest()[:32]}.json"
        self._reserved = Reservation()
        self._url = ""

    def run(self) -> Issued:
        """The certificate, or IssueError or SolverError."""
        order = self._resumed() or self._new()
        if order.status == messages.STATUS_PENDING:
            order = self._authorized(order)
        if order.status == messages.STATUS_READY:
            order = self._finalized(order)
        if order.status == messages.STATUS_PROCESSING:
            order = self._awaited(messages.STATUS_PROCESSING, None)
        if order.status != messages.STATUS_VALID or not order.certificate:
            raise self._failed(order)
        issued = self._downloaded(order.certificate)
        keeping.remove(self._file)
        self._owner.forget_replaced(frozenset(self._names))
        return issued

    # -- the order ------------------------------------------------------------------------------------

    def _resumed(self) -> messages.Order | None:
        """The order of an earlier attempt, if it is for the same and goes on."""
        kept = keeping.read_object(self._file)
        mine = {"server": self._owner.server, "account": self._client.account, "names": list(self._names)}
        url = kept.get("url")
        if not isinstance(url, str) or any(kept.get(field) != value for field, value in mine.items()):
            return None
        try:
            order, _ = self._client.order(url)
        except RefusedError as refused:
            if refused.code not in _GONE:
                raise
            return None
        finalized = order.status in (messages.STATUS_PROCESSING, messages.STATUS_VALID)
        if order.status == messages.STATUS_INVALID or (finalized and kept.get("key") != self._fingerprint):
            return None
        self._url = url
        return order

    def _new(self) -> messages.Order:
        names = frozenset(self._names)
        replaces = self._owner.replaced(names)
        self._reserved = self._owner.limits.reserve(self._account.id, self._names, renewal=replaces is not None)
        try:
            self._url, order = self._ordered(replaces)
        except IssueError:
            self._owner.limits.give_back(self._reserved)
            raise
        keeping.write_object(
            self._file,
            {
                "url": self._url,
                "server": self._owner.server,
                "account": self._client.account,
                "names": list(self._names),
                "key": self._fingerprint,
            },
        )
        return order

    def _ordered(self, replaces: str | None) -> tuple[str, messages.Order]:
        asked: dict[str, Any] = {"identifiers": identifiers(self._names)}
        profile = self._owner.issuer.intent.acme.profile
        if profile:
            offered = self._client.directory().meta.profiles or {}
            if profile not in offered:
                said = ", ".join(sorted(offered)) or "none"
                raise IssueError(f"{self._owner.server} has no profile {profile}: it offers {said}", permanent=True)
            asked["profile"] = profile
        if replaces:
            try:
                return self._client.new_order(NewOrder(**asked, replaces=replaces))
            except RefusedError as refused:
                # RFC 9773, 5: it was replaced already, or the authority does not take our word for it.
                if refused.code not in ("alreadyReplaced", *_GONE):
                    raise
                self._owner.forget_replaced(frozenset(self._names))
        return self._client.new_order(NewOrder(**asked))

    def _failed(self, order: messages.Order) -> IssueError:
        """Why an order came to nothing; it is dropped."""
        keeping.remove(self._file)
        self._owner.limits.give_back(self._reserved)
        reasons, failed = [], []
        for url in order.authorizations or ():
            authorization = self._client.authorization(url)
            name, _ = self._proved(authorization)
            for challenge in authorization.challenges or ():
                if challenge.error is not None:
                    kind = getattr(challenge.chall, "typ", "another way")
                    reasons.append(f"{name} by {kind}: {sentence(challenge.error)}")
                    failed.append(name)
        if failed:
            self._owner.limits.failed(self._account.id, failed)
        if not reasons and order.error is not None:
            reasons.append(sentence(order.error))
        return IssueError(
            f"the authority refused the order: {'; '.join(sorted(reasons)) or f'it is {order.status.name}'}"
        )

    # -- authorisations -------------------------------------------------------------------------------

    def _authorized(self, order: messages.Order) -> messages.Order:
        pending = []
        for url in order.authorizations:
            authorization = self._client.authorization(url)
            if authorization.status == messages.STATUS_PENDING:
                pending.append((url, *self._challenge(authorization)))
        with self._presented([(challenge, solver) for _, challenge, solver, _ in pending]):
            for url, _, _, body in pending:
                self._answer(url, body)
            return self._awaited(messages.STATUS_PENDING, None)

    def _answer(self, url: str, body: messages.ChallengeBody) -> None:
        """Say that the challenge of an authorisation is up, unless the authority heard so before."""
        if body.status != messages.STATUS_PENDING:
            return
        try:
            self._client.answer(body.uri, body.response(self._client.key))
        except RefusedError:
            # It did hear so, and its answer did not reach us.
            now = self._client.authorization(url)
            if any(one.uri == body.uri and one.status == messages.STATUS_PENDING for one in now.challenges):
                raise

    def _challenge(
        self, authorization: messages.Authorization
    ) -> tuple[Challenge, ChallengeSolver, messages.ChallengeBody]:
        """What is to be put up for an authorisation, by whom, and what the authority calls it."""
        bare, name = self._proved(authorization)
        offered = {str(body.chall.typ): body for body in authorization.challenges if hasattr(body.chall, "token")}
        labels = self._wanted.labels
        solver = select(self._owner.issuer.intent.solvers, name, labels, offered)
        if solver is None:
            types = ", ".join(sorted(offered)) or "no challenge that we know"
            raise SolverError(
                f"no solver of {self._owner.issuer.intent.key} is for {name} (the authority offers {types})"
            )
        kind = challenge_type(solver)
        body = offered[kind]
        challenge = Challenge(
            type=kind,
            name=bare,
            record=f"_acme-challenge.{bare}",
            token=body.chall.encode("token"),
            value=body.chall.validation(self._client.key),
        )
        return challenge, self._owner.solve(self._wanted, name, kind), body

    def _proved(self, authorization: messages.Authorization) -> tuple[str, str]:
        """The hostname or address that it is for, bare and with "*.": one of this order, as we wrote it.

        IssueError for any other: nobody has us put something up at names of his choice.
        """
        said = str(authorization.identifier.value).lower().removeprefix("*.")
        name = f"*.{said}" if authorization.wildcard else said
        for one in self._names:
            if _alike(one) == _alike(name):
                return one.removeprefix("*."), one
        raise IssueError(f"{self._owner.server} asks for a proof of {name[:100]!r}, which is not in the order")

    @contextlib.contextmanager
    def _presented(self, challenges: list[tuple[Challenge, ChallengeSolver]]) -> Iterator[None]:
        """Challenges are up inside, those of one solver at once, and gone afterwards, whatever happens."""
        groups: dict[int, tuple[ChallengeSolver, list[Challenge]]] = {}
        for challenge, solver in challenges:
            groups.setdefault(id(solver), (solver, []))[1].append(challenge)
        begun = []
        try:
            for solver, group in groups.values():
                begun.append((solver, group))
                solver.present(group)
            yield
        finally:
            for solver, group in begun:
                try:
                    solver.remove(group)
                except SolverError as error:
                    self._owner.tell(f"{self._wanted.id}: a challenge was left behind: {error}")

    # -- the certificate ------------------------------------------------------------------------------

    def _finalized(self, order: messages.Order) -> messages.Order:
        kept = keeping.read_object(self._file)
        if kept.get("key") != self._fingerprint:
            keeping.write_object(self._file, {**kept, "key": self._fingerprint})
        try:
            found, wait = self._client.finalize(order.finalize, self._csr)
        except RefusedError as refused:
            # It was handed in already, and the answer did not reach us.
            if refused.code != "orderNotReady":
                self._give_up_if(refused.permanent)
                raise
            return self._awaited(messages.STATUS_READY, None)
        return self._awaited(found.status, wait) if found.status == messages.STATUS_PROCESSING else found

    def _give_up_if(self, hopeless: bool) -> None:
        if hopeless:
            keeping.remove(self._file)
            self._owner.limits.give_back(self._reserved)

    def _awaited(self, status: messages.Status, wait: float | None) -> messages.Order:
        """The order as soon as it is not `status` any more; IssueError when patience ends before."""
        pause, waited = 0.02, 0.0
        while True:
            step = pause if wait is None else max(wait, 0.02)
            if waited + step > self._owner.patience:
                raise IssueError(f"the order is still {status.name} after {waited:.0f} s; it is taken up again", step)
            self._owner.sleep(step)
            waited += step
            pause = min(pause * 1.6, 5.0)
            order, wait = self._client.order(self._url)
            if order.status != status:
                return order

    def _downloaded(self, url: str) -> Issued:
        chain = self._client.certificate(url)
        pem = self._checked(chain.pem)
        preferred = self._owner.issuer.intent.acme.preferred_chain
        if preferred and top_issuer(pem) != preferred:
            for alternate in chain.alternates:
                other = self._checked(self._client.certificate(alternate).pem)
                if top_issuer(other) == preferred:
                    return Issued(other, self._key)
        return Issued(pem, self._key)

    def _checked(self, pem: bytes) -> bytes:
        """The chain, if it is one for our key and names: its certificates, and nothing that stands between them."""
        try:
            certificates = x509.load_pem_x509_certificates(pem)
        except ValueError:
            raise IssueError(f"{self._owner.server} sent something that is not a certificate chain") from None
        leaf = certificates[0]
        missing = set(map(_alike, self._names)) - set(map(_alike, names_of(leaf)))
        if fingerprint(leaf.public_key()) != self._fingerprint or missing:
            keeping.remove(self._file)
            raise IssueError(f"{self._owner.server} sent a certificate for another key or other names")
        if len(certificates) > _LONGEST_CHAIN:
            raise IssueError(f"{self._owner.server} sent a chain of {len(certificates)} certificates")
        return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def _alike(name: str) -> object:
    """Names that are equal however they are written; 2001:db8::1 may be written in several ways."""
    return ipaddress.ip_address(name) if is_address(name) else name.lower()
