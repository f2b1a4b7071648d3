"""Expectation (gatewright.dev/v1alpha1): what a user says must hold of a request, from the vantages named.

Everything that `expect` names has to hold of every way that the request can take: every resolver that may be asked,
every answer, every share of a split.  docs/site-map.md explains each field.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds import syntax
from gatewright.kinds.decode import Object, Report, Schema, decode, has_variable, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.asking import ExpectationIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.site_map import sitemap

SCHEMES = ("http", "https", "ws", "wss", "grpc", "grpcs", "tcp", "tls", "udp")
_METHOD = re.compile(r"[A-Z][A-Z-]{0,31}")


class _Request(Schema, frozen=True):
    """`sni` "" sends none; not given, it is the URL's host.  `body` in octets."""

    url: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    sni: str | None = None
    body: int | str = 0


class _Expect(Schema, frozen=True):
    """Whatever is not given may be anything."""

    outcome: Literal["delivered", "answered", "refused", "unreachable", "absent"] | None = None
    status: Annotated[int, Meta(ge=100, le=599)] | None = None
    gateway: str = ""
    backend: str = ""
    location: str = ""
    via: tuple[str, ...] = ()
    not_via: tuple[str, ...] = ()
    idle_timeout: int | float | str | None = None
    resolves_to: tuple[str, ...] = ()


class _Spec(Schema, frozen=True):
    request: str | _Request
    expect: _Expect
    from_: tuple[str, ...] = field(default=(), name="from")
    families: tuple[Literal[4, 6], ...] = ()


class Expectation(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower an Expectation."""
    expectation, problems = decode(document, Expectation)
    report = Report(document, problems)
    if expectation is None:
        return report.lowered(None)
    spec = expectation.spec
    short = isinstance(spec.request, str)
    request = _Request(spec.request) if isinstance(spec.request, str) else spec.request
    _check_request(request, report, short)
    expect = spec.expect
    if expect == _Expect():
        report.invalid("expects nothing", "spec", "expect", hint="give an outcome, such as outcome: delivered")
    _check_names(expect, report)
    where = ("spec", "expect", "idleTimeout")
    idle = sitemap.seconds(expect.idle_timeout, report, *where) if expect.idle_timeout is not None else 0.0
    intent = ExpectationIntent(
        key=key_of(document),
        origin=document.origin,
        url=request.url,
        method=request.method.upper(),
        headers=tuple(sorted(request.headers.items())),
        sni=request.sni,
        body=sitemap.octets(request.body, report, "spec", "request", "body") or 0,
        vantages=sitemap.each(spec.from_, sitemap.name_of_thing, report, "spec", "from"),
        families=tuple(dict.fromkeys(map(str, spec.families))),
        outcome=expect.outcome or "",
        status=expect.status or 0,
        gateway=expect.gateway,
        backend=expect.backend,
        location=expect.location,
        via=sitemap.each(expect.via, sitemap.address_or_name, report, "spec", "expect", "via"),
        not_via=sitemap.each(expect.not_via, sitemap.address_or_name, report, "spec", "expect", "notVia"),
        idle_timeout=idle or 0.0,
        resolves_to=sitemap.each(expect.resolves_to, sitemap.address, report, "spec", "expect", "resolvesTo"),
    )
    return report.lowered(intent)


def _check_request(request: _Request, report: Report, short: bool) -> None:
    at_url = ("spec", "request") if short else ("spec", "request", "url")
    fault = _url_fault(request.url)
    if fault:
        report.invalid(f"{request.url[:120]!r} {fault}", *at_url, hint="write it as https://app.example.com/")
    if _METHOD.fullmatch(request.method.upper()) is None:
        report.invalid(f"{request.method[:40]!r} is no method", "spec", "request", "method")
    for name, value in request.headers.items():
        if not syntax.is_header_name(name) or not syntax.is_header_value(value):
            report.invalid("is no HTTP header", "spec", "request", "headers", name)
    if request.sni:
        sitemap.hostname(request.sni, report, "spec", "request", "sni")


def _url_fault(url: str) -> str:
    """What is wrong with a URL, "" if nothing is."""
    if has_variable(url):
        return "holds a variable that was not substituted"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in SCHEMES:
        return f"does not start with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}"
    if not host or not (syntax.is_ip(host) or (syntax.is_hostname(host) and not host.startswith("*"))):
        return "names no host"
    if parts.scheme in ("tcp", "tls", "udp") and port is None:
        return "names no port"
    return ""


def _check_names(expect: _Expect, report: Report) -> None:
    if expect.gateway:
        sitemap.reference(expect.gateway, report, "spec", "expect", "gateway")
    if not expect.backend:
        return
    path = ("spec", "expect", "backend")
    name, colon, port = expect.backend.partition(":")
    if "/" not in name:
        hint = "write it as namespace/name or namespace/name:80"
        report.invalid(f"{expect.backend!r} does not say of which namespace", *path, hint=hint)
    elif sitemap.reference(name, report, *path) is not None and colon:
        sitemap.ports(port, report, *path)


KIND = Kind("Expectation", (sitemap.API_VERSION,), lower, namespaced=False)
