"""What we say to an ACME server (RFC 8555), one method for each request; every failure is an IssueError.

A thin layer over `acme.client`: it shares connections among threads, keeps nonces and asks again when one is refused
or a connection breaks, honours Retry-After, trusts the bundle that the issuer names, and turns problem documents into
a sentence.  It decides nothing: counterparts are `accounts` (who we are) and `orders` (what is asked, and when).
"""

from __future__ import annotations

import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from josepy.errors import DeserializationError
from josepy.errors import Error as JoseError
from josepy.json_util import JSONObjectWithFields, decode_b64jose, field
from josepy.jwa import JWASignature
from josepy.jwk import JWK

from gatewright import __version__
from gatewright.engines.certificates.obtaining import IssueError
from gatewright.engines.certificates.transport import Transport, retry_after

_TIMEOUT = 30
_NONCE_TRIES = 100
_PATIENT_TRIES = 5
_TRIES = 4
_NONCE_LIFE = 300.0
_MOST_NONCES = 64
_MOST_REDIRECTS = 5
# A pause that an overloaded server asks for and that is waited for in place, in seconds; longer ones are reported.
_SHORT = 5.0
_BUSY = frozenset({500, 502, 503, 504})
# Nothing changes these but a change to what is asked for.
_PERMANENT = frozenset(
    {
        "badCSR", "badPublicKey", "externalAccountRequired", "invalidContact", "invalidProfile", "rejectedIdentifier",
        "unsupportedContact", "unsupportedIdentifier", "userActionRequired",
    }
)  # fmt: skip

_Body = TypeVar("_Body", bound=JSONObjectWithFields)
Sleep = Callable[[float], None]


class RefusedError(IssueError):
    """The server's answer is a problem document.  `code`: its type without "urn:ietf:params:acme:error:"."""

    def __init__(self, message: str, code: str, wait: float | None = None) -> None:
        super().__init__(message, wait, permanent=code in _PERMANENT)
        self.code = code


class Chain(NamedTuple):
    """A downloaded chain (PEM) and where its alternatives are."""

    pem: bytes
    alternates: tuple[str, ...]


class NewOrder(messages.NewOrder):
    """newOrder with the certificate that it replaces (RFC 9773, 5), which the library does not know."""

    replaces: str | None = field("replaces", omitempty=True)


def sentence(error: messages.Error) -> str:
    """A problem document in one line, with what it says of single names; anything unprintable is left out."""
    said = str(error.detail or error.title or error.typ)
    parts = [f"{said} ({_code(error)})"]
    for sub in error.subproblems or ():
        name = f"{sub.identifier.value}: " if sub.identifier else ""
        parts.append(f"{name}{sub.detail or sub.title or sub.typ}")
    line = " ".join("; ".join(parts).split())
    return "".join(letter for letter in line if letter.isprintable())[:1000]


def _code(error: messages.Error) -> str:
    return str(error.typ).rpartition(":")[2]


class _Nonces:
    """Nonces to use, newest first: they cost a request each and live for minutes."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, str]] = deque(maxlen=_MOST_NONCES)

    def take(self) -> str | None:
        try:
            since, nonce = self._kept.pop()
        except IndexError:
            return None
        if time.monotonic() - since < _NONCE_LIFE:
            return nonce
        self._kept.clear()
        return None

    def keep(self, response: requests.Response) -> None:
        nonce = response.headers.get("Replay-Nonce", "")
        if nonce:
            self._kept.append((time.monotonic(), nonce))


class _Network(client.ClientNetwork):
    """The library's signing and sending, with our nonces, patience and errors in place of its own."""

    def __init__(self, key: JWK, alg: JWASignature, transport: Transport, sleep: Sleep) -> None:
        super().__init__(
            key=key,
            alg=alg,
            verify_ssl=transport.verify,
            user_agent=f"gatewright/{__version__} acme-python",
            timeout=_TIMEOUT,
        )
        for scheme in ("https://", "http://"):  # a redirect may lead to either
            self.session.mount(scheme, transport)
        self.session.max_redirects = _MOST_REDIRECTS
        self._kept = _Nonces()
        self._sleep = sleep

    def get(self, url: str, content_type: str = client.ClientNetwork.JSON_CONTENT_TYPE, **kwargs: Any) -> Any:
        """A plain GET; IssueError unless it succeeds."""
        return self._patiently("GET", url, dict)

    def post(self, *args: Any, **kwargs: Any) -> Any:
        """A signed POST of `obj` to `url`; IssueError unless it succeeds."""
        url, obj = args
        new_nonce_url = kwargs["new_nonce_url"]
        for attempt in range(_NONCE_TRIES):
            try:
                return self._patiently("POST", url, lambda: self._signed(url, obj, new_nonce_url))
            except RefusedError as refused:
                if refused.code != "badNonce" or attempt == _NONCE_TRIES - 1:
                    raise
                if attempt >= _PATIENT_TRIES:
                    self._sleep(min(0.01 * attempt, 0.5))
        raise AssertionError("unreachable")

    def _signed(self, url: str, obj: Any, new_nonce_url: str) -> dict[str, Any]:
        nonce = self._kept.take()
        if nonce is None:
            self._once("HEAD", new_nonce_url, {})  # which keeps what it gets
            nonce = self._kept.take()
        if nonce is None:
            raise IssueError(f"{_host(url)} gives no nonces")
        try:
            data = self._wrap_in_jws(obj, cast("str", decode_b64jose(nonce)), url)
        except DeserializationError as error:
            raise IssueError(f"{_host(url)} gives nonces that are none") from error
        return {"data": data, "headers": {"Content-Type": self.JOSE_CONTENT_TYPE}}

    def _patiently(self, method: str, url: str, arguments: Callable[[], dict[str, Any]]) -> requests.Response:
        """Repeat what a broken connection or a short overload spoils; every repetition is signed anew."""
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            try:
                return self._once(method, url, arguments())
            except BusyError as busy:
                if last or (busy.retry_after or 0) > _SHORT:
                    raise
                self._sleep(busy.retry_after or 0.05 * 4**attempt)
        raise AssertionError("unreachable")

    def _once(self, method: str, url: str, arguments: dict[str, Any]) -> requests.Response:
        try:
            response = self._send_request(method, url, **arguments)
        except requests.exceptions.RequestException as error:
            innermost = _innermost(error)
            if isinstance(innermost, ssl.SSLCertVerificationError):
                said = f"{innermost.verify_message} (does the issuer need a caBundle?)"
                raise IssueError(f"{_host(url)} cannot be trusted: {said}") from None
            reason = getattr(innermost, "strerror", None) or str(innermost) or type(innermost).__name__
            raise BusyError(f"{_host(url)} cannot be reached: {reason[:200]}") from None
        self._kept.keep(response)
        if response.ok:
            return response
        raise _failure(url, response)


class BusyError(IssueError):
    """The server cannot be reached, or can do nothing at the moment."""


def _failure(url: str, response: requests.Response) -> IssueError:
    wait = retry_after(response, time.time())
    try:
        error = messages.Error.from_json(response.json())
        said, code = sentence(error), _code(error)
    except (ValueError, TypeError, AttributeError, DeserializationError):
        said, code = f"HTTP status {response.status_code}", ""
    message = f"{_host(url)} refused {urlsplit(url).path}: {said}"
    if response.status_code in _BUSY and code != "rateLimited":
        return BusyError(message, wait)
    return RefusedError(
        message, code or ("rateLimited" if response.status_code == 429 else str(response.status_code)), wait
    )


def _innermost(error: BaseException) -> BaseException:
    """The reason itself: the libraries wrap it several times, with addresses of objects in between."""
    while (following := error.__cause__ or error.__context__) is not None:
        error = following
    return error


def _host(url: str) -> str:
    return urlsplit(url).netloc or url


class AcmeClient:
    """One account at one server; shared by threads.  Every method raises IssueError, RefusedError where the server did.

    `url` of the directory; `key` and `algorithm` sign; `account`: the account's URL once it is known.
    """

    def __init__(
        self, url: str, key: JWK, algorithm: JWASignature, transport: Transport, sleep: Sleep = time.sleep
    ) -> None:
        self.url = url
        self.key = key
        self._network = _Network(key, algorithm, transport, sleep)
        self._directory: messages.Directory | None = None
        self._lock = threading.Lock()

    @property
    def account(self) -> str:
        """The account's URL, "" while none is used."""
        used = self._network.account
        return str(used.uri) if used is not None else ""

    @account.setter
    def account(self, url: str) -> None:
        self._network.account = messages.RegistrationResource(uri=url, body=messages.Registration()) if url else None

    def directory(self) -> messages.Directory:
        """What the server offers; asked once."""
        with self._lock:
            if self._directory is None:
                found = _object(self._network.get(self.url))
                if not all(isinstance(found.get(name), str) for name in ("newNonce", "newAccount", "newOrder")):
                    raise IssueError(f"{self.url} is no ACME directory")
                self._directory = _parsed(self.url, messages.Directory.from_json, found)
            return self._directory

    def resource(self, name: str) -> str:
        """The URL of an optional resource of the directory ("renewalInfo"), "" when there is none."""
        return str(getattr(self.directory(), name, "") or "")

    def new_account(self, account: messages.NewRegistration) -> str:
        """Register, or find, the account of our key; its URL."""
        response = self._post(self.directory()["newAccount"], account)
        url = str(response.headers.get("Location", ""))
        if not url:
            raise IssueError(f"{_host(self.url)} names no account")
        return url

    def update_account(self, update: messages.UpdateRegistration) -> None:
        """Change the account that is used."""
        self._post(self.account, update)

    def new_order(self, order: NewOrder) -> tuple[str, messages.Order]:
        """Its URL and what it says."""
        response = self._post(self.directory()["newOrder"], order)
        url = str(response.headers.get("Location", ""))
        if not url:
            raise IssueError(f"{_host(self.url)} names no order")
        return url, _decoded(messages.Order, response)

    def order(self, url: str) -> tuple[messages.Order, float | None]:
        """An order and how many seconds to wait before it is asked for again, None when it does not say."""
        response = self._post(url, None)
        return _decoded(messages.Order, response), retry_after(response, time.time())

    def authorization(self, url: str) -> messages.Authorization:
        """An authorisation."""
        return _decoded(messages.Authorization, self._post(url, None))

    def answer(self, url: str, response: challenges.ChallengeResponse) -> None:
        """Say that a challenge is up."""
        self._post(url, response)

    def finalize(self, url: str, csr: x509.CertificateSigningRequest) -> tuple[messages.Order, float | None]:
        """Hand in the request; as `order`."""
        response = self._post(url, messages.CertificateRequest(csr=csr))
        return _decoded(messages.Order, response), retry_after(response, time.time())

    def certificate(self, url: str) -> Chain:
        """Download a chain."""
        response = self._post(url, None)
        links = requests.utils.parse_header_links(response.headers.get("Link", ""))
        alternates = tuple(str(link["url"]) for link in links if link.get("rel") == "alternate" and "url" in link)
        return Chain(response.content, alternates)

    def renewal_info(self, identity: str) -> tuple[messages.RenewalInfo, float | None]:
        """When the server wants the certificate of this identity renewed (RFC 9773, 4.2), and seconds to the next
        question."""
        response = self._network.get(f"{self.resource('renewalInfo').rstrip('/')}/{identity}")
        return _decoded(messages.RenewalInfo, response), retry_after(response, time.time())

    def _post(self, url: str, body: Any) -> requests.Response:
        response: requests.Response = self._network.post(url, body, new_nonce_url=self.directory()["newNonce"])
        return response


def _object(response: requests.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise IssueError(f"{_host(str(response.url))} answered something that is not a JSON object")
    return found


def _decoded(kind: type[_Body], response: requests.Response) -> _Body:
    made: _Body = _parsed(str(response.url), kind.from_json, _object(response))
    return made


_Made = TypeVar("_Made")


def _parsed(url: str, parse: Callable[[Any], _Made], found: dict[str, Any]) -> _Made:
    try:
        return parse(found)
    except (ValueError, TypeError, AttributeError, KeyError, JoseError, errors.Error) as error:
        raise IssueError(f"{_host(url)} answered something unreadable ({type(error).__name__})") from None
