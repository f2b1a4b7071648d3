"""Where an Origin is in its file: the Locator of everything that `sources` read.

An object that is edited keeps its id, so that whoever remembers where something was written need not learn it anew.
Lines are found when a message needs them, by reading the events of one document again; nothing is
kept for it but the texts.  The id of a document (`Origin.document`) is made and read here alone:

    3f9c0a1b2c3d4e5f        the hash of the object's own name, or of the text of a document that names none
    3f9c0a1b2c3d4e5f~2      the second document of that name, or with that text, in the file
    .../3/0                 an item of a List (of a List)
    ...@0a1b2c3d            as some Kustomization made it (namespace, substituted variables)
    ...+12                  the 12th line of that text: a mistake that no field stands for

and `+12` alone is the 12th line of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Protocol

import yaml as pyyaml

from gatewright.base.origin import Origin, Place

_ID = re.compile(r"([0-9a-f]{16}(?:~[0-9]+)?)?((?:/[0-9]+)*)(?:@[0-9a-f]+)?(?:\+([0-9]+))?")


def digest(text: str) -> str:
    """A hash that stands for a text."""
    return blake2b(text.encode(), digest_size=8).hexdigest()


def repeated(id: str, repetition: int) -> str:
    """The id of the document after `repetition` others of the same."""
    plain = id.partition("~")[0]
    return f"{plain}~{repetition + 1}" if repetition else plain


def item_id(document: str, items: tuple[int, ...]) -> str:
    """The id of an item of a List document."""
    return document + "".join(f"/{index}" for index in items) if items else document


def variant_id(document: str, *made_of: str) -> str:
    """The id of a document as a Kustomization changes it: the same text, different effects."""
    return f"{document}@{digest(chr(0).join(made_of))}"


def line_id(document: str, line: int) -> str:
    """The id of a line of a document (of the file, when `document` is "")."""
    return f"{document}+{line}" if line else document


class Texts(Protocol):
    """The file as the locator needs it: the texts of its documents and where they start."""

    def start(self, document: str) -> tuple[str, int] | None:
        """The text of the document with that id and the 1-based line it starts on; None if there is none.

        The line is 0 for a document that the file no longer holds.
        """
        ...

    @property
    def text_kind(self) -> str:
        """Not "" for a file that is no YAML: its fields are its lines, `("line", 7)`."""
        ...


class FileLocator:
    """Implements `base.origin.Locator` over the files of a `FileSource`."""

    def __init__(self, files: Mapping[str, Texts]) -> None:
        self._files = files

    def locate(self, origin: Origin) -> Place:
        """The line of the longest part of `origin.path` that exists; line 0 when the text is gone."""
        parts = _ID.fullmatch(origin.document)
        file = self._files.get(origin.file)
        if parts is None or file is None:
            return Place(origin.file, 0)
        document, items, line = parts.groups()
        if document is None:
            return Place(origin.file, int(line or 0))
        found = file.start(document)
        if found is None:
            return Place(origin.file, 0)
        text, start = found
        if start == 0:
            return Place(origin.file, 0)
        if line is not None:
            return Place(origin.file, start + int(line) - 1)
        if file.text_kind:
            return Place(origin.file, start + _numbered(origin.path, text) - 1)
        path: list[str | int] = []
        for index in items.split("/")[1:]:
            path += ["items", int(index)]
        return Place(origin.file, start + line_of(text, (*path, *origin.path)) - 1)


def _numbered(path: tuple[str | int, ...], text: str) -> int:
    """The line that a path like `("line", 7)` names, within the text; 1 for the file itself."""
    match path:
        case ("line", int(number), *_):
            return max(1, min(number, text.count("\n") + 1))
    return 1


def line_of(text: str, path: Iterable[str | int]) -> int:
    """The 1-based line in `text` of the longest existing prefix of `path`."""
    events: list[Any] = []
    try:
        for event in pyyaml.parse(text, Loader=pyyaml.CSafeLoader):
            if isinstance(event, pyyaml.NodeEvent | pyyaml.CollectionEndEvent):
                events.append(event)
    except pyyaml.YAMLError:
        pass  # what stands before the mistake can still be found
    if not events:
        return _first_line(text)
    line, at = _line(events[0]), 0
    for step in path:
        found = _child(events, at, step)
        if found is None:
            break
        line, at = found
    # libyaml counts YAML 1.1's exotic line breaks, too; editors do not.
    return min(line, text.count("\n") + 1)


def _first_line(text: str) -> int:
    """The first line of a text that says something."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith(("#", "---", "%")):
            return number
    return 1


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _child(events: list[Any], at: int, step: str | int) -> tuple[int, int] | None:
    """Line and event index of the child `step` of the node at index `at`; of a repeated key the last."""
    is_mapping = isinstance(events[at], pyyaml.MappingStartEvent)
    if not is_mapping and not isinstance(events[at], pyyaml.SequenceStartEvent):
        return None
    found: tuple[int, int] | None = None
    index, position = at + 1, 0
    while index < len(events) and not isinstance(events[index], pyyaml.CollectionEndEvent):
        child = _after(events, index) if is_mapping else index
        if child >= len(events):
            break
        if is_mapping:
            if getattr(events[index], "value", None) == str(step):
                found = (_line(events[index]), child)
        elif position == step:
            return (_line(events[child]), child)
        index, position = _after(events, child), position + 1
    return found


def _after(events: list[Any], at: int) -> int:
    """The index of the event behind the node at index `at`."""
    depth = 0
    for index in range(at, len(events)):
        event = events[index]
        if isinstance(event, pyyaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, pyyaml.CollectionEndEvent):
            depth -= 1
        if depth == 0:
            return index + 1
    return len(events)
