"""Processes of our own that outlive us: `python -m MODULE DESCRIPTOR`, the descriptor being their end of a channel.

They run in sessions of their own.  A file names those that run; the next control plane ends them when its own have
taken over.  A process is ended only if its start time and its command are those of one that was started here.
Counterparts: `channel`, what is said; the engines, which say it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from gatewright.base.errors import EngineError
from gatewright.system.processes import ProcessId, start_time_of, wait_end

END_SECONDS: Final = 5.0


class Child:
    """A process that was started here, and our end of its channel."""

    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process = process
        self.reader = reader
        self.writer = writer
        self.id = ProcessId(process.pid, start_time_of(process.pid) or 0)

    def leave(self) -> None:
        """Let it run on without us."""
        self.writer.close()
        self.process.returncode = 0  # it is nobody's child from now on, which Popen would warn of

    def reap(self) -> int:
        """The exit status of one that has closed its channel, and so is to end; blocks for some seconds at most."""
        try:
            return self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


async def launch(module: str, log: Path, what: str) -> Child:
    """Start a process that knows nothing yet.  Raises EngineError, which calls it `what`."""
    ours, theirs = socket.socketpair()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(  # noqa: ASYNC220  (a millisecond)
            # -P: nothing is imported from the folder that we happen to be started in.
            [sys.executable, "-P", "-m", module, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
            umask=0o077,
        )
    except OSError as error:
        ours.close()
        raise EngineError(f"cannot start {what}: {error.strerror}") from error
    finally:
        theirs.close()
        os.close(descriptor)
    ours.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=ours)
    return Child(process, reader, writer)


def running(file: Path, module: str) -> tuple[ProcessId, ...]:
    """Those of the processes in a file that are alive, whoever started them."""
    try:
        recorded = msgspec.json.decode(file.read_bytes(), type=tuple[ProcessId, ...])
    except (OSError, msgspec.MsgspecError):
        return ()
    return tuple(id for id in recorded if is_ours(id, module))


def is_ours(id: ProcessId, module: str) -> bool:
    """Is this very process alive, and one of this module?"""
    if start_time_of(id.pid) != id.start_time:
        return False
    try:
        return module.encode() in Path(f"/proc/{id.pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


async def end(id: ProcessId, module: str, seconds: float = END_SECONDS) -> None:
    """SIGTERM, and SIGKILL when that is not enough after so many seconds."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if not is_ours(id, module):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(id.pid, sign)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wait_end(id), seconds)
