"""Where a value comes from: a file, a document in it and a field of that document.

An Origin is cheap and stable: it names its document by an opaque id that the source chose (not by
a line, which moves whenever something above it is edited).  Lines are found lazily, when a message
is printed, by the source's `Locator`; see `gatewright.sources`.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class Origin(Struct, frozen=True, gc=False):
    """A place in the input.

    `file` is the path as the user gave it ("-" is standard input), `document` the source's opaque
    id of the document within that file, `path` the field inside the document
    (`("spec", "rules", 0)`), empty for the document itself.
    """

    file: str
    document: str = ""
    path: tuple[str | int, ...] = ()

    def at(self, *path: str | int) -> Origin:
        """The origin of a field below this one."""
        return Origin(self.file, self.document, self.path + path)


def made(how: str) -> Origin:
    """Where something comes from that no file holds, such as an issued Secret: prints as "(how)", without a line."""
    return Origin(f"({how})")


def is_made(origin: Origin) -> bool:
    """Does it come from no file?"""
    return origin.file.startswith("(") and not origin.document


class Place(Struct, frozen=True, gc=False):
    """An Origin with its line found: what messages and JSON print.  `line` is 1-based; 0 is unknown."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Locator(Protocol):
    """Finds the line of an Origin; implemented by the sources, handed to whoever prints."""

    def locate(self, origin: Origin) -> Place: ...
