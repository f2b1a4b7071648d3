"""What ingress-nginx does to all of a hostname's rules because of one of them, or of how nginx finds locations.

Expressions instead of paths, a start page, and a slash that is missing at the end of a path.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from gatewright.base import percent
from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import Entry, RedirectTo, Respond, Rule
from gatewright.kinds import syntax
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.filters import PathEdit, PathEditKind
from gatewright.kinds.intents.routing import Match, PathKind, PathMatch, RuleIntent

_META = frozenset("\\.+*?()|[]{}^$")
_PLAIN = frozenset({PathKind.EXACT, PathKind.PREFIX, PathKind.RAW_PREFIX})


def by_expression(match: Match) -> Match:
    """The match with its path as nginx takes it where one path of the host is an expression: `~* "^PATH"`."""
    paths = tuple(structs.replace(path, kind=PathKind.REGEX, value=expression(path.value)) for path in match.paths)
    return structs.replace(match, paths=paths)


def expression(path: str) -> str:
    """What matches in full whatever begins like this expression, in any case."""
    return f"(?i:{path})(?s:.*)"


def refused(match: Match, rule: RuleIntent, problems: list[Problem]) -> tuple[Match, Respond] | None:
    """Where a path is no expression that RE2 takes: what may be meant by it, and that this is refused."""
    for path in match.paths:
        why = syntax.regex_error(expression(path.value))
        if why:
            message = f"the path {path.value} is no regular expression that RE2 takes ({why})"
            hint = "write it without look-around and back-references; until then what begins like it answers 503"
            problems.append(Problem("path-pattern", message, rule.origin, Severity.ERROR, hint))
            begin = path.value[: next((n for n, c in enumerate(path.value) if c in _META), len(path.value))]
            wider = structs.replace(path, kind=PathKind.RAW_PREFIX, value=begin or "/", ignore_case=True)
            return structs.replace(match, paths=(wider,)), Respond(503, message, rule.origin)
    return None


def start_page(route: RouteIntent, target: str) -> Entry:
    """The redirect of `/` to where an application begins."""
    action = RedirectTo(route.origin, 302, path=PathEdit(PathEditKind.REPLACE, target))
    match = Match(paths=(PathMatch(PathKind.EXACT, "/"),))
    return Entry(match, Rule(f"{route.key} start page", route.key, route.origin, action), route.origin)


def wants_slash(entry: Entry) -> bool:
    """Is its path one that nginx sends others to: `/x/`, by characters?"""
    path = entry.match.paths[0] if entry.match.paths else None
    return path is not None and path.kind is PathKind.RAW_PREFIX and len(path.value) > 1 and path.value.endswith("/")


def without_slash(entry: Entry, taken: Iterable[str]) -> Entry | None:
    """The redirect of `/x` to `/x/`, which nginx sends where a location is `/x/` and none is `/x`."""
    if not wants_slash(entry):
        return None
    path = entry.match.paths[0]
    bare = path.value[:-1]
    if bare in taken:
        return None
    target = percent.written(path.value, path.reading)
    action = RedirectTo(entry.origin, 301, path=PathEdit(PathEditKind.REPLACE, target))
    rule = Rule(f"{entry.rule.route} without slash", entry.rule.route, entry.origin, action)
    paths = (PathMatch(PathKind.EXACT, bare, reading=path.reading),)
    return Entry(Match(hosts=entry.match.hosts, paths=paths), rule, entry.origin)


def plain_paths(entries: Iterable[Entry]) -> frozenset[str]:
    """The paths that have a location of their own."""
    return frozenset(path.value for entry in entries for path in entry.match.paths if path.kind in _PLAIN)
