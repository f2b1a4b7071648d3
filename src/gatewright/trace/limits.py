"""What doors bear: seconds without traffic and octets of body, by implementation, by setting and by rule.

The defaults are those of each program's documentation; a site map overrides them for a door, and what annotations and
policies say stands in the rules, which the engines go by as well.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.graph.nodes import Forward, Gateway, Rule
from gatewright.graph.sight import Sight
from gatewright.kinds.annotations import readers
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.filters import BodyLimit
from gatewright.trace.branches import NO_LIMITS, Limit, Limits, smaller

MIB = 1024 * 1024


class Usual(Struct, frozen=True, gc=False):
    """What an implementation bears when nobody says otherwise; 0 no limit, None unknown."""

    idle_timeout: float | None = None
    body: int | None = None


DEFAULTS = {
    "alb": Usual(idle_timeout=60, body=0),  # idle_timeout.timeout_seconds
    "ingress-nginx": Usual(idle_timeout=60, body=MIB),  # proxy-read-timeout, proxy-body-size 1m
    "traefik": Usual(idle_timeout=0, body=0),  # respondingTimeouts.idleTimeout counts between requests only
    "haproxy": Usual(idle_timeout=50, body=0),  # timeout-client, timeout-server
    "haproxy-ingress": Usual(idle_timeout=50, body=0),
    "cloudflare": Usual(idle_timeout=100, body=100 * 1000 * 1000),  # proxy read timeout and upload limit, Free and Pro
}


def of_implementation(name: str, hop: str, origin: Origin | None) -> Limits:
    """The usual limits of an implementation, set by `hop`."""
    usual = DEFAULTS.get(name)
    if usual is None:
        return NO_LIMITS
    return Limits(_limit(usual.idle_timeout, hop, origin), _limit(usual.body, hop, origin))


def of_gateway(sight: Sight, gateway: Gateway, rule: Rule | None) -> Limits:
    """The limits of a gateway for what one of its rules takes."""
    usual = DEFAULTS.get(gateway.implementation, Usual())
    settings, hop, origin = gateway.settings, f"{gateway.implementation} {gateway.id}", gateway.origin
    idle = _limit(usual.idle_timeout if settings.idle_timeout is None else settings.idle_timeout, hop, origin)
    body = _limit(usual.body if settings.body_limit is None else settings.body_limit, hop, origin)
    if rule is None:
        return Limits(idle, body)
    route = sight.get(rule.route, RouteIntent)
    own = [said for name, said in route.options if name in ("", gateway.implementation)] if route else []
    step = next((step for step in rule.steps if isinstance(step, BodyLimit)), None)
    if step is not None or readers.usual(gateway.implementation).body_limit is not None:
        said = any(options.body_limit is not None for options in own)
        octets = step.octets if step is not None else 0
        body = Limit(octets, str(rule.route) if said else hop, route.origin if said and route else origin)
    if isinstance(rule.action, Forward):
        if rule.action.read_timeout is not None:
            said = any(options.read_timeout is not None for options in own)
            where = (str(rule.route), route.origin) if said and route else (hop, origin)
            idle = Limit(rule.action.read_timeout, *where)
        if rule.action.timeout:
            idle = smaller(idle, Limit(rule.action.timeout, rule.id, rule.origin))
    return Limits(idle, body)


def _limit(value: float | None, hop: str, origin: Origin | None) -> Limit | None:
    return None if value is None else Limit(value, hop, origin)
