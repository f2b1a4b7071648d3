"""Files of the state folder: read whole, replaced whole, for nobody else to read.

What is in them is told by their owners, `serials` and `overlay`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TypeVar

import msgspec

from gatewright.base.errors import EngineError

T = TypeVar("T")


def load(file: Path, shape: type[T]) -> T | None:
    """What the file holds; None when there is none.

    Raises EngineError when it cannot be read: to begin anew in silence would lose records, or let serials fall.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=shape)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EngineError(f"cannot read {file}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise EngineError(f"{file} is damaged: restore it, or remove it to begin anew") from error


def save(file: Path, value: object) -> None:
    """Put the value in the file, on the disk when this returns.  Raises OSError, with the file as it was."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".new-")  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(msgspec.json.encode(value))
            stream.flush()
            os.fsync(handle)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _settle(file.parent)


def _settle(folder: Path) -> None:
    """The replaced name itself is on the disk, too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
