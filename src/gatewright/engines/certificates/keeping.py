"""Small private files of the certificate engine: whole or not at all, readable by nobody else.

Counterpart of nothing: what the files mean is known to `accounts`, `orders` and `limits`, which keep them.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

from gatewright.base.errors import EngineError
from gatewright.system import files

_LARGEST = 1 << 20


def write(file: Path, data: bytes) -> None:
    """Save `data` (0600, its folder 0700 if it is new), durably.

    EngineError when the disk does not take it; the file is then as it was.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write(file, data, durable=True)
    except OSError as error:
        raise EngineError(f"cannot write {file}: {error.strerror or error}") from error


def write_new(file: Path, data: bytes) -> bool:
    """The same for a file that nobody may have written before; False when somebody has."""
    drawn = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    write(drawn, data)
    try:
        os.link(drawn, file)
    except FileExistsError:
        return False
    except OSError as error:
        raise EngineError(f"cannot write {file}: {error.strerror or error}") from error
    finally:
        drawn.unlink(missing_ok=True)
    return True


def read(file: Path) -> bytes | None:
    """What `write` saved, None when there is no such file; EngineError when it cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(_LARGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EngineError(f"cannot read {file}: {error.strerror or error}") from error


def write_object(file: Path, values: dict[str, Any]) -> None:
    """Save a JSON object."""
    write(file, json.dumps(values).encode())


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object that was saved; {} when there is none or it is damaged: all of these can be found out again."""
    try:
        found = json.loads(read(file) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def remove(file: Path) -> None:
    """Remove a file that may be gone already."""
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise EngineError(f"cannot remove {file}: {error.strerror or error}") from error
