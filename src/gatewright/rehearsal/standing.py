"""Rehearsals that stand on this machine, and the way into their spaces.

A rehearsal leaves no record anywhere that could outlive it: process 1 inside is known by its environment, and the
names of its spaces are in its private /run.  Counterpart: `isolation`, which makes such a process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from gatewright.base.errors import UsageError
from gatewright.rehearsal import isolation
from gatewright.rehearsal.spaces import FOLDER
from gatewright.rehearsal.world import World, netns

WORLD: Final = Path("/run/gatewright")
"""The folder of a world, inside: in memory, and gone with the mount namespace."""

RECORD: Final = WORLD / "standing.json"
MOST_OCTETS: Final = 1 << 24
PROC: Final = Path("/proc")


class Record(Struct, frozen=True):
    """What a rehearsal tells of itself: what was read, and its spaces."""

    paths: tuple[str, ...]
    spaces: tuple[str, ...]


class Standing(Struct, frozen=True):
    """A rehearsal that stands.  `pid`: process 1 inside, as it is called outside; `outer` the one that users see."""

    pid: int
    outer: int
    record: Record


def announce(paths: Sequence[str], world: World) -> None:
    """Let others find the spaces of this rehearsal; to be called inside."""
    record = Record(tuple(paths), tuple(space.name for space in world.spaces))
    RECORD.write_bytes(msgspec.json.encode(record))


def standing() -> tuple[Standing, ...]:
    """All rehearsals of this user that can be entered, the oldest first.

    Not even root is shown those of others: what runs inside, and what its files say, is up to whoever made it.
    """
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if entry.stat().st_uid != os.geteuid() or not _is_first(entry) or not (outer := _mark(entry)):
                continue
            with (entry / "root" / RECORD.relative_to("/")).open("rb") as stream:
                record = msgspec.json.decode(stream.read(MOST_OCTETS), type=Record)
        except (OSError, msgspec.MsgspecError):
            continue  # somebody else's, just ending, or not yet standing
        found.append(Standing(int(entry.name), outer, record))
    return tuple(sorted(found, key=lambda one: one.pid))


def choose(name: str, pid: int = 0) -> tuple[Standing, str]:
    """The rehearsal and the space that a user means: the whole name, or its end where that is clear.

    UsageError with what there is.
    """
    all_ = [one for one in standing() if pid in (0, one.pid, one.outer)]
    if not all_:
        raise UsageError("no rehearsal stands here: start one with gatewright rehearse --keep PATH...")
    found = [(one, space) for one in all_ for space in one.record.spaces if _means(name, space)]
    exact = [(one, space) for one, space in found if space == name]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        said = ", ".join(f"{space} (--pid {one.outer})" if len(all_) > 1 else space for one, space in found)
        raise UsageError(f"{name} can mean {said}")
    known = ", ".join(dict.fromkeys(space for one in all_ for space in one.record.spaces))
    raise UsageError(f"there is no {name} in what is rehearsed (there are: {known})")


def command(which: Standing, space: str, words: Sequence[str]) -> list[str]:
    """The command line that runs these words in a space of a rehearsal."""
    isolation.require(("nsenter",), "gatewright enter")
    home = PROC / str(which.pid)
    namespace = home / "root" / (FOLDER / netns(space)).relative_to("/")
    users = []
    if (home / "ns" / "user").readlink() != (PROC / "self" / "ns" / "user").readlink():
        users = ["--user", "--preserve-credentials"]
    return [
        *(isolation.program("nsenter"), "--target", str(which.pid), *users, "--mount", "--pid", f"--net={namespace}"),
        "--",
        *words,
    ]


def _means(name: str, space: str) -> bool:
    return space == name or space.endswith((f":{name}", f"/{name}"))


def _is_first(entry: Path) -> bool:
    """Is it process 1 of namespaces of its own?"""
    numbers = next(_fields(entry / "status", "NSpid:"), [])
    return len(numbers) > 1 and numbers[-1] == "1"


def _mark(entry: Path) -> int:
    """The outer process that it says it belongs to, 0 for none."""
    for word in (entry / "environ").read_bytes().split(b"\0"):
        name, _, value = word.partition(b"=")
        if name.decode(errors="replace") == isolation.MARK and value.isdigit():
            return int(value)
    return 0


def _fields(file: Path, name: str) -> Iterator[list[str]]:
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith(name):
            yield line.split()[1:]
