"""Files that are whole or as they were, and locks on folders.

Who may read a file is decided before the first octet is in it.  Counterpart: `processes`.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

from gatewright.base.errors import EngineError


def write(path: Path, data: bytes, mode: int = 0o600, *, durable: bool = False) -> None:
    """Replace a file in one step: a reader sees the old or the new content.  Raises OSError, with the file as it was.

    `durable`: it is on the disk when this returns, under its name; otherwise a power cut may leave the old one, or an
    empty one.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            if mode != 0o600:  # which is how it was made
                os.fchmod(handle, mode)
            stream.write(data)
            if durable:
                stream.flush()
                os.fsync(handle)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        settle(path.parent)


def settle(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def lock(path: Path) -> IO[bytes]:
    """Hold the lock file of a folder until the handle is closed.  EngineError when another process has it."""
    handle = path.open("ab")
    path.chmod(0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise EngineError(f"{path.parent} is in use by another gatewright") from None
    return handle
