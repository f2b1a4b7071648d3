"""`gatewright run` as users start it: a process, its ready file, and what it cost."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from benchmarks import manifests, support

COMMAND = str(Path(sys.executable).parent / "gatewright")


class Running(Struct, frozen=True):
    """A server that answers HTTP at a socket.  `seconds` until it was ready; `envoy` its data plane's process id."""

    address: str
    port: int
    pid: int = 0
    envoy: int = 0
    seconds: float = 0.0
    started: float = 0.0


@contextlib.contextmanager
def gatewright_run(state: Path, *paths: Path) -> Iterator[Running]:
    """Gatewright on these manifests, until the block is left."""
    ready = state.with_suffix(".json")
    command = [
        *(COMMAND, "run", "--state", str(state), "--ready-file", str(ready)),
        *("--concurrency", "1", "--drain", "0", *map(str, paths)),
    ]
    started = time.monotonic()
    with support.running(command, state.with_suffix(".log")) as process:
        try:
            support.wait_for(ready.exists, "gatewright run", process)
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {state.with_suffix('.log').read_text()[-2000:]}") from error
        seconds = time.monotonic() - started
        yield _running(process, json.loads(ready.read_text()), state, seconds, started)


def _running(
    process: subprocess.Popen[bytes],
    told: dict[str, list[dict[str, object]]],
    state: Path,
    seconds: float,
    started: float,
) -> Running:
    listener = next(item for item in told["listeners"] if item["described"]["port"] == manifests.HTTP)  # type: ignore[index]
    local = listener["local"][0]  # type: ignore[index]
    envoy = json.loads((state / "envoy" / "envoy.pid").read_text())["pid"]
    return Running(local["address"], local["port"], process.pid, envoy, seconds, started)
