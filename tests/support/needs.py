"""What a test needs from the machine: absent things skip the test here and fail it in CI.

The corpus is the exception: it is no part of the project, so its absence is a skip everywhere.
"""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def _absent(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (CI has to have it)", pytrace=False)
    pytest.skip(reason)


def binary(name: str) -> str:
    """The path of a program, found on PATH or where Debian keeps servers."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        _absent(f"the program {name} is not installed")
    assert found is not None
    return found


def package(name: str) -> None:
    """Needs a Python package of the `run` extra."""
    if importlib.util.find_spec(name) is None:
        _absent(f"the Python package {name} is not installed")


def corpus() -> Path:
    """The folder of real installations named by GATEWRIGHT_CORPUS, or else beside the checkout."""
    folder = Path(os.environ.get("GATEWRIGHT_CORPUS") or REPOSITORY.parent / "shared" / "corpus")
    if not (folder / "INDEX.tsv").is_file():
        pytest.skip("no corpus: set GATEWRIGHT_CORPUS to its folder")
    return folder
