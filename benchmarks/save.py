"""File save → first correct answer, with the real `gatewright run`; and what nginx, HAProxy and Caddy need for it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import envoys, manifests, model, others, support
from benchmarks.client import Client, Watch, client
from benchmarks.process import Running, gatewright_run
from benchmarks.support import Row

BAR = "≤ 20 ms"
SIDE = "other"
"""The Service that every host can move to; a host of its own keeps it in use."""

SETTLE = 0.5
"""Seconds between two saves for the others: while they reload, HAProxy loses signals and nginx piles up processes."""

Save = Callable[[int, bool], Callable[[], None]]
"""(number of the host, moved) → what saves that, and tells the server if it has to be told."""


def measure(sizes: list[int], times: int) -> Iterator[Row]:
    """Rows for each size: a folder of files, one file, and the others."""
    for size in sizes:
        with support.folder() as folder, envoys.backends(folder) as backends:
            with _from_folder(folder, size, backends) as (running, save):
                figure, mean = _moves(running, save, size, times)
            yield Row(f"file save → first correct answer, {size + 1:,} files", size, figure, 1.0, "itself", BAR)
            with _from_file(folder, size, backends) as (running, save):
                figure, single = _moves(running, save, size, times)
            yield Row("the same, all in one file", size, figure, single / mean, "a folder", BAR)
            for name, other in others.available():
                with other(folder, size, backends) as (server, tell):
                    figure, theirs = _moves(server, tell, size, max(5, times // 10), pause=SETTLE)
                yield Row(f"{name}: the same job", size, figure, theirs / mean, "Gatewright (folder)")


def _moves(running: Running, save: Save, size: int, times: int, pause: float = 0.0) -> tuple[str, float]:
    took, wrong = [], 0
    with client(running.address, running.port) as asking:
        # The first save after the start may meet the last of it.
        for moved in (True, False):
            _move(asking, save, 0, 1, moved=moved)
            time.sleep(pause)
        for turn in range(times):
            number = (turn * 7919 + 13) % size
            for moved in (True, False):
                seconds, errors = _move(asking, save, number, (number + 1) % size, moved=moved)
                took.append(seconds)
                wrong += errors
                time.sleep(pause)
    found = support.figures(took)
    return f"{found}; {wrong} wrong answers", found.mean


def _move(asking: Client, save: Save, number: int, bystander: int, *, moved: bool) -> tuple[float, int]:
    act = save(number, moved)
    asking.begin(Watch(manifests.hostname(number), "b" if moved else "a", manifests.hostname(bystander), "a"))
    started = time.monotonic()
    act()
    seen = asking.end()
    return seen.at - started, seen.wrong


@contextlib.contextmanager
def _from_folder(folder: Path, size: int, backends: envoys.Backends) -> Iterator[tuple[Running, Save]]:
    where = folder / "files"
    model.write(where, size, backends.a)
    _side(where, size, backends)

    def save(number: int, moved: bool) -> Callable[[], None]:
        text = model.host(number, backends.a, SIDE if moved else "")
        return lambda: support.write(model.file(where, number), text)

    with gatewright_run(folder / "s1", where) as running:
        yield running, save


@contextlib.contextmanager
def _from_file(folder: Path, size: int, backends: envoys.Backends) -> Iterator[tuple[Running, Save]]:
    where = folder / "file"
    model.write(where, size, backends.a, one_file=True)
    _side(where, size, backends)
    texts = [model.host(number, backends.a) for number in range(size)]

    def save(number: int, moved: bool) -> Callable[[], None]:
        texts[number] = model.host(number, backends.a, SIDE if moved else "")
        text = manifests.DIVIDER.join(texts)
        return lambda: support.write(where / "hosts.yaml", text)

    with gatewright_run(folder / "s2", where) as running:
        yield running, save


def _side(where: Path, size: int, backends: envoys.Backends) -> None:
    text = manifests.service(SIDE, "127.0.0.1", backends.b) + manifests.DIVIDER + manifests.http_route(size, SIDE)
    (where / "side.yaml").write_text(text)
