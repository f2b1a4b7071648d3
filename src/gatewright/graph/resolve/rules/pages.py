"""Error pages among the middlewares of Traefik, where each is for what stands behind it and for nothing before.

Here a page would be shown for denials in front of it as well.  Counterpart: `filters`, which folds a rule's steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import structs

from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import AskAuth, BasicAuthUsers, Step, TokenCheck
from gatewright.kinds.intents.filters import BodyLimit, ErrorPages, RateLimit

_UNAUTHORIZED = 401


def behind_denials(item: ErrorPages, before: Iterable[Step]) -> tuple[ErrorPages, list[Problem]]:
    """The pages as they can be had behind these steps, and what is different.

    A question for credentials has to arrive as it is, or nobody could answer it: its status has no page then.
    """
    problems = []
    early = _denials(before)
    shown = {status for first, last in item.statuses for status in range(first, last + 1)}
    if _UNAUTHORIZED in early & shown:
        why = f"answers {_UNAUTHORIZED} have no page, since a middleware before this one asks for credentials with them"
        problems.append(Problem("step-differs", why, item.origin, Severity.INFO))
        item = structs.replace(item, statuses=tuple(_without(item.statuses, _UNAUTHORIZED)))
    if (early - {_UNAUTHORIZED}) & shown:
        why = "answers of the middlewares before this one are replaced by its pages, too"
        hint = "leave their statuses out of its own, or accept it"
        problems.append(Problem("step-differs", why, item.origin, Severity.INFO, hint))
    return item, problems


def _without(ranges: tuple[tuple[int, int], ...], status: int) -> Iterator[tuple[int, int]]:
    """The ranges with a gap at a status."""
    for first, last in ranges:
        if first <= status <= last:
            yield from (part for part in ((first, status - 1), (status + 1, last)) if part[0] <= part[1])
        else:
            yield first, last


def _denials(steps: Iterable[Step]) -> set[int]:
    """The statuses that steps answer by themselves; who is refused by address never gets as far as pages."""
    found: set[int] = set()
    for step in steps:
        match step:
            case BasicAuthUsers() | TokenCheck():
                found.add(_UNAUTHORIZED)
            case AskAuth():
                found |= {_UNAUTHORIZED, 403, step.question.status_on_error}
            case RateLimit():
                found.add(step.status)
            case BodyLimit():
                found.add(413)
            case _:
                pass
    return found
