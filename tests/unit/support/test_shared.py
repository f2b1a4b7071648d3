"""Two processes that share: whatever becomes of the making, it is done once and both hear of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support import needs
from support.shared import Shared

SECONDS = 60
WORKER = """
import os, signal, sys, time
from pathlib import Path
from support.shared import Shared

folder, me, how = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def make():
    with (folder / "made").open("a") as made:
        made.write(me)
    deadline = time.monotonic() + 30
    while len(list(folder.glob("arrived-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    if how == "fails":
        raise OSError("no room")
    if how == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    return {"pair": (1, 2)}

(folder / f"arrived-{me}").touch()
try:
    print(Shared(folder).value("thing", make))
except AssertionError as error:
    print(error)
"""


@contextmanager
def worker(folder: Path, name: str, how: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WORKER, str(folder), name, how]
    tests = str(needs.REPOSITORY / "tests")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": tests}) as process:
        try:
            yield process
        finally:
            process.kill()


def said(folder: Path, *ways: str) -> list[tuple[int, str]]:
    """Exit code and words of a worker for each way, all at once."""
    first, second = ways
    with worker(folder, "a", first) as a, worker(folder, "b", second) as b:
        words = [one.communicate(timeout=SECONDS)[0] for one in (a, b)]
        return [(one.returncode, text) for one, text in zip((a, b), words, strict=True)]


def test_it_is_made_once(tmp_path: Path) -> None:
    assert said(tmp_path, "works", "works") == [(0, "{'pair': [1, 2]}\n")] * 2
    assert len((tmp_path / "made").read_text()) == 1


def test_a_failure_is_told_to_all_and_not_tried_again(tmp_path: Path) -> None:
    found = said(tmp_path, "fails", "fails")
    assert found[0] == found[1]
    assert found[0][1].startswith("thing could not be made:\n")
    assert "OSError: no room" in found[0][1]
    assert len((tmp_path / "made").read_text()) == 1


def test_if_the_maker_is_killed_another_makes_it(tmp_path: Path) -> None:
    (tmp_path / "arrived-nobody").touch()
    with worker(tmp_path, "a", "dies") as a:
        assert a.wait(SECONDS) == -signal.SIGKILL
    with worker(tmp_path, "b", "works") as b:
        assert b.communicate(timeout=SECONDS)[0] == "{'pair': [1, 2]}\n"
    assert (tmp_path / "made").read_text() == "ab"


def test_a_skip_is_not_passed_on(tmp_path: Path) -> None:
    def skips() -> Any:
        pytest.skip("not here")

    with pytest.raises(pytest.skip.Exception):
        Shared(tmp_path).value("thing", skips)
    assert Shared(tmp_path).value("thing", lambda: 3) == 3


def test_alone_it_is_the_same_value() -> None:
    assert Shared(None).value("thing", lambda: {"pair": (1, 2)}) == {"pair": [1, 2]}
