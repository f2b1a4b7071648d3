"""HTTPRoute (Gateway API): HTTP matches, filters and weighted backends.

Matches lower to the dialect-free form: a path is always present (`/` by default), `PathPrefix` goes by
segments, regular expressions are RE2 and match in full.  Which rule wins is decided by the graph.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds import syntax
from gatewright.kinds.decode import Object, Path, Report, Schema, decode, key_of
from gatewright.kinds.gateway_api import gatewayapi
from gatewright.kinds.gateway_api.gatewayapi import RouteSpec, SessionPersistenceConfig, WeightedBackendReference
from gatewright.kinds.gateway_api.httpfilters import Place, RouteFilter, check_header_name, lower_filters
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.filters import Filter, Redirect, Refuse
from gatewright.kinds.intents.routing import (
    BackendRef,
    Dialect,
    Match,
    MethodMatch,
    PathKind,
    PathMatch,
    Protocol,
    Retry,
    RuleIntent,
    ValueKind,
    ValueMatch,
)
from gatewright.kinds.kind import Kind

_PATH_CHARACTERS = re.compile(r"(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+")
_PATH_TRAPS = ("//", "/./", "/../", "%2f", "%2F", "#")
_PATH_KINDS = {
    "Exact": PathKind.EXACT,
    "PathPrefix": PathKind.PREFIX,
    "RegularExpression": PathKind.REGEX,
}
ROOT = PathMatch(PathKind.PREFIX, "/")


class _PathMatch(Schema, frozen=True):
    type: Literal["Exact", "PathPrefix", "RegularExpression"] = "PathPrefix"
    value: Annotated[str, Meta(max_length=1024)] = "/"


class ValueMatchConfig(Schema, frozen=True):
    """A header or query parameter match."""

    name: str
    value: Annotated[str, Meta(min_length=1, max_length=4096)]
    type: Literal["Exact", "RegularExpression"] = "Exact"


class _Match(Schema, frozen=True):
    path: _PathMatch = _PathMatch()
    headers: Annotated[tuple[ValueMatchConfig, ...], Meta(max_length=16)] = ()
    query_params: Annotated[tuple[ValueMatchConfig, ...], Meta(max_length=16)] = ()
    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"] | None = None


class RouteBackend(WeightedBackendReference, frozen=True):
    """A weighted backend with filters of its own."""

    filters: Annotated[tuple[RouteFilter, ...], Meta(max_length=16)] = ()


class _Timeouts(Schema, frozen=True):
    request: str = ""
    backend_request: str = ""


class _Retry(Schema, frozen=True):
    codes: tuple[Annotated[int, Meta(ge=400, le=599)], ...] = ()
    attempts: Annotated[int, Meta(ge=0)] = 1
    backoff: str = ""


class _Rule(Schema, frozen=True):
    name: Annotated[str, Meta(max_length=253)] = ""
    matches: Annotated[tuple[_Match, ...], Meta(max_length=64)] = ()
    filters: Annotated[tuple[RouteFilter, ...], Meta(max_length=16)] = ()
    backend_refs: Annotated[tuple[RouteBackend, ...], Meta(max_length=16)] = ()
    timeouts: _Timeouts | None = None
    retry: _Retry | None = None
    session_persistence: SessionPersistenceConfig | None = None


class _Spec(RouteSpec, frozen=True):
    hostnames: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    rules: Annotated[tuple[_Rule, ...], Meta(max_length=16)] = field(default=(_Rule(),))


class HTTPRoute(Object, frozen=True):
    spec: _Spec = _Spec()


def lower(document: Document) -> Lowered:
    """Lower an HTTPRoute."""
    return lower_route(document, HTTPRoute, _lower_rule)


def lower_route(
    document: Document, schema: type[Any], lower_rule: Callable[[Any, int, Document, Report], RuleIntent]
) -> Lowered:
    """Lower a route of HTTP or of gRPC: they differ in their rules alone."""
    route, problems = decode(document, schema)
    report = Report(document, problems)
    if route is None:
        return report.lowered(None)
    spec = route.spec
    check_rule_names([rule.name for rule in spec.rules], report)
    intent = RouteIntent(
        key=key_of(document),
        origin=document.origin,
        dialect=Dialect.GATEWAY_API,
        protocol=Protocol.HTTP,
        attach=gatewayapi.lower_parents(spec.parent_refs, document.namespace, report),
        rules=tuple(lower_rule(rule, index, document, report) for index, rule in enumerate(spec.rules)),
        hostnames=gatewayapi.lower_hostnames(spec.hostnames, report),
        created=route.metadata.created,
        labels=route.metadata.marks,
        annotations=route.metadata.notes,
    )
    return report.lowered(intent)


def check_rule_names(names: list[str], report: Report) -> None:
    """Rule names are unique within a route."""
    for index, name in enumerate(names):
        if name and name in names[:index]:
            report.invalid(f"the rule name {name!r} is used twice", "spec", "rules", index, "name")


def _lower_rule(rule: _Rule, index: int, document: Document, report: Report) -> RuleIntent:
    path: Path = ("spec", "rules", index)
    origin = document.origin.at(*path)
    matches, refusals = [], []
    for number, match in enumerate(rule.matches or (_Match(),)):
        lowered, refused = _lower_match(match, (*path, "matches", number), report)
        matches.append(lowered)
        refusals += refused
    single_prefix = len(matches) == 1 and matches[0].paths[0].kind is PathKind.PREFIX
    place = Place(document.namespace, (*path, "filters"), single_prefix)
    filters = lower_filters(rule.filters, place, report)
    if rule.backend_refs and any(isinstance(item, Redirect) for item in filters):
        report.invalid("a rule that redirects cannot have backendRefs", *path, "backendRefs")
    timeout, backend_timeout = _lower_timeouts(rule.timeouts, (*path, "timeouts"), report)
    return RuleIntent(
        index=index,
        origin=origin,
        matches=tuple(matches),
        name=rule.name,
        filters=(*refusals, *filters),
        backends=lower_backends(rule.backend_refs, place, (*path, "backendRefs"), report),
        timeout=timeout,
        backend_timeout=backend_timeout,
        retry=_lower_retry(rule.retry, (*path, "retry"), report),
        persistence=gatewayapi.lower_persistence(rule.session_persistence, report, (*path, "sessionPersistence")),
    )


def lower_backends(
    backends: tuple[RouteBackend, ...], rule: Place, path: Path, report: Report
) -> tuple[BackendRef, ...]:
    """Weighted backends with their own filters."""
    lowered = []
    for index, backend in enumerate(backends):
        where = (*path, index)
        filters: tuple[Filter, ...] = ()
        if backend.filters:
            place = Place(rule.namespace, (*where, "filters"), rule.single_prefix, backend=True, grpc=rule.grpc)
            filters = lower_filters(backend.filters, place, report)
        lowered.append(gatewayapi.lower_backend(backend, rule.namespace, report, where, filters))
    return tuple(lowered)


def _lower_match(match: _Match, path: Path, report: Report) -> tuple[Match, list[Refuse]]:
    """A match, and refusals for conditions that cannot be built: without them it would match too much."""
    refusals: list[Refuse] = []
    lowered = Match(
        paths=(_lower_path(match.path, (*path, "path"), report, refusals),),
        methods=(MethodMatch(match.method),) if match.method else (),
        headers=lower_values(match.headers, (*path, "headers"), report, refusals),
        query=lower_values(match.query_params, (*path, "queryParams"), report, refusals),
    )
    return lowered, refusals


def _lower_path(path_match: _PathMatch, path: Path, report: Report, refusals: list[Refuse]) -> PathMatch:
    value, kind = path_match.value, _PATH_KINDS[path_match.type]
    if kind is PathKind.REGEX:
        if refuse_bad_regex(value, (*path, "value"), report, refusals):
            return ROOT
        return PathMatch(kind, value)
    if value == "/":
        return ROOT if kind is PathKind.PREFIX else PathMatch(kind, value)
    if not value.startswith("/"):
        report.invalid(f"a path starts with '/', got {value[:60]!r}", *path, "value")
    elif (trap := next((trap for trap in _PATH_TRAPS if trap in value), "")) or value.endswith(("/.", "/..")):
        hint = "write the path in its normal form; requests are normalised before they are matched"
        message = f"a path cannot contain {trap!r}" if trap else "a path cannot end with a dot segment"
        report.invalid(message, *path, "value", hint=hint)
    elif _PATH_CHARACTERS.fullmatch(value) is None:
        hint = "percent-encode it, or use type: RegularExpression"
        report.invalid(f"{value[:60]!r} holds a character that paths cannot have", *path, "value", hint=hint)
    if kind is PathKind.PREFIX:
        value = value.rstrip("/") or "/"
    return PathMatch(kind, value)


def lower_values(
    values: tuple[ValueMatchConfig, ...], path: Path, report: Report, refusals: list[Refuse]
) -> tuple[ValueMatch, ...]:
    """Header or query parameter matches.  Of several for one name only the first counts."""
    headers = path[-1] == "headers"
    lowered: dict[str, ValueMatch] = {}
    for index, item in enumerate(values):
        where = (*path, index)
        name = item.name.lower() if headers else item.name
        if headers:
            check_header_name(item.name, report, (*where, "name"))
        elif not name:
            report.invalid("a query parameter needs a name", *where, "name")
        if name in lowered:
            report.warning("duplicate-match", f"only the first match for {item.name} counts", *where)
        elif item.type == "RegularExpression":
            if not refuse_bad_regex(item.value, (*where, "value"), report, refusals):
                lowered[name] = ValueMatch(name, ValueKind.REGEX, item.value)
        else:
            lowered[name] = ValueMatch(name, ValueKind.EXACT, item.value)
    return tuple(lowered.values())


def refuse_bad_regex(pattern: str, path: Path, report: Report, refusals: list[Refuse]) -> bool:
    """Report a pattern that RE2 refuses, and make its rule answer 500 rather than match without it."""
    why = syntax.regex_error(pattern)
    if not why:
        return False
    message = f"not a regular expression of RE2: {why}; the rule answers 500"
    report.error("invalid-regex", message, *path, hint="RE2 has no lookaround and no backreferences")
    refusals.append(Refuse(report.origin.at(*path), 500, f"invalid regular expression: {why}"))
    return True


def _lower_timeouts(timeouts: _Timeouts | None, path: Path, report: Report) -> tuple[float | None, float | None]:
    if timeouts is None:
        return None, None
    whole = gatewayapi.lower_duration(timeouts.request, report, (*path, "request"))
    backend = gatewayapi.lower_duration(timeouts.backend_request, report, (*path, "backendRequest"))
    if whole and backend is not None and backend > whole:
        report.invalid("backendRequest cannot be longer than request", *path, "backendRequest")
    return whole, backend


def _lower_retry(retry: _Retry | None, path: Path, report: Report) -> Retry | None:
    if retry is None:
        return None
    backoff = gatewayapi.lower_duration(retry.backoff, report, (*path, "backoff"))
    return Retry(retry.attempts, retry.codes, backoff or 0.0)


KIND = Kind(
    "HTTPRoute",
    (f"{gatewayapi.GROUP}/v1", f"{gatewayapi.GROUP}/v1beta1", f"{gatewayapi.GROUP}/v1alpha2"),
    lower,
)
