"""`gatewright run`: its words.  What it does is shown by tests/real."""

import pytest

from gatewright.base.errors import UsageError
from gatewright.cli import output
from gatewright.cli.run import _what
from gatewright.graph.nodes import BackendKey, Change, Family, VirtualHostKey


def hosts(*names: str) -> Change:
    return Change(virtual_hosts=frozenset(VirtualHostKey("infra/edge", 80, Family.HTTP, name) for name in names))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (hosts("a.test"), "1 virtual host (a.test)"),
        (hosts("a.test", "b.test"), "2 virtual hosts (a.test, b.test)"),
        (hosts(*"abcd"), "4 virtual hosts (a, b, c, …)"),
        (Change(backends=frozenset({BackendKey("apps", "web", 80)})), "1 backend"),
        (Change(gateways=frozenset({"a/b", "a/c"})), "2 gateways"),
        (Change(), "nothing that requests would notice"),
    ],
)
def test_a_change_in_a_few_words(change: Change, words: str) -> None:
    assert _what(change) == words


def test_only_what_is_not_ours_can_be_missing() -> None:
    missing = output.not_installed(ModuleNotFoundError("No module named 'grpc'", name="grpc"))
    assert isinstance(missing, UsageError)
    assert "gatewright[run]" in str(missing)
    bug = ModuleNotFoundError("No module named 'gatewright.oops'", name="gatewright.oops")
    assert output.not_installed(bug) is bug


def test_without_a_terminal_there_is_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    line = output.StatusLine()
    line.progress("working ...")
    line.say("done")
    assert capsys.readouterr().err == "done\n"


def test_on_a_terminal_progress_makes_room_for_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    line = output.StatusLine()
    line.progress("working ...")
    line.say("done")
    line.progress("")
    said = capsys.readouterr().err
    assert "working ..." in said
    assert said.endswith("\r\x1b[2Kdone\n")
