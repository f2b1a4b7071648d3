"""Every command that README.md, the examples' READMEs, docs/dns.md and docs/moving.md show is run, and answers what
they say.

A ```console block is a transcript: lines after `$ ` are commands (a trailing backslash goes on in the next line), the
lines below a command have to be in its output in this order, and `…` stands for anything left out.  A ```bash block
is commands only, each of which has to succeed.  A block below `<!-- not run: why -->` is left alone.

`gatewright run` stays until the end of its file; commands after it reach its gateways.  The addresses in them are
those that a user without privileges gets first: 127.20.0.1:8443 is port 443 of the first gateway.  Where this run has
got others, the commands are told; so are the ports of `--dns`, which are any that are free.  The ACME server of
`--acme-server` is Debian's pebble.  A document that has files of its own (a path, then a yaml block) is tried in a
folder that holds them, from its first command to its last.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support import needs, worlds
from support.live import Live, issued, running
from support.pebble import pebble
from support.ports import free_port

FENCE = re.compile(
    r"(?:<!-- not run: (?P<why>[^>]+?) -->\n+)?^```(?P<kind>console|bash)\n(?P<body>.*?)^```$", re.M | re.S
)
WRITTEN = re.compile(r"^`(?P<path>[\w./-]+)`:\n\n```yaml\n(?P<text>.*?)^```$", re.M | re.S)
DNS = re.compile(r"(?<=--dns )127\.0\.0\.1:(?P<port>\d+)(?P<view>=\S+)?")
ACME = re.compile(r"--acme-server (?P<url>https://\S+) --acme-ca (?P<trust>\S+)")
MANAGEMENT = "https://127.0.0.1:15000"
ADDRESS = re.compile(r"127\.20\.0\.(?P<number>\d+)(?::(?P<port>\d+))?")
PROGRAMS = ("curl", "dig")
FOUND = re.compile(r"\d+ (errors?|warnings?)\b")  # the last line of `gatewright check`
CONFIRMED = {"delivered": 0, "answered": 0, "refused": 1, "unreachable": 1, "no": 1}
SECONDS = 120
PRIVILEGED, SHIFT = 1024, 8000

FILES = [
    needs.REPOSITORY / "README.md",
    needs.REPOSITORY / "docs" / "dns.md",
    needs.REPOSITORY / "docs" / "moving.md",
    *sorted((needs.REPOSITORY / "examples").glob("*/README.md")),
]
REHEARSED = [file for file in FILES if file.parent.parent.name == "examples"]


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
        assert any(c.line.startswith("gatewright rehearse ") for c in found)


@pytest.fixture
def home() -> Iterator[Path]:
    """A user's home with a path as short as most have: sockets live below it."""
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        yield Path(folder)


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if not WRITTEN.search(file.read_text())],
    ids=lambda f: str(f.relative_to(needs.REPOSITORY)),
)
def test_traces_answer_what_the_readme_shows(file: Path, home: Path) -> None:
    for command in commands(file.read_text()):
        if command.line.startswith("gatewright trace "):
            _check(command, _shell(command.line, home))


@pytest.mark.real
@pytest.mark.parametrize("file", REHEARSED, ids=lambda f: str(f.relative_to(needs.REPOSITORY)))
def test_rehearsals_go_as_the_readme_shows(file: Path, home: Path) -> None:
    worlds.need()
    needs.package("envoy")
    found = [c for c in commands(file.read_text()) if c.line.startswith("gatewright rehearse ")]
    assert found
    for command in found:
        _check(command, _shell(command.line, home))


@pytest.mark.real
@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(needs.REPOSITORY)))
def test_every_other_command_works_as_written(file: Path, home: Path) -> None:
    own = bool(WRITTEN.search(file.read_text()))
    apart = ("gatewright rehearse ",) if own else ("gatewright rehearse ", "gatewright trace ")
    rest = [c for c in commands(file.read_text()) if not c.line.startswith(apart)]
    if any(c.runs for c in rest):
        needs.package("envoy")
    folder = _written(file.read_text(), home)
    with contextlib.ExitStack() as stack:
        here: Here | None = None
        for command in rest:
            if command.runs:
                assert here is None, "one run per document: the next would only find other ports"
                here = _run(command, home, folder, stack)
                continue
            if command.line.split()[0] in PROGRAMS:
                needs.binary(command.line.split()[0])
            _check(_translate(command, here), _shell(_translate(command, here).line, home, folder))


def _written(text: str, home: Path) -> Path:
    """Where the commands of a document are typed: in the repository, or in a folder with the document's own files."""
    files = list(WRITTEN.finditer(text))
    folder = home / "work" if files else needs.REPOSITORY
    for file in files:
        path = folder / file["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file["text"])
    return folder


@dataclass(frozen=True)
class Here:
    """A run of a document's command: what it has got in place of what the document says."""

    live: Live
    instead: Mapping[str, str] = field(default_factory=dict)


def _run(command: Command, home: Path, folder: Path, stack: contextlib.ExitStack) -> Here:
    """Start it until the stack is left, with ports that are free."""
    line, ports = command.line, {}
    for wanted in DNS.finditer(command.line):
        ports[wanted["view"] or ""] = wanted["port"], str(free_port())
    instead = dict(ports.values())
    acme = ACME.search(line)
    if acme:
        (home / "pebble").mkdir()
        (folder / "pebble").mkdir()
        authority = stack.enter_context(pebble(home / "pebble", dns=f"127.0.0.1:{ports[''][1]}"))
        instead |= {acme["url"]: authority.directory, acme["trust"]: str(authority.trust_file)}
        instead[MANAGEMENT] = authority.management
    live = stack.enter_context(running(*_replace(line, instead).split()[2:], home=home, cwd=folder))
    _check_table(command, live)
    if acme:
        assert issued(live), f"{command.line} has got no certificate"
    return Here(live, instead)


def _replace(text: str, instead: Mapping[str, str]) -> str:
    for shown, here in instead.items():
        text = re.sub(rf"(?<!\w){re.escape(shown)}(?!\w)", here, text)
    return text


def _shell(line: str, home: Path, folder: Path = needs.REPOSITORY) -> subprocess.CompletedProcess[str]:
    """Run a line as a user in this folder would, with the environment's programs at hand."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(home), "NO_COLOR": "1"}
    environment.pop("XDG_STATE_HOME", None)
    return subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def _check(command: Command, done: subprocess.CompletedProcess[str]) -> None:
    said = f"$ {command.line}\n{done.stdout}{done.stderr}"
    verdicts = [CONFIRMED[word] for line in command.shown if (word := _verdict(line))]
    if command.line.startswith("gatewright check "):
        verdicts += [1 for line in command.shown if FOUND.match(line)]
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
            _addresses(line, live)


def _translate(command: Command, here: Here | None) -> Command:
    """The command, and what is shown, with the addresses and ports that this run has got."""

    def told(text: str) -> str:
        if here is None:
            assert not ADDRESS.search(text), f"nothing runs yet that {command.line} could reach"
            return text
        return _addresses(_replace(text, here.instead), here.live)

    return Command(told(command.line), tuple(map(told, command.shown)))


def _addresses(text: str, live: Live) -> str:
    """Local addresses, with described ports where this run may bind them."""

    def here(found: re.Match[str]) -> str:
        gateway = live.gateways[int(found["number"]) - 1]
        if found["port"] is None:
            return live.address_of(gateway)
        port = int(found["port"])
        described = port - SHIFT if SHIFT < port < SHIFT + PRIVILEGED else port
        wanted = live.socket_of(gateway, described)
        assert wanted is not None, f"{gateway} does not listen on port {described}"
        return f"{wanted[0]}:{wanted[1]}"

    return ADDRESS.sub(here, text)
