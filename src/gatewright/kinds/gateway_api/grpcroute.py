"""GRPCRoute (Gateway API): gRPC services and methods to backends.

A gRPC call is an HTTP/2 request to `/service/method`, so a method match lowers to a path match.  As with
other implementations of the Gateway API neither the HTTP method nor the content type is looked at.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds.decode import Object, Path, Report, Schema
from gatewright.kinds.gateway_api import gatewayapi
from gatewright.kinds.gateway_api.gatewayapi import RouteSpec, SessionPersistenceConfig
from gatewright.kinds.gateway_api.httpfilters import Place, RouteFilter, lower_filters
from gatewright.kinds.gateway_api.httproute import (
    RouteBackend,
    ValueMatchConfig,
    lower_backends,
    lower_route,
    lower_values,
    refuse_bad_regex,
)
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.filters import Refuse
from gatewright.kinds.intents.routing import (
    Match,
    PathKind,
    PathMatch,
    RuleIntent,
)
from gatewright.kinds.kind import Kind

_SERVICE = re.compile(r"\.?[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_][A-Za-z_0-9]*)*")
_METHOD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_ANY = "[^/]+"


class _MethodMatch(Schema, frozen=True):
    type: Literal["Exact", "RegularExpression"] = "Exact"
    service: Annotated[str, Meta(max_length=1024)] = ""
    method: Annotated[str, Meta(max_length=1024)] = ""


class _Match(Schema, frozen=True):
    method: _MethodMatch | None = None
    headers: Annotated[tuple[ValueMatchConfig, ...], Meta(max_length=16)] = ()


class _Rule(Schema, frozen=True):
    name: Annotated[str, Meta(max_length=253)] = ""
    matches: Annotated[tuple[_Match, ...], Meta(max_length=64)] = ()
    filters: Annotated[tuple[RouteFilter, ...], Meta(max_length=16)] = ()
    backend_refs: Annotated[tuple[RouteBackend, ...], Meta(max_length=16)] = ()
    session_persistence: SessionPersistenceConfig | None = None


class _Spec(RouteSpec, frozen=True):
    hostnames: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    rules: Annotated[tuple[_Rule, ...], Meta(max_length=16)] = field(default=(_Rule(),))


class GRPCRoute(Object, frozen=True):
    spec: _Spec = _Spec()


def lower(document: Document) -> Lowered:
    """Lower a GRPCRoute."""
    return lower_route(document, GRPCRoute, _lower_rule)


def _lower_rule(rule: _Rule, index: int, document: Document, report: Report) -> RuleIntent:
    path: Path = ("spec", "rules", index)
    refusals: list[Refuse] = []
    matches = []
    for number, match in enumerate(rule.matches):
        where = (*path, "matches", number)
        matches.append(
            Match(
                paths=_lower_method(match.method, (*where, "method"), report, refusals),
                headers=lower_values(match.headers, (*where, "headers"), report, refusals),
            )
        )
    place = Place(document.namespace, (*path, "filters"), single_prefix=False, grpc=True)
    filters = lower_filters(rule.filters, place, report)
    return RuleIntent(
        index=index,
        origin=document.origin.at(*path),
        matches=tuple(matches),
        name=rule.name,
        filters=(*refusals, *filters),
        backends=lower_backends(rule.backend_refs, place, (*path, "backendRefs"), report),
        persistence=gatewayapi.lower_persistence(rule.session_persistence, report, (*path, "sessionPersistence")),
    )


def _lower_method(
    method: _MethodMatch | None, path: Path, report: Report, refusals: list[Refuse]
) -> tuple[PathMatch, ...]:
    """The paths of a service, of a method in any service, or of both."""
    if method is None:
        return ()
    service, name = method.service, method.method
    if not service and not name:
        report.invalid("a method match names a service, a method or both", *path)
        return ()
    if method.type == "RegularExpression":
        bad = [
            part
            for part, pattern in (("service", service), ("method", name))
            if pattern and refuse_bad_regex(pattern, (*path, part), report, refusals)
        ]
        if bad:
            return ()
        pattern = f"/{f'(?:{service})' if service else _ANY}/{f'(?:{name})' if name else _ANY}"
        return (PathMatch(PathKind.REGEX, pattern),)
    if service and _SERVICE.fullmatch(service) is None:
        report.invalid(f"{service[:60]!r} is not a gRPC service name", *path, "service")
    if name and _METHOD.fullmatch(name) is None:
        report.invalid(f"{name[:60]!r} is not a gRPC method name", *path, "method")
    if service and name:
        return (PathMatch(PathKind.EXACT, f"/{service}/{name}"),)
    if service:
        return (PathMatch(PathKind.RAW_PREFIX, f"/{service}/"),)
    return (PathMatch(PathKind.REGEX, f"/{_ANY}/{re.escape(name)}"),)


KIND = Kind("GRPCRoute", (f"{gatewayapi.GROUP}/v1", f"{gatewayapi.GROUP}/v1alpha2"), lower)
