"""What a CDN's edge does with a request before it connects to the origin.

Pure: a zone's settings and a request in, a `Leg` or an answer out.  Counterpart: `tunnels`, where the origin is behind
a cloudflared.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.kinds.intents.naming import ZoneIntent
from gatewright.trace.request import Request

PORTS = {
    False: frozenset({80, 8080, 8880, 2052, 2082, 2086, 2095}),
    True: frozenset({443, 2053, 2083, 2087, 2096, 8443}),
}
"""The ports that Cloudflare's edge takes HTTP on, without and with TLS."""

ADDRESSES = {"cloudflare": ("162.158.0.1", "2400:cb00::1")}
"""An address of each family that a provider's edges connect from; firewalls that admit the provider admit these."""

BAD_SSL = 526
"""What Cloudflare answers when it does not trust the origin's certificate."""

REFUSED = 521
"""What Cloudflare answers where nothing listens at the origin's port."""

UNREACHED = 522
UNCONNECTED = 530
"""What Cloudflare answers where no cloudflared of a tunnel is connected (error 1033)."""

UNRESOLVED = 530
"""What Cloudflare answers where the origin's name has no address (error 1016)."""

HANDSHAKE = 525

ENTRANCES = {"cloudflare": {"4": "104.16.0.1", "6": "2606:4700::1"}}
"""An address of each family that a provider answers clients at."""


class Leg(Struct, frozen=True):
    """How the edge connects to the origin.  `verify`: by whom must its certificate be trusted?  "" by nobody."""

    scheme: str
    port: int
    verify: bool
    summary: str


class EdgeAnswer(Struct, frozen=True):
    """What the edge says itself: a redirect, or why it refuses."""

    status: int
    reason: str
    location: str = ""


def entrance(provider: str, family: str) -> str:
    """An address where clients reach a provider, "" unknown."""
    return ENTRANCES.get(provider, {}).get(family, "")


def certificate_names(zone: ZoneIntent) -> tuple[str, ...]:
    """The names on the certificates of the edge: the universal one covers the apex and one label."""
    universal = (zone.domain, f"*.{zone.domain}") if zone.universal_certificate else ()
    return (*universal, *zone.edge_names)


def covered(zone: ZoneIntent, name: str) -> bool:
    """Has the edge a certificate for this name?"""
    return any(hostnames.covers(own, name, Depth.ONE) for own in certificate_names(zone))


def leg(zone: ZoneIntent, provider: str, request: Request) -> Leg | EdgeAnswer:
    """How the edge passes a request on, or what it answers itself."""
    encrypted = request.encrypted
    ports = PORTS[encrypted] if provider == "cloudflare" else frozenset({443 if encrypted else 80})
    if request.scheme in ("tcp", "udp", "tls"):
        return EdgeAnswer(0, f"the edge proxies HTTP only, not {request.scheme}")
    if request.port not in ports:
        return EdgeAnswer(0, f"the edge does not listen on port {request.port} for {request.scheme}")
    mode = zone.ssl_mode
    if not encrypted and zone.always_https:
        return EdgeAnswer(301, "always use HTTPS", f"https://{request.host}{request.target}")
    if encrypted and mode == "off":
        return EdgeAnswer(301, "TLS is off in this zone", f"http://{request.host}{request.target}")
    if not encrypted:
        return Leg("http", request.port, False, f"in the clear, port {request.port}")
    if mode == "flexible":
        return Leg("http", 80, False, "SSL mode flexible: in the clear, port 80")
    verify = mode == "strict"
    how = {"strict": "the certificate is verified", "full": "the certificate is not verified"}.get(mode, "no mode said")
    return Leg("https", request.port, verify, f"SSL mode {mode or 'full'}: TLS to port {request.port}, {how}")
