"""Serials only rise, in the arithmetic of RFC 1982, over restarts and crashes."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewright.base.errors import EngineError
from gatewright.engines.dns import serials, state
from gatewright.engines.dns.serials import RESERVED, Serials, after, is_later

SERIALS = st.integers(0, 2**32 - 1)


@given(SERIALS, st.integers(1, 2**31 - 1))
def test_any_allowed_addition_is_later(serial: int, count: int) -> None:
    new = after(serial, count)
    if (serial + count) % 2**32:
        assert is_later(new, serial)
        assert not is_later(serial, new)


@given(SERIALS)
def test_nothing_is_later_than_itself(serial: int) -> None:
    assert not is_later(serial, serial)


def test_it_wraps_without_zero() -> None:
    assert after(2**32 - 1) == 1
    assert is_later(1, 2**32 - 1)


def test_the_first_is_the_time_of_day(tmp_path: Path) -> None:
    assert Serials(tmp_path / "s", lambda: 1234.9).next("a") == 1234


@given(clocks=st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=5), changes=st.integers(1, 40))
@example(clocks=[2_147_473_650, 1], changes=1)
def test_they_rise_whatever_the_clock_does(
    tmp_path_factory: pytest.TempPathFactory, clocks: list[int], changes: int
) -> None:
    """Each clock is one run, which ends without notice.  Half of all clocks jump further than serials can tell."""
    file = tmp_path_factory.mktemp("serials") / "serials.json"
    last = None
    for now in clocks:
        run = Serials(file, lambda now=now: float(now))
        for _ in range(changes):
            serial = run.next("zone")
            run.save()
            assert last is None or is_later(serial, last)
            last = serial


def test_a_change_costs_no_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Serials(tmp_path / "s", lambda: 100.0)
    written = []
    monkeypatch.setattr(serials.state, "save", lambda file, value: written.append(dict(value)))
    for _ in range(RESERVED):
        run.next("zone")
        run.save()
    assert written == [{"zone": 100 + RESERVED}]
    run.next("zone")
    run.save()
    assert written[1:] == [{"zone": 100 + 2 * RESERVED}]


def test_a_full_disk_stops_nothing_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Serials(tmp_path / "s", lambda: 100.0)
    good = state.save

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(serials.state, "save", full)
    assert run.next("zone") == 100
    run.save()
    monkeypatch.setattr(serials.state, "save", good)
    assert run.next("zone") == 101
    run.save()
    assert is_later(Serials(tmp_path / "s", lambda: 1.0).next("zone"), 101)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": "b"}', "\0\0"])
def test_a_damaged_file_is_no_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "s").write_text(text)
    with pytest.raises(EngineError, match="damaged"):
        Serials(tmp_path / "s", lambda: 1.0)
