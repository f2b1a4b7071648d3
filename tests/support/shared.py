"""What costs much and many tests look at, made once in a run: the worker of pytest-xdist that comes first makes it, and
the others read it.  Its value has to be JSON; what needs a process that still lives belongs to each worker.

Counterpart: `worlds`, whose answers are of this kind.  The fixture `shared` is one of these for the whole run.
"""

from __future__ import annotations

import fcntl
import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Shared:
    """Values by name, in a folder that all workers of one run have; without a folder there are no others."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def value(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returned to whoever asked first, as JSON has it.

        Others wait until it is made.  Where that failed they fail too, with the same words: AssertionError.  A skip is
        nobody's but who skips, and if the maker was killed the next one makes it.
        """
        if self.folder is None:
            return json.loads(json.dumps(make()))
        path = self.folder / f"{name}.json"
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                unfinished = path.with_suffix(".new")
                unfinished.write_text(_made(make), encoding="utf-8")
                unfinished.replace(path)
        made = json.loads(path.read_text(encoding="utf-8"))
        assert not made["failed"], f"{name} could not be made:\n{made['failed']}"
        return made["value"]


def _made(make: Callable[[], Any]) -> str:
    try:
        return json.dumps({"failed": "", "value": make()})
    except Exception:
        return json.dumps({"failed": traceback.format_exc(), "value": None})
