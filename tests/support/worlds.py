"""Tests inside namespaces of their own: a function of a test module is run there, and what it returns comes back.

    def inside() -> dict[str, int]: ...            # builds and asks; its value has to be JSON

    def test_it(): assert worlds.run(inside) == {"built": 3}

The function runs in process 1 of the namespaces, so everything that it starts ends with it.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from gatewright.base.errors import UsageError
from gatewright.rehearsal import isolation

ROOT = Path(__file__).parents[2]
SECONDS = 300.0


@lru_cache(1)
def refusal() -> str:
    """Why no world can stand here, "" when it can."""
    try:
        return isolation.refusal()
    except UsageError as error:
        return str(error)


def need() -> None:
    """Skip the test where namespaces are not allowed; in CI that is a failure."""
    if not refusal():
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI has to be able to make namespaces: {refusal()}")
    pytest.skip(refusal())


def run(function: Callable[..., Any], *arguments: Any, seconds: float = SECONDS) -> Any:
    """Run a function of a module inside, with arguments that JSON can say; its value, or AssertionError with what it
    printed."""
    need()
    command = [
        *isolation.command_line([sys.executable, "-m", "tests.support.worlds"]),
        function.__module__,
        function.__name__,
        json.dumps(arguments),
    ]
    environment = isolation.environment() | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=seconds
    )
    assert done.returncode == 0, f"{function.__name__} inside failed:\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Inside: call the function, and print its value."""
    module, name, arguments = sys.argv[1:]
    isolation.settle()
    value = getattr(importlib.import_module(module), name)(*json.loads(arguments))
    print()
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
