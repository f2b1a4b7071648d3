"""Cold start of the real `gatewright run`: from exec until the ready file is there and the last host answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from benchmarks import envoys, manifests, model, support
from benchmarks.client import Asker
from benchmarks.process import Running, gatewright_run
from benchmarks.support import Row

BAR = 5.0
BAR_MEMORY = 400


def measure(sizes: list[int], times: int) -> Iterator[Row]:
    """A row of time and one of memory for each size, the best of several starts: others use this machine, too."""
    for size in sizes:
        with support.folder() as folder, envoys.backends(folder) as backends:
            where = folder / "files"
            model.write(where, size, backends.a)
            found = [once(folder, where, size, turn) for turn in range(times)]
        best = min(found)
        all_of_them = ", ".join(f"{one.seconds:.2f}" for one in found)
        figure = f"{best.seconds:.2f} s ({all_of_them}); {best.busy:.2f} s of processor time"
        yield Row("exec → full service", size, figure, best.seconds / BAR, f"{BAR:g} s", f"≤ {BAR:g} s")
        figure = f"{best.peak} MB control plane at most; Envoy {best.envoy} MB"
        yield Row("memory after it", size, figure, best.peak / BAR_MEMORY, f"{BAR_MEMORY} MB", f"≤ {BAR_MEMORY} MB")


class Started(Struct, frozen=True, order=True):
    """Seconds until full service, those of processor time, and megabytes: control plane at most, Envoy afterwards."""

    seconds: float
    busy: float
    peak: int
    envoy: int


def once(folder: Path, where: Path, size: int, turn: int) -> Started:
    """Start it on the manifests in `where`, until the last of `size` hosts answers."""
    with gatewright_run(folder / f"s{turn}", where) as running:
        _wait(running, size - 1)
        seconds = time.monotonic() - running.started
        peak, envoy = support.memory(running.pid, "VmHWM"), support.memory(running.envoy)
        return Started(seconds, support.busy(running.pid), peak, envoy)


def _wait(running: Running, last: int) -> None:
    asker = Asker(running.address, running.port)
    support.wait_for(lambda: asker.ask(manifests.hostname(last)) == "a", "the last host's answer")
