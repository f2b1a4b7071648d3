"""Hops and outcomes in print: lines for people, values of the JSON document.  Part of `trace`."""

from __future__ import annotations

from typing import Any

import click

from gatewright.base.origin import Locator
from gatewright.cli import output
from gatewright.trace.hops import BackendName, Hop, Outcome, OutcomeKind

SIGNS = {
    OutcomeKind.DELIVERED: ("green", "delivered"),
    OutcomeKind.RESPONSE: ("cyan", "answered"),
    OutcomeKind.ABSENT: ("yellow", "no address"),
    OutcomeKind.UNKNOWN: ("yellow", "unknown"),
    OutcomeKind.UNTRUSTED: ("red", "not trusted"),
    OutcomeKind.UNREACHABLE: ("red", "unreachable"),
}


def verdict(outcome: Outcome) -> str:
    """How it ended, in a line."""
    colour, word = SIGNS.get(outcome.kind, ("red", "refused"))
    if outcome.kind is OutcomeKind.DELIVERED and outcome.backend is not None:
        via = f" via {outcome.gateway}" if outcome.gateway else ""
        told = f"to {outcome.backend}{via}"
    elif outcome.location is not None and not outcome.reason:
        told = f"{outcome.status} → {outcome.location}"
    else:
        told = f"{outcome.status} {outcome.reason}" if outcome.status else outcome.reason
    return f"{click.style(word, fg=colour, bold=True)} {told}"


def lines(hop: Hop, locator: Locator) -> list[str]:
    """One station and its details."""
    where = output.place(hop.origin, locator)
    line = f"  {hop.kind.value:<12} {hop.summary}" + (click.style(f"  {where}", dim=True) if where else "")
    return [line, *(click.style(f"  {'':<12}   {detail}", dim=True) for detail in hop.details)]


# --- the document -----------------------------------------------------------------------------


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """An outcome as it stands in the JSON document."""
    return {
        "kind": outcome.kind.value,
        "status": outcome.status or None,
        "reason": outcome.reason or None,
        "location": outcome.location,
        "gateway": outcome.gateway,
        "listener": outcome.listener,
        "virtualHost": outcome.virtual_host,
        "rule": outcome.rule,
        "backend": _backend(outcome.backend),
        "endpoints": list(outcome.endpoints),
        "shares": [
            {"backend": _backend(share.backend), "status": share.status or None, "percent": share.percent}
            for share in outcome.shares
        ],
        "sent": {"host": outcome.sent.host, "path": outcome.sent.path} if outcome.sent else None,
    }


def _backend(backend: BackendName | None) -> dict[str, Any] | None:
    return {"namespace": backend.namespace, "name": backend.name, "port": backend.port} if backend else None


def hop_document(hop: Hop, locator: Locator) -> dict[str, Any]:
    """A station as it stands in the JSON document."""
    place = locator.locate(hop.origin) if hop.origin else None
    return {
        "kind": hop.kind.value,
        "summary": hop.summary,
        "details": list(hop.details),
        "origin": {"file": place.file, "line": place.line} if place else None,
    }
