"""What a rehearsal says that it needs."""

from __future__ import annotations

from pathlib import Path

from gatewright.rehearsal import isolation
from gatewright.rehearsal.rehearsal import Listener, Options, Rehearsal
from gatewright.rehearsal.world import Daemon, Draft, Role


def test_programs_that_are_only_run_beside_daemons_are_needed_too(tmp_path: Path) -> None:
    draft = Draft()
    draft.space("node:a/b", Role.MACHINE)
    draft.daemon(Daemon("link:l", "node:a/b", ("wireguard-go", "wg0"), then=(("wg", "setconf", "wg0", "x"),)))
    rehearsal = Rehearsal(Options((), tmp_path), Listener(lambda _: None, lambda _: None, lambda _done, _all: None))
    assert rehearsal.needed() == tuple(sorted(isolation.BASIC))
    rehearsal.world = draft.world()
    assert {"wg", "wireguard-go", *isolation.BASIC} == set(rehearsal.needed())
