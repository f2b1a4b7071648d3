"""Middleware and MiddlewareTCP: what Traefik does to a request on its way.

Each type is lowered by a function: those about paths and redirects here, the others in `headers`, `protection`,
`limits` and `answers`.  One that only makes things nicer is left out with a warning where it cannot be kept.  One that
protects, or changes what a backend believes, refuses every request instead: nothing that its author wanted protected is
ever open.  `compatibility` says what is kept of which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from msgspec import field

from gatewright.base.document import Document
from gatewright.base.problem import Severity
from gatewright.kinds import syntax
from gatewright.kinds.decode import Ignored, Object, Report, Schema, decode, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.filters import (
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
from gatewright.kinds.traefik import answers, limits, protection
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
from gatewright.kinds.traefik.sources import refuse

_REPLACED = "X-Replaced-Path"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FOUND, _TEMPORARY, _MOVED, _PERMANENT = 302, 307, 301, 308


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
    basic_auth: protection.Credentials | None = None
    digest_auth: protection.Credentials | None = None
    forward_auth: protection.ForwardAuthSpec | None = None
    ip_allow_list: protection.IpAllowList | None = None
    ip_white_list: protection.IpAllowList | None = None
    pass_tls_client_cert: protection.PassCertificate | None = field(default=None, name="passTLSClientCert")
    encoded_characters: dict[str, Any] | None = None
    rate_limit: limits.RateLimitSpec | None = None
    in_flight_req: limits.InFlightSpec | None = None
    buffering: limits.BufferingSpec | None = None
    retry: limits.RetrySpec | None = None
    circuit_breaker: limits.CircuitBreakerSpec | None = None
    compress: answers.CompressSpec | None = None
    content_type: answers.GuessedType | None = None
    errors: answers.ErrorsSpec | None = None
    grpc_web: answers.GrpcWeb | None = None
    tap: Ignored = None
    plugin: dict[str, Any] | None = None


class Middleware(Object, frozen=True):
    spec: _Spec = _Spec()


class _SpecTcp(Schema, frozen=True):
    ip_allow_list: protection.TcpAllowList | None = None
    ip_white_list: protection.TcpAllowList | None = None
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
    if name in _LOWERINGS:
        return _LOWERINGS[name](value, report, *path)
    if name in _REFERRING:
        return _REFERRING[name](value, document.namespace, report, *path)
    if name == "tap":
        report.unsupported("copies of requests and answers are not sent", *path, hint="use mirroring for requests")
        return ()
    # What is left protects something.
    what = f"plugin ({', '.join(sorted(value))})" if name == "plugin" else name
    message = f"{what} is not supported; every request is refused, so that nothing is left unprotected"
    report.error("unsupported-middleware", message, *path, hint=_INSTEAD.get(name, ""))
    return (Refuse(document.origin.at(*path), UNAVAILABLE, f"the middleware {what} is not supported"),)


def _chain(value: _Chain, namespace: str, report: Report, *path: str | int) -> tuple[Filter, ...]:
    return middlewares("Middleware", value.middlewares, namespace, report, *path, "middlewares")


# --- paths ----------------------------------------------------------------------------------------


def _add_prefix(value: _AddPrefix, report: Report, *path: str | int) -> tuple[Filter, ...]:
    if not value.prefix:
        return refuse(report, "the prefix is missing", *path, "prefix")
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
            return refuse(report, f"`{pattern}` is not valid: {why}", *path, "regex", index)
    if not patterns:
        return ()
    any_of = "|".join(f"(?:{pattern})" for pattern in patterns)
    pattern = f"^(?:{any_of})/?(?P<gatewright_rest>(?s:.*))$"
    template, why = replacement("/${gatewright_rest}", pattern)
    if why:
        return refuse(report, f"the expressions cannot be combined: {why}", *path, "regex", status=UNAVAILABLE)
    _not_sent("X-Forwarded-Prefix", report, *path)
    return _rewrite(PathEdit(PathEditKind.REGEX, template, pattern=pattern), report, *path)


def _replace_path(value: _ReplacePath, report: Report, *path: str | int) -> tuple[Filter, ...]:
    return _rewrite(PathEdit(PathEditKind.REPLACE, value.path or "/", tells=_REPLACED), report, *path)


def _replace_path_regex(value: _Regex, report: Report, *path: str | int) -> tuple[Filter, ...]:
    template, why = replacement(value.replacement.strip(), value.regex.strip())
    if why:
        return refuse(report, f"`{value.regex}` cannot be used: {why}", *path, "regex")
    _not_sent(_REPLACED, report, *path)
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
        return refuse(report, "the scheme has to be http or https", *path, "scheme", status=status)
    text = str(value.port).strip()
    port = int(text) if text.isdecimal() and len(text) <= 5 else 0
    if text and not 1 <= port <= 65535:
        return refuse(report, f"{text!r} is not a port number", *path, "port")
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
        return refuse(report, f"`{value.regex}` cannot be used: {why}", *path, "regex")
    status, other = _statuses(value.permanent)
    return (RegexRedirect(report.origin.at(*path), value.regex, template, status, other),)


# --- all types ------------------------------------------------------------------------------------

_LOWERINGS: dict[str, Callable[..., tuple[Filter, ...]]] = {
    "addPrefix": _add_prefix,
    "buffering": limits.buffering,
    "circuitBreaker": limits.circuit_breaker,
    "compress": answers.compress,
    "contentType": answers.content_type,
    "grpcWeb": answers.grpc_web,
    "headers": lower_headers,
    "inFlightReq": limits.in_flight,
    "ipAllowList": protection.ip_allow_list,
    "ipWhiteList": protection.ip_white_list,
    "passTLSClientCert": protection.pass_certificate,
    "rateLimit": limits.rate_limit,
    "redirectRegex": _redirect_regex,
    "redirectScheme": _redirect_scheme,
    "replacePath": _replace_path,
    "replacePathRegex": _replace_path_regex,
    "retry": limits.retry,
    "stripPrefix": _strip_prefix,
    "stripPrefixRegex": _strip_prefix_regex,
}
_REFERRING: dict[str, Callable[..., tuple[Filter, ...]]] = {
    "basicAuth": protection.basic_auth,
    "chain": _chain,
    "errors": answers.errors,
    "forwardAuth": protection.forward_auth,
}
"""Those that refer to other objects, as seen from their own namespace."""

_INSTEAD = {
    "digestAuth": "use basicAuth over TLS",
    "plugin": "use forwardAuth to a service that decides, or a middleware of Traefik's own",
}
"""The nearest equivalent of what is refused."""

KINDS = (
    Kind("Middleware", API_VERSIONS, lower),
    Kind("MiddlewareTCP", API_VERSIONS, lower_tcp),
)
