"""The watch yields what changed, and follows names across everything that can happen to a folder."""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from asyncinotify import Inotify

from gatewright.base.errors import EngineError
from gatewright.sources import watch as watch_module
from gatewright.sources.files import FileSource
from gatewright.sources.inotify import Following
from gatewright.sources.watch import watch

DEADLINE = 60


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

    @property
    def files(self) -> set[str]:
        return {id.file for id in self._live}

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def has(self, *names: str) -> None:
        await self.until(lambda: sorted(id.name for id in self._live) == sorted(names))


def run(watching: Watching, steps: Callable[[], Awaitable[None]]) -> None:
    run_all([watching], steps)


def run_all(watchings: list[Watching], steps: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        tasks = [asyncio.create_task(watching.follow()) for watching in watchings]
        try:
            for watching in watchings:
                await watching.until(lambda watching=watching: watching.rounds > 0)
            await steps()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


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


@pytest.mark.parametrize("named", ["a.yaml", "."])
def test_a_file_that_an_editor_saves_does_not_blink(
    tmp_path: Path, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pauses are the editor's, between its steps; nobody waits for anything by them."""
    monkeypatch.setattr(watch_module, "_GRACE", 10.0)  # far more than the editor takes, on any machine
    path = tmp_path / "a.yaml"
    path.write_text(service("a"))
    watching = Watching(tmp_path / named)

    async def steps() -> None:
        path.rename(tmp_path / "a.yaml~")
        await asyncio.sleep(0.03)
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


def test_a_file_is_not_read_before_its_writer_closes_it(tmp_path: Path) -> None:
    """Neither in a watched folder, nor in a new one, nor when everything is looked at."""
    path = tmp_path / "a.yaml"
    path.write_text(service("a"))
    watching = Watching(tmp_path)

    async def steps() -> None:
        (tmp_path / "new").mkdir()
        with path.open("w") as old, (tmp_path / "new" / "b.yaml").open("w") as new:
            for file, name in ((old, "half"), (new, "half-too")):
                file.write(service(name))
                file.flush()
            (tmp_path / "c.yaml").write_text(service("c"))
            await watching.has("a", "c")
            (tmp_path / "other").mkdir()
            (tmp_path / "other" / "d.yaml").write_text(service("d"))
            await watching.has("a", "c", "d")
            old.write(f"---\n{service('e')}")
        await watching.has("half", "e", "half-too", "c", "d")

    run(watching, steps)
    assert watching.blinked == {"a"}


def test_a_mounted_config_map_is_swapped(tmp_path: Path) -> None:
    """As Kubernetes does it, for the folder, and for a file that was named alone or linked from elsewhere."""
    mount, folder = tmp_path / "mount", tmp_path / "folder"
    folder.mkdir()

    def swap(version: str) -> None:
        data = mount / f"..{version}"
        data.mkdir(parents=True)
        for name in ("a", "b", "c"):
            (data / f"{name}.yaml").write_text(service(f"{name}-{version}"))
        (mount / "..new").symlink_to(data.name)
        (mount / "..new").rename(mount / "..data")

    swap("1")
    for name in ("a", "b", "c"):
        (mount / f"{name}.yaml").symlink_to(f"..data/{name}.yaml")
    (folder / "linked.yaml").symlink_to(mount / "b.yaml")
    whole, one, linked = Watching(mount), Watching(mount / "a.yaml"), Watching(folder)

    async def steps() -> None:
        for version in ("2", "3"):
            swap(version)
            await whole.has(f"a-{version}", f"b-{version}", f"c-{version}")
            await one.has(f"a-{version}")
            await linked.has(f"b-{version}")

    run_all([whole, one, linked], steps)


def test_folders_move_and_files_get_more_names(tmp_path: Path) -> None:
    root = tmp_path / "m"
    (root / "x" / "y").mkdir(parents=True)
    (root / "x" / "y" / "a.yaml").write_text(service("a"))
    outside = tmp_path / "b.yaml"
    outside.write_text(service("b"))
    watching = Watching(root)

    async def steps() -> None:
        (root / "x").rename(root / "z")
        await watching.until(lambda: watching.files == {str(root / "z" / "y" / "a.yaml")})
        (root / "z" / "y" / "a.yaml").write_text(service("c"))
        await watching.has("c")
        (root / "hard.yaml").hardlink_to(outside)
        await watching.has("b", "c")
        (root / "soft").symlink_to(tmp_path / "later")
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "d.yaml").write_text(service("d"))
        await watching.has("b", "c", "d")
        (root / "z").rename(tmp_path / "z")
        (tmp_path / "z" / "y" / "a.yaml").write_text(service("e"))
        await watching.has("b", "d")

    run(watching, steps)


def test_what_the_kernel_drops_is_looked_up(tmp_path: Path) -> None:
    """More events than the kernel keeps, while nobody can listen."""
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if queue > 100_000:
        pytest.skip("the kernel keeps too many events here")
    (tmp_path / "a.yaml").write_text(service("a"))
    watching = Watching(tmp_path)

    async def steps() -> None:
        for number in range(queue):  # the loop stands still; two files take turns, so that no event repeats
            (tmp_path / f"{number % 2}.txt").touch()
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "b.yaml").write_text(service("b"))
        await watching.has("a", "b")
        (tmp_path / "new" / "c.yaml").write_text(service("c"))
        await watching.has("a", "b", "c")

    run(watching, steps)


@pytest.mark.parametrize(
    ("method", "failing", "setting"),
    [("__init__", errno.EMFILE, "max_user_instances"), ("add_watch", errno.ENOSPC, "max_user_watches")],
)
def test_a_limit_of_the_kernel_says_what_to_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, failing: int, setting: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(failing, os.strerror(failing))

    source = FileSource()
    source.read([str(tmp_path)])

    async def first() -> None:
        await anext(watch(source))

    monkeypatch.setattr(Inotify, method, refuse)
    with pytest.raises(EngineError, match=setting):
        asyncio.run(first())


def test_what_was_moved_away_is_not_followed_and_a_right_to_read_is_told(tmp_path: Path) -> None:
    root, away = tmp_path / "m", tmp_path / "away"
    (root / "x" / "y").mkdir(parents=True)
    (root / "a.yaml").write_text(service("a"))
    with Following([str(root)]) as following:
        (root / "x").rename(away)
        assert following.changed() == {str(root / "x")}
        (away / "y" / "b.yaml").write_text(service("b"))
        assert following.changed() == set()
        (root / "a.yaml").chmod(0o600)
        assert following.changed() == {str(root / "a.yaml")}
        assert not following.lost


def test_an_interruption_while_the_caller_works_is_not_the_end_of_a_wait() -> None:
    """As Ctrl-C does it: the task is cancelled while it runs; the wait that comes next is over at once."""
    reader, writer = os.pipe()

    async def follow() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await watch_module._wait(reader, 0.0)

    async def main() -> None:
        following = asyncio.create_task(follow())
        await asyncio.wait((following,))
        assert following.cancelled()

    asyncio.run(main())
    os.close(reader)
    os.close(writer)
