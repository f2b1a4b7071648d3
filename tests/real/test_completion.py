"""What a real bash makes of a tabulator: names with a colon, which it takes apart, come out whole."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import needs

pytestmark = pytest.mark.real

EDGE = str(needs.REPOSITORY / "examples" / "dual-stack-edge")
SECONDS = 120.0
PROMPT = b"ready> "

GATEWRIGHT = f"""#!/bin/sh
if [ -n "$_GATEWRIGHT_COMPLETE" ] || [ "$1" = completion ]; then exec {sys.executable} -m gatewright.cli "$@"; fi
printf '%s\\n' "$@" > "$SAID"
"""
"""Completes, but does nothing except to tell with which words it was called."""

SPACES = """#!/bin/sh
if [ "$1" = completion ]; then exec {python} -m gatewright.cli "$@"; fi
if [ -n "$_GATEWRIGHT_COMPLETE" ]; then printf 'plain,%s\\n' node:home/k3s-node1 site:home; exit; fi
printf '%s\\n' "$@" > "$SAID"
"""


def typed(folder: Path, keys: str, program: str = GATEWRIGHT, breaks: str = "") -> list[str]:
    """The words that the command gets when these keys are pressed in an interactive bash, and then Enter."""
    tools = folder / "bin"
    tools.mkdir()
    (tools / "gatewright").write_text(program)
    (tools / "gatewright").chmod(0o755)
    start = folder / "bashrc"
    start.write_text(f"PS1='{PROMPT.decode()}'\n{breaks}\neval \"$(gatewright completion bash)\"\n")
    said = folder / "said"
    ours, theirs = os.openpty()
    shell = subprocess.Popen(
        [needs.binary("bash"), "--noprofile", "--rcfile", start, "-i"],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, cwd=folder,
        env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "SAID": str(said), "TERM": "dumb", "HISTFILE": ""},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        keys_left = [f"{keys}\n".encode(), b"exit\n"]
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            if keys_left and shown.count(PROMPT) == 3 - len(keys_left):
                os.write(ours, keys_left.pop(0))
            if not select.select([ours], [], [], 1.0)[0]:
                continue
            try:
                more = os.read(ours, 4096)
            except OSError:  # everybody has closed the other end
                break
            if not more:
                break
            shown += more
        shell.wait(max(1.0, until - time.monotonic()))
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)
    assert said.exists(), shown.decode(errors="replace")
    return said.read_text().splitlines()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (f"gatewright check {EDGE} --break link:wire\t", ["check", EDGE, "--break", "link:wireguard"]),
        (f"gatewright check {EDGE} --break link:\t", ["check", EDGE, "--break", "link:wireguard"]),
        (f"gatewright check {EDGE} --break li\t", ["check", EDGE, "--break", "link:wireguard"]),
        (f"gatewright check {EDGE} --break=link:wire\t", ["check", EDGE, "--break=link:wireguard"]),
        (
            f"gatewright check {EDGE} --break link:wireguard --break resolver:h\t",
            ["check", EDGE, "--break", "link:wireguard", "--break", "resolver:home-dns"],
        ),
        (
            f"gatewright trace {EDGE} --break link:wireguard --from phone-at\t https://a.test/",
            ["trace", EDGE, "--break", "link:wireguard", "--from", "phone-at-home", "https://a.test/"],
        ),
        ("gatewright rehe\t", ["rehearse"]),
    ],
    ids=["behind the colon", "at the colon", "before the colon", "=", "the second one", "after one", "no colon"],
)  # fmt: skip
def test_bash_completes_names_with_a_colon(keys: str, words: list[str], tmp_path: Path) -> None:
    assert typed(tmp_path, keys) == words


def test_bash_completes_names_with_a_colon_where_it_does_not_break_words_there(tmp_path: Path) -> None:
    keys = f"gatewright check {EDGE} --break link:wire\t"

    words = typed(tmp_path, keys, breaks="COMP_WORDBREAKS=${COMP_WORDBREAKS//:}")

    assert words == ["check", EDGE, "--break", "link:wireguard"]


@pytest.mark.parametrize(("begun", "whole"), [("node:home/k3s\t", "node:home/k3s-node1"), ("site:\t", "site:home")])
def test_what_does_not_begin_as_typed_is_left_out(begun: str, whole: str, tmp_path: Path) -> None:
    """A program may answer more than what begins so, as `enter` does, whose names need not be typed from the start."""
    assert typed(tmp_path, f"gatewright enter {begun}", SPACES.format(python=sys.executable)) == ["enter", whole]
