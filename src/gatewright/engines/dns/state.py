"""Files of the state folder: read whole, replaced whole, for nobody else to read.

What is in them is told by their owners, `serials` and `overlay`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from gatewright.base.errors import EngineError
from gatewright.system import files

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
    files.write(file, msgspec.json.encode(value), durable=True)
