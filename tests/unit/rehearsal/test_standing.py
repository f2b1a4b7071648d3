"""Which rehearsals can be entered: those of whoever asks."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from gatewright.base.errors import UsageError
from gatewright.rehearsal import isolation, standing
from gatewright.rehearsal.standing import RECORD, Record


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc with process 1 of one rehearsal, which is 42 outside."""
    entry = tmp_path / "42"
    file = entry / "root" / RECORD.relative_to("/")
    file.parent.mkdir(parents=True)
    file.write_bytes(msgspec.json.encode(Record(("map",), ("node:home/one", "node:away/one", "pod:apps/web"))))
    (entry / "status").write_text("Name:\tpython3\nNSpid:\t42\t1\n")
    (entry / "environ").write_bytes(f"A=b\0{isolation.MARK}=41\0".encode())
    monkeypatch.setattr(standing, "PROC", tmp_path)
    return tmp_path


def test_ones_own_are_found(proc: Path) -> None:
    (found,) = standing.standing()
    assert (found.pid, found.outer) == (42, 41)
    assert standing.choose("web") == (found, "pod:apps/web")
    with pytest.raises(UsageError, match="one can mean"):
        standing.choose("one")


def test_nobody_is_led_into_those_of_others(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever made them says what runs there, also to root."""
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    assert standing.standing() == ()
    with pytest.raises(UsageError, match="no rehearsal stands here"):
        standing.choose("web", 41)


def test_whoever_is_not_the_first_process_is_none(proc: Path) -> None:
    (proc / "42" / "status").write_text("NSpid:\t42\t7\n")
    assert standing.standing() == ()
