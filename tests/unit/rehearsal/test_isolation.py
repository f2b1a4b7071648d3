"""Whoever is not inside builds nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support import worlds

from gatewright.base.errors import EngineError
from gatewright.rehearsal import isolation


def _mounts() -> str:
    return Path("/proc/self/mountinfo").read_text(encoding="utf-8")


@pytest.mark.parametrize("pid", [1, 4711])
@pytest.mark.parametrize("outside", [None, "", "net:[1]", " ".join(f"{one}:[1]" for one in ("net", "mnt"))])
def test_nothing_is_done_outside(monkeypatch: pytest.MonkeyPatch, pid: int, outside: str | None) -> None:
    before = _mounts()
    monkeypatch.setattr(os, "getpid", lambda: pid)
    monkeypatch.setenv(isolation.MARK, "4711")
    if outside is not None:
        monkeypatch.setenv(isolation.OUTSIDE, outside)
    assert not isolation.is_inside()
    with pytest.raises(EngineError, match="nothing is built here"):
        isolation.settle()
    assert _mounts() == before


def test_namespaces_that_are_those_outside_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in isolation.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert not isolation.is_inside()


def temporary() -> list[str]:
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        return [file.name, os.environ["TMPDIR"]]


@pytest.mark.real
def test_what_is_temporary_is_inside() -> None:
    file, folder = worlds.run(temporary)
    assert file.startswith("/run/tmp/")
    assert folder == "/run/tmp"
