"""The GitHub Action and the pre-commit hook: what they name exists, and what they run works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from gatewright.cli import cli
from gatewright.cli.check import FAIL_ON
from support.manifests import SERVED, UNSERVED

ROOT = Path(__file__).resolve().parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two folders of manifests, and the program as the action installs it."""
    for name, text in (("good", SERVED), ("bad manifests", UNSERVED)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.yaml").write_text(text, encoding="utf-8")
    program = tmp_path / "gatewright"
    script = f"#!/bin/sh\nexec '{sys.executable}' -c 'from gatewright.cli import main; main()' \"$@\"\n"
    program.write_text(script, encoding="utf-8")
    program.chmod(0o755)
    return tmp_path


def act(folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The check step of the action, run by bash as GitHub runs it."""
    (step,) = (step for step in ACTION["runs"]["steps"] if step.get("id") == "check")
    given = {name.replace("-", "_").upper(): value["default"] for name, value in ACTION["inputs"].items()}
    given |= {name.upper(): value for name, value in inputs.items()}
    environment = {name: given.get(name, "") for name in step["env"]} | {
        "GATEWRIGHT": str(folder / "gatewright"), "GITHUB_OUTPUT": str(folder / "output"),
    }  # fmt: skip
    return subprocess.run(
        [shutil.which("bash") or "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_action_is_composite_and_every_input_is_used() -> None:
    assert ACTION["runs"]["using"] == "composite"
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    for name in ACTION["inputs"]:
        assert f"${{{{ inputs.{name} }}}}" in text
        assert f"`{name}`" in PAGE
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", ""), "an input inside a script could be code"
        assert "upload" not in step.get("uses", "")
    assert ACTION["inputs"]["fail-on"]["default"] in FAIL_ON


@pytest.mark.skipif(shutil.which("bash") is None, reason="the action runs in bash")
def test_the_action_annotates_and_fails(folder: Path) -> None:
    done = act(folder, paths="good")
    assert (done.returncode, done.stdout) == (0, "")
    done = act(folder, paths="good\n.")
    assert done.returncode == 1
    assert "::warning file=bad manifests/app.yaml,line=13,title=backend-missing::" in done.stdout
    assert act(folder, paths=".", fail_on="never").returncode == 0
    assert act(folder, paths="$(touch made)").returncode == 2
    assert not (folder / "made").exists()


@pytest.mark.skipif(shutil.which("bash") is None, reason="the action runs in bash")
def test_the_action_writes_sarif_also_when_it_fails(folder: Path) -> None:
    done = act(folder, paths=".", format="sarif")
    assert done.returncode == 1
    assert '"version": "2.1.0"' in (folder / "gatewright.sarif").read_text(encoding="utf-8")
    assert (folder / "output").read_text(encoding="utf-8") == "sarif-file=gatewright.sarif\n"
    assert act(folder, format="text").returncode == 2


def test_the_hook_runs_a_command_that_exists(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (hook,) = HOOKS
    assert (hook["language"], hook["pass_filenames"]) == ("python", False)
    assert hook["id"] in PAGE
    program, *words = [*hook["entry"].split(), *hook["args"]]
    assert program == "gatewright"
    monkeypatch.chdir(folder / "good")
    assert CliRunner().invoke(cli, words).exit_code == 0
    monkeypatch.chdir(folder / "bad manifests")
    assert CliRunner().invoke(cli, words).exit_code == 1
