"""`gatewright test`: what holds, what does not, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from gatewright.base.errors import UsageError
from gatewright.cli import cli
from gatewright.cli.test import command
from support.manifests import EXPECTED, SERVED, UNSERVED


def run(*words: str) -> Result:
    return CliRunner().invoke(command, words)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("holds.yaml").write_text(SERVED + EXPECTED, encoding="utf-8")
    Path("fails.yaml").write_text(UNSERVED + EXPECTED, encoding="utf-8")
    Path("none.yaml").write_text(SERVED, encoding="utf-8")


def test_what_holds() -> None:
    result = run("holds.yaml", "-v")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "✓ app-is-there at the gateways  http://app.example.com/  holds.yaml:20",
        "    delivered to web/app:80 via infra/edge",
        "all 1 hold",
    ]


def test_what_does_not_hold_says_why() -> None:
    result = run("fails.yaml")
    assert result.exit_code == 1
    assert result.stdout.startswith("✗ app-is-there at the gateways")
    said = "503 Service web/gone is not among what was read"
    assert f"    expected delivered, but fails at backend: {said}" in result.stdout
    assert result.stdout.endswith("1 of 1 do not hold\n")


@pytest.mark.parametrize(("words", "said"), [((), "no Expectation in what was read"), (("--only", "x*"), "no such")])
def test_nothing_to_hold_is_an_input_error(words: tuple[str, ...], said: str) -> None:
    result = run("none.yaml" if not words else "holds.yaml", *words)
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)


def test_for_programs() -> None:
    (told,) = json.loads(run("fails.yaml", "-o", "json").stdout)["expectations"]
    assert (told["name"], told["vantage"], told["family"], told["holds"]) == ("app-is-there", None, 4, False)
    assert told["origin"] == {"file": "fails.yaml", "line": 20}
    suite = ElementTree.fromstring(run("fails.yaml", "-o", "junit").stdout).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")


def test_a_shell_completes_expectations() -> None:
    complete = ShellComplete(cli, {}, "gatewright", "_GATEWRIGHT_COMPLETE").get_completions
    assert [item.value for item in complete(["test", "holds.yaml", "--only"], "app")] == ["app-is-there"]
