"""`gatewright check --watch`: the first report, what each save changes, and a clean end."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.manifests import SERVED, UNSERVED

pytest.importorskip("asyncinotify", reason="watching needs the run extra")

SECONDS = 60


class Watching:
    """The program, and its lines as they come."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from gatewright.cli import main; main()", "check", ".", "--watch"],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8",
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))

    def until(self, ending: str) -> list[str]:
        """The lines up to one with this in it."""
        lines = [self._lines.get(timeout=SECONDS)]
        while ending not in lines[-1]:
            lines.append(self._lines.get(timeout=SECONDS))
        return lines

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=SECONDS)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(timeout=SECONDS)
        self._reader.join(timeout=SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    (tmp_path / "app.yaml").write_text(SERVED, encoding="utf-8")
    started = Watching(tmp_path)
    yield started
    started.close()


def test_each_save_tells_what_it_changes(watching: Watching, tmp_path: Path) -> None:
    assert "no findings · 1 hostname · 3 documents read" in watching.until("documents read")
    (tmp_path / "app.yaml").write_text(UNSERVED, encoding="utf-8")
    lines = watching.until("unchanged")
    assert "- app.example.com at the gateways" in lines
    assert any(line.startswith("introduced warning backend-missing") for line in lines)
    assert lines[-1] == "1 changed fate · 1 finding introduced, 0 fixed, 0 unchanged"
    (tmp_path / "app.yaml").write_text(SERVED, encoding="utf-8")
    lines = watching.until("unchanged")
    assert "+ app.example.com at the gateways" in lines
    assert lines[-1] == "1 changed fate · 0 findings introduced, 1 fixed, 0 unchanged"
    assert watching.interrupt() == 0


def test_it_ends_with_the_verdict_on_the_files_as_they_are(watching: Watching, tmp_path: Path) -> None:
    watching.until("documents read")
    (tmp_path / "app.yaml").write_text(UNSERVED, encoding="utf-8")
    watching.until("unchanged")
    assert watching.interrupt() == 1
