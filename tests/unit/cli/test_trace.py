"""`gatewright trace --from`: what is printed, what the document holds, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from gatewright.base.errors import UsageError
from gatewright.cli import cli
from gatewright.cli.trace import command

CASE = Path(__file__).resolve().parents[2] / "features" / "journeys" / "split-horizon" / "input.yaml"


def trace(*words: str) -> Result:
    return CliRunner().invoke(command, [*words, "-q", str(CASE)])


def test_every_branch_is_shown_with_a_verdict_and_its_limits() -> None:
    result = trace("--from", "two-resolvers", "http://app.example.com/")
    assert result.exit_code == 0, result.output
    assert "IPv4 by fritzbox at 192.168.178.10" in result.output
    assert "IPv4 by 1.1.1.1 at 203.0.113.9" in result.output
    assert result.output.count("→ delivered to web/app:80") == 2
    assert "limits       MTU 1370" in result.output


def test_stations_in_common_are_printed_once() -> None:
    result = trace("--from", "laptop", "http://app.example.com/")
    assert result.output.count("laptop at home/lan") == 1
    assert "as above to asks fritzbox" in result.output


def test_one_branch_that_fails_is_a_failure() -> None:
    assert trace("--from", "laptop", "http://app.example.com/").exit_code == 1
    assert trace("--from", "laptop", "--family", "4", "http://app.example.com/").exit_code == 0
    assert trace("--from", "all", "--family", "4", "http://else.example.com/").exit_code == 1


def test_the_document_has_journeys_beside_what_it_always_had() -> None:
    result = trace("--from", "all", "-o", "json", "http://app.example.com/")
    told = json.loads(result.output)
    assert told["version"] == 1
    assert [item["vantage"] for item in told["journeys"]] == ["laptop", "phone", "two-resolvers"]
    first = told["journeys"][0]["branches"][0]
    assert first["family"] == "4"
    assert first["outcome"]["kind"] == "delivered"
    assert first["limits"]["idleTimeout"]["value"] == 0
    assert first["limits"]["idleTimeout"]["origin"]["file"].endswith("input.yaml")
    assert told["outcome"]["kind"] == "unreachable"  # the first that fails
    assert told["others"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "lapptop"), r"no vantage lapptop \(did you mean laptop\? known: laptop, phone, two-resolvers\)"),
        (("--family", "6"), "--family goes with --from"),
        (("--from", "phone", "--client", "192.0.2.1"), "--client go without --from"),
    ],
)
def test_what_does_not_go_together_is_said(words: tuple[str, ...], said: str) -> None:
    result = trace(*words, "http://app.example.com/")
    assert isinstance(result.exception, UsageError)
    with pytest.raises(UsageError, match=said):
        raise result.exception


def test_a_shell_completes_vantages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASE.parent)
    complete = ShellComplete(cli, {}, "gatewright", "_GATEWRIGHT_COMPLETE")
    found = [item.value for item in complete.get_completions(["trace", "--from"], "")]
    assert found == ["laptop", "phone", "two-resolvers", "all"]
