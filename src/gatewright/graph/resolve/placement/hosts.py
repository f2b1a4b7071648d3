"""Which host conditions of a match hold in a VirtualHost, decided before any request comes."""

from __future__ import annotations

from collections.abc import Iterable

import re2
from msgspec import structs

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.kinds.intents.routing import HostKind, HostMatch, Match


def candidates(match: Match) -> str:
    """The hostname whose VirtualHost a match belongs to: its exact or wildcard host, else the catch-all."""
    exact = [h.value for h in match.hosts if h.kind is HostKind.EXACT and not h.negate]
    return max(exact, key=hostnames.specificity) if exact else hostnames.ANY


def holds(condition: HostMatch, host: str, depth: Depth) -> bool:
    """Does a concrete host satisfy one condition?  Regular expressions are full-match RE2."""
    if condition.kind is HostKind.REGEX:
        found = re2.fullmatch(condition.value, host) is not None
    else:
        found = hostnames.matches(condition.value, host, depth)
    return found != condition.negate


def specialise(match: Match, hostname: str, depth: Depth) -> Match | None:
    """The match with its host conditions decided for this VirtualHost; None when it cannot match there.

    For an exact hostname nothing stays open.  For a wildcard or the catch-all, conditions that depend on the
    actual host stay in `match.hosts` and are evaluated per request.
    """
    if not match.hosts:
        return match
    open_: list[HostMatch] = []
    for condition in match.hosts:
        if hostname != hostnames.ANY and not hostnames.is_wildcard(hostname):
            if not holds(condition, hostname, depth):
                return None
        elif (decided := _decide(condition, hostname, depth)) is None:
            open_.append(condition)
        elif not decided:
            return None
    return structs.replace(match, hosts=tuple(open_))


def _decide(condition: HostMatch, pattern: str, depth: Depth) -> bool | None:
    """Whether the condition holds for all (True) or none (False) of the hosts of a pattern; None: for some."""
    if condition.kind is HostKind.REGEX:
        return None
    if hostnames.covers(condition.value, pattern, depth):
        return not condition.negate
    if condition.negate and hostnames.covers(pattern, condition.value, depth):
        return None
    # A narrower name has a VirtualHost of its own, whose requests never come here.
    return condition.negate


def overlap(pattern: str, others: Iterable[str], depth: Depth) -> tuple[str, ...]:
    """Those of `others` that are more specific than `pattern` and inside it."""
    return tuple(sorted({o for o in others if o != pattern and hostnames.covers(pattern, o, depth)}))
