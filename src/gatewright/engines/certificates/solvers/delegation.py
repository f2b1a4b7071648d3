"""Challenge names that are CNAMEs: the record is put where they lead (cert-manager's cnameStrategy Follow).

Another solver puts it there; counterpart: `lookup`, which follows the CNAMEs by asking authoritative servers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import structs

from gatewright.engines.certificates.challenge import Challenge, ChallengeSolver
from gatewright.engines.certificates.solvers.lookup import Lookup


class Delegated:
    """Puts each challenge where the CNAMEs of its name end; `solver(record)` writes there."""

    def __init__(self, lookup: Lookup, solver: Callable[[str], ChallengeSolver]) -> None:
        self._lookup = lookup
        self._solver = solver
        self._put: dict[Challenge, tuple[ChallengeSolver, Challenge]] = {}

    def present(self, challenges: Sequence[Challenge]) -> None:
        """See ChallengeSolver."""
        for challenge in challenges:
            target = self._lookup.target(challenge.record)
            solver, moved = self._solver(target), structs.replace(challenge, record=target)
            # Remembered before it is put: a failure half-way is cleaned up too, and where the CNAME led by then.
            self._put[challenge] = solver, moved
            solver.present([moved])

    def remove(self, challenges: Sequence[Challenge]) -> None:
        """See ChallengeSolver."""
        for challenge in challenges:
            known = self._put.pop(challenge, None)
            if known is not None:
                solver, moved = known
                solver.remove([moved])
