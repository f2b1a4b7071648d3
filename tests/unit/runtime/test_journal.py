"""The journal: what is new is told once, files are whole or absent, and a full disk is no end."""

import asyncio
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import structs

from gatewright.base.origin import Origin, Place
from gatewright.base.problem import Problem
from gatewright.runtime import report
from gatewright.runtime.journal import MOST_LINES, Journal
from support.session import until


class Nowhere:
    def locate(self, origin: Origin) -> Place:
        return Place(origin.file, 1)


class Desk:
    """A journal of a run about which the test decides."""

    def __init__(self, folder: Path, *, ready: bool = False) -> None:
        self.facts = report.Facts(datetime(2030, 1, 1, tzinfo=UTC), 1, 2)
        self.told: list[report.Fault] = []
        self.status = folder / "run.json"
        self.ready = folder / "ready.json"
        ready_file = self.ready if ready else None
        self.journal = Journal(self.status, ready_file, Nowhere(), lambda: self.facts, self.told.append)

    def problems(self, *messages: str) -> None:
        found = tuple(Problem("bad", message, Origin("a.yaml")) for message in messages)
        self.facts = structs.replace(self.facts, problems=found)

    def take(self) -> list[str]:
        messages = [fault.message for fault in self.told]
        self.told.clear()
        return messages


def test_each_problem_is_told_once_for_as_long_as_it_lasts(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.problems("one")
    desk.journal.tell()
    assert desk.take() == ["one"]
    desk.problems("one", "two")
    desk.journal.tell()
    assert desk.take() == ["two"]
    desk.problems("two")
    desk.journal.tell()
    desk.problems("one", "two")
    desk.journal.tell()
    assert desk.take() == ["one"]


def test_a_flood_of_problems_is_cut(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.problems(*(f"{number}" for number in range(MOST_LINES + 7)))
    desk.journal.tell()
    told = desk.take()
    assert len(told) == MOST_LINES + 1
    assert told[-1] == "7 more problems"


def test_the_files_say_what_is_live_and_go_with_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path, ready=True)
        desk.problems("one")
        await desk.journal.now()
        check_written(desk)
        await desk.journal.close()

    def check_written(desk: Desk) -> None:
        assert [one["message"] for one in json.loads(desk.status.read_bytes())["problems"]] == ["one"]
        assert json.loads(desk.ready.read_bytes())["problems"] == []
        assert desk.status.stat().st_mode & 0o077 == 0
        assert {path.name for path in tmp_path.iterdir()} == {"run.json", "ready.json"}

    asyncio.run(scenario())
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_before_anything_is_live(tmp_path: Path) -> None:
    """Something may have changed meanwhile, such as who checks passwords; whoever waits for the ready file waits on."""

    async def scenario() -> None:
        desk = Desk(tmp_path, ready=True)
        desk.journal.soon()
        assert desk.journal._timer is None
        await desk.journal.now()
        desk.journal.soon()
        await written(desk)

    asyncio.run(scenario())
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", "ready.json"}


async def written(desk: Desk) -> None:
    """Until what was due is done."""

    async def is_due() -> bool:
        return desk.journal._timer is None

    await until(is_due)
    assert desk.journal._writing is not None
    await desk.journal._writing


def test_a_burst_of_changes_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path)
        looks = 0
        look = desk.journal._look

        def count() -> report.Facts:
            nonlocal looks
            looks += 1
            return look()

        await desk.journal.now()
        monkeypatch.setattr(desk.journal, "_look", count)
        for _ in range(100):
            desk.journal.soon()
        await written(desk)
        await desk.journal.close()
        assert looks == 1

    asyncio.run(scenario())


def test_a_status_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder = tmp_path / "gone"
        folder.mkdir()
        desk = Desk(folder)
        await desk.journal.now()
        shutil.rmtree(folder)
        for _ in range(2):
            desk.journal.soon()
            await written(desk)
        (said,) = desk.take()
        assert "cannot be written" in said

    asyncio.run(scenario())
