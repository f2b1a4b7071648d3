"""Middleware and MiddlewareTCP: what Traefik does to a request on its way.

A middleware that only makes things nicer (compress, retry, ...) is left out with a warning where we do not
have it.  One that protects or changes what a backend believes (forwardAuth, rateLimit, ...) refuses every
request instead: nothing that its author wanted protected is ever open.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.base.problem import Severity
from gatewright.kinds import syntax
from gatewright.kinds.decode import Ignored, Object, Report, Schema, decode, key_of
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.filters import (
    AllowSources,
    BasicAuth,
    Filter,
    PathEdit,
    PathEditKind,
    Redirect,
    Refuse,
    RegexRedirect,
    Rewrite,
)
from gatewright.kinds.intents.material import MiddlewareIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.traefik.common import (
    API_VERSIONS,
    NOT_FOUND,
    UNAVAILABLE,
    IntOrString,
    Reference,
    middlewares,
)
from gatewright.kinds.traefik.headers import Headers, lower_headers
from gatewright.kinds.traefik.regex import replacement

_DEFAULT_PORTS = {"http": 80, "https": 443}
_FOUND, _TEMPORARY, _MOVED, _PERMANENT = 302, 307, 301, 308

_HARMLESS = {
    "buffering": "requests and responses are passed on as they come, whatever their size",
    "circuitBreaker": "the backend is asked even when it fails",
    "compress": "responses are not compressed",
    "contentType": "the Content-Type of a response is never guessed",
    "errors": "error pages are the backend's own",
    "grpcWeb": "gRPC-Web requests are passed on as they are",
    "retry": "a failed request is not tried again",
}
"""Middlewares that we do not have and that can be left out, with what happens instead."""


class _AddPrefix(Schema, frozen=True):
    prefix: str = ""


class _StripPrefix(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {"forceSlash": "has no effect since Traefik 3"}

    prefixes: tuple[str, ...] = ()


class _StripPrefixRegex(Schema, frozen=True):
    regex: tuple[str, ...] = ()


class _ReplacePath(Schema, frozen=True):
    path: str = ""


class _Regex(Schema, frozen=True):
    regex: str = ""
    replacement: str = ""


class _RedirectRegex(_Regex, frozen=True):
    permanent: bool = False


class _RedirectScheme(Schema, frozen=True):
    scheme: str = ""
    port: IntOrString = ""
    permanent: bool = False


class _Chain(Schema, frozen=True):
    middlewares: tuple[Reference, ...] = ()


class _BasicAuth(Schema, frozen=True):
    secret: str = ""
    realm: str = ""
    remove_header: bool = False
    header_field: str = ""


class _IpStrategy(Schema, frozen=True):
    depth: Annotated[int, Meta(ge=0)] = 0
    excluded_ips: tuple[str, ...] = field(default=(), name="excludedIPs")
    ipv6_subnet: int | None = field(default=None, name="ipv6Subnet")


class _TcpAllowList(Schema, frozen=True):
    source_range: tuple[str, ...] = ()


class _IpAllowList(_TcpAllowList, frozen=True):
    ip_strategy: _IpStrategy = _IpStrategy()
    reject_status_code: Annotated[int, Meta(ge=100, le=599)] = 403


class _Spec(Schema, frozen=True):
    add_prefix: _AddPrefix | None = None
    strip_prefix: _StripPrefix | None = None
    strip_prefix_regex: _StripPrefixRegex | None = None
    replace_path: _ReplacePath | None = None
    replace_path_regex: _Regex | None = None
    redirect_regex: _RedirectRegex | None = None
    redirect_scheme: _RedirectScheme | None = None
    chain: _Chain | None = None
    headers: Headers | None = None
    basic_auth: _BasicAuth | None = None
    ip_allow_list: _IpAllowList | None = None
    ip_white_list: _IpAllowList | None = None
    buffering: Ignored = None
    circuit_breaker: Ignored = None
    compress: Ignored = None
    content_type: Ignored = None
    digest_auth: Ignored = None
    encoded_characters: Ignored = None
    errors: Ignored = None
    forward_auth: Ignored = None
    grpc_web: Ignored = None
    in_flight_req: Ignored = None
    pass_tls_client_cert: Ignored = field(default=None, name="passTLSClientCert")
    plugin: dict[str, Any] | None = None
    rate_limit: Ignored = None
    retry: Ignored = None


class Middleware(Object, frozen=True):
    spec: _Spec = _Spec()


class _SpecTcp(Schema, frozen=True):
    ip_allow_list: _TcpAllowList | None = None
    ip_white_list: _TcpAllowList | None = None
    in_flight_conn: Ignored = None


class MiddlewareTCP(Object, frozen=True):
    spec: _SpecTcp = _SpecTcp()


def lower(document: Document) -> Lowered:
    """Lower a Middleware."""
    return _lower(document, Middleware)


def lower_tcp(document: Document) -> Lowered:
    """Lower a MiddlewareTCP."""
    return _lower(document, MiddlewareTCP)


def _lower(document: Document, schema: type[Middleware] | type[MiddlewareTCP]) -> Lowered:
    """Exactly one type has to be set; otherwise Traefik builds none of the routes that use the middleware."""
    middleware, problems = decode(document, schema)
    report = Report(document, problems)
    if middleware is None:
        return report.lowered(None)
    spec = middleware.spec
    names = dict(zip(spec.__struct_fields__, spec.__struct_encode_fields__, strict=True))
    given = {names[attribute]: value for attribute in names if (value := getattr(spec, attribute)) is not None}
    if len(given) == 1:
        ((name, value),) = given.items()
        filters = _filters(name, value, document, report)
    else:
        what = f"several types ({', '.join(sorted(given))})" if given else "no type that is known"
        message = f"a {document.kind} with {what} is none; routes that use it answer {NOT_FOUND}"
        report.error("invalid-middleware", message, "spec", hint="give each type a middleware of its own")
        filters = (Refuse(document.origin, NOT_FOUND, f"the middleware has {what}"),)
    return report.lowered(MiddlewareIntent(key_of(document), document.origin, filters))


def _filters(name: str, value: Any, document: Document, report: Report) -> tuple[Filter, ...]:
    path = ("spec", name)
    if name in _HARMLESS:
        report.unsupported(f"not supported: {_HARMLESS[name]}", *path)
        return ()
    if name in _LOWERINGS:
        return _LOWERINGS[name](value, report, *path)
    if name == "chain":
        return middlewares("Middleware", value.middlewares, document.namespace, report, *path, "middlewares")
    if name == "basicAuth":
        return _basic_auth(value, document.namespace, report, *path)
    # What is left protects something, or tells the backend who the client is.
    what = f"plugin ({', '.join(sorted(value))})" if name == "plugin" else name
    message = f"{what} is not supported; every request is refused, so that nothing is left unprotected"
    report.error("unsupported-middleware", message, *path)
    return (Refuse(document.origin.at(*path), UNAVAILABLE, f"the middleware {what} is not supported"),)


def _refuse(report: Report, message: str, *path: str | int, status: int = NOT_FOUND) -> tuple[Filter, ...]:
    """A middleware that cannot be built, with its Problem; 404 where Traefik cannot build it either."""
    report.error("invalid-middleware", f"{message}; routes that use it answer {status}", *path)
    return (Refuse(report.origin.at(*path), status, message),)


# --- paths ----------------------------------------------------------------------------------------


def _add_prefix(value: _AddPrefix, report: Report, *path: str | int) -> tuple[Filter, ...]:
    if not value.prefix:
        return _refuse(report, "the prefix is missing", *path, "prefix")
    prefix = value.prefix if value.prefix.startswith("/") else f"/{value.prefix}"
    return _rewrite(PathEdit(PathEditKind.ADD_PREFIX, prefix), report, *path)


def _strip_prefix(value: _StripPrefix, report: Report, *path: str | int) -> tuple[Filter, ...]:
    edit = PathEdit(PathEditKind.STRIP_PREFIX, prefixes=tuple(p for p in value.prefixes if p))
    return _rewrite(edit, report, *path)


def _strip_prefix_regex(value: _StripPrefixRegex, report: Report, *path: str | int) -> tuple[Filter, ...]:
    """The first expression that matches at the start goes, and what is left begins with a slash."""
    patterns = [pattern.strip() for pattern in value.regex]
    for index, pattern in enumerate(patterns):
        if why := syntax.regex_error(pattern):
            return _refuse(report, f"`{pattern}` is not valid: {why}", *path, "regex", index)
    if not patterns:
        return ()
    any_of = "|".join(f"(?:{pattern})" for pattern in patterns)
    pattern = f"^(?:{any_of})/?(?P<gatewright_rest>(?s:.*))$"
    template, why = replacement("/${gatewright_rest}", pattern)
    if why:
        return _refuse(report, f"the expressions cannot be combined: {why}", *path, "regex", status=UNAVAILABLE)
    _not_sent("X-Forwarded-Prefix", report, *path)
    return _rewrite(PathEdit(PathEditKind.REGEX, template, pattern=pattern), report, *path)


def _replace_path(value: _ReplacePath, report: Report, *path: str | int) -> tuple[Filter, ...]:
    _not_sent("X-Replaced-Path", report, *path)
    return _rewrite(PathEdit(PathEditKind.REPLACE, value.path or "/"), report, *path)


def _replace_path_regex(value: _Regex, report: Report, *path: str | int) -> tuple[Filter, ...]:
    template, why = replacement(value.replacement.strip(), value.regex.strip())
    if why:
        return _refuse(report, f"`{value.regex}` cannot be used: {why}", *path, "regex")
    _not_sent("X-Replaced-Path", report, *path)
    return _rewrite(PathEdit(PathEditKind.REGEX, template, pattern=value.regex.strip()), report, *path)


def _not_sent(header: str, report: Report, *path: str | int) -> None:
    message = f"the backend does not get the header {header}, which Traefik would send"
    report.add(Severity.INFO, "unsupported-header", message, path)


def _rewrite(edit: PathEdit, report: Report, *path: str | int) -> tuple[Filter, ...]:
    return (Rewrite(report.origin.at(*path), paths=(edit,)),)


# --- redirects ------------------------------------------------------------------------------------


def _statuses(permanent: bool) -> tuple[int, int]:
    """The status for GET and that for other methods, which must not become GET."""
    return (_MOVED, _PERMANENT) if permanent else (_FOUND, _TEMPORARY)


def _redirect_scheme(value: _RedirectScheme, report: Report, *path: str | int) -> tuple[Filter, ...]:
    if value.scheme not in _DEFAULT_PORTS:
        status = UNAVAILABLE if value.scheme else NOT_FOUND
        return _refuse(report, "the scheme has to be http or https", *path, "scheme", status=status)
    text = str(value.port).strip()
    port = int(text) if text.isdecimal() and len(text) <= 5 else 0
    if text and not 1 <= port <= 65535:
        return _refuse(report, f"{text!r} is not a port number", *path, "port")
    status, other = _statuses(value.permanent)
    redirect = Redirect(
        origin=report.origin.at(*path),
        scheme=value.scheme,
        port=0 if port == _DEFAULT_PORTS[value.scheme] else port,
        status=status,
        status_other=other,
        only_if_scheme_differs=True,
    )
    return (redirect,)


def _redirect_regex(value: _RedirectRegex, report: Report, *path: str | int) -> tuple[Filter, ...]:
    template, why = replacement(value.replacement, value.regex)
    if why:
        return _refuse(report, f"`{value.regex}` cannot be used: {why}", *path, "regex")
    status, other = _statuses(value.permanent)
    return (RegexRedirect(report.origin.at(*path), value.regex, template, status, other),)


# --- protection -----------------------------------------------------------------------------------


def _basic_auth(value: _BasicAuth, namespace: str, report: Report, *path: str | int) -> tuple[Filter, ...]:
    if not value.secret:
        return _refuse(report, "the Secret with the users is missing", *path, "secret")
    if value.header_field and not syntax.is_header_name(value.header_field):
        return _refuse(report, "not a header name", *path, "headerField", status=UNAVAILABLE)
    auth = BasicAuth(
        origin=report.origin.at(*path),
        secret=Key("Secret", namespace, value.secret),
        realm=value.realm or "traefik",
        remove_header=value.remove_header,
        user_header=value.header_field,
    )
    return (auth,)


def _ip_allow_list(value: _TcpAllowList, report: Report, *path: str | int) -> tuple[Filter, ...]:
    origin = report.origin.at(*path)
    cidrs = _cidrs(value.source_range, report, *path)
    if isinstance(cidrs, tuple):
        return cidrs
    if not isinstance(value, _IpAllowList):
        return (AllowSources(origin, tuple(cidrs)),)
    strategy = value.ip_strategy
    if strategy.ipv6_subnet is not None:
        where = (*path, "ipStrategy", "ipv6Subnet")
        return _refuse(report, "clients cannot be judged by their subnet", *where, status=UNAVAILABLE)
    if strategy.excluded_ips and not strategy.depth:
        where = (*path, "ipStrategy", "excludedIPs")
        return _refuse(report, "clients cannot be found by excluding proxies", *where, status=UNAVAILABLE)
    return (AllowSources(origin, tuple(cidrs), strategy.depth, value.reject_status_code),)


def _cidrs(sources: tuple[str, ...], report: Report, *path: str | int) -> list[str] | tuple[Filter, ...]:
    """The ranges in canonical form, or the refusal where they cannot be used."""
    where = (*path, "sourceRange")
    if not sources:
        return _refuse(report, "the list of sources is empty", *where)
    try:
        return [str(ipaddress.ip_network(source.strip(), strict=False)) for source in sources]
    except ValueError as error:
        return _refuse(report, str(error), *where)


def _ip_white_list(value: _TcpAllowList, report: Report, *path: str | int) -> tuple[Filter, ...]:
    report.warning("deprecated-field", "was renamed to ipAllowList", *path)
    return _ip_allow_list(value, report, *path)


_LOWERINGS: dict[str, Callable[..., tuple[Filter, ...]]] = {
    "addPrefix": _add_prefix,
    "headers": lower_headers,
    "ipAllowList": _ip_allow_list,
    "ipWhiteList": _ip_white_list,
    "redirectRegex": _redirect_regex,
    "redirectScheme": _redirect_scheme,
    "replacePath": _replace_path,
    "replacePathRegex": _replace_path_regex,
    "stripPrefix": _strip_prefix,
    "stripPrefixRegex": _strip_prefix_regex,
}

KINDS = (
    Kind("Middleware", API_VERSIONS, lower),
    Kind("MiddlewareTCP", API_VERSIONS, lower_tcp),
)
