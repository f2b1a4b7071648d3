"""Captures whose files cannot be made or written: a line that says so."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from gatewright.base.errors import UsageError
from gatewright.rehearsal import capture
from gatewright.rehearsal.world import Draft


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def _captured(folder: Path) -> None:
    async with capture.capturing(Draft().world(), folder):
        pass


@pytest.mark.parametrize("where", ["_tap", "_listen"])
def test_a_full_disk_is_told(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "_tap", lambda *_: None)
    monkeypatch.setattr(capture, "_listen", lambda *_: None)
    asyncio.run(_captured(tmp_path / "packets"))
    monkeypatch.setattr(capture, where, _full)
    with pytest.raises(UsageError, match=r"cannot write packets to .*packets: No space left on device"):
        asyncio.run(_captured(tmp_path / "packets"))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot write packets to .*: Not a directory"):
        asyncio.run(_captured(tmp_path / "file" / "packets"))
