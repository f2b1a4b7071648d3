"""Canaries: a route that takes part of the requests of another one's rules, by a header, a cookie or by lot.

Its rules go where the other's are with the same host, path and kind of path, and the other's filters hold for both.
"""

from __future__ import annotations

from collections.abc import Iterable

import re2
from msgspec import Struct, structs

from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import Gateway
from gatewright.graph.resolve.rules.precedence import age
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.options import Canary
from gatewright.kinds.intents.routing import BackendRef, Match, RuleIntent, ValueKind, ValueMatch

ALWAYS, NEVER = "always", "never"

Place = tuple[str, str]
"""Kind and text of a path; ("", "") for a rule without one."""


class Variant(Struct, frozen=True):
    """A way into a rule: what a request has to have besides, and who gets it (nothing said: the rule's own backends).

    `label` is added to the name of the rule.
    """

    headers: tuple[ValueMatch, ...] = ()
    shares: tuple[tuple[RouteIntent, tuple[BackendRef, ...]], ...] = ()
    label: str = ""


ITSELF = (Variant(),)


class Alternative(Struct, frozen=True):
    """A rule of a canary."""

    canary: Canary
    route: RouteIntent
    rule: RuleIntent


def canary_of(gateway: Gateway, route: RouteIntent) -> Canary | None:
    """Is the route a canary at this gateway?"""
    return next((said.canary for name, said in route.options if name == gateway.implementation and said.canary), None)


def place(match: Match) -> Place:
    """What makes two rules of one host alternatives."""
    return (match.paths[0].kind, match.paths[0].value) if match.paths else ("", "")


class Canaries:
    """The canaries of one host; `problems` has what is wrong with them."""

    def __init__(self, found: Iterable[Alternative], hostname: str) -> None:
        self._hostname = hostname
        self._by_place: dict[Place, Alternative] = {}
        self._used: set[Place] = set()
        self.problems: list[Problem] = []
        for one in sorted(found, key=lambda item: (age(item.route), item.rule.index)):
            for match in one.rule.matches or (Match(),):
                taken = self._by_place.setdefault(place(match), one)
                if taken is not one:
                    self._tell(
                        one, f"{taken.route.key} is there first, and there can be one only", "remove one of them"
                    )

    def variants(self, route: RouteIntent, rule: RuleIntent, match: Match) -> tuple[Variant, ...]:
        """The ways into a rule at one of its matches, in their order."""
        one = self._by_place.get(place(match))
        if one is None:
            return ITSELF
        self._used.add(place(match))
        return tuple(_variants(one, route, rule))

    def finish(self) -> None:
        """Tell of those that no rule has a place for."""
        for where, one in sorted(self._by_place.items()):
            if where not in self._used:
                hint = "give it the host, path and pathType of the Ingress that it is a canary of"
                self._tell(one, f"no rule of {self._hostname} has its path {where[1] or '/'}", hint)

    def _tell(self, one: Alternative, why: str, hint: str) -> None:
        message = f"the canary {one.route.key} gets no requests at {self._hostname}: {why}"
        self.problems.append(Problem("canary-without-effect", message, one.canary.origin, Severity.WARNING, hint))


def _variants(one: Alternative, route: RouteIntent, rule: RuleIntent) -> Iterable[Variant]:
    canary, label = one.canary, f" (canary {one.route.key.name})"
    there = ((one.route, one.rule.backends),)
    if canary.header:
        name = canary.header.lower()
        if canary.header_value:
            yield Variant((ValueMatch(name, ValueKind.EXACT, canary.header_value),), there, label)
        elif canary.header_pattern:
            yield Variant((ValueMatch(name, ValueKind.REGEX, canary.header_pattern),), there, label)
        else:
            yield Variant((ValueMatch(name, ValueKind.EXACT, ALWAYS),), there, label)
            yield Variant((ValueMatch(name, ValueKind.EXACT, NEVER),))
    if canary.cookie:
        yield Variant((cookie(canary.cookie, ALWAYS),), there, label)
        yield Variant((cookie(canary.cookie, NEVER),))
    weight = min(max(canary.weight, 0), canary.total)
    if not weight:
        yield Variant()
    elif weight == canary.total:
        yield Variant((), there, label)
    else:
        own = _weighing(rule.backends, canary.total - weight)
        yield Variant((), ((route, own), (one.route, _weighing(one.rule.backends, weight))))


def _weighing(refs: tuple[BackendRef, ...], weight: int) -> tuple[BackendRef, ...]:
    return tuple(structs.replace(ref, weight=weight) for ref in refs[:1])


def cookie(name: str, value: str) -> ValueMatch:
    """A request whose Cookie header has this cookie with this value (RFC 6265, clause 4.2.1)."""
    pair = f"{re2.escape(name)}={re2.escape(value)}"
    return ValueMatch("cookie", ValueKind.REGEX, f"(?:.*;\\s*)?{pair}\\s*(?:;.*)?")
