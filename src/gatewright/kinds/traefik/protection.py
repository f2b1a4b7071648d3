"""Middlewares that decide who may pass: basicAuth, digestAuth, forwardAuth, ipAllowList, passTLSClientCert.

What of them cannot be kept refuses every request: 404 where Traefik cannot build the middleware either, else 503.
Counterparts: `limits`, how much may pass; `middleware`, which knows all types.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, field

from gatewright.kinds import syntax
from gatewright.kinds.decode import Ignored, Report, Schema
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import (
    AllowSources,
    BasicAuth,
    ClientCertificateHeaders,
    Filter,
    ForwardAuth,
    HeaderEdit,
    RequestHeaders,
    Template,
    Variable,
)
from gatewright.kinds.intents.routing import UpstreamTls
from gatewright.kinds.traefik.common import UNAVAILABLE
from gatewright.kinds.traefik.sources import IpStrategy, differs, refuse

MOST_BODY = 1024 * 1024
"""Octets of a request's body that an authentication server gets where Traefik has no limit."""

_CERTIFICATE = "X-Forwarded-Tls-Client-Cert"

# What Traefik tells the authentication server, whatever the client sent under these names.
_TOLD: tuple[tuple[str, Template], ...] = (
    ("X-Forwarded-Method", (Variable.METHOD,)),
    ("X-Forwarded-Proto", (Variable.SCHEME,)),
    ("X-Forwarded-Host", (Variable.HOST,)),
    ("X-Forwarded-Uri", (Variable.URI,)),
    ("X-Forwarded-For", (Variable.CLIENT,)),
)


class Credentials(Schema, frozen=True):
    """basicAuth, and digestAuth, which is never built."""

    secret: str = ""
    realm: str = ""
    remove_header: bool = False
    header_field: str = ""


def basic_auth(value: Credentials, namespace: str, report: Report, *path: str | int) -> tuple[Filter, ...]:
    if not value.secret:
        return refuse(report, "the Secret with the users is missing", *path, "secret")
    if value.header_field and not syntax.is_header_name(value.header_field):
        return refuse(report, "not a header name", *path, "headerField", status=UNAVAILABLE)
    auth = BasicAuth(
        origin=report.origin.at(*path),
        secret=Key("Secret", namespace, value.secret),
        realm=value.realm or "traefik",
        remove_header=value.remove_header,
        user_header=value.header_field,
    )
    return (auth,)


class _AuthTls(Schema, frozen=True):
    ca_secret: str = field(default="", name="caSecret")
    cert_secret: str = field(default="", name="certSecret")
    insecure_skip_verify: bool = False
    ca_optional: Ignored = None  # without effect in Traefik, too


class ForwardAuthSpec(Schema, frozen=True):
    """`header_field` is for Traefik's access log alone."""

    address: str = ""
    trust_forward_header: bool = False
    auth_response_headers: tuple[str, ...] = ()
    auth_response_headers_regex: str = ""
    auth_request_headers: tuple[str, ...] = ()
    tls: _AuthTls | None = None
    max_response_body_size: int | None = None
    add_auth_cookies_to_response: tuple[str, ...] = ()
    header_field: Ignored = None
    forward_body: bool = False
    max_body_size: int | None = None
    preserve_location_header: bool = False
    preserve_request_method: bool = False
    auth_signin_url: str = field(default="", name="authSigninURL")


def forward_auth(value: ForwardAuthSpec, namespace: str, report: Report, *path: str | int) -> tuple[Filter, ...]:
    """Ask a server: 2xx lets the request pass, any other answer is the client's."""
    if fault := _fault(value, report, *path):
        return fault
    if value.trust_forward_header:
        message = "the server is told of the request as the door knows it (forwardedHeaders.trustedIPs)"
        differs(report, message, *path, "trustForwardHeader")
    if value.max_response_body_size is not None and value.max_response_body_size >= 0:
        report.unsupported("the answers of the authentication server are not limited", *path, "maxResponseBodySize")
    auth = ForwardAuth(
        origin=report.origin.at(*path),
        url=(value.address,),
        method="" if value.preserve_request_method else "GET",
        tells=_TOLD,
        sends=value.auth_request_headers or None,
        sends_body=_body(value, report, *path),
        copies=value.auth_response_headers,
        copies_matching=value.auth_response_headers_regex,
        cookies=value.add_auth_cookies_to_response,
        signin=(value.auth_signin_url,) if value.auth_signin_url else (),
        tls=_tls(value, namespace),
        completes_location=not value.preserve_location_header,
    )
    return (auth,)


def _fault(value: ForwardAuthSpec, report: Report, *path: str | int) -> tuple[Filter, ...]:
    """Why nobody can be asked; () when somebody can."""
    if not value.address:
        return refuse(report, "the address of the authentication server is missing", *path, "address")
    try:
        parts = urlsplit(value.address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return refuse(
            report, "the address has to be an http or https URL with a host", *path, "address", status=UNAVAILABLE
        )
    for name, headers in (
        ("authResponseHeaders", value.auth_response_headers),
        ("authRequestHeaders", value.auth_request_headers),
    ):
        wrong = next((header for header in headers if not syntax.is_header_name(header)), None)
        if wrong is not None:
            return refuse(report, f"{wrong[:60]!r} is no header name", *path, name, status=UNAVAILABLE)
    pattern = value.auth_response_headers_regex
    if pattern and (why := syntax.regex_error(pattern)):
        return refuse(report, f"`{pattern[:100]}` is not valid: {why}", *path, "authResponseHeadersRegex")
    return ()


def _body(value: ForwardAuthSpec, report: Report, *path: str | int) -> int:
    if not value.forward_body:
        return 0
    if value.max_body_size is not None and value.max_body_size >= 0:
        return value.max_body_size
    differs(report, "the server gets at most 1 MiB of a body", *path, "forwardBody", hint="say maxBodySize")
    return MOST_BODY


def _tls(value: ForwardAuthSpec, namespace: str) -> UpstreamTls | None:
    if not value.address.startswith("https:"):
        return None
    tls = value.tls or _AuthTls()
    return UpstreamTls(
        verify=not tls.insecure_skip_verify,
        server_name=urlsplit(value.address).hostname or "",
        ca=Key("Secret", namespace, tls.ca_secret) if tls.ca_secret else None,
        client=Key("Secret", namespace, tls.cert_secret) if tls.cert_secret else None,
    )


class TcpAllowList(Schema, frozen=True):
    source_range: tuple[str, ...] = ()


class IpAllowList(TcpAllowList, frozen=True):
    ip_strategy: IpStrategy = IpStrategy()
    reject_status_code: Annotated[int, Meta(ge=100, le=599)] = 403


def ip_allow_list(value: TcpAllowList, report: Report, *path: str | int) -> tuple[Filter, ...]:
    origin = report.origin.at(*path)
    cidrs = _cidrs(value.source_range, report, *path)
    if isinstance(cidrs, tuple):
        return cidrs
    if not isinstance(value, IpAllowList):
        return (AllowSources(origin, tuple(cidrs)),)
    strategy = value.ip_strategy
    if strategy.ipv6_subnet is not None:
        where = (*path, "ipStrategy", "ipv6Subnet")
        return refuse(report, "clients cannot be judged by their subnet", *where, status=UNAVAILABLE)
    if strategy.excluded_ips and not strategy.depth:
        where = (*path, "ipStrategy", "excludedIPs")
        return refuse(report, "clients cannot be found by excluding proxies", *where, status=UNAVAILABLE)
    return (AllowSources(origin, tuple(cidrs), strategy.depth, value.reject_status_code),)


def _cidrs(sources: tuple[str, ...], report: Report, *path: str | int) -> list[str] | tuple[Filter, ...]:
    """The ranges in canonical form, or the refusal where they cannot be used."""
    where = (*path, "sourceRange")
    if not sources:
        return refuse(report, "the list of sources is empty", *where)
    try:
        return [str(ipaddress.ip_network(source.strip(), strict=False)) for source in sources]
    except ValueError as error:
        return refuse(report, str(error), *where)


def ip_white_list(value: TcpAllowList, report: Report, *path: str | int) -> tuple[Filter, ...]:
    report.warning("deprecated-field", "was renamed to ipAllowList", *path)
    return ip_allow_list(value, report, *path)


class PassCertificate(Schema, frozen=True):
    pem: bool = False
    info: Ignored = None


def pass_certificate(value: PassCertificate, report: Report, *path: str | int) -> tuple[Filter, ...]:
    """The backend is told of the client's certificate; what the client itself sent under that name never survives."""
    origin = report.origin.at(*path)
    if value.info is not None:
        message = "Traefik's summary of a certificate is not made"
        return refuse(report, message, *path, "info", status=UNAVAILABLE)
    if not value.pem:
        return (RequestHeaders(HeaderEdit(remove=(_CERTIFICATE,)), origin),)
    message = f"{_CERTIFICATE} has the whole certificate in PEM, percent-encoded, with its first and last line"
    differs(report, message, *path, "pem")
    return (ClientCertificateHeaders(origin, ((_CERTIFICATE, "pem"),)),)
