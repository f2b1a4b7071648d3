"""When a question need not be asked again, while something is broken and after it is mended."""

from __future__ import annotations

import pytest

from gatewright.rehearsal.compare import Verdict
from gatewright.rehearsal.faults.suffering import is_mended, is_settled
from gatewright.rehearsal.report import Broken

AGREES, DIFFERS, UNKNOWN = Verdict.AGREES, Verdict.DIFFERS, Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("now", "before", "knows", "settled"),
    [
        (AGREES, AGREES, True, True),
        (AGREES, DIFFERS, True, True),
        (DIFFERS, AGREES, True, False),
        (DIFFERS, DIFFERS, True, True),  # which is told already, and waited for in vain
        (DIFFERS, UNKNOWN, True, False),
        (UNKNOWN, UNKNOWN, True, True),
        (UNKNOWN, AGREES, False, True),  # asking again makes the model no wiser
        (UNKNOWN, AGREES, True, False),  # a tunnel that is not up yet is no reason to excuse the model
    ],
)
def test_while_it_is_broken(now: Verdict, before: Verdict, knows: bool, settled: bool) -> None:
    assert is_settled(now, before, knows=knows) is settled


@pytest.mark.parametrize(
    ("now", "before", "mended"),
    [
        (AGREES, AGREES, True),
        (AGREES, UNKNOWN, True),
        (UNKNOWN, UNKNOWN, True),
        (DIFFERS, DIFFERS, True),
        (UNKNOWN, AGREES, False),
        (DIFFERS, AGREES, False),
        (DIFFERS, UNKNOWN, False),
    ],
)
def test_after_it_is_mended(now: Verdict, before: Verdict, mended: bool) -> None:
    assert is_mended(now, before) is mended


@pytest.mark.parametrize(
    ("seconds", "lost", "said"),
    [
        (1.84, (), "what still works was seen to within 1.8 s"),
        (None, (0, 1), "nothing is left that works"),
        (None, (1,), "not all that should still work does"),
    ],
)
def test_how_long_it_took_in_words(seconds: float | None, lost: tuple[int, ...], said: str) -> None:
    assert Broken("link:wg", seconds, (), worked=2, lost=lost).returned == said
