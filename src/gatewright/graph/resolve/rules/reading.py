"""What a gateway decodes of a path before its rules see it, noted on the conditions where that makes a difference.

ingress-nginx compares the decoded path.  Traefik leaves reserved characters and the percent sign encoded.  HAProxy
compares what was sent, and an ALB and the Gateway API what is normalised: for these, text is text.  Counterparts:
`base.percent`, which knows what a reading means, and the matchers of `trace` and the engines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import structs

from gatewright.base import percent
from gatewright.base.percent import Reading
from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import AskAuth, BasicAuthUsers, Entry, Gateway, Respond, Rule, TokenCheck
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.filters import Authorize, InFlight, RateLimit
from gatewright.kinds.intents.routing import Dialect, Match, PathKind, PathMatch

_ENCODED = PathMatch(PathKind.REGEX, r"[^%]*%[\s\S]*")
_LOCKS = (AskAuth, Authorize, BasicAuthUsers, InFlight, RateLimit, TokenCheck)
_SEES = {
    Reading.NORMAL: "paths come here with letters and digits plain, and what a path cannot hold encoded",
    Reading.DECODED: "ingress-nginx compares decoded paths, in which a percent sign is a percent sign",
    Reading.RESERVED_KEPT: "Traefik compares decoded paths, in which reserved characters alone stay encoded",
}


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


def with_undecided(entries: Iterable[Entry], match: Match, resolved: Rule, problems: list[Problem]) -> list[Entry]:
    """The entries of a match (`as_read`), and one that refuses the encoded paths for which it cannot be decided.

    It stands behind what matches for certain; where a negated condition is undecided nothing does, and it goes first.
    """
    made = list(entries)
    unknown = [path for path in match.paths if _possible(path) is not None]
    if not unknown:
        return made
    wider = structs.replace(match, paths=(*map(_widened, match.paths), _ENCODED))
    told = ", ".join(path.value for path in unknown)
    message = f"{resolved.id}: whether encoded paths match {told} cannot be decided: where they may, they get 503"
    hint = r"write it without \b, \p and classes of characters beyond ASCII"
    problems.append(Problem("path-undecided", message, resolved.origin, Severity.WARNING, hint))
    refusing = structs.replace(resolved, action=Respond(503, message, resolved.origin))
    made.insert(0 if any(path.negate for path in unknown) else len(made), Entry(wider, refusing, resolved.origin))
    return made


def _possible(path: PathMatch) -> str | None:
    return percent.possible(path.value, path.reading) if path.kind is PathKind.REGEX else None


def _widened(path: PathMatch) -> PathMatch:
    """A condition with all paths for which it is not certain, or where it is negated, those alone."""
    possible = _possible(path)
    return path if possible is None else PathMatch(PathKind.REGEX, possible, path.ignore_case)


def in_vain(match: Match, gateway: Gateway, rule: Rule, *, by_expression: bool) -> Iterator[Problem]:
    """The paths of a match that no request is ever read as, the way they are written.

    A rule that keeps somebody out keeps nobody out by such a path: that is an error.
    """
    reading = of(gateway)
    for path in match.paths:
        as_expression = by_expression or path.kind is PathKind.REGEX
        find = percent.meant_by_expression if as_expression else percent.meant
        meant = find(path.value, reading)
        if meant is None:
            continue
        guards = protects(rule) and not path.negate
        guarded = ", so what it protects is open" if guards else ""
        message = f"{rule.id}: no request has the path {path.value}: {_SEES[reading]}{guarded}"
        hint = f"write {meant}" if meant else "remove it: no text stands for these octets"
        severity = Severity.ERROR if guards else Severity.WARNING
        yield Problem("path-never-matches", message, rule.origin, severity, hint)


def protects(rule: Rule) -> bool:
    """Does a rule keep somebody out?"""
    refuses = isinstance(rule.action, Respond) and rule.action.status >= 400
    return bool(rule.access) or refuses or any(isinstance(step, _LOCKS) for step in rule.steps)


def _matters(path: PathMatch, reading: Reading) -> bool:
    if path.kind is PathKind.REGEX:
        undecided_ = percent.possible(path.value, reading) is not None
        return undecided_ or percent.expression(path.value, reading) != path.value
    return percent.matters(path.value, reading)
