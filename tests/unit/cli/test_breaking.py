"""`--break` of `trace` and `check`: what would still work, without building anything; and of what a shell completes."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from gatewright.base.errors import UsageError
from gatewright.cli import cli
from support.jsonschema import faults

EDGE = str(Path(__file__).parents[3] / "examples" / "dual-stack-edge")
URL = "https://grafana.example.com/"
SCHEMA: dict[str, Any] = json.loads((resources.files("gatewright") / "schemas" / "check.json").read_text("utf-8"))


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def trace(*words: str) -> Result:
    return run("trace", "-q", "--from", "phone-away", "--family", "4", *words, URL, EDGE)


def refused(*words: str) -> str:
    result = run(*words)
    assert isinstance(result.exception, UsageError), result.output
    assert result.stdout == ""
    return str(result.exception)


def test_a_trace_tells_what_is_broken_and_what_comes_of_it() -> None:
    assert trace().exit_code == 0
    result = trace("--break", "link:wireguard")
    assert result.exit_code == 1
    assert result.output.startswith("with link:wireguard broken\n\nGET https://grafana.example.com/ from phone-away")
    assert "wireguard, which leads to 192.168.178.5, is down" in result.output


def test_a_trace_with_something_else_broken_goes_on() -> None:
    result = trace("--break", "resolver:home-dns", "--break", "node:k3s-node2")
    assert result.exit_code == 0
    assert result.output.startswith("with resolver:home-dns, node:k3s-node2 broken\n")


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_the_document_of_a_trace_has_what_was_broken(form: str) -> None:
    def document(*words: str) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load(trace("-o", form, *words).stdout)
        return found

    whole, broken = document(), document("--break", "certificate:expire")
    assert (whole["broken"], broken["broken"]) == ([], ["certificate:expire"])
    assert whole["outcome"]["kind"] == "delivered"
    assert (broken["outcome"]["kind"], broken["journeys"][0]["branches"][0]["trust"]) == ("untrusted", "expired")


def test_the_matrix_is_that_of_what_is_left() -> None:
    def document(*words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(run("check", "-o", "json", *words, EDGE).stdout)
        assert list(faults(found, SCHEMA, SCHEMA)) == []
        return found

    def fails(found: dict[str, Any]) -> set[str]:
        return {cell["vantage"] for cell in found["matrix"] if cell["kind"] in ("unreachable", "refused")}

    whole, broken = document(), document("--break", "link:wireguard")
    assert (whole["broken"], broken["broken"]) == ([], ["link:wireguard"])
    assert fails(broken) - fails(whole) == {"phone-away"}
    assert "fails-from-vantage" in {one["id"] for one in broken["findings"]}


@pytest.mark.parametrize("form", ["table", "wide"])
def test_people_read_what_is_broken_first(form: str) -> None:
    result = run("check", "-o", form, "--break", "gateway:kube-system/traefik", "--fail-on", "never", EDGE)
    assert result.exit_code == 0
    assert result.output.startswith("with gateway:kube-system/traefik broken\n")


@pytest.mark.parametrize("command", [("check",), ("trace", "--from", "phone-away", URL)])
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("link:wiregard", "there is no link wiregard to break; did you mean wireguard? (there are: wireguard)"),
        ("lnk:wireguard", "cannot break 'lnk:wireguard': did you mean link:wireguard? say link:..., node:..."),
        ("rate:wireguard=1mbit", "the model knows no rate; gatewright rehearse --break rate:wireguard=1mbit measures"),
        ("latency:wireguard=1ms", "the model knows no latency"),
    ],
)
def test_what_cannot_be_supposed_is_said_in_one_line(command: tuple[str, ...], fault: str, said: str) -> None:
    told = refused(command[0], "--break", fault, *command[1:], EDGE)
    assert said in told
    assert "\n" not in told


def test_what_does_not_go_together_is_said() -> None:
    assert "--break goes with --from" in refused("trace", "--break", "link:wireguard", URL, EDGE)
    assert "--watch and --break do not go together" in refused("check", "--watch", "--break", "link:wireguard", EDGE)


@pytest.mark.parametrize("command", ["trace", "check", "rehearse"])
def test_a_shell_completes_what_can_be_broken(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EDGE)
    complete = ShellComplete(cli, {}, "gatewright", "_GATEWRIGHT_COMPLETE")
    found = [item.value for item in complete.get_completions([command, "--break"], "certificate:")]
    assert found == ["certificate:apps/grafana-tls", "certificate:apps/paperless-tls", "certificate:expire"]


@pytest.mark.parametrize("command", ["trace", "check", "rehearse"])
def test_help_has_an_example(command: str) -> None:
    assert "--break link:wg-home" in run(command, "--help").output
