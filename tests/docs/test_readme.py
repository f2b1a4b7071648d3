"""Every command that README.md and the examples' READMEs show is run, and answers what they say.

A ```console block is a transcript: lines after `$ ` are commands (a trailing backslash goes on in the next line), the
lines below a command have to be in its output in this order, and `…` stands for anything left out.  A ```bash block
is commands only, each of which has to succeed.  A block below `<!-- not run: why -->` is left alone.

`gatewright run` stays until the end of its file; commands after it reach its gateways.  The addresses in them are
those that a user without privileges gets first: 127.20.0.1:8443 is port 443 of the first gateway.  Where this run has
got others, the commands are told.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import needs
from support.live import Live, running

FENCE = re.compile(
    r"(?:<!-- not run: (?P<why>[^>]+?) -->\n+)?^```(?P<kind>console|bash)\n(?P<body>.*?)^```$", re.M | re.S
)
ADDRESS = re.compile(r"127\.20\.0\.(?P<number>\d+):(?P<port>\d+)")
CONFIRMED = {"delivered": 0, "answered": 0, "refused": 1, "unreachable": 1, "no": 1}
SECONDS = 60
PRIVILEGED, SHIFT = 1024, 8000

FILES = [
    needs.REPOSITORY / "README.md",
    *sorted((needs.REPOSITORY / "examples").glob("*/README.md")),
]


@dataclass(frozen=True)
class Command:
    """A command line and the lines that its output has to show."""

    line: str
    shown: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        return self.line.startswith("gatewright run ")


def commands(text: str) -> Iterator[Command]:
    """The commands of a document, in order."""
    for block in FENCE.finditer(text):
        if not block["why"]:
            body = block["body"].replace("\\\n", " ")
            lines = filter(None, (line.strip() for line in body.splitlines()))
            yield from _transcript(body) if block["kind"] == "console" else map(Command, lines)


def _transcript(body: str) -> Iterator[Command]:
    before, *parts = re.split(r"^\$ ", body, flags=re.M)
    assert not before.strip(), f"a console block begins with a command, not with {before!r}"
    for part in parts:
        line, *shown = part.splitlines()
        yield Command(" ".join(line.split()), tuple(item.strip() for item in shown if item.strip()))


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(needs.REPOSITORY)))
def test_a_readme_shows_commands(file: Path) -> None:
    found = list(commands(file.read_text()))
    assert found
    if file.parent.parent.name == "examples":
        assert any(c.runs for c in found)
        assert sum(c.line.startswith("gatewright trace ") for c in found) >= 3
        assert sum(c.line.startswith("curl ") for c in found) >= 2


@pytest.fixture
def home() -> Iterator[Path]:
    """A user's home with a path as short as most have: sockets live below it."""
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(needs.REPOSITORY)))
def test_traces_answer_what_the_readme_shows(file: Path, home: Path) -> None:
    for command in commands(file.read_text()):
        if command.line.startswith("gatewright trace "):
            _check(command, _shell(command.line, home))


@pytest.mark.real
@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(needs.REPOSITORY)))
def test_every_other_command_works_as_written(file: Path, home: Path) -> None:
    rest = [c for c in commands(file.read_text()) if not c.line.startswith("gatewright trace ")]
    if any(c.runs for c in rest):
        needs.package("envoy")
    with contextlib.ExitStack() as stack:
        live: Live | None = None
        for command in rest:
            if command.runs:
                assert live is None, "one run per document: the next would only find other ports"
                live = stack.enter_context(running(*command.line.split()[2:], home=home))
                _check_table(command, live)
                continue
            if command.line.startswith("curl "):
                needs.binary("curl")
            _check(command, _shell(_translate(command.line, live), home))


def _shell(line: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a line as a user in the repository would, with the environment's programs at hand."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(home), "NO_COLOR": "1"}
    environment.pop("XDG_STATE_HOME", None)
    return subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=needs.REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def _check(command: Command, done: subprocess.CompletedProcess[str]) -> None:
    said = f"$ {command.line}\n{done.stdout}{done.stderr}"
    verdicts = [CONFIRMED[word] for line in command.shown if (word := _verdict(line))]
    assert done.returncode == max(verdicts, default=0), said
    output = "\n".join(" ".join(line.split()) for line in (done.stdout + done.stderr).splitlines())
    place = 0
    for line in command.shown:
        for piece in filter(None, (" ".join(part.split()) for part in line.split("…"))):
            found = output.find(piece, place)
            assert found >= 0, f"the document shows {piece!r}, which is not there (or not in this order) in:\n{said}"
            place = found + len(piece)


def _verdict(line: str) -> str:
    """The outcome that a line of a trace states, if it is the line that does."""
    word = line.removeprefix("→ ").partition(" ")[0] if line.startswith("→ ") else ""
    return word if word in CONFIRMED else ""


def _check_table(command: Command, live: Live) -> None:
    """The shown table names gateways, described ports and local addresses that the run has."""
    for line in command.shown:
        gateway = line.split()[0]
        if "/" in gateway:
            assert gateway in live.gateways, f"{command.line} has no gateway {gateway}"
            for shown in ADDRESS.finditer(line):
                _translate(shown[0], live)


def _translate(line: str, live: Live | None) -> str:
    """The line with the ports that this run has got: the described ones where it may bind them."""

    def here(found: re.Match[str]) -> str:
        assert live is not None, f"nothing runs yet that {line} could reach"
        gateway, port = live.gateways[int(found["number"]) - 1], int(found["port"])
        described = port - SHIFT if SHIFT < port < SHIFT + PRIVILEGED else port
        wanted = live.socket_of(gateway, described)
        assert wanted is not None, f"{gateway} does not listen on port {described}"
        return f"{wanted[0]}:{wanted[1]}"

    return ADDRESS.sub(here, line)
