"""What a gateway decodes of a path before its rules see it, noted on the conditions where that makes a difference.

ingress-nginx compares the decoded path.  Traefik leaves reserved characters and the percent sign encoded.  HAProxy
compares what was sent, and an ALB and the Gateway API what is normalised: for these, text is text.  Counterparts:
`base.percent`, which knows what a reading means, and the matchers of `trace` and the engines.
"""

from __future__ import annotations

from msgspec import structs

from gatewright.base import percent
from gatewright.base.percent import Reading
from gatewright.graph.nodes import Gateway
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.routing import Dialect, Match, PathKind, PathMatch


def of(gateway: Gateway) -> Reading:
    """What rules at this gateway see of a path."""
    if gateway.dialect is Dialect.TRAEFIK:
        return Reading.RESERVED_KEPT
    return Reading.DECODED if gateway.implementation == "ingress-nginx" else Reading.NORMAL


def as_read(match: Match, gateway: Gateway, route: RouteIntent) -> Match:
    """The match with the gateway's reading on those paths that it matters for."""
    reading = of(gateway)
    if reading is Reading.NORMAL or route.doors is not None or not any(_matters(p, reading) for p in match.paths):
        return match
    paths = tuple(structs.replace(p, reading=reading) if _matters(p, reading) else p for p in match.paths)
    return structs.replace(match, paths=paths)


def _matters(path: PathMatch, reading: Reading) -> bool:
    if path.kind is PathKind.REGEX:
        return percent.expression(path.value, reading) != path.value
    return percent.matters(path.value, reading)
