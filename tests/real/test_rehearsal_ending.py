"""A world that falls apart while it is asked is told, whatever the answers."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import worlds
from tests.support.needs import REPOSITORY

from gatewright.rehearsal import standing
from gatewright.rehearsal.questions import Part
from gatewright.rehearsal.rehearsal import Listener, Options, Rehearsal

pytestmark = pytest.mark.real

SECONDS = 60.0


def _running(word: str) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if any(Path(one).name == word or one == word for one in words):
                yield int(entry.name)


def ended(word: str) -> list[str]:
    """What a rehearsal says of its world when the programs of this name are killed before anything is asked."""
    quiet = Listener(lambda _: None, lambda _: None, lambda _done, _all: None)
    options = Options(
        (str(Path(REPOSITORY) / "examples/dual-stack-edge"),), standing.WORLD, frozenset({Part.EXPECTATIONS}),
        ("paperless-at-home",), programs=frozenset({"dnsmasq"}),
    )  # fmt: skip
    rehearsal = Rehearsal(options, quiet)
    rehearsal.read()
    rehearsal.plan()

    async def run() -> list[str]:
        await rehearsal.stand()
        judge = rehearsal.judge(rehearsal.questions())
        for pid in _running(word):
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + SECONDS
        while True:
            report = rehearsal.conclude(judge, await rehearsal.ask(judge.asked))
            if report.ended or time.monotonic() > deadline:
                assert not report.agrees
                return list(report.ended)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("envoy", "the Envoy of "),
        ("dnsmasq", "resolver:home-dns has ended: "),
        ("wireguard-go", "link:wireguard@"),
        ("gatewright.rehearsal.servers", "the process of the echo backends and name servers has ended: "),
    ],
)
def test_who_ends_by_itself_is_told(word: str, said: str) -> None:
    assert any(said in sentence for sentence in worlds.run(ended, word))
