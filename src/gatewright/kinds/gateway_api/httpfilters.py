"""The filters of HTTPRoute and GRPCRoute rules: schema and lowering.

A filter that the API server would refuse rejects the document.  One that is valid but cannot be built is
lowered to `Refuse` with status 500, as the Gateway API demands: requests are never sent on without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from gatewright.kinds import syntax
from gatewright.kinds.decode import Ignored, Path, Report, Schema, suggest
from gatewright.kinds.gateway_api import gatewayapi
from gatewright.kinds.gateway_api.gatewayapi import BackendObjectReference
from gatewright.kinds.intents.filters import (
    Cors,
    Filter,
    FilterRef,
    ForwardAuth,
    HeaderEdit,
    Mirror,
    PathEdit,
    PathEditKind,
    Redirect,
    Refuse,
    RequestHeaders,
    ResponseHeaders,
    Rewrite,
    Variable,
)

_FORBIDDEN_METHOD_CHARACTERS = frozenset(" \t\r\n,;")


class _Header(Schema, frozen=True):
    name: str
    value: str


class HeaderModifier(Schema, frozen=True):
    set: Annotated[tuple[_Header, ...], Meta(max_length=16)] = ()
    add: Annotated[tuple[_Header, ...], Meta(max_length=16)] = ()
    remove: Annotated[tuple[str, ...], Meta(max_length=16)] = ()


class _Fraction(Schema, frozen=True):
    numerator: Annotated[int, Meta(ge=0)]
    denominator: Annotated[int, Meta(ge=1)] = 100


class RequestMirror(Schema, frozen=True):
    backend_ref: BackendObjectReference
    percent: Annotated[int, Meta(ge=0, le=100)] | None = None
    fraction: _Fraction | None = None


class PathModifier(Schema, frozen=True):
    type: Literal["ReplaceFullPath", "ReplacePrefixMatch"]
    replace_full_path: Annotated[str, Meta(max_length=1024)] | None = None
    replace_prefix_match: Annotated[str, Meta(max_length=1024)] | None = None


class RequestRedirect(Schema, frozen=True):
    """`port` unset means: the scheme's well-known port if `scheme` is set, else the listener's own."""

    scheme: Literal["http", "https"] | None = None
    hostname: str | None = None
    path: PathModifier | None = None
    port: gatewayapi.Port | None = None
    status_code: Literal[301, 302, 303, 307, 308] = 302


class UrlRewrite(Schema, frozen=True):
    hostname: str | None = None
    path: PathModifier | None = None


class CorsConfig(Schema, frozen=True):
    allow_origins: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    allow_methods: Annotated[tuple[str, ...], Meta(max_length=9)] = ()
    allow_headers: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    expose_headers: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    allow_credentials: bool = False
    max_age: Annotated[int, Meta(ge=1)] = 5


class _HttpAuth(Schema, frozen=True):
    path: str = ""
    allowed_headers: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    allowed_response_headers: Annotated[tuple[str, ...], Meta(max_length=64)] = ()


class _ForwardBody(Schema, frozen=True):
    max_size: Annotated[int, Meta(ge=0)] = 0


class ExternalAuth(Schema, frozen=True):
    """Who may pass is asked of a server (GEP-1494)."""

    protocol: Literal["HTTP", "GRPC"]
    backend_ref: BackendObjectReference
    http: _HttpAuth = _HttpAuth()
    grpc: Ignored = None
    forward_body: _ForwardBody = _ForwardBody()


class ExtensionRef(Schema, frozen=True):
    group: str
    kind: str
    name: gatewayapi.Name


class RouteFilter(Schema, frozen=True):
    """One filter: a union whose `type` says which of the other fields is meant."""

    type: str
    request_header_modifier: HeaderModifier | None = None
    response_header_modifier: HeaderModifier | None = None
    request_mirror: RequestMirror | None = None
    request_redirect: RequestRedirect | None = None
    url_rewrite: UrlRewrite | None = None
    cors: CorsConfig | None = None
    external_auth: ExternalAuth | None = None
    extension_ref: ExtensionRef | None = None


class Place(Struct, frozen=True):
    """Where filters stand: their namespace, their path, and whether the rule has one PathPrefix match."""

    namespace: str
    path: Path
    single_prefix: bool
    backend: bool = False
    grpc: bool = False


def lower_filters(filters: tuple[RouteFilter, ...], place: Place, report: Report) -> tuple[Filter, ...]:
    """The filters of a rule or backend, in order."""
    lowered: list[Filter] = []
    seen: set[str] = set()
    for index, item in enumerate(filters):
        path = (*place.path, index)
        if item.type in seen and item.type not in ("RequestMirror", "ExtensionRef"):
            report.invalid(f"the filter {item.type} cannot be repeated", *path)
        seen.add(item.type)
        lowered += _lower_filter(item, place, path, report)
    if {"RequestRedirect", "URLRewrite"} <= seen:
        report.invalid("a rule may redirect or rewrite, not both", *place.path)
    return tuple(lowered)


def _lower_filter(item: RouteFilter, place: Place, path: Path, report: Report) -> list[Filter]:
    entry = _TYPES.get(item.type)
    if entry is None or (place.grpc and item.type not in _GRPC_TYPES):
        hint = suggest(item.type, _GRPC_TYPES if place.grpc else tuple(_TYPES))
        message = f"the filter {item.type!r} is not known; the rule answers 500"
        report.error("unsupported-filter", message, *path, "type", hint=hint)
        return [Refuse(report.origin.at(*path), 500, f"unknown filter {item.type}")]
    attribute, yaml_name, lower = entry
    if getattr(item, attribute) is None:
        report.invalid(f"a filter of type {item.type} needs the field {yaml_name}", *path)
        return []
    for other_type, (other, other_name, _) in _TYPES.items():
        if other != attribute and getattr(item, other) is not None:
            hint = f"remove it, or make it a filter of its own with type: {other_type}"
            report.invalid(f"{other_name} does not belong to type {item.type}", *path, other_name, hint=hint)
    return lower(item, place, (*path, yaml_name), report)


def _request_headers(item: RouteFilter, place: Place, path: Path, report: Report) -> list[Filter]:
    """Header changes; setting Host is a rewrite, since a proxy treats it apart from other headers."""
    edit = header_edit(item.request_header_modifier, path, report)
    origin = report.origin.at(*path)
    hosts = [value for name, value in edit.set + edit.add if name.lower() == "host"]
    if any(name.lower() == "host" for name in edit.remove):
        report.warning("unsupported-field", "the Host header cannot be removed", *path, "remove")
    plain = HeaderEdit(
        tuple(pair for pair in edit.set if pair[0].lower() != "host"),
        tuple(pair for pair in edit.add if pair[0].lower() != "host"),
        tuple(name for name in edit.remove if name.lower() != "host"),
    )
    lowered: list[Filter] = [Rewrite(origin, host=hosts[0])] if hosts else []
    return [*lowered, RequestHeaders(plain, origin)] if plain != HeaderEdit() else lowered


def _response_headers(item: RouteFilter, place: Place, path: Path, report: Report) -> list[Filter]:
    edit = header_edit(item.response_header_modifier, path, report)
    return [ResponseHeaders(edit, report.origin.at(*path))] if edit != HeaderEdit() else []


def header_edit(modifier: HeaderModifier | None, path: Path, report: Report) -> HeaderEdit:
    assert modifier is not None
    for action, headers in (("set", modifier.set), ("add", modifier.add)):
        names = set()
        for index, header in enumerate(headers):
            where = (*path, action, index)
            check_header_name(header.name, report, (*where, "name"))
            if not header.value or not syntax.is_header_value(header.value):
                message = "a header value has 1 to 4096 printable characters and no line break"
                report.invalid(message, *where, "value")
            if header.name.lower() in names:
                report.invalid(f"the header {header.name} is listed twice", *where, "name")
            names.add(header.name.lower())
    for index, name in enumerate(modifier.remove):
        check_header_name(name, report, (*path, "remove", index))
    return HeaderEdit(
        tuple((header.name, header.value) for header in modifier.set),
        tuple((header.name, header.value) for header in modifier.add),
        modifier.remove,
    )


def check_header_name(name: str, report: Report, path: Path) -> None:
    """Refuse what is not an HTTP field name."""
    if not syntax.is_header_name(name):
        report.invalid(f"{name[:60]!r} is not a header name", *path)


def _mirror(item: RouteFilter, place: Place, path: Path, report: Report) -> list[Filter]:
    mirror = item.request_mirror
    assert mirror is not None
    if mirror.percent is not None and mirror.fraction is not None:
        report.invalid("give percent or fraction, not both", *path)
    numerator, denominator = (100 if mirror.percent is None else mirror.percent), 100
    if mirror.fraction is not None:
        numerator, denominator = mirror.fraction.numerator, mirror.fraction.denominator
        if numerator > denominator:
            report.invalid("the numerator is larger than the denominator", *path, "fraction")
    backend = gatewayapi.lower_backend(mirror.backend_ref, place.namespace, report, (*path, "backendRef"))
    return [Mirror(report.origin.at(*path), backend, numerator, denominator)]


def _redirect(item: RouteFilter, place: Place, path: Path, report: Report) -> list[Filter]:
    """A redirect.  Its port is dropped where the Location would name the scheme's own port."""
    redirect = item.request_redirect
    assert redirect is not None
    if redirect.hostname is not None:
        _check_precise(redirect.hostname, report, (*path, "hostname"))
    edit = _path_edit(redirect.path, place, (*path, "path"), report)
    if place.backend:
        message = "a redirect in a backend is not supported; its requests are answered with 500"
        report.error("unsupported-filter", message, *path, hint="put the redirect into a rule of its own")
        return [Refuse(report.origin.at(*path), 500, "redirect in a backend")]
    port = redirect.port
    well_known = {"http": 80, "https": 443}.get(redirect.scheme or "")
    if well_known is not None and port in (None, well_known):
        port = 0
    return [
        Redirect(
            report.origin.at(*path),
            scheme=redirect.scheme,
            host=redirect.hostname,
            port=port,
            path=edit,
            status=redirect.status_code,
        )
    ]


def _rewrite(item: RouteFilter, place: Place, path: Path, report: Report) -> list[Filter]:
    rewrite = item.url_rewrite
    assert rewrite is not None
    if rewrite.hostname is not None:
        _check_precise(rewrite.hostname, report, (*path, "hostname"))
    edit = _path_edit(rewrite.path, place, (*path, "path"), report)
    return [Rewrite(report.origin.at(*path), rewrite.hostname, (edit,) if edit else ())]


def _check_precise(hostname: str, report: Report, path: Path) -> None:
    if hostname.startswith("*"):
        report.invalid("a wildcard cannot be the new hostname", *path)
    else:
        gatewayapi.check_hostname(hostname, report, path)


def _path_edit(modifier: PathModifier | None, place: Place, path: Path, report: Report) -> PathEdit | None:
    if modifier is None:
        return None
    full, prefix = modifier.replace_full_path, modifier.replace_prefix_match
    wants_full = modifier.type == "ReplaceFullPath"
    value, other = (full, prefix) if wants_full else (prefix, full)
    names = ("replaceFullPath", "replacePrefixMatch")
    field, stray = names if wants_full else names[::-1]
    if value is None:
        report.invalid(f"type {modifier.type} needs the field {field}", *path)
        return None
    if other is not None:
        report.invalid(f"{stray} does not belong to type {modifier.type}", *path, stray)
    if not syntax.is_header_value(value) or " " in value:
        report.invalid(f"{value[:60]!r} is not a path", *path, field)
    if wants_full:
        return PathEdit(PathEditKind.REPLACE, value if value.startswith("/") else f"/{value}")
    if not place.single_prefix:
        message = "ReplacePrefixMatch needs the rule to have exactly one match, of type PathPrefix"
        report.invalid(message, *path, "type")
    if value and not value.startswith("/"):
        value = f"/{value}"
    return PathEdit(PathEditKind.REPLACE_PREFIX, value.rstrip("/") or "/")


def _cors(item: RouteFilter, place: Place, path: Path, report: Report) -> list[Filter]:
    cors = item.cors
    assert cors is not None
    for name, values in (("allowOrigins", cors.allow_origins), ("allowMethods", cors.allow_methods)):
        if "*" in values and len(values) > 1:
            report.invalid("'*' stands alone", *path, name)
    for index, origin in enumerate(cors.allow_origins):
        scheme, slashes, host = origin.partition("://")
        if origin != "*" and (not slashes or not scheme or not host or set(host) & set("/?#@ \r\n")):
            hint = "scheme://host or scheme://host:port, or '*'"
            report.invalid(f"{origin[:60]!r} is not an origin", *path, "allowOrigins", index, hint=hint)
    for index, method in enumerate(cors.allow_methods):
        if not method or not method.isascii() or set(method) & _FORBIDDEN_METHOD_CHARACTERS:
            report.invalid(f"{method[:60]!r} is not a method", *path, "allowMethods", index)
    for name, headers in (("allowHeaders", cors.allow_headers), ("exposeHeaders", cors.expose_headers)):
        for index, header in enumerate(headers):
            check_header_name(header, report, (*path, name, index))
    return [
        Cors(
            report.origin.at(*path),
            cors.allow_origins,
            cors.allow_methods,
            cors.allow_headers,
            cors.expose_headers,
            cors.allow_credentials,
            cors.max_age,
        )
    ]


def _external_auth(item: RouteFilter, place: Place, path: Path, report: Report) -> list[Filter]:
    """The question goes to the path of the request, behind the filter's own; only 2xx lets a request pass."""
    auth = item.external_auth
    assert auth is not None
    origin = report.origin.at(*path)
    if auth.protocol == "GRPC" or place.backend:
        what = "external authorization by gRPC" if auth.protocol == "GRPC" else "external authorization in a backend"
        message = f"{what} is not supported; the rule answers 500 to stay protected"
        report.error("unsupported-filter", message, *path, hint="most servers answer HTTP, too: protocol: HTTP")
        return [Refuse(origin, 500, f"{what} is not supported")]
    if auth.http.path and not auth.http.path.startswith("/"):
        report.invalid(f"{auth.http.path[:60]!r} is not a path", *path, "http", "path")
    for name, headers in (
        ("allowedHeaders", auth.http.allowed_headers),
        ("allowedResponseHeaders", auth.http.allowed_response_headers),
    ):
        for index, header in enumerate(headers):
            check_header_name(header, report, (*path, "http", name, index))
    if not auth.http.allowed_response_headers:
        hint = "list those that it needs in http.allowedResponseHeaders"
        report.unsupported("the backend gets no headers of the server's answer", *path, "http", hint=hint)
    return [
        ForwardAuth(
            origin,
            ("http://auth" + auth.http.path.rstrip("/"), Variable.URI),
            method="",
            tells=(("Host", (Variable.HOST,)),),
            sends=("authorization", *(name.lower() for name in auth.http.allowed_headers)),
            sends_body=auth.forward_body.max_size,
            copies=auth.http.allowed_response_headers,
            backend=gatewayapi.lower_backend(auth.backend_ref, place.namespace, report, (*path, "backendRef")),
        )
    ]


def _extension(item: RouteFilter, place: Place, path: Path, report: Report) -> list[Filter]:
    reference = item.extension_ref
    assert reference is not None
    key = gatewayapi.target_key(reference.group, reference.kind, place.namespace, reference.name)
    origin = report.origin.at(*path)
    if key.kind not in ("Middleware", "HTTPRouteFilter"):
        message = f"filters of kind {key.kind} are not supported; the rule answers 500"
        report.error("unsupported-filter", message, *path)
        return [Refuse(origin, 500, f"filters of kind {key.kind} are not supported")]
    return [FilterRef(origin, key)]


_Lower = Callable[[RouteFilter, Place, Path, Report], list[Filter]]

_TYPES: dict[str, tuple[str, str, _Lower]] = {
    "RequestHeaderModifier": ("request_header_modifier", "requestHeaderModifier", _request_headers),
    "ResponseHeaderModifier": ("response_header_modifier", "responseHeaderModifier", _response_headers),
    "RequestMirror": ("request_mirror", "requestMirror", _mirror),
    "RequestRedirect": ("request_redirect", "requestRedirect", _redirect),
    "URLRewrite": ("url_rewrite", "urlRewrite", _rewrite),
    "CORS": ("cors", "cors", _cors),
    "ExternalAuth": ("external_auth", "externalAuth", _external_auth),
    "ExtensionRef": ("extension_ref", "extensionRef", _extension),
}
_GRPC_TYPES = ("RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "ExtensionRef")
