"""What doors bear: seconds without traffic and octets of body, by implementation, by setting and by annotation.

The defaults are those of each program's documentation; a site map overrides them for a door, an annotation for the
routes of one object.
"""

from __future__ import annotations

import re

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.graph.nodes import Forward, Gateway, Rule
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.doors import RouteIntent
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
    "cloudflare": Usual(idle_timeout=100, body=100 * 1000 * 1000),  # proxy read timeout and upload limit, Free and Pro
}

# Annotations that set the limits of one route, by implementation.
IDLE_ANNOTATIONS = {
    "ingress-nginx": ("nginx.ingress.kubernetes.io/proxy-read-timeout",),
    "haproxy": (
        "haproxy.org/timeout-server",
        "haproxy.org/timeout-client",
        "haproxy-ingress.github.io/timeout-server",
        "haproxy-ingress.github.io/timeout-client",
    ),
}
BODY_ANNOTATIONS = {
    "ingress-nginx": "nginx.ingress.kubernetes.io/proxy-body-size",
    "haproxy": "haproxy-ingress.github.io/proxy-body-size",
}
ALB_ATTRIBUTES = "alb.ingress.kubernetes.io/load-balancer-attributes"

_SIZE = re.compile(r"(\d+)([kmg]?)")
_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|)")
_SIZES = {"": 1, "k": 1024, "m": MIB, "g": 1024 * MIB}
_TIMES = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}


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
    if route is not None and route.annotations:
        said = _annotated(gateway.implementation, dict(route.annotations), route)
        idle, body = said.idle_timeout or idle, said.body or body
    if isinstance(rule.action, Forward) and rule.action.timeout:
        idle = smaller(idle, Limit(rule.action.timeout, rule.id, rule.origin))
    return Limits(idle, body)


def _limit(value: float | None, hop: str, origin: Origin | None) -> Limit | None:
    return None if value is None else Limit(value, hop, origin)


def _annotated(implementation: str, annotations: dict[str, str], route: RouteIntent) -> Limits:
    """What a route's annotations say; the smallest of several timeouts counts."""
    hop = str(route.key)
    idle: Limit | None = None
    for name in IDLE_ANNOTATIONS.get(implementation, ()):
        if (value := seconds(annotations.get(name, ""))) is not None:
            idle = smaller(idle, Limit(value, hop, route.origin))
    if implementation == "alb":
        attributes = dict(item.partition("=")[::2] for item in annotations.get(ALB_ATTRIBUTES, "").split(","))
        if (value := seconds(attributes.get("idle_timeout.timeout_seconds", ""))) is not None:
            idle = Limit(value, hop, route.origin)
    size = octets(annotations.get(BODY_ANNOTATIONS.get(implementation, ""), ""))
    return Limits(idle, _limit(size, hop, route.origin))


def octets(text: str) -> int | None:
    """A size as nginx writes it ("8m"); None when it is not one."""
    found = _SIZE.fullmatch(text.strip().lower())
    return int(found[1]) * _SIZES[found[2]] if found else None


def seconds(text: str) -> float | None:
    """A time with or without a unit; None when it is not one."""
    found = _TIME.fullmatch(text.strip().lower())
    return float(found[1]) * _TIMES[found[2]] if found else None
