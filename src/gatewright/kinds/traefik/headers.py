"""The headers middleware of Traefik: custom headers, security headers and CORS.

Three features in one object, lowered to three filters.  In Traefik the security headers are set first, so
custom response headers win over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec import field

from gatewright.base.origin import Origin
from gatewright.kinds import syntax
from gatewright.kinds.decode import Report, Schema
from gatewright.kinds.intents.filters import (
    Cors,
    Filter,
    HeaderEdit,
    Refuse,
    RequestHeaders,
    ResponseHeaders,
    Rewrite,
)
from gatewright.kinds.traefik.common import UNAVAILABLE

_REMOVED = "has no effect since Traefik 3; use redirectScheme or redirectRegex"


class Headers(Schema, frozen=True):
    """`spec.headers` of a Middleware."""

    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "sslRedirect": _REMOVED,
        "sslTemporaryRedirect": _REMOVED,
        "sslHost": _REMOVED,
        "sslForceHost": _REMOVED,
        "featurePolicy": "has no effect since Traefik 3; use permissionsPolicy",
        "accessControlAllowOriginListRegex": "origins cannot be patterns, so these are not allowed",
    }

    custom_request_headers: dict[str, str] = field(default_factory=dict)
    custom_response_headers: dict[str, str] = field(default_factory=dict)
    access_control_allow_credentials: bool = False
    access_control_allow_headers: tuple[str, ...] = ()
    access_control_allow_methods: tuple[str, ...] = ()
    access_control_allow_origin_list: tuple[str, ...] = ()
    access_control_expose_headers: tuple[str, ...] = ()
    access_control_max_age: int = 0
    add_vary_header: bool = False
    allowed_hosts: tuple[str, ...] = ()
    hosts_proxy_headers: tuple[str, ...] = ()
    ssl_proxy_headers: dict[str, str] = field(default_factory=dict)
    sts_seconds: int = 0
    sts_include_subdomains: bool = False
    sts_preload: bool = False
    force_sts_header: bool = field(default=False, name="forceSTSHeader")
    frame_deny: bool = False
    custom_frame_options_value: str = ""
    content_type_nosniff: bool = False
    browser_xss_filter: bool = False
    custom_browser_xss_value: str = field(default="", name="customBrowserXSSValue")
    content_security_policy: str = ""
    content_security_policy_report_only: str = ""
    public_key: str = ""
    referrer_policy: str = ""
    permissions_policy: str = ""
    is_development: bool = False


def lower_headers(headers: Headers, report: Report, *path: str | int) -> tuple[Filter, ...]:
    """The filters of a headers middleware, in the order in which they see the request."""
    origin = report.origin.at(*path)
    if headers.allowed_hosts and not headers.is_development:
        message = "requests cannot be limited to these hosts here, so the middleware refuses them all"
        hint = "match the hosts in the routes instead"
        report.error("protection-unbuildable", message, *path, "allowedHosts", hint=hint)
        return (Refuse(origin, UNAVAILABLE, "headers.allowedHosts is not supported"),)
    if not _valid(headers, report, *path):
        return (Refuse(origin, UNAVAILABLE, "a header of the middleware is not valid"),)
    response = _response(headers)
    found = (
        _cors(headers, origin, report, *path),
        *_request(headers.custom_request_headers, report, *path),
        ResponseHeaders(response, origin) if response != HeaderEdit() else None,
    )
    return tuple(item for item in found if item is not None)


def _valid(headers: Headers, report: Report, *path: str | int) -> bool:
    valid = True
    for place, edits in (
        ("customRequestHeaders", headers.custom_request_headers),
        ("customResponseHeaders", headers.custom_response_headers),
    ):
        for name, value in edits.items():
            if not syntax.is_header_name(name) or not syntax.is_header_value(value):
                message = "not a header that HTTP allows; the middleware refuses every request"
                report.error("invalid-value", message, *path, place, name)
                valid = False
    return valid


def _request(custom: dict[str, str], report: Report, *path: str | int) -> tuple[Filter | None, ...]:
    """Request headers; an empty value removes, and Host is the request's host."""
    origin = report.origin.at(*path)
    host = next(((name, value) for name, value in custom.items() if name.lower() == "host"), None)
    if host and not host[1]:
        report.unsupported("the Host header is not removed", *path, "customRequestHeaders", host[0])
    edit = _edit({name: value for name, value in custom.items() if name.lower() != "host"})
    return (
        Rewrite(origin, host=host[1]) if host and host[1] else None,
        RequestHeaders(edit, origin) if edit != HeaderEdit() else None,
    )


def _edit(headers: dict[str, str], add: tuple[tuple[str, str], ...] = ()) -> HeaderEdit:
    items = sorted(headers.items())
    return HeaderEdit(
        set=tuple((name, value) for name, value in items if value),
        add=add,
        remove=tuple(name for name, value in items if not value),
    )


def _response(headers: Headers) -> HeaderEdit:
    custom = headers.custom_response_headers
    taken = {name.lower() for name in custom}
    security = {name: value for name, value in _security(headers).items() if name.lower() not in taken}
    return _edit({**security, **custom}, (("Vary", "Origin"),) if headers.add_vary_header else ())


def _security(headers: Headers) -> dict[str, str]:
    """The security headers with a value.

    Strict-Transport-Security is set whatever the connection: browsers obey it over TLS only, and so
    neither forceSTSHeader nor sslProxyHeaders makes a difference.
    """
    sts = ""
    if headers.sts_seconds and not headers.is_development:
        sts = f"max-age={headers.sts_seconds}"
        sts += "; includeSubDomains" if headers.sts_include_subdomains else ""
        sts += "; preload" if headers.sts_preload else ""
    values = {
        "Strict-Transport-Security": sts,
        "X-Frame-Options": headers.custom_frame_options_value or ("DENY" if headers.frame_deny else ""),
        "X-Content-Type-Options": "nosniff" if headers.content_type_nosniff else "",
        "X-XSS-Protection": headers.custom_browser_xss_value or ("1; mode=block" if headers.browser_xss_filter else ""),
        "Content-Security-Policy": headers.content_security_policy,
        "Content-Security-Policy-Report-Only": headers.content_security_policy_report_only,
        "Public-Key-Pins": headers.public_key,
        "Referrer-Policy": headers.referrer_policy,
        "Permissions-Policy": headers.permissions_policy,
    }
    return {name: value for name, value in values.items() if value}


def _cors(headers: Headers, origin: Origin, report: Report, *path: str | int) -> Cors | None:
    """The CORS part, None where nothing of it is used."""
    if not (
        headers.access_control_allow_credentials
        or headers.access_control_allow_headers
        or headers.access_control_allow_methods
        or headers.access_control_allow_origin_list
        or headers.access_control_expose_headers
        or headers.access_control_max_age
    ):
        return None
    origins: list[str] = []
    for index, allowed in enumerate(headers.access_control_allow_origin_list):
        if "*" in allowed and allowed != "*":
            message = "Traefik compares this literally, so it allows no origin"
            report.warning("invalid-value", message, *path, "accessControlAllowOriginList", index)
        else:
            origins.append(allowed)
    return Cors(
        origin=origin,
        allow_origins=tuple(origins),
        allow_methods=headers.access_control_allow_methods,
        allow_headers=headers.access_control_allow_headers,
        expose_headers=headers.access_control_expose_headers,
        allow_credentials=headers.access_control_allow_credentials,
        max_age=headers.access_control_max_age,
    )
