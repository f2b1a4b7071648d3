"""When a certificate is due and when a failed attempt is repeated: arithmetic, without clocks or state.

Times are POSIX seconds.  `chance` is a number in [0, 1) that the caller draws: ten thousand certificates that were made
in one hour must not be renewed in one hour.  Counterpart: `manager`, which keeps what is decided here.
"""

from __future__ import annotations

from gatewright.engines.certificates.obtaining import Window
from gatewright.graph.issuing import Wanted

_STEPS = (60.0, 300.0, 1800.0, 3600.0)
LONGEST_WAIT = 86400.0
"""How long a failure waits at most, unless the authority says otherwise."""
LONGEST_RETRY_AFTER = 8 * 86400.0
"""Limits of public authorities count over a week; who asks for more is not believed."""
_JITTER = 0.1
_EARLY = 0.05
_EARLIEST = 86400.0
_PAUSE = 3600.0


def renew_at(not_before: float, not_after: float, wanted: Wanted, chance: float) -> float:
    """When a certificate is to be renewed, by what its description says, else a third of its life before its end.

    A `renew_before` that is not shorter than the life that the issuer gave does not count.  Jitter is towards earlier:
    a twentieth of what is left then, at most a day.
    """
    life = max(not_after - not_before, 0.0)
    before = wanted.renew_before or life * wanted.renew_percentage / 100
    if not 0 < before < life:
        before = life / 3
    return not_after - before - chance * min(_EARLY * min(before, life - before), _EARLIEST)


def within(window: Window, chance: float) -> float:
    """A moment of the authority's window (RFC 9773, section 4.2)."""
    return window.start + chance * max(window.end - window.start, 0.0)


def not_again_before(obtained: float, not_before: float, not_after: float) -> float:
    """Whatever anybody says, a certificate is not renewed as soon as it is there."""
    return obtained + min(_PAUSE, max(not_after - not_before, 0.0) / 3)


def wait(failures: int, retry_after: float | None, chance: float) -> float:
    """Seconds until the next attempt after so many failures in a row: 1, 5, 30 minutes, 1 hour, doubling up to a day,
    never less than the authority asks for, and up to a tenth longer."""
    if failures <= len(_STEPS):
        base = _STEPS[max(failures, 1) - 1]
    else:
        base = min(_STEPS[-1] * 2.0 ** min(failures - len(_STEPS), 10), LONGEST_WAIT)
    asked = min(max(retry_after or 0.0, 0.0), LONGEST_RETRY_AFTER)
    return max(base, asked) * (1 + _JITTER * chance)
