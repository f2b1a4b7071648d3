"""Which links a request took, by what their devices counted."""

from __future__ import annotations

import pytest

from gatewright.rehearsal.clients.counters import Reading, moved

ENDS = (("site:home", "wg0"), ("node:cloud/edge", "wg0"))


def reading(*octets: int) -> Reading:
    return {"wg": dict(zip(ENDS, octets, strict=False))}


@pytest.mark.parametrize(
    ("octets", "passed"),
    [
        ((160, 160), True),
        ((60, 60), True),
        ((300, 0), False),  # it is not up: what enters at one end comes out nowhere
        ((59, 59), False),
        ((0, 0), False),
        ((160,), True),  # only one end has a device
        ((0,), False),
        ((), False),
    ],
)
def test_a_link_is_passed_from_end_to_end(octets: tuple[int, ...], passed: bool) -> None:
    assert moved(reading(*(7 for _ in octets)), reading(*(7 + one for one in octets))) == ({"wg"} if passed else set())
