"""TLSRoute, TCPRoute and UDPRoute (Gateway API): whole connections to backends.

Whether a TLSRoute's connections are passed through or terminated is its listener's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from gatewright.base.document import Document
from gatewright.kinds.decode import Object, Report, Schema, decode, key_of
from gatewright.kinds.gateway_api import gatewayapi
from gatewright.kinds.gateway_api.gatewayapi import RouteSpec, WeightedBackendReference
from gatewright.kinds.gateway_api.httproute import check_rule_names
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.routing import Dialect, Protocol, RuleIntent
from gatewright.kinds.kind import Kind


class _Rule(Schema, frozen=True):
    name: Annotated[str, Meta(max_length=253)] = ""
    backend_refs: Annotated[tuple[WeightedBackendReference, ...], Meta(max_length=16)] = ()


class _Spec(RouteSpec, frozen=True, kw_only=True):
    rules: Annotated[tuple[_Rule, ...], Meta(min_length=1, max_length=16)]


class _TlsSpec(_Spec, frozen=True):
    hostnames: Annotated[tuple[str, ...], Meta(max_length=1024)] = ()


class StreamRoute(Object, frozen=True, kw_only=True):
    """A TCPRoute or UDPRoute."""

    spec: _Spec


class TLSRoute(Object, frozen=True, kw_only=True):
    spec: _TlsSpec


def _lower_tls(document: Document) -> Lowered:
    route, problems = decode(document, TLSRoute)
    report = Report(document, problems)
    if route is None:
        return report.lowered(None)
    spec = route.spec
    if not spec.hostnames and document.api_version.endswith("/v1"):
        report.invalid("a TLSRoute names at least one hostname", "spec", "hostnames")
    hostnames = gatewayapi.lower_hostnames(spec.hostnames, report)
    return _lower_route(document, report, route, Protocol.TLS, hostnames)


def _lower_plain(protocol: Protocol) -> Callable[[Document], Lowered]:
    def lower(document: Document) -> Lowered:
        route, problems = decode(document, StreamRoute)
        report = Report(document, problems)
        return report.lowered(None) if route is None else _lower_route(document, report, route, protocol)

    return lower


def _lower_route(
    document: Document,
    report: Report,
    route: StreamRoute | TLSRoute,
    protocol: Protocol,
    hostnames: tuple[str, ...] = (),
) -> Lowered:
    spec = route.spec
    check_rule_names([rule.name for rule in spec.rules], report)
    for index in range(1, len(spec.rules)):
        message = "a connection always goes by the first rule; this one is never reached"
        report.warning("unreachable-rule", message, "spec", "rules", index)
    intent = RouteIntent(
        key=key_of(document),
        origin=document.origin,
        dialect=Dialect.GATEWAY_API,
        protocol=protocol,
        attach=gatewayapi.lower_parents(spec.parent_refs, document.namespace, report),
        rules=(_lower_rule(spec.rules[0], document, report),),
        hostnames=hostnames,
        created=route.metadata.created,
        labels=route.metadata.marks,
        annotations=route.metadata.notes,
    )
    return report.lowered(intent)


def _lower_rule(rule: _Rule, document: Document, report: Report) -> RuleIntent:
    path = ("spec", "rules", 0)
    if not rule.backend_refs:
        report.invalid("the rule needs at least one backend", *path, "backendRefs")
    return RuleIntent(
        index=0,
        origin=document.origin.at(*path),
        name=rule.name,
        backends=tuple(
            gatewayapi.lower_backend(backend, document.namespace, report, (*path, "backendRefs", index))
            for index, backend in enumerate(rule.backend_refs)
        ),
    )


_EXPERIMENTAL = (f"{gatewayapi.GROUP}/v1", f"{gatewayapi.GROUP}/v1alpha2")

KINDS = (
    Kind("TLSRoute", (*_EXPERIMENTAL, f"{gatewayapi.GROUP}/v1alpha3"), _lower_tls),
    Kind("TCPRoute", _EXPERIMENTAL, _lower_plain(Protocol.TCP)),
    Kind("UDPRoute", _EXPERIMENTAL, _lower_plain(Protocol.UDP)),
)
