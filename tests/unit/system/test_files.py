"""Files that are whole or as they were."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gatewright.base.errors import EngineError
from gatewright.system import files


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_with_its_mode(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "a"
    files.write(path, b"one", durable=durable)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    files.write(path, b"two", 0o644, durable=durable)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"two", 0o644)
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").write_bytes(b"one")
    with pytest.raises(OSError, match="directory"):
        files.write(tmp_path / "folder", b"two")
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]
    assert (tmp_path / "folder" / "inside").read_bytes() == b"one"


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with files.lock(tmp_path / "lock"), pytest.raises(EngineError, match="in use"):
        files.lock(tmp_path / "lock")
    files.lock(tmp_path / "lock").close()
