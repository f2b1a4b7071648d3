"""`gatewright rehearse` as users start it: until the world stands, what it takes, until all is asked, until it is gone.

A world stands when it can be entered (`rehearsal.standing`).  It is gone when the command has ended and no process is
left that is in any of its process, mount or network namespaces, or holds one open: nobody can find these any more, and
the kernel takes them apart when it has time, which goes on for a while.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from benchmarks import rehearsal_manifests, support
from benchmarks.support import Row
from gatewright.rehearsal import estimate, isolation
from gatewright.rehearsal.rehearsal import Listener, Options, Rehearsal
from gatewright.rehearsal.standing import RECORD
from gatewright.rehearsal.world import World

COMMAND = str(Path(sys.executable).parent / "gatewright")
EXAMPLE = Path(__file__).parents[1] / "examples" / "gateway-split-dns"
"""The one with the most namespaces."""

BAR_STAND, BAR_GONE, BAR_ASK, BAR_LARGE, BAR_MEMORY = 5.0, 2.0, 10.0, 60.0, 4096
CELL_SITES, CELL_HOSTS = 4, 125
"""Four vantages, 125 hostnames, both families: 1,000 cells."""

POLL, SAMPLE, SETTLING = 0.005, 0.25, 3.0
KERNEL = ("SUnreclaim", "KernelStack", "PageTables", "Percpu", "VmallocUsed")
"""What of /proc/meminfo is the kernel's own, and of no process."""


Identity = tuple[int, int]
NOTHING: Identity = (0, 0)


class Run(Struct):
    """One rehearsal: seconds from exec until it stood, and from SIGINT (else the end of its report) until all was gone;
    the most megabytes of its processes and of the kernel meanwhile; what it reported."""

    stood: float
    gone: float = 0.0
    processes: float = 0.0
    kernel: float = 0.0
    programs: int = 0
    report: Mapping[str, Any] = {}

    def timing(self, stage: str) -> float:
        found: float = self.report["timings"].get(stage, 0.0)
        return found


def measure(sites: list[int], times: int) -> Iterator[Row]:
    """The largest example, 1,000 cells, then worlds of so many sites each; medians of several runs.

    RuntimeError where this machine allows no rehearsal.
    """
    if refusal := isolation.refusal():
        raise RuntimeError(f"rehearsals cannot be measured here: {refusal}")
    yield from _example(times)
    with support.folder() as folder:
        rehearsal_manifests.write(folder / "cells", CELL_SITES, CELL_HOSTS)
        yield _cells([_whole(folder / "cells") for _ in range(times)])
        for size in sites:
            where = folder / f"sites-{size}"
            rehearsal_manifests.write(where, size, size)
            yield from _large(size, imagined(where), [_whole(where) for _ in range(times)])


# --- rows ---------------------------------------------------------------------------------------


def _example(times: int) -> Iterator[Row]:
    _settled()
    runs = [_interrupted(EXAMPLE) for _ in range(times)]
    spaces, what = len(imagined(EXAMPLE).spaces), EXAMPLE.name
    yield _row(f"{what}: exec → the world stands", spaces, [run.stood for run in runs], BAR_STAND)
    yield _row(f"{what}: SIGINT → all is gone", spaces, [run.gone for run in runs], BAR_GONE)


def _cells(runs: Sequence[Run]) -> Row:
    report = runs[0].report
    asked = [run.timing("asking") for run in runs]
    return _row("matrix cells asked for real", len(report["cells"]), asked, BAR_ASK, _verdicts(runs))


def _large(size: int, world: World, runs: Sequence[Run]) -> Iterator[Row]:
    what, spaces = f"{size} sites", len(world.spaces)
    stages = ("reading", "planning", "building", "starting")
    parts = ", ".join(f"{stage} {statistics.median(run.timing(stage) for run in runs):.2f}" for stage in stages)
    yield _row(f"{what}: exec → the world stands", spaces, [run.stood for run in runs], BAR_LARGE, parts)
    asked = [run.timing("asking") for run in runs]
    cells = len(runs[0].report["cells"])
    yield _row(f"{what}: cells asked", cells, asked, more=_verdicts(runs))
    yield _row(f"{what}: end of the report → all is gone", spaces, [run.gone for run in runs], BAR_GONE)
    took = statistics.median(run.processes + run.kernel for run in runs)
    expected = estimate.needed(world, cells) / estimate.MIB
    processes, kernel = (
        statistics.median(found) for found in zip(*((r.processes, r.kernel) for r in runs), strict=True)
    )
    figure = (
        f"{took:,.0f} MB: {processes:,.0f} proportional in {runs[0].programs} processes, {kernel:,.0f} more in the"
        f" kernel; estimated {expected:,.0f} ({expected / took:.2f} of it)"
    )
    yield Row(f"{what}: memory at most", spaces, figure, took / BAR_MEMORY, f"{BAR_MEMORY} MB", f"≤ {BAR_MEMORY} MB")


def _row(what: str, size: int, seconds: Sequence[float], bar: float = 0.0, more: str = "") -> Row:
    """Medians; the load is that of now."""
    middle = statistics.median(seconds)
    each = ", ".join(f"{one:.2f}" for one in sorted(seconds))
    figure = f"{middle:.2f} s ({each}){f'; {more}' if more else ''}; load {os.getloadavg()[0]:.1f}"
    return Row(what, size, figure, middle / bar, f"{bar:g} s", f"≤ {bar:g} s") if bar else Row(what, size, figure)


def _verdicts(runs: Sequence[Run]) -> str:
    differ = max(run.report["counts"].get("differs", 0) for run in runs)
    return f"{differ} differ from the model"


def imagined(where: Path) -> World:
    """The world that is built of manifests."""
    with tempfile.TemporaryDirectory(prefix="gwb") as folder:
        silent = Listener(lambda _: None, lambda _: None, lambda _done, _all: None)
        rehearsal = Rehearsal(Options((str(where),), Path(folder) / "world"), silent)
        rehearsal.read()
        return rehearsal.imagine()


# --- runs ---------------------------------------------------------------------------------------


def _interrupted(where: Path) -> Run:
    """Until it stands; then it is interrupted, in the middle of asking."""
    with _started(where) as (process, began, _):
        inside = _stands(process)
        run = Run(time.monotonic() - began)
        held = _namespaces(inside)
        process.send_signal(signal.SIGINT)
        run.gone = _gone(process, held, time.monotonic())
    return run


def _whole(where: Path) -> Run:
    """To its end, while its memory is watched."""
    before = _settled()
    with _started(where) as (process, began, output):
        inside = _stands(process)
        run = Run(time.monotonic() - began)
        held = _namespaces(inside)
        told = began
        while process.poll() is None and not (told := _reported(output, run)):
            members = [process.pid, *_members(inside)]
            run.programs = max(run.programs, len(members))
            run.processes = max(run.processes, sum(map(_proportional, members)))
            run.kernel = max(run.kernel, _kernel() - before)
            time.sleep(SAMPLE)
        run.gone = _gone(process, held, told or time.monotonic())
        if not run.report and not _reported(output, run):
            raise RuntimeError(f"no report of {where}")
    return run


@contextlib.contextmanager
def _started(where: Path) -> Iterator[tuple[subprocess.Popen[bytes], float, Path]]:
    """The command, when it was started, and the file that its report goes to; its log is told when it fails."""
    with support.folder() as folder:
        output, log = folder / "report.json", folder / "log"
        with output.open("wb") as out, log.open("wb") as err:
            began = time.monotonic()
            process = subprocess.Popen(
                [COMMAND, "rehearse", str(where), "-o", "json"], stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        try:
            yield process, began, output
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {log.read_text()[-2000:]}") from error
        finally:
            process.kill()  # the kernel ends all else with it
            process.wait()


def _stands(process: subprocess.Popen[bytes]) -> int:
    """Wait for it; the number of its process 1."""
    found: list[int] = []

    def is_there() -> bool:
        found[:] = [inside for outer in _children(process.pid) for inside in _children(outer)]
        return any(_is_announced(pid) for pid in found)

    support.wait_for(is_there, "a world that stands", process)
    return found[0]


def _is_announced(inside: int) -> bool:
    """Can it be entered?  What is in a /run that is not its own is not of it."""
    record = _path(inside, "root", RECORD.relative_to("/"))
    with contextlib.suppress(OSError):
        return record.stat().st_dev != Path("/run").stat().st_dev
    return False


def _reported(output: Path, run: Run) -> float:
    """When the report was found to be whole, 0 while it is not."""
    with contextlib.suppress(msgspec.DecodeError):
        run.report = msgspec.json.decode(output.read_bytes())
        return time.monotonic()
    return 0.0


def _gone(process: subprocess.Popen[bytes], held: frozenset[Identity], since: float) -> float:
    """Seconds until the command has ended and nobody is in these namespaces, or holds them.

    The kernel gives numbers of namespaces again at once: whoever began later has others.
    """
    process.wait(support.STOP_SECONDS)
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    deadline = time.monotonic() + support.STOP_SECONDS
    while any(_began(pid) < now and _holds(_path(pid), held) for pid in _processes()):
        if time.monotonic() > deadline:
            raise RuntimeError("somebody still holds namespaces of a rehearsal")
        time.sleep(POLL)
    return time.monotonic() - since


# --- /proc --------------------------------------------------------------------------------------


def _path(pid: int, *parts: str | Path) -> Path:
    return Path("/proc", str(pid), *parts)


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _began(pid: int) -> float:
    """When a process was started, in seconds since the machine was; never, where it is gone."""
    try:
        fields = _path(pid, "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return math.inf
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in _path(pid, "task", str(pid), "children").read_text().split()]
    except OSError:
        return []


def _members(inside: int) -> list[int]:
    """The processes in the process namespace of this one."""
    wanted = _identity(_path(inside, "ns", "pid"))
    return [pid for pid in _processes() if _identity(_path(pid, "ns", "pid")) == wanted != NOTHING]


def _namespaces(inside: int) -> frozenset[Identity]:
    """All namespaces of a rehearsal."""
    own = (_path(inside, "ns", kind) for kind in ("pid", "mnt", "net"))
    spaces = _path(inside, "root", "run/netns").iterdir()
    return frozenset(map(_identity, (*own, *spaces))) - {NOTHING}


def _holds(entry: Path, held: frozenset[Identity]) -> bool:
    """Is a process, or a thread of it, in one of these namespaces, or has it one open?"""
    with contextlib.suppress(OSError):
        links = [task / "ns" / kind for task in (entry / "task").iterdir() for kind in ("pid", "mnt", "net")]
        return any(_identity(link) in held for link in (*links, *(entry / "fd").iterdir()))
    return False


def _identity(path: Path) -> Identity:
    """Device and inode of what a link of /proc leads to: how namespaces are told apart (namespaces(7))."""
    try:
        found = path.stat()
    except OSError:
        return NOTHING
    return found.st_dev, found.st_ino


def _proportional(pid: int) -> float:
    """Megabytes; what several share is divided among them."""
    try:
        text = _path(pid, "smaps_rollup").read_text()
    except OSError:
        return 0.0
    return sum(int(found) for found in re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE)) / 1024


def _settled() -> float:
    """Megabytes that the kernel has for itself when it no longer takes namespaces apart."""
    deadline = time.monotonic() + support.START_SECONDS
    had = _kernel()
    while time.monotonic() < deadline:
        time.sleep(SETTLING)
        has = _kernel()
        if has > had - 1:
            return has
        had = has
    return had


def _kernel() -> float:
    """Megabytes that the kernel has for itself."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return sum(int(words[1]) for words in lines if words[0].rstrip(":") in KERNEL) / 1024
