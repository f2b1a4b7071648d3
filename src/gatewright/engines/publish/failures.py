"""What went wrong between us and a provider, in one line without secrets.

Everything that octoDNS, its providers and their clients can throw passes here, because what they throw depends on what
somebody else's server answers.  Counterpart: `settings`, where mistakes of the user are found before anybody is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from gatewright.base.errors import EngineError, GatewrightError

LONGEST = 300
_AUTHENTICATION = (401, 403)
_NOT_FOUND = 404
_TOO_MANY = 429
_AMAZON = {
    "AccessDenied": "the credentials may not do this",
    "ExpiredToken": "the credentials have expired",
    "InvalidClientTokenId": "the credentials are not accepted",
    "SignatureDoesNotMatch": "the credentials are not accepted",
    "Throttling": "too many requests; try again in a while",
    "PriorRequestNotComplete": "an earlier change is still being made; try again in a while",
}


class PublishError(EngineError):
    """A provider could not be asked or told; one line for the user, without secrets."""


@contextmanager
def told(where: str, secrets: Iterable[str] = ()) -> Iterator[None]:
    """Raise whatever is thrown inside as a PublishError that begins with `where` and shows none of the secrets."""
    try:
        yield
    except (GatewrightError, ModuleNotFoundError):  # a library of the `dns` extra: the command line tells of it
        raise
    except Exception as error:
        raise PublishError(f"{where}: {hidden(_words(error), secrets)}") from None


def hidden(text: str, secrets: Iterable[str]) -> str:
    """A text in one line, of bearable length, with every secret blotted out."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "…")
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def _words(error: Exception) -> str:
    """What to tell of an error, by where it comes from."""
    library = type(error).__module__.partition(".")[0]
    if library in ("requests", "urllib3"):
        return _http(error)
    if library in ("botocore", "boto3"):
        return _amazon(error)
    if library in ("octodns_cloudflare", "octodns_bind"):
        return _provider(error)
    if library == "dns":
        return _dns(error)
    if library == "octodns":
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or str(error)
    # Some providers raise a bare Exception with a sentence; anything else came of an answer that nobody foresaw.
    return str(error) if type(error) is Exception else f"unexpected answer ({type(error).__name__}: {error})"


def _http(error: Exception) -> str:
    from requests import exceptions

    if isinstance(error, exceptions.Timeout):
        return "no answer in time"
    if isinstance(error, exceptions.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, exceptions.ConnectionError):
        return "cannot be reached"
    response = error.response if isinstance(error, exceptions.HTTPError) else None
    if response is None:
        return f"unexpected answer ({type(error).__name__})"
    if response.status_code in _AUTHENTICATION:
        return f"the credentials are not accepted (HTTP {response.status_code})"
    if response.status_code == _NOT_FOUND:
        return "there is no such zone (HTTP 404)"
    if response.status_code == _TOO_MANY:
        return "too many requests; try again in a while (HTTP 429)"
    return f"HTTP {response.status_code} {response.text}"


def _amazon(error: Exception) -> str:
    from botocore import exceptions  # type: ignore[import-untyped]

    if isinstance(error, exceptions.ClientError):
        said = error.response.get("Error", {})
        code = str(said.get("Code", ""))
        known = _AMAZON.get(code)
        return f"{known} ({code})" if known else f"{code}: {said.get('Message', '')}"
    if isinstance(error, exceptions.NoCredentialsError):
        return "there are no credentials (environment, profile or role)"
    if isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):
        return "cannot be reached"
    return str(error)


def _provider(error: Exception) -> str:
    name, text = type(error).__name__, str(error)
    if name == "CloudflareAuthenticationError":
        return f"the token is not accepted ({text})"
    if name == "CloudflareRateLimitError":
        return f"too many requests; try again in a while ({text})"
    if name == "Cloudflare5xxError":
        return "the service is unavailable; try again in a while"
    return refusal(text)


def refusal(text: str) -> str:
    """What a name server said to a transfer or an update, and what it may mean."""
    if "REFUSED" in text:
        return f"{text} (the key may not do this, or a record is illegal there: the server's log tells)"
    if "NOTAUTH" in text:
        return f"{text} (the server has no such zone, or does not accept the key)"
    if any(word in text for word in ("BADKEY", "BADSIG", "BADTIME", "key", "signature", "time we used")):
        return f"{text} (the TSIG key is not accepted)"
    return text


def _dns(error: Exception) -> str:
    name = type(error).__name__
    if name == "Timeout":
        return "no answer in time"
    if name.startswith("PeerBad"):
        return f"the TSIG key is not accepted ({name})"
    return str(error) or name
