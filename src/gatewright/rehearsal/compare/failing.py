"""When the model names the status by which a proxy says that nobody behind it answered: what reality may say instead.

| the model says | since | reality may say | why |
|---|---|---|---|
| 503 | the backend has no endpoints | 503 | nothing is tried, so everybody says that at once |
| 502, 503 | its external name has no address | 502, 503, 504 | a bad gateway to the originals, to Envoy no endpoint |
| 502 | packets do not get there | 502, 504 | refused or dropped: the model does not tell them apart |
| 503 | packets do not get there | 503, 504 | one status for both, unless the request's own time is up before |
| 522 | packets do not get to an origin | 522 | |
| anything else | | just that | |

Where packets may be dropped, which nobody is told, the client's own patience may end first.  Counterpart:
`trace.answer.unreached`, which status the model takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from gatewright.rehearsal.asking import Ended, Observation
from gatewright.trace.branches import Branch
from gatewright.trace.hops import HopKind, OutcomeKind
from gatewright.trace.request import is_address


class _Row(Struct, frozen=True):
    """A row of the table.  `may_wait`: may the client get no answer in its time?"""

    says: frozenset[int]
    since: Callable[[Branch], bool]
    means: frozenset[int]
    may_wait: bool = True


def says_the_same(branch: Branch, seen: Observation) -> bool:
    """Is this one of the failures that the model means by the status that it names?"""
    status = branch.outcome.status
    row = next((row for row in _ROWS if status in row.says and row.since(branch)), None)
    if row is None:
        return seen.ended is Ended.ANSWERED and seen.status == status
    return seen.status in row.means if seen.ended is Ended.ANSWERED else row.may_wait and seen.ended is Ended.SILENT


def _has_no_endpoints(branch: Branch) -> bool:
    """Did the gateway not even try?"""
    tried = [hop.kind for hop in branch.hops if hop.kind in (HopKind.BACKEND, HopKind.ENDPOINTS)]
    return tried[-1:] == [HopKind.BACKEND] and branch.outcome.kind is OutcomeKind.REFUSED


def _has_a_name(branch: Branch) -> bool:
    hosts = [place.rpartition(":")[0] for place in branch.outcome.endpoints]
    return bool(hosts) and not any(map(is_address, hosts))


def _is_lost(branch: Branch) -> bool:
    """Did a proxy try, and get nowhere?"""
    return branch.outcome.kind is OutcomeKind.UNREACHABLE or any(hop.kind is HopKind.ENDPOINTS for hop in branch.hops)


_ROWS: Final = (
    _Row(frozenset({503}), _has_no_endpoints, frozenset({503}), may_wait=False),
    _Row(frozenset({502, 503}), _has_a_name, frozenset({502, 503, 504})),
    _Row(frozenset({502}), _is_lost, frozenset({502, 504})),
    _Row(frozenset({503}), _is_lost, frozenset({503, 504})),
    _Row(frozenset({522}), _is_lost, frozenset({522})),
)
