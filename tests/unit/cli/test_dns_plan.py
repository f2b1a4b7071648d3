"""`gatewright dns plan` and `apply` where nobody has to be asked: what is missing, what is shown."""

import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gatewright.base.errors import UsageError
from gatewright.cli.dns import apply, plan, published
from gatewright.engines.publish.content import Action, Change, Left, RecordSet, Refused, ZonePlan

ZONE = """\
apiVersion: gatewright.dev/v1alpha1
kind: Zone
metadata: {name: public}
spec: {domain: example.com, provider: PROVIDER, settings: {host: 127.0.0.1}}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("zone.yaml").write_text(ZONE.replace("PROVIDER", "rfc2136"), encoding="utf-8")
    monkeypatch.setitem(sys.modules, "octodns_bind", None)
    result = CliRunner().invoke(plan.command, ["."])
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == "octodns_bind is not installed: pip install 'gatewright[dns]'"


@pytest.mark.parametrize("provider", ["Gatewright", "SomebodyElse"])
def test_zones_of_others_are_not_published(provider: str) -> None:
    Path("zone.yaml").write_text(ZONE.replace("PROVIDER", provider).replace(", settings: {host: 127.0.0.1}", ""))
    result = CliRunner().invoke(plan.command, ["."])
    assert "there is no Zone at a provider" in str(result.exception)


def test_two_zones_that_are_one_at_the_provider() -> None:
    first = ZONE.replace("PROVIDER", "bind")
    second = ZONE.replace("PROVIDER", "rfc2136").replace("public", "inside").replace("host:", "host:")
    Path("zones.yaml").write_text(f"{first}---\n{second.replace('settings', 'view: inside, settings')}")
    result = CliRunner().invoke(plan.command, ["."])
    assert "are one zone at rfc2136" in str(result.exception)


@pytest.mark.parametrize("words", [["--adopt", "x"], ["--force"], ["--zone", "example.com"]])
def test_a_saved_plan_holds_its_own_options(words: list[str]) -> None:
    result = CliRunner().invoke(apply.command, ["--plan", "plan.json", *words, "."])
    assert "the saved plan holds them" in str(result.exception)


def test_without_a_terminal_nobody_is_asked() -> None:
    assert "there is nobody to ask" in str(CliRunner().invoke(apply.command, ["."]).exception)


def _set(name: str, type_: str, *values: str, ttl: int = 300, proxied: bool = False) -> RecordSet:
    return RecordSet(f"{name}.example.com", type_, ttl, values, proxied)


def test_how_a_plan_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    old, new = _set("www", "A", "192.0.2.1"), _set("www", "A", "192.0.2.2", ttl=0, proxied=True)
    theirs = _set("mail", "A", "192.0.2.7")
    shown = ZonePlan(
        "example.com/public", "example.com", "cloudflare",
        (
            Change(Action.CREATE, "app.example.com", "A", None, _set("app", "A", "192.0.2.1", "192.0.2.3")),
            Change(Action.UPDATE, "www.example.com", "A", old, new),
            Change(Action.DELETE, "x.example.com", "A", _set("x", "A", "192.0.2.1"), None),
            Change(Action.DELETE, "x.a._owner.example.com", "TXT", _set("x.a._owner", "TXT", '"o"'), None, mark=True),
        ),
        (Left(_set("mail", "A", "192.0.2.1"), "has no mark of ours", (theirs,)), Left(theirs, "is theirs", (theirs,))),
        (Refused("y.example.com", "NAPTR", "no"),), "", "", "Too many deletes",
    )  # fmt: skip
    assert click.unstyle(published.text([shown])).splitlines() == [
        "example.com/public at cloudflare",
        "  + app.example.com A  300  192.0.2.1 192.0.2.3",
        "  ~ www.example.com A  300 → auto  192.0.2.1 → 192.0.2.2  not proxied → proxied",
        "  - x.example.com A  300  192.0.2.1",
        "  ! mail.example.com A is left alone, there is A 192.0.2.7, which has no mark of ours; --adopt",
        "    mail.example.com takes it over",
        "  ! mail.example.com A is already there as wanted, which is theirs; --adopt mail.example.com takes it over",
        "  ✗ y.example.com NAPTR cannot be published: no",
        "  1 to create, 1 to change, 1 to delete, 1 owner mark beside them, 2 left alone, 1 not possible",
        "  refused as too dangerous: too many deletes; --force does it nevertheless",
    ]
    assert "_owner" in published.text([shown], verbose=True)


def test_what_others_wrote_does_nothing_to_a_terminal() -> None:
    evil = "v=1\x1b]0;pwned\x07\x1b[2J\r\nx"
    there = _set("a", "TXT", evil)
    plan = ZonePlan(
        "example.com/public", "example.com", "cloudflare",
        (Change(Action.DELETE, there.name, "TXT", there, None),), (Left(_set("a", "TXT", "ours"), "no", (there,)),),
        (), "", "", "",
    )  # fmt: skip
    printed = published.text([plan])
    assert printed.count(r"\x1b]0;pwned\x07\x1b[2J\r\nx") == 2
    assert all(letter.isprintable() or letter == "\n" for letter in click.unstyle(printed))
