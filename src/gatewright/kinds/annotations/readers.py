"""The dialects of annotations that are known, and what they make of one object."""

from __future__ import annotations

from collections.abc import Mapping

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.annotations.reader import Reader
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.options import Options

READERS: tuple[Reader, ...] = ()


def read(
    annotations: Mapping[str, str], owner: Key, origin: Origin
) -> tuple[tuple[tuple[str, Options], ...], list[Problem]]:
    """Options by implementation, sorted, of the annotations of an object, and what is wrong with them."""
    found: dict[str, Options] = {}
    problems: list[Problem] = []
    for reader in READERS:
        own = {name: value for name, value in annotations.items() if name.startswith(reader.prefix)}
        if own:
            notes = Notes(own, owner, origin.at("metadata", "annotations"), reader.prefix)
            found[reader.implementation] = reader.read(notes)
            problems += notes.problems
    return tuple(sorted(found.items())), problems


def usual(implementation: str) -> Options:
    """What holds at a door of this implementation when nobody says anything."""
    return next((one.usual for one in READERS if one.implementation == implementation), Options())
