"""The watch yields what changed, and follows names across everything that can happen to a folder."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gatewright.sources.files import FileSource
from gatewright.sources.watch import watch
from support import needs

DEADLINE = 20


def service(name: str) -> str:
    return f"apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n"


class Watching:
    """A source that follows its files, and what is live by its deltas."""

    def __init__(self, *paths: Path) -> None:
        self._source = FileSource()
        self._live = set(self._source.read([str(path) for path in paths]).documents)
        self.blinked: set[str] = set()
        self.problems: list[str] = []
        self.rounds = 0
        self._changed = asyncio.Event()

    async def follow(self) -> None:
        async for paths in watch(self._source):
            delta = self._source.refresh(paths)
            self.blinked |= {id.name for id in delta.removed}
            self._live = (self._live | set(delta.added)) - delta.removed
            self.problems = [problem.id for problem in delta.problems]
            self.rounds += 1
            self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def has(self, *names: str) -> None:
        await self.until(lambda: sorted(id.name for id in self._live) == sorted(names))


def run(watching: Watching, steps: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        task = asyncio.create_task(watching.follow())
        try:
            await watching.until(lambda: watching.rounds > 0)
            await steps()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


@pytest.fixture(autouse=True)
def watchfiles() -> None:
    needs.package("watchfiles")


def test_files_come_change_and_go(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(service("a"))
    watching = Watching(tmp_path)

    async def steps() -> None:
        (tmp_path / "b.yaml").write_text(service("b"))
        await watching.has("a", "b")
        (tmp_path / "new" / "er").mkdir(parents=True)
        (tmp_path / "new" / "er" / "c.yaml").write_text(service("c"))
        await watching.has("a", "b", "c")
        (tmp_path / "new" / "er" / "c.yaml").write_text(service("d"))
        await watching.has("a", "b", "d")
        (tmp_path / "a.yaml").unlink()
        await watching.has("b", "d")

    run(watching, steps)


def test_a_file_that_an_editor_saves_does_not_blink(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(service("a"))
    watching = Watching(path)

    async def steps() -> None:
        path.rename(tmp_path / "a.yaml~")
        await asyncio.sleep(0.03)  # less than the grace: what an editor may take
        path.write_text(service("a") + "---\n" + service("b"))
        await watching.has("a", "b")
        with path.open("w") as file:
            await asyncio.sleep(0.03)
            file.write(service("a") + "---\n" + service("c"))
        await watching.has("a", "c")

    run(watching, steps)
    assert watching.blinked == {"b"}


def test_a_folder_vanishes_comes_back_and_is_replaced(tmp_path: Path) -> None:
    root = tmp_path / "m"
    root.mkdir()
    (root / "a.yaml").write_text(service("a"))
    watching = Watching(root)

    async def steps() -> None:
        root.rename(tmp_path / "away")
        await watching.until(lambda: watching.problems == ["input-gone"])
        await watching.has("a")
        (tmp_path / "away").rename(root)
        await watching.until(lambda: watching.problems == [])
        (root / "b.yaml").write_text(service("b"))
        await watching.has("a", "b")
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "c.yaml").write_text(service("c"))
        root.rename(tmp_path / "old")
        (tmp_path / "other").rename(root)
        await watching.has("c")
        (root / "d.yaml").write_text(service("d"))
        await watching.has("c", "d")

    run(watching, steps)


def test_many_files_at_once_are_few_rounds(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(service("a"))
    watching = Watching(tmp_path)

    async def steps() -> None:
        def burst() -> None:
            for index in range(2_000):
                (tmp_path / f"{index}.yaml").write_text(service(f"s{index}"))

        await asyncio.to_thread(burst)
        await watching.has("a", *(f"s{index}" for index in range(2_000)))

    run(watching, steps)
    assert watching.rounds < 1_000
