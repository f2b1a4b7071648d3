"""How HTTPS is spoken to ACME servers: whom to trust, how much is read, how long is waited.

No ACME in here: that is `acme_client`.
"""

from __future__ import annotations

import email.utils
import ssl
import time
from typing import Any

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter

from gatewright.engines.certificates.obtaining import IssueError

_CONNECTIONS = 32
# Chains and directories are some KiB long; nobody makes us read for ever.
_LARGEST = 1 << 20
_CHUNK = 1 << 16
_LONGEST_ANSWER = 60.0
_LONGEST_WAIT = 7 * 86400.0


class Transport(HTTPAdapter):
    """Connections of one issuer, shared by threads.  `bundle` PEM: only these are trusted; b"": the system's.

    IssueError when the bundle cannot be read.
    """

    def __init__(self, bundle: bytes = b"", *, skip_verify: bool = False) -> None:
        self.verify = not skip_verify
        self._context = _context(bundle, skip_verify)
        super().__init__(pool_connections=_CONNECTIONS, pool_maxsize=_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave trust to the context: requests would add its own bundle to it."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send, and read the answer up to a limit.

        IssueError for an address that is not HTTPS, wherever it comes from (RFC 8555, 6.1).
        """
        if not (request.url or "").lower().startswith("https://"):
            raise IssueError(f"{(request.url or '')[:200]!r} is not asked: ACME is spoken over HTTPS only")
        response = super().send(request, *args, **kwargs)
        try:
            response._content = _body(response.raw)
        except requests.exceptions.RequestException:
            response.close()
            raise
        except (urllib3.exceptions.HTTPError, OSError) as error:
            response.close()
            raise requests.exceptions.ConnectionError(error) from error
        response._content_consumed = True  # type: ignore[attr-defined]
        return response


def _body(raw: Any) -> bytes:
    """All of an answer's body.  Neither may it be too long nor come too slowly: attempts of others wait for threads."""
    deadline = time.monotonic() + _LONGEST_ANSWER
    body = bytearray()
    while chunk := raw.read1(_CHUNK, decode_content=True):
        body += chunk
        if len(body) > _LARGEST:
            raise requests.exceptions.ContentDecodingError("the answer is too long")
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout("the answer takes too long")
    return bytes(body)


def _context(bundle: bytes, skip_verify: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=bundle.decode("ascii") if bundle else None)
    except (ValueError, ssl.SSLError):
        raise IssueError("the CA bundle for the ACME server is not PEM", permanent=True) from None
    if skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def retry_after(response: requests.Response, now: float) -> float | None:
    """Seconds to wait, from Retry-After as seconds or as a date (RFC 9110, 10.2.3); None when it says nothing."""
    value = response.headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value[:12]), _LONGEST_WAIT)
    try:
        moment = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(moment - now, 0.0), _LONGEST_WAIT)
