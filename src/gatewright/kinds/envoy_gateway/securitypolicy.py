"""SecurityPolicy (Envoy Gateway): who may pass, at a Gateway, one of its listeners, a route or one of its rules.

Whatever of it cannot be read or built closes its targets with 503: its absence would open them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds.decode import Ignored, Object, Report, Schema, decode, key_of
from gatewright.kinds.envoy_gateway import envoygateway
from gatewright.kinds.envoy_gateway.envoygateway import BackendReference, StringMatch, Targets
from gatewright.kinds.envoy_gateway.tokens import JwtConfig, lower_jwt
from gatewright.kinds.gateway_api.gatewayapi import ObjectReference
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.filters import (
    Authorize,
    AuthorizeRule,
    BasicAuth,
    Cors,
    Filter,
    ForwardAuth,
    Template,
    Variable,
)
from gatewright.kinds.intents.options import Options, OptionsPolicyIntent
from gatewright.kinds.kind import Kind

TARGETS = ("Gateway", "ListenerSet", "HTTPRoute", "GRPCRoute", "TCPRoute")

_ASKED = "http://auth"
"""Stands for the backend in the URL of a question: it is asked with the Host of the request."""
DENIALS = (*range(300, 309), *range(400, 419), 421, 422, 423, 424, 425, 426, 428, 429, 431, 451)
"""What answers a question with no: passed on to the client.  Errors of the server are not."""
_REFUSED = {
    "oidc": "OpenID Connect is not built in; put an oauth2-proxy in front and name it in extAuth",
    "api_key_auth": "API keys are not checked; use basicAuth, jwt or extAuth",
    "csrf": "origins of changing requests are not checked",
}


_BROWSERS_AGE = 5
"""Seconds for which browsers keep the answer to a preflight that does not say (Fetch, CORS protocol)."""


class _Cors(Schema, frozen=True):
    allow_origins: tuple[str | StringMatch, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: str = ""
    allow_credentials: bool = False


class _BasicAuth(Schema, frozen=True):
    users: ObjectReference
    forward_username_header: str = ""


class _HttpAuth(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {"backendSettings": "how the server is asked is not tuned"}

    backend_ref: BackendReference | None = None
    backend_refs: tuple[BackendReference, ...] = ()
    path: str = ""
    path_override: str = ""
    headers_to_backend: tuple[str, ...] = ()


class _BodyToAuth(Schema, frozen=True):
    max_request_bytes: Annotated[int, Meta(ge=1)]


class _ExtAuth(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "recomputeRoute": "the route stays the one that was chosen before the question",
        "contextExtensions": "they are of gRPC authorization servers",
    }

    http: _HttpAuth | None = None
    grpc: Ignored = None
    headers_to_ext_auth: tuple[str, ...] = ()
    body_to_ext_auth: _BodyToAuth | None = None
    fail_open: bool = False
    timeout: str = ""
    status_on_error: int = 403


class _Claim(Schema, frozen=True):
    name: str
    values: tuple[str, ...]
    value_type: Literal["String", "StringArray"] = "String"


class _JwtPrincipal(Schema, frozen=True):
    provider: str
    claims: tuple[_Claim, ...] = ()
    scopes: tuple[str, ...] = ()


class _HeaderPrincipal(Schema, frozen=True):
    name: str
    values: tuple[str, ...]


class _Principal(Schema, frozen=True):
    client_cidrs: tuple[str, ...] = field(default=(), name="clientCIDRs")
    jwt: _JwtPrincipal | None = None
    headers: tuple[_HeaderPrincipal, ...] = ()
    client_ip_geo_locations: Ignored = field(default=None, name="clientIPGeoLocations")


class _Operation(Schema, frozen=True):
    methods: tuple[str, ...] = ()


class _Rule(Schema, frozen=True):
    action: Literal["Allow", "Deny"]
    name: str = ""
    principal: _Principal | None = None
    operation: _Operation = _Operation()
    cel: Ignored = None


class _Authorization(Schema, frozen=True):
    rules: tuple[_Rule, ...] = ()
    default_action: Literal["Allow", "Deny"] = "Deny"


class _Spec(Targets, frozen=True):
    merge_type: str = ""
    cors: _Cors | None = None
    basic_auth: _BasicAuth | None = None
    jwt: JwtConfig | None = None
    oidc: Ignored = None
    api_key_auth: Ignored = None
    csrf: Ignored = None
    ext_auth: _ExtAuth | None = None
    authorization: _Authorization | None = None


class SecurityPolicy(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower a SecurityPolicy."""
    policy, problems = decode(document, SecurityPolicy)
    report = Report(document, problems)
    if policy is None:
        return _closed(document, report)
    spec = policy.spec
    refused = [_refuse(name, report) for name in _REFUSED if getattr(spec, name) is not None]
    auth = _ext_auth(spec.ext_auth, document, report) if spec.ext_auth else None
    if isinstance(auth, str):
        refused.append(auth)
        auth = None
    # Envoy Gateway's order: CORS, external authorization, basic authentication, tokens, authorization.
    first: list[Filter] = [_cors(spec.cors, report)] if spec.cors else []
    filters: list[Filter] = []
    where = ("spec", "basicAuth", "users", "namespace")
    if spec.basic_auth and spec.basic_auth.users.namespace not in ("", document.namespace):
        report.invalid("the Secret has to be in the policy's namespace", *where)
    if spec.basic_auth:
        filters.append(_basic_auth(spec.basic_auth, document, report))
    if spec.jwt:
        filters.append(lower_jwt(spec.jwt, document, report, "spec", "jwt"))
    if spec.authorization:
        found = _authorization(spec.authorization, spec.jwt, report)
        if isinstance(found, str):
            refused.append(found)
        else:
            filters.append(found)
    intent = OptionsPolicyIntent(
        key_of(document),
        document.origin,
        envoygateway.targets(spec, document, report, TARGETS),
        Options(first=tuple(first), auth=auth, filters=tuple(filters), unbuildable="; ".join(refused)),
        merges=bool(spec.merge_type),
        created=policy.metadata.created,
    )
    return _closed(document, report) if report.rejected else report.lowered(intent)


def _closed(document: Document, report: Report) -> Lowered:
    """A policy that cannot be used closes what it was to protect."""
    lowered = report.lowered(None)
    stand_in = envoygateway.closed(document, f"{key_of(document)} cannot be used", TARGETS)
    return Lowered(None, lowered.problems, instead=stand_in)


def _refuse(name: str, report: Report) -> str:
    path = {"api_key_auth": "apiKeyAuth"}.get(name, name)
    message = f"{path} is not carried over; what it protects answers 503"
    report.error("protection-unbuildable", message, "spec", path, hint=_REFUSED[name])
    return f"{path} is not supported"


def _cors(cors: _Cors, report: Report) -> Cors:
    origins = []
    for index, origin in enumerate(cors.allow_origins):
        if isinstance(origin, str):
            origins.append(origin)
        elif origin.type == "Exact":
            origins.append(origin.value)
        else:
            message = f"origins of type {origin.type} are not supported; this one is not allowed"
            report.unsupported(message, "spec", "cors", "allowOrigins", index, hint="write https://*.example.com")
    age = envoygateway.seconds(cors.max_age, report, "spec", "cors", "maxAge")
    return Cors(
        report.origin.at("spec", "cors"),
        tuple(origins),
        cors.allow_methods,
        cors.allow_headers,
        cors.expose_headers,
        cors.allow_credentials,
        int(age) if age is not None else _BROWSERS_AGE,
    )


def _basic_auth(auth: _BasicAuth, document: Document, report: Report) -> BasicAuth:
    """The users are htpasswd lines in the Secret's `.htpasswd`."""
    secret = Key("Secret", auth.users.namespace or document.namespace, auth.users.name)
    origin = report.origin.at("spec", "basicAuth")
    return BasicAuth(origin, secret, realm="", user_header=auth.forward_username_header, entry=".htpasswd")


def _ext_auth(auth: _ExtAuth, document: Document, report: Report) -> ForwardAuth | str:
    """The question as Envoy Gateway asks it, or why it cannot be asked."""
    where = ("spec", "extAuth")
    if auth.http is None:
        message = "authorization by gRPC is not carried over; what it protects answers 503"
        report.error("protection-unbuildable", message, *where, "grpc", hint="most servers answer HTTP, too")
        return "extAuth by gRPC is not supported"
    if auth.fail_open:
        message = "a server that does not answer lets nobody pass here, although failOpen is on"
        report.unsupported(message, *where, "failOpen")
    refs = auth.http.backend_refs or ((auth.http.backend_ref,) if auth.http.backend_ref else ())
    backend = envoygateway.asked(refs, document, report, *where, "http", "backendRefs")
    if backend is None:
        return "extAuth needs one backend"
    # The path of the question is this one followed by the request's own.
    asked: Template = (_ASKED + auth.http.path.rstrip("/"), Variable.URI)
    if auth.http.path_override:
        asked = (_ASKED + auth.http.path_override,)
    timeout = envoygateway.seconds(auth.timeout, report, *where, "timeout")
    return ForwardAuth(
        report.origin.at(*where),
        asked,
        method="",
        sends=("authorization", *(name.lower() for name in auth.headers_to_ext_auth)),
        sends_body=auth.body_to_ext_auth.max_request_bytes if auth.body_to_ext_auth else 0,
        tells=(("Host", (Variable.HOST,)),),
        copies=auth.http.headers_to_backend,
        denials=DENIALS,
        status_on_error=auth.status_on_error,
        timeout=timeout or 10.0,
        backend=backend,
        referrer=key_of(document),
    )


def _authorization(wanted: _Authorization, jwt: JwtConfig | None, report: Report) -> Authorize | str:
    rules = []
    providers = {one.name for one in jwt.providers} if jwt else set()
    for index, rule in enumerate(wanted.rules):
        where = ("spec", "authorization", "rules", index)
        principal = rule.principal or _Principal()
        unknown = next((name for name in _UNCHECKED if getattr(principal, name, None) is not None), "")
        if rule.cel is not None or unknown:
            what = _UNCHECKED.get(unknown, "cel")
            message = f"{what} is not carried over; what it protects answers 503"
            hint = "authorize by clientCIDRs, jwt or headers, or ask a server by extAuth"
            report.error("protection-unbuildable", message, *where, hint=hint)
            return f"authorization by {what} is not supported"
        token = principal.jwt
        if token is not None and token.provider not in providers:
            report.invalid(f"there is no provider {token.provider!r} in jwt", *where, "principal", "jwt", "provider")
        claimed = token is not None and bool(token.claims or token.scopes)
        if token is not None and not claimed:
            report.invalid("give claims or scopes", *where, "principal", "jwt")
        if not (principal.client_cidrs or claimed or principal.headers or rule.operation.methods):
            report.invalid("say whom it means: principal or operation", *where)
        envoygateway.check_networks(principal.client_cidrs, report, *where, "principal", "clientCIDRs")
        rules.append(
            AuthorizeRule(
                rule.action == "Allow",
                principal.client_cidrs,
                rule.operation.methods,
                tuple((header.name.lower(), header.values) for header in principal.headers),
                tuple((token.provider, claim.name, claim.values) for claim in token.claims) if token else (),
                tuple((token.provider, scope) for scope in token.scopes) if token else (),
            )
        )
    return Authorize(report.origin.at("spec", "authorization"), tuple(rules), wanted.default_action == "Allow")


_UNCHECKED = {"client_ip_geo_locations": "clientIPGeoLocations"}
"""What a principal may be told by that nobody looks at here."""


KIND = Kind("SecurityPolicy", envoygateway.API_VERSIONS, lower)
