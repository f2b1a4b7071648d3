"""The steps of a rule, judged by what a request tells of itself.

What only a server knows (is this password, this token, this client good?) is assumed to turn out well, and said.
Counterpart: `walk`, which goes through them in order.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from gatewright.base import htpasswd
from gatewright.base.origin import Origin
from gatewright.graph.nodes import AskAuth, BasicAuthUsers, ErrorPage, Step, TokenCheck
from gatewright.kinds.intents.filters import (
    Authorize,
    AuthorizeRule,
    BodyLimit,
    ClientCertificateHeaders,
    Compress,
    InFlight,
    Jwt,
    LimitBy,
    RateLimit,
    Template,
    Variable,
)
from gatewright.trace.hops import BackendName
from gatewright.trace.match import in_ranges
from gatewright.trace.request import Request


class Verdict(Struct, frozen=True):
    """What a step does: said in `summary`; `status` 0 lets the request go on, else it is refused for `reason`."""

    summary: str
    origin: Origin
    status: int = 0
    reason: str = ""
    location: str | None = None


def judge(step: Step, request: Request) -> Verdict | None:
    """What a step makes of a request; None for what changes nothing that a trace shows."""
    match step:
        case BasicAuthUsers():
            return _basic_auth(step, request)
        case AskAuth():
            return _ask(step, request)
        case TokenCheck():
            return _tokens(step.check, request)
        case Authorize():
            return _authorize(step, request)
        case RateLimit():
            each = _each(step.by, step.header)
            summary = f"at most {step.requests} requests in {step.period:g} s{each} (burst {step.burst})"
            return Verdict(f"{summary}, else {step.status}", step.origin)
        case InFlight():
            summary = f"at most {step.amount} requests at the same time{_each(step.by, step.header)}"
            return Verdict(f"{summary}, else {step.status}", step.origin)
        case BodyLimit():
            return _body(step, request)
        case ClientCertificateHeaders():
            named = ", ".join(name for name, _ in step.headers)
            return Verdict(f"tells the backend about the client's certificate: {named}", step.origin)
        case Compress() | ErrorPage():
            return None


def error_page(steps: Iterable[Step], status: int) -> ErrorPage | None:
    """The page that an answer of this status is replaced by."""
    for step in steps:
        if isinstance(step, ErrorPage) and step.covers(status):
            return step
    return None


def _each(by: LimitBy, header: str) -> str:
    whose = {LimitBy.CLIENT: "client", LimitBy.HEADER: f"value of {header}", LimitBy.HOST: "host"}.get(by)
    return f" for each {whose}" if whose else ""


# --- credentials --------------------------------------------------------------------------------


def _basic_auth(step: BasicAuthUsers, request: Request) -> Verdict:
    if step.excepts and in_ranges(request.client, step.excepts):
        return Verdict(f"basic authentication: client {request.client} is not asked", step.origin)
    name, password = _credentials(request)
    lines = htpasswd.lines(step.users.reveal())
    digest = base64.b64encode(hashlib.sha1(password, usedforsecurity=False).digest())
    if name and name + b":{SHA}" + digest in lines:
        return Verdict("basic authentication: valid", step.origin)
    if name and any(line.startswith(name + b":") and htpasswd.needs_asking(line) for line in lines):
        return Verdict("basic authentication: goes on if the password is right", step.origin)
    return Verdict("basic authentication: no valid user", step.origin, 401, "authentication required")


def _credentials(request: Request) -> tuple[bytes, bytes]:
    """Name and password of the Authorization header (RFC 7617); an empty name without them."""
    scheme, _, encoded = (request.header("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return b"", b""
    try:
        name, _, password = base64.b64decode(encoded, validate=True).partition(b":")
    except ValueError:
        return b"", b""
    return name, password


def _ask(step: AskAuth, request: Request) -> Verdict:
    question = step.question
    if question.excepts and in_ranges(request.client, question.excepts):
        return Verdict(f"client {request.client} is let pass without a question", question.origin)
    scheme = "https" if step.tls else "http"
    url = f"{scheme}://{in_words(step.host) or step.backend.name}{in_words(step.path)}"
    return Verdict(f"asks {url} ({BackendName.of(step.backend)}); goes on if it answers 2xx", question.origin)


def in_words(template: Template) -> str:
    """A template with its variables in braces."""
    return "".join(f"{{{piece.value}}}" if isinstance(piece, Variable) else piece for piece in template)


def _tokens(check: Jwt, request: Request) -> Verdict:
    names = ", ".join(provider.name for provider in check.providers)
    if any(_token(check, request)):
        return Verdict(f"token: goes on if it is one of {names}", check.origin)
    if check.optional:
        return Verdict("token: none, and none is needed", check.origin)
    return Verdict(f"token: none of {names}", check.origin, 401, "a token is required")


def _token(check: Jwt, request: Request) -> Iterable[str]:
    """The tokens that a request carries, from every place where a provider looks for them."""
    parameters = parse_qs(request.query)
    cookies = dict(item.strip().partition("=")[::2] for item in (request.header("cookie") or "").split(";"))
    for provider in check.providers:
        places = provider.headers
        if not (provider.headers or provider.parameters or provider.cookies):
            places = (("authorization", "Bearer "),)
            yield from parameters.get("access_token", [])  # RFC 6750, clause 2.3
        for name, prefix in places:
            for value in request.values(name.lower()):
                if value.startswith(prefix):
                    yield value.removeprefix(prefix)
        for name in provider.parameters:
            yield from parameters.get(name, [])
        yield from (cookies[name] for name in provider.cookies if name in cookies)


def _claims(request: Request) -> dict[str, object]:
    """What the bearer token of a request claims; nobody has verified it yet."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    parts = token.split(".")
    if scheme.lower() != "bearer" or len(parts) != 3:
        return {}
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, msgspec.DecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _authorize(step: Authorize, request: Request) -> Verdict:
    claims = _claims(request)
    rule = next((rule for rule in step.rules if _fits(rule, request, claims)), None)
    if rule.allow if rule is not None else step.allow:
        return Verdict("authorization: allowed", step.origin)
    return Verdict("authorization: denied", step.origin, 403, "not allowed")


def _fits(rule: AuthorizeRule, request: Request, claims: dict[str, object]) -> bool:
    if rule.cidrs and not in_ranges(request.client, rule.cidrs):
        return False
    if rule.methods and request.method not in rule.methods:
        return False
    if any(not set(request.values(name.lower())) & set(values) for name, values in rule.headers):
        return False
    scopes = str(claims.get("scope", "")).split()
    if any(scope not in scopes for _, scope in rule.scopes):
        return False
    return all(_claimed(claims, claim) & set(values) for _, claim, values in rule.claims)


def _claimed(claims: dict[str, object], claim: str) -> set[str]:
    """The values of a claim; dots lead into nested ones."""
    found: object = claims
    for part in claim.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return {str(item) for item in (found if isinstance(found, list) else [found])}


def _body(step: BodyLimit, request: Request) -> Verdict | None:
    length = request.header("content-length") or ""
    if step.octets and length.isdecimal() and int(length) > step.octets:
        summary = f"a body of {length} octets is more than {step.octets}"
        return Verdict(summary, step.origin, 413, "the body is too large")
    return None
