"""Rules that get no request, since an earlier one of another object has the very same match.

Controllers let the older object have the requests and say so in their log at most.  Counterpart: `precedence`, which
decides who is earlier.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import Entry, RedirectTo
from gatewright.graph.resolve.rules.reading import protects
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.routing import Match

_HINT = "give it a host or path of its own, or make one rule of both"


def displaced(entries: Sequence[Entry], hostname: str, own: Collection[Key]) -> Iterator[Problem]:
    """A Problem for each rule of a host that is behind its equal, but for those of `own`, who are no routes of users.

    Where it keeps somebody out and the other one does not, its author believes that something is closed which is open.
    """
    first: dict[Match, Entry] = {}
    for entry in entries:
        before = first.setdefault(entry.match, entry)
        rivals = (before.rule.route, entry.rule.route)
        if rivals[0] == rivals[1] or any(route in own for route in rivals) or _redirect_alike(before, entry):
            continue
        opened = protects(entry.rule) and not protects(before.rule)
        guarded = ", so what it protects is open" if opened else ""
        message = f"{entry.rule.id} gets no request for {hostname}: {before.rule.id} comes first and asks for the same"
        severity = Severity.ERROR if opened else Severity.WARNING
        yield Problem("unreachable-rule", message + guarded, entry.rule.origin, severity, _HINT)


def _redirect_alike(before: Entry, entry: Entry) -> bool:
    """Do both redirect, to TLS for example?  Then what they are for is elsewhere."""
    return isinstance(before.rule.action, RedirectTo) and isinstance(entry.rule.action, RedirectTo)
