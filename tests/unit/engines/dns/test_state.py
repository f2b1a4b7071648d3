"""Files of the state folder: replaced as a whole, for nobody else to read."""

import os
import stat
from pathlib import Path

import pytest

from gatewright.base.errors import EngineError
from gatewright.engines.dns import state


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    state.save(tmp_path / "f", {"a": 1})
    assert state.load(tmp_path / "f", dict[str, int]) == {"a": 1}
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


def test_nothing_there(tmp_path: Path) -> None:
    assert state.load(tmp_path / "f", dict[str, int]) is None


def test_a_failed_write_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state.save(tmp_path / "f", {"a": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        state.save(tmp_path / "f", {"a": 2})
    assert state.load(tmp_path / "f", dict[str, int]) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["f"]


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(EngineError, match="cannot read"):
        state.load(tmp_path / "f", dict[str, int])
