"""Journeys in print: every branch of a request from a vantage, as text and as a document.  Part of `trace`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import click

from gatewright.base.errors import UsageError
from gatewright.base.origin import Locator
from gatewright.cli import hops
from gatewright.graph.analysis import Analysis
from gatewright.trace import vantages
from gatewright.trace.hops import Hop, OutcomeKind
from gatewright.trace.journey import Branch, Journey, Limit, Limits, journey
from gatewright.trace.request import Request

ALL = "all"
FINE = (OutcomeKind.DELIVERED, OutcomeKind.RESPONSE)
FAMILIES = {None: (), "4": ("4",), "6": ("6",), "both": ("4", "6")}
MIB = 1024 * 1024


def find(analysis: Analysis, starts: tuple[str, ...], family: str | None, asked: Request) -> list[Journey]:
    """The journeys of a request from the named vantages.  UsageError when there is none of that name."""
    known = analysis.answer(vantages.names)
    if not known:
        raise UsageError("the input has no Vantage: describe one (kind: Vantage) in a site map beside the manifests")
    for name in starts:
        if name != ALL and name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise UsageError(f"there is no vantage {name} ({hint}known: {', '.join(known)})")
    chosen = known if ALL in starts else tuple(dict.fromkeys(starts))
    return [analysis.answer(journey, name, asked, FAMILIES[family]) for name in chosen]


def failed(found: Iterable[Journey], family: str | None) -> bool:
    """Does any branch fail?  A family without an address is a fault only when it was asked for, or is the last."""
    for item in found:
        endings = [branch.outcome.kind for branch in item.branches]
        absent = family is None and any(kind is not OutcomeKind.ABSENT for kind in endings)
        if not endings or any(kind not in FINE and not (absent and kind is OutcomeKind.ABSENT) for kind in endings):
            return True
    return False


# --- text ---------------------------------------------------------------------------------------


def text(asked: Request, item: Journey, locator: Locator) -> str:
    """All branches: what a branch shares with the one before is said once.  Then a line for each."""
    lines = [click.style(f"{asked.method} {asked.url} from {item.vantage}", bold=True)]
    before: tuple[Hop, ...] = ()
    for branch in item.branches:
        lines += ["", click.style(_title(branch), underline=True)]
        shared = _shared(before, branch.hops)
        if shared:
            lines.append(click.style(f"  as above to {branch.hops[shared - 1].summary}, then", dim=True))
        for hop in branch.hops[shared:]:
            lines += hops.lines(hop, locator)
        lines.append(f"→ {hops.verdict(branch.outcome)}")
        if limits := _limits(branch.limits):
            lines.append(click.style(f"  limits       {limits}", dim=True))
        before = branch.hops
    if len(item.branches) > 1:
        lines.append("")
        lines += [f"{_title(branch):<44} {hops.verdict(branch.outcome)}" for branch in item.branches]
    return "\n".join(lines)


def _title(branch: Branch) -> str:
    resolver = f" by {branch.resolver}" if branch.resolver else ""
    address = f" at {branch.address}" if branch.address else ""
    return f"IPv{branch.family}{resolver}{address}"


def _shared(one: tuple[Hop, ...], other: tuple[Hop, ...]) -> int:
    """How many stations two branches have in common from the start; one alone is not worth a line."""
    count = 0
    for first, second in zip(one, other, strict=False):
        if first != second:
            break
        count += 1
    return count if count > 1 else 0


def _limits(limits: Limits) -> str:
    parts = []
    if (idle := limits.idle_timeout) is not None and idle.value:
        parts.append(f"idle {idle.value:g} s ({idle.hop})")
    if (body := limits.body) is not None and body.value:
        parts.append(f"body {_size(body.value)} ({body.hop})")
    if (mtu := limits.mtu) is not None:
        parts.append(f"MTU {mtu.value:g} ({mtu.hop})")
    return " · ".join(parts)


def _size(octets: float) -> str:
    if octets % 1_000_000 == 0:
        return f"{octets / 1_000_000:g} MB"
    return f"{octets / MIB:g} MiB" if octets >= MIB else f"{octets:g} octets"


# --- the document -------------------------------------------------------------------------------


def document(item: Journey, locator: Locator) -> dict[str, Any]:
    """A journey as it stands in the JSON document."""
    return {
        "vantage": item.vantage,
        "branches": [
            {
                "family": branch.family,
                "resolver": branch.resolver or None,
                "address": branch.address or None,
                "outcome": hops.outcome_document(branch.outcome),
                "hops": [hops.hop_document(hop, locator) for hop in branch.hops],
                "limits": {
                    "idleTimeout": _limit(branch.limits.idle_timeout, locator),
                    "body": _limit(branch.limits.body, locator),
                    "mtu": _limit(branch.limits.mtu, locator),
                },
                "trust": branch.trust.value,
                "gateways": list(branch.gateways),
                "links": list(branch.links),
                "resolvers": list(branch.resolvers),
                "redirects": [{"status": status, "location": location} for status, location in branch.redirects],
            }
            for branch in item.branches
        ],
    }


def _limit(limit: Limit | None, locator: Locator) -> dict[str, Any] | None:
    if limit is None:
        return None
    place = locator.locate(limit.origin) if limit.origin else None
    where = {"file": place.file, "line": place.line} if place else None
    return {"value": limit.value, "hop": limit.hop, "origin": where}
