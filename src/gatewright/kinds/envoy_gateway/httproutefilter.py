"""HTTPRouteFilter (Envoy Gateway): filters that an HTTPRoute refers to by ExtensionRef."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from gatewright.base.document import Document
from gatewright.kinds import syntax
from gatewright.kinds.decode import Ignored, Object, Report, Schema, decode, key_of
from gatewright.kinds.envoy_gateway import envoygateway
from gatewright.kinds.gateway_api.gatewayapi import ObjectReference
from gatewright.kinds.gateway_api.httpfilters import HeaderModifier, header_edit
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.filters import (
    Filter,
    PathEdit,
    PathEditKind,
    Refuse,
    Respond,
    ResponseHeaders,
    Rewrite,
)
from gatewright.kinds.intents.material import MiddlewareIntent
from gatewright.kinds.kind import Kind

_NOT_BUILT = {
    "credential_injection": ("credentialInjection", "credentials are not injected; set the header in the route"),
    "request_mirror": ("requestMirror", "use the RequestMirror filter of the HTTPRoute"),
    "matches": ("matches", "cookies are matched as headers in the HTTPRoute"),
}


class _Substitution(Schema, frozen=True):
    pattern: str
    substitution: str


class _PathModifier(Schema, frozen=True):
    type: Literal["ReplaceRegexMatch"]
    replace_regex_match: _Substitution


class _HostModifier(Schema, frozen=True):
    type: Literal["Header", "Backend"]
    header: str = ""


class _UrlRewrite(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {"appendXForwardedHost": "X-Forwarded-Host is the Host of the request"}

    hostname: _HostModifier | None = None
    path: _PathModifier | None = None


class _Body(Schema, frozen=True):
    type: Literal["Inline", "ValueRef"] = "Inline"
    inline: str = ""
    value_ref: ObjectReference | None = None


class _DirectResponse(Schema, frozen=True):
    content_type: str = "text/plain"
    body: _Body | None = None
    status_code: int = 200
    header: HeaderModifier | None = None


class _Spec(Schema, frozen=True):
    url_rewrite: _UrlRewrite | None = None
    direct_response: _DirectResponse | None = None
    credential_injection: Ignored = None
    request_mirror: Ignored = None
    matches: Ignored = None


class HTTPRouteFilter(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower an HTTPRouteFilter; a rule that refers to one that cannot be built answers 500, as Gateway API demands."""
    found, problems = decode(document, HTTPRouteFilter)
    report = Report(document, problems)
    if found is None:
        return report.lowered(None)
    spec = found.spec
    filters: list[Filter] = []
    for attribute, (name, hint) in _NOT_BUILT.items():
        if getattr(spec, attribute) is not None:
            message = f"{name} is not carried over; rules that use it answer 500"
            report.error("unsupported-filter", message, "spec", name, hint=hint)
            filters.append(Refuse(report.origin.at("spec", name), 500, f"{name} is not supported"))
    if spec.url_rewrite is not None:
        filters += _rewrite(spec.url_rewrite, report)
    if spec.direct_response is not None:
        filters += _respond(spec.direct_response, document, report)
    return report.lowered(MiddlewareIntent(key_of(document), document.origin, tuple(filters)))


def _rewrite(wanted: _UrlRewrite, report: Report) -> list[Filter]:
    origin = report.origin.at("spec", "urlRewrite")
    if wanted.hostname is not None:
        message = "the Host is not taken from a header or the backend; rules that use it answer 500"
        report.error(
            "unsupported-filter", message, "spec", "urlRewrite", "hostname", hint="write it in the URLRewrite filter"
        )
        return [Refuse(origin, 500, "a Host of the request's own is not supported")]
    if wanted.path is None:
        return []
    change = wanted.path.replace_regex_match
    if why := syntax.regex_error(change.pattern):
        report.invalid(f"`{change.pattern}` is not valid: {why}", "spec", "urlRewrite", "path", "replaceRegexMatch")
        return []
    edit = PathEdit(PathEditKind.REGEX, change.substitution, pattern=change.pattern)
    return [Rewrite(origin, paths=(edit,))]


def _respond(wanted: _DirectResponse, document: Document, report: Report) -> list[Filter]:
    where = ("spec", "directResponse")
    origin = report.origin.at(*where)
    body = wanted.body or _Body()
    if body.type == "ValueRef":
        message = "a body in a ConfigMap is not read; rules that use it answer 500"
        report.error("unsupported-filter", message, *where, "body", "valueRef", hint="write it inline")
        return [Refuse(origin, 500, "the body is in a ConfigMap")]
    if not 200 <= wanted.status_code <= 599:
        report.invalid(f"{wanted.status_code} is not a status", *where, "statusCode")
    if "%" in body.inline:
        report.unsupported("command operators are not expanded in bodies", *where, "body", "inline")
    made: list[Filter] = []
    if wanted.header is not None:
        made.append(ResponseHeaders(header_edit(wanted.header, (*where, "header"), report), origin))
    made.append(Respond(origin, wanted.status_code, body.inline.encode(), wanted.content_type))
    return made


KIND = Kind("HTTPRouteFilter", envoygateway.API_VERSIONS, lower)
