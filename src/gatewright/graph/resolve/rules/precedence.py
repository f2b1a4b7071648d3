"""Who wins when several rules match: decided here, once, for every reader of the graph.

Each dialect has its own order; `order` gives the sort key of one match of one rule, smaller first.  Ties fall to
the older object, then namespace/name, then the place in the object, so that input order can never show.
"""

from __future__ import annotations

import math

from msgspec import structs

from gatewright.graph.nodes import Gateway
from gatewright.graph.resolve.doors import load_balancers
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.routing import (
    Dialect,
    HostKind,
    Match,
    PathKind,
    RuleIntent,
)

Order = tuple[object, ...]

_BY_CHARACTERS = {PathKind.PREFIX: PathKind.RAW_PREFIX}
_PATH_RANK = {PathKind.EXACT: 0, PathKind.REGEX: 1, PathKind.PREFIX: 2, PathKind.RAW_PREFIX: 2}


def age(route: RouteIntent) -> tuple[str, str]:
    """The older object first, then by "namespace/name"; without a timestamp an object counts as the youngest."""
    return (route.created or "~", f"{route.key.namespace}/{route.key.name}")


def order(gateway: Gateway, route: RouteIntent, rule: RuleIntent, match: Match, position: int) -> Order:
    """The sort key of a match in its VirtualHost."""
    tie: Order = (*age(route), route.key.kind, rule.index, position)
    if route.doors is not None:
        return (-math.inf, *tie)
    if gateway.dialect is Dialect.TRAEFIK:
        return (-traefik_priority(route, rule, match), *tie)
    if route.key.kind == "GRPCRoute":
        return (*_grpc(match), *tie)
    if gateway.dialect is Dialect.GATEWAY_API:
        return (*_gateway_api(match), *tie)
    if gateway.implementation == load_balancers.ALB:
        return (rule.default, *load_balancers.rank(route), rule.index, position)
    return (rule.default, *_path(match), -len(match.headers), *tie)


def in_one_order(gateway: Gateway) -> bool:
    """Do the rules of wildcards and of no host count at a more specific hostname, too?"""
    return gateway.dialect is Dialect.TRAEFIK or gateway.implementation == load_balancers.ALB


def expression_order(route: RouteIntent, rule: RuleIntent, match: Match, position: int) -> Order:
    """ingress-nginx where paths are expressions: the longest text first, then backwards by the alphabet."""
    text = match.paths[0].value if match.paths else "/"
    backwards = tuple(-ord(character) for character in text)
    return (rule.default, -len(text), backwards, *age(route), route.key.kind, rule.index, position)


def exact_order(match: Match, rank: Order) -> Order:
    """The sort key of an exact path that stands for a longer one of an Ingress with this sort key."""
    return (False, *_path(match), *rank[3:])


def _path(match: Match) -> tuple[int, int]:
    """Exact before regular expression before prefix, longest first; a trailing slash of a prefix does not count."""
    if not match.paths:
        return (_PATH_RANK[PathKind.PREFIX], -1)
    first = match.paths[0]
    value = first.value.rstrip("/") or "/" if first.kind is PathKind.PREFIX else first.value
    return (_PATH_RANK[first.kind], -len(value))


def _gateway_api(match: Match) -> tuple[int, ...]:
    """HTTPRouteRule.matches: path, then method, then the number of header and of query matches."""
    return (*_path(match), 0 if match.methods else 1, -len(match.headers), -len(match.query))


def _grpc(match: Match) -> tuple[int, ...]:
    """GRPCRouteRule.matches: the longest service, then the longest method, then the number of headers.

    A method in a service was lowered to an exact path, a service to a prefix and what is left to an expression.
    """
    if not match.paths:
        return (3, 0, -len(match.headers))
    rank = {PathKind.EXACT: 0, PathKind.RAW_PREFIX: 1}.get(match.paths[0].kind, 2)
    return (rank, -len(match.paths[0].value), -len(match.headers))


def traefik_match(match: Match) -> Match:
    """An Ingress in Traefik: unless strictPrefixMatching is on, a Prefix path goes by characters."""
    paths = tuple(structs.replace(p, kind=_BY_CHARACTERS.get(p.kind, p.kind)) for p in match.paths)
    return structs.replace(match, paths=paths)


def traefik_priority(route: RouteIntent, rule: RuleIntent, match: Match) -> int:
    """A Traefik router's priority; for an Ingress, the length of the rule that Traefik makes of it."""
    if rule.priority is not None:
        return rule.priority
    if rule.default:
        return -(2**31)
    parts = []
    for host in match.hosts:
        if host.kind is HostKind.EXACT and host.value.startswith("*."):
            parts.append(f"HostRegexp(`^[a-zA-Z0-9-]+\\.{host.value[2:].replace('.', chr(92) + '.')}$`)")
        else:
            parts.append(f"Host(`{host.value}`)")
    for path in match.paths:
        if path.kind is PathKind.EXACT:
            parts.append(f"Path(`{path.value}`)")
        else:
            parts.append(f"PathPrefix(`{path.value}`)")
    return len(" && ".join(parts))
