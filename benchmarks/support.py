"""What the measurements share: figures and rows, processes with an end, memory, and the machine's description."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

START_SECONDS = 120.0
STOP_SECONDS = 20.0


class Row(Struct, frozen=True):
    """One line of the table.  `figure` is said in words; `ratio` to what `against` names; `bar` is what is wanted."""

    what: str
    size: int
    figure: str
    ratio: float | None = None
    against: str = ""
    bar: str = ""


class Figures(Struct, frozen=True):
    """A sample in milliseconds."""

    mean: float
    p50: float
    p99: float
    max: float
    count: int

    def __str__(self) -> str:
        parts = f"mean {self.mean:.2f}, p50 {self.p50:.2f}, p99 {self.p99:.2f}, max {self.max:.2f} ms"
        return f"{parts} ({self.count} times)"


def figures(seconds: Sequence[float]) -> Figures:
    """What a sample of seconds amounts to."""
    found = sorted(second * 1000 for second in seconds)
    p99 = found[min(len(found) - 1, round(0.99 * len(found)))]
    return Figures(statistics.fmean(found), statistics.median(found), p99, found[-1], len(found))


# --- processes ----------------------------------------------------------------------------------


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A private folder with a short name (sockets have short paths), removed at the end."""
    path = Path(tempfile.mkdtemp(prefix="gwb"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is ended when the block is left."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                process.send_signal(sign)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
        process.wait()


def write(path: Path, text: str) -> None:
    """Save a file as an editor or a shell does, in place."""
    path.write_text(text, encoding="utf-8")


def wait_for(is_there: Callable[[], bool], what: str, alive: subprocess.Popen[bytes] | None = None) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + START_SECONDS
    while not is_there():
        if alive is not None and alive.poll() is not None:
            raise RuntimeError(f"{what}: the program ended with {alive.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {START_SECONDS:g} s")
        time.sleep(0.002)


def send(pid: int, sign: signal.Signals) -> None:
    """A signal to a server that we started."""
    os.kill(pid, sign)


def listens(port: int, address: str = "127.0.0.1") -> bool:
    """Does somebody accept connections there?"""
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return False
    return True


def free_port(address: str = "127.0.0.1") -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def program(name: str) -> str | None:
    """A server from Debian, which may be where only root looks."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


def memory(pid: int, field: str = "VmRSS") -> int:
    """Megabytes that a process holds now; VmHWM: that it ever held."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) // 1024
    return 0


def proportional(pid: int) -> int:
    """Megabytes that a process, or we ourselves (0), hold now; what several share is divided among them."""
    text = Path(f"/proc/{pid or 'self'}/smaps_rollup").read_text()
    return int(re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE)[0]) // 1024


def busy(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine() -> str:
    """What the figures were taken on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    processors = f"{len(os.sched_getaffinity(0))} × {models[0] if models else platform.machine()}"
    load = f"load {os.getloadavg()[0]:.1f}"
    return f"{processors}, {total:.0f} GB, Linux, Python {platform.python_version()}, {load}"
