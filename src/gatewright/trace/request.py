"""A request as a client makes it, and what the gateway's HTTP layer makes of it before any rule is asked."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from msgspec import Struct

from gatewright.base import hostnames
from gatewright.base.errors import UsageError

DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443, "grpc": 80, "grpcs": 443}
ENCRYPTED = frozenset({"https", "wss", "grpcs", "tls"})
STREAMS = frozenset({"tcp", "udp", "tls"})
_JOINED = frozenset(
    {
        *("accept", "accept-encoding", "authorization", "cache-control", "content-type", "grpc-timeout", "origin"),
        *("referer", "te", "user-agent", "via", "x-request-id"),
        *("x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"),
    }
)
"""Headers of which Envoy keeps one value, however many were sent."""


class Request(Struct, frozen=True):
    """What the client sends.

    `host` is the Host header (normalised), `sni` "" when none is sent (and always without TLS).  `headers` have
    lower-case names; several values of one name stay apart, in order.  `target` is path and query as sent.  `client`
    is the peer's address as the gateway sees it.
    """

    url: str
    scheme: str
    host: str
    port: int
    target: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    sni: str = ""
    client: str = "127.0.0.1"

    @property
    def encrypted(self) -> bool:
        """Does the client speak TLS?"""
        return self.scheme in ENCRYPTED

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def is_grpc(self) -> bool:
        """Does the client understand a gRPC status only?"""
        return (self.header("content-type") or "").partition(";")[0].partition("+")[0] == "application/grpc"

    @property
    def alpn(self) -> tuple[str, ...]:
        """The protocols that such a client offers in its handshake."""
        offers = {"https": ("h2", "http/1.1"), "wss": ("http/1.1",), "grpcs": ("h2",)}
        return offers.get(self.scheme, ())

    def header(self, name: str) -> str | None:
        """The values of a header joined by commas; None when absent."""
        found = self.values(name)
        return ",".join(found) if found else None

    def values(self, name: str) -> list[str]:
        """The values of a header one by one, as rules match them."""
        if name == "host":
            return [self.host]
        found = [value for key, value in self.headers if key == name]
        return [",".join(found)] if found and name in _JOINED else found


def request(
    url: str,
    method: str = "GET",
    headers: tuple[str, ...] = (),
    sni: str | None = None,
    client: str = "127.0.0.1",
) -> Request:
    """Read a request from the command line's words.  `sni` None: the URL's host.

    Raises UsageError for a URL, header or address that cannot be sent.
    """
    if "://" not in url:
        url = "http://" + url
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
        ipaddress.ip_address(client)
    except ValueError as error:
        raise UsageError(f"{url}: {error}") from error
    if parts.scheme not in DEFAULT_PORTS and parts.scheme not in STREAMS:
        known = ", ".join(sorted(DEFAULT_PORTS.keys() | STREAMS))
        raise UsageError(f"{url}: unknown scheme {parts.scheme!r} (known: {known})")
    if not parts.hostname or not port:
        raise UsageError(f"{url}: no {'port' if parts.hostname else 'host'} in the URL")
    pairs = tuple(_header(line) for line in headers)
    written = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    host = next((value for name, value in pairs if name == "host"), written)
    encrypted = parts.scheme in ENCRYPTED
    name = (parts.hostname if sni is None else sni) if encrypted else ""
    return Request(
        url=url,
        scheme=parts.scheme,
        host=hostnames.normalize(host),
        port=port,
        target=_target(url),
        method=method.upper(),
        headers=tuple(pair for pair in pairs if pair[0] != "host"),
        sni="" if is_address(name) else hostnames.normalize(name),
        client=client,
    )


def _target(url: str) -> str:
    """Path and query just as written, without the fragment, which clients keep to themselves."""
    rest = url.partition("://")[2].partition("#")[0]
    start = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    return rest[start:] if rest[start : start + 1] == "/" else "/" + rest[start:]


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip() or any(c.isspace() for c in name.strip()):
        raise UsageError(f"header {line!r}: write it as 'Name: value'")
    return name.strip().lower(), value.strip()


def is_address(name: str) -> bool:
    """Is it an IP address?  Clients send no SNI for one (RFC 6066, clause 3)."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
