"""What the rules about served zones share: the Problems that `graph.names.serving` finds."""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.check.finding import Finding
from gatewright.graph.names import serving
from gatewright.graph.sight import Sight


def findings(sight: Sight, identity: str, consequence: str) -> Iterable[Finding]:
    """The Problems of one id, with what they lead to."""
    for problem in sight.ask(serving.problems):
        if problem.id == identity and problem.origin is not None:
            yield Finding(identity, problem.severity, problem.message, consequence, problem.hint, (problem.origin,))
