"""Who wins when several rules match: decided here, once, for every reader of the graph.

Each dialect has its own order; `order` gives the sort key of one match of one rule, smaller first.  Ties fall to
the older object, then namespace/name, then the place in the object, so that input order can never show.
"""

from __future__ import annotations

from gatewright.graph.nodes import Gateway
from gatewright.kinds.intents import Dialect, HostKind, Match, PathKind, RouteIntent, RuleIntent

Order = tuple[object, ...]

_PATH_RANK = {PathKind.EXACT: 0, PathKind.REGEX: 1, PathKind.PREFIX: 2, PathKind.RAW_PREFIX: 2}


def order(gateway: Gateway, route: RouteIntent, rule: RuleIntent, match: Match, position: int) -> Order:
    """The sort key of a match in its VirtualHost."""
    tie: Order = (route.created or "~", route.key.namespace, route.key.name, route.key.kind, rule.index, position)
    if gateway.dialect is Dialect.TRAEFIK:
        return (-traefik_priority(route, rule, match), *tie)
    if gateway.dialect is Dialect.GATEWAY_API:
        return (*_gateway_api(match), *tie)
    return (rule.default, *_path(match), *tie)


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
        elif path.kind is PathKind.PREFIX and path.value != "/":
            bare = path.value.rstrip("/")
            parts.append(f"(Path(`{bare}`) || PathPrefix(`{bare}/`))")
        else:
            parts.append(f"PathPrefix(`{path.value}`)")
    return len(" && ".join(parts))
