"""When a certificate is due and how long a failure waits, whatever the numbers."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st

from gatewright.engines.certificates import renewal
from gatewright.engines.certificates.obtaining import Window
from gatewright.engines.certificates.schedule import Schedule
from support.issuing import DAY, HOUR, START, wanted

CHANCE = st.floats(0, 1, exclude_max=True)
LIFE = st.floats(60, 3650 * DAY)


@given(LIFE, st.just(0.0) | st.floats(1, 3650 * DAY), st.integers(0, 99), CHANCE)
@example(1.0, 0.0, 0, 0.0)
def test_the_moment_is_within_the_life_and_little_earlier_than_asked(
    life: float, before: float, percentage: int, chance: float
) -> None:
    item = wanted("a", renew_before=before, renew_percentage=0 if before else percentage)
    latest = renewal.renew_at(START, START + life, item, 0.0)
    moment = renewal.renew_at(START, START + life, item, chance)
    assert START <= latest < START + life
    assert START <= moment <= latest
    assert latest - moment <= DAY


@given(CHANCE, st.floats(0, 30 * DAY))
def test_a_window_is_never_left(chance: float, length: float) -> None:
    window = Window(START, START + length, HOUR)
    assert window.start <= renewal.within(window, chance) <= window.end


@given(st.integers(1, 10_000), st.none() | st.floats(-DAY, 400 * DAY), CHANCE)
def test_waits_grow_and_have_bounds(failures: int, retry_after: float | None, chance: float) -> None:
    wait = renewal.wait(failures, retry_after, chance)
    assert 60 <= wait <= 1.1 * max(renewal.LONGEST_WAIT, renewal.LONGEST_RETRY_AFTER)
    assert renewal.wait(failures + 1, retry_after, chance) >= wait
    assert wait >= min(retry_after or 0, renewal.LONGEST_RETRY_AFTER)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 9), st.integers(0, 3)) | st.integers(0, 9),
        max_size=40,
    )
)
def test_the_schedule_is_a_table_that_is_asked_for_its_least(steps: list[tuple[str, int | None, int] | int]) -> None:
    """Against a dictionary: put, discard (None) and take at a moment."""
    schedule, table, now = Schedule(), {}, 0
    for step in steps:
        if isinstance(step, int):
            now = max(now, step)
            taken = schedule.take(now)
            due = {name: rank for name, (moment, rank) in table.items() if moment <= now}
            assert (taken is None) == (not due)
            if taken is not None:
                assert due[taken] == min(due.values())
                del table[taken]
        elif step[1] is None:
            schedule.discard(step[0])
            table.pop(step[0], None)
        else:
            schedule.put(step[0], step[1], (float(step[2]),))
            table[step[0]] = (step[1], step[2])
        assert len(schedule) == len(table)
        least = min((moment for moment, _ in table.values()), default=math.inf)
        assert schedule.next() == least or (schedule.next() == 0.0 and least <= now)


def test_what_is_put_again_and_again_does_not_pile_up() -> None:
    schedule = Schedule()
    for number in range(50_000):
        schedule.put("a", float(number), (0.0,))
    assert len(schedule._moments) < 3_000
