"""`gatewright rehearse`: what is refused before anything is made, and what is printed of what was found."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest
from click.testing import CliRunner, Result
from msgspec import structs

from gatewright.base.errors import UsageError
from gatewright.cli import cli, liveview
from gatewright.cli.rehearse import BY_SUFFIX, FORMATS, command
from gatewright.cli.reports import rehearsed
from gatewright.cli.reports.rehearsed.shown import Rehearsed
from gatewright.rehearsal import isolation
from gatewright.rehearsal.report import Broken
from support import needs
from support.rehearsed_reports import SMALL, shown, world_of

EXAMPLES = sorted(str(path) for path in (needs.REPOSITORY / "examples").iterdir() if path.is_dir())


def run(*words: str) -> Result:
    return CliRunner().invoke(command, words)


def refused(*words: str) -> str:
    result = run(*words)
    assert isinstance(result.exception, UsageError), result.output
    return str(result.exception)


# --- before anything is made ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--no-matrix", "--no-expectations"), "nothing to ask"),
        (("--capture-all",), "--capture FOLDER"),
        (("--report", "report.pdf"), "says no format"),
        (("--report", "nowhere/report.html"), "cannot write nowhere/report.html"),
        (("--capture", "nowhere/packets"), "cannot write nowhere/packets"),
        (("--report", "/run/report.html"), "below /run"),
    ],
)
def test_what_cannot_be_done_is_told_at_once(
    words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(isolation, "enter", lambda _: pytest.fail("something was made"))
    assert said in refused(*words, str(SMALL))


def test_a_machine_that_allows_no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "refusal", lambda: "namespaces are not allowed here: run it as root")
    assert refused(str(SMALL)) == "namespaces are not allowed here: run it as root"
    result = run("--if-allowed", str(SMALL))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "nothing is rehearsed: namespaces are not allowed here: run it as root\n"


def test_it_goes_on_inside_with_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    gone: list[tuple[str, ...]] = []

    def enter(words: tuple[str, ...]) -> None:
        gone.append(words)
        sys.exit(7)

    monkeypatch.setattr(isolation, "refusal", lambda: "")
    monkeypatch.setattr(isolation, "enter", enter)
    monkeypatch.setattr("sys.argv", ["gatewright", "rehearse", "-v", str(SMALL)])
    assert run("-v", str(SMALL)).exit_code == 7
    assert gone == [("-P", "-m", "gatewright.cli", "rehearse", "-v", str(SMALL))]


def test_estimate_builds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "enter", lambda _: pytest.fail("something was made"))
    monkeypatch.setattr(isolation, "refusal", lambda: "")
    monkeypatch.setattr(isolation, "missing", lambda _names: ())
    result = run("--estimate", str(SMALL))
    assert result.exit_code == 0, result.output
    assert re.search(r"^\d+ namespaces: .*1 machine", result.stdout, re.M)
    assert "2 questions from 1 vantage" in result.stdout
    monkeypatch.setattr(isolation, "missing", lambda _names: ("nebula",))
    result = run("--estimate", str(SMALL))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (2, "missing: apt-get install nebula")


@pytest.mark.parametrize(
    ("words", "said"), [((), "no manifest"), (("--only", "zzz"), "no Expectation and no hostname")]
)
def test_nothing_to_ask(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    path = str(SMALL) if words else str(tmp_path)
    assert said in refused("--estimate", *words, path)


@pytest.mark.parametrize(("pattern", "count"), [("app*", 2), ("app-is-there", 1), ("*.example.com", 1)])
def test_only(pattern: str, count: int) -> None:
    assert f"{count} question" in run("--estimate", "--only", pattern, str(SMALL)).stdout


def test_every_option_is_documented() -> None:
    page = (needs.REPOSITORY / "docs" / "rehearse.md").read_text(encoding="utf-8")
    rows = "".join(re.findall(r"^\| (`-.+?) \|", page, re.M))
    options = [param for param in command.params if isinstance(param, click.Option)]
    assert set(re.findall(r"`(--?[a-z-]+)", rows)) == {o for p in options for o in (*p.opts, *p.secondary_opts)}


def test_it_is_a_command_and_suffixes_are_formats() -> None:
    assert "rehearse" in cli.list_commands(click.Context(cli))
    assert set(BY_SUFFIX.values()) <= set(FORMATS) == set(rehearsed.TEXTS)


# --- what is printed --------------------------------------------------------------------------------


def test_the_table_of_a_world_that_agrees() -> None:
    text = click.unstyle(rehearsed.text("table", shown()))
    assert "https://app.example.com/  ✓  delivered to web/app:80 via infra/edge" in text
    assert "✓ app-is-there from laptop over IPv4" in text
    assert text.endswith("2 questions: 2 agree, 0 differ · 1 of 1 Expectations hold · stood in 0.5 s, asked in 0.2 s")


@pytest.mark.parametrize("columns", ["60", "110"])
def test_differences_have_both_accounts(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = click.unstyle(rehearsed.text("table", shown(differing=[0, 1])))
    assert max(map(len, text.splitlines())) <= 110
    assert "https://app.example.com/  ✗" in text
    assert "✗ app-is-there from laptop over IPv4" in text
    assert "    reality: expected delivered, but no connection in time" in text
    assert "2 questions: 0 agree, 2 differ · 0 of 1 Expectations hold" in text
    told = "│ → no connection in time" if columns == "110" else "\n  → no connection in time\n"
    assert told in text


def test_verbose_has_both_accounts_of_everything() -> None:
    assert "→ delivered" not in click.unstyle(rehearsed.text("table", shown()))
    assert click.unstyle(rehearsed.text("table", shown(verbose=True))).count("│ → delivered") == 2


def test_wide_has_a_line_for_every_question() -> None:
    lines = click.unstyle(rehearsed.text("wide", shown(differing=[1]))).splitlines()
    assert lines[0].startswith("✓ http://app.example.com/ from laptop over IPv4  delivered")
    assert "reality: no connection in time" in lines[1]


def test_what_others_say_does_nothing_to_a_terminal() -> None:
    assert "\x1b[2J" not in click.unstyle(rehearsed.text("table", shown(verbose=True, hostile="\x1b[2J")))


def test_json() -> None:
    document = json.loads(rehearsed.text("json", shown(differing=[1])))
    assert (document["agrees"], document["holds"]) == (False, True)
    assert document["counts"] == {"agrees": 1, "differs": 1, "unknown": 0}


def test_junit() -> None:
    suite = ElementTree.fromstring(rehearsed.text("junit", shown(differing=[1], hostile="\x00<&"))).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    names = [case.get("name") for case in suite]
    assert names == [
        "app-is-there: http://app.example.com/ from laptop over IPv4",
        "https://app.example.com/ from laptop over IPv4",
        "app-is-there from laptop over IPv4",
    ]
    failure = suite[1].find("failure")
    assert failure is not None
    assert "→ no connection in time" in (failure.text or "")


# --- the page ---------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Reads a page: are its elements closed, what is it linked to, what is it made of?"""

    VOID = frozenset({"meta", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.names: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else() -> None:
    text = rehearsed.text("html", shown(differing=[1], hostile="<script>alert(1)</script>\x00"))
    page = Page(text)
    assert page.open == []
    assert "script" not in page.names
    assert "&lt;script&gt;" in text
    assert "\x00" not in text
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert len(page.ids) == len(set(page.ids))
    assert not re.findall(r"url\(|@import", text)
    assert text.count('class="question shows"') == 1


# --- while something was broken -----------------------------------------------------------------------


@pytest.fixture
def broken() -> Rehearsed:
    """A node was down: one question was lost, and is not as before although the node is up again."""
    whole = shown()
    (lost, kept), (worse, _) = whole.report.cells, shown(differing=[0]).report.cells
    fault = Broken(
        "node:home/edge", 1.5, (worse, kept), ("web/app starts again",), 2, lost=(lost.number,), after=(worse,)
    )
    return structs.replace(whole, report=structs.replace(whole.report, faults=(fault,)))


@pytest.mark.parametrize("form", ["table", "html"])
def test_a_fault_is_told_whole(form: str, broken: Rehearsed) -> None:
    text = re.sub(r"<[^>]+>", "", click.unstyle(rehearsed.text(form, broken)))
    assert f"1 of 2 cells still work; {broken.report.faults[0].returned}" in text
    assert "web/app starts again" in text
    assert "lost: http://app.example.com/ from laptop over IPv4: delivered to web/app:80" in text
    assert "mended, but not as before: http://app.example.com/ from laptop over IPv4" in text
    assert text.count("→ no connection in time") == 2


def test_the_page_of_a_fault_leads_to_its_accounts(broken: Rehearsed) -> None:
    page = Page(rehearsed.text("html", broken))
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_in_junit_a_fault_that_is_not_mended_fails(broken: Rehearsed) -> None:
    (suite,) = ElementTree.fromstring(rehearsed.text("junit", broken))
    failed = [case.get("classname") for case in suite if case.find("failure") is not None]
    assert failed == ["agrees while node:home/edge is broken", "is as before when node:home/edge is mended"]


# --- the drawing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: Path(path).name)
def test_drawings_are_readable(example: str) -> None:
    from gatewright.cli.reports.rehearsed.drawing import svg

    world = world_of(example)
    drawing = svg(world)
    assert drawing == svg(world)
    root = ElementTree.fromstring(drawing)
    space = "{http://www.w3.org/2000/svg}"
    boxes = {group.findtext(f"{space}title"): group.find(f"{space}rect") for group in root.iter(f"{space}g")}
    drawn = [
        (name, *(float(box.get(side, "nan")) for side in ("x", "y", "width", "height")))
        for name, box in boxes.items()
        if box is not None
    ]
    assert {space.name for space in world.spaces if space.name.startswith("node:")} <= set(boxes)
    assert {spot.space for spot in world.vantages if spot.space.startswith("vantage:")} <= set(boxes)
    width, height = map(float, root.get("viewBox", "").split()[2:])
    for number, (one, x, y, w, h) in enumerate(drawn):
        assert min(x, y) >= 0 and x + w <= width and y + h <= height, one  # noqa: PT018
        for other, x2, y2, w2, h2 in drawn[number + 1 :]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y, (one, other)
    for link in world.links:
        assert f"link {link}" in "".join(root.itertext())


def test_a_tunnel_is_drawn_to_the_edge_that_it_dials() -> None:
    from gatewright.cli.reports.rehearsed.drawing import svg

    root = ElementTree.fromstring(svg(world_of(str(needs.REPOSITORY / "examples" / "gateway-split-dns"))))
    space = "{http://www.w3.org/2000/svg}"
    boxes = {group.findtext(f"{space}title"): group.find(f"{space}rect") for group in root.iter(f"{space}g")}
    edge = boxes["edge:cloudflare"]
    assert edge is not None
    left, top, width, height = (float(edge.get(side, "nan")) for side in ("x", "y", "width", "height"))
    ends = [path.get("d", "").rpartition("L")[2].split() for path in root.iter(f"{space}path")]
    assert any(left < float(x) < left + width and float(y) == top + height for x, y in ends)


def test_what_is_too_long_for_its_box_is_there_whole() -> None:
    from gatewright.cli.reports.rehearsed.drawing import svg

    world = world_of(str(SMALL))
    long = f"infra/{'edge-' * 20}"
    spots = tuple(structs.replace(spot, gateway=long) for spot in world.gateways)
    root = ElementTree.fromstring(svg(structs.replace(world, gateways=spots)))
    told = list(root.itertext())
    assert long in told
    assert any(text.endswith("…") and long.startswith(text[:-1]) for text in told)


# --- while it goes on -------------------------------------------------------------------------------


def test_in_a_pipe_there_is_a_line_for_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    view = liveview.view()
    listener = view.listener()
    listener.stage("building")
    for number in range(100):
        listener.detail(f"{number} wires")
    listener.stage("asking")
    listener.asked(1, 2)
    listener.stage("")
    view.close()
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["building", "asking"]
