"""What the commands share in printing: Problems, machine formats, colours that vanish in a pipe."""

from __future__ import annotations

import difflib
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
import msgspec

from gatewright.base.errors import UsageError
from gatewright.base.origin import Locator, Origin
from gatewright.base.problem import Problem, Severity

if TYPE_CHECKING:
    from gatewright.runtime.report import Fault

COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


def place(origin: Origin | None, locator: Locator) -> str:
    """file:line of an origin, or "" for none."""
    return str(locator.locate(origin)) if origin is not None else ""


def harmless(text: str) -> str:
    """A text of others in one line: what would do something to a terminal is shown as its number."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def problem_line(severity: str, where: str, message: str, hint: str) -> str:
    """A Problem in one line: where, how bad, what, what to do."""
    colour = COLOURS.get(Severity(severity), "white")
    where, message, hint = harmless(where), harmless(message), harmless(hint)
    head = f"{where}: " if where else ""
    tail = click.style(f" ({hint})", dim=True) if hint else ""
    return f"{head}{click.style(severity, fg=colour)}: {message}{tail}"


def fault_line(fault: Fault) -> str:
    """A Problem that was already located, in one line."""
    where = f"{fault.file}:{fault.line}" if fault.line else fault.file
    return problem_line(fault.severity, where, fault.message, fault.hint)


def not_installed(error: ModuleNotFoundError, extra: str = "run") -> Exception:
    """What to raise when a command lacks a library of an extra: only what is not ours can be missing."""
    if error.name is None or error.name.partition(".")[0] == "gatewright":
        return error
    return UsageError(f"{error.name} is not installed: pip install 'gatewright[{extra}]'")


class StatusLine:
    """Lines on stderr, and below them, on a terminal only, one that tells what is being done."""

    def __init__(self) -> None:
        self._shown = False
        self._terminal = sys.stderr.isatty()

    def say(self, line: str) -> None:
        """Print a line."""
        self.progress("")
        _write(f"{line}\n")

    def progress(self, doing: str) -> None:
        """Show what is being done instead of what was; "" for nothing any more."""
        if self._shown:
            _write("\r\x1b[2K")
        self._shown = self._terminal and bool(doing)
        if self._shown:
            _write(click.style(doing, dim=True))


def _write(text: str) -> None:
    """Print on stderr.  Whoever read it may be gone (a terminal, a pipe): no reason to end what is running."""
    with suppress(OSError):
        click.echo(text, err=True, nl=False)


SHOWN = 10
"""How many Problems a command shows that was asked about something else."""


def problems(
    found: tuple[Problem, ...], locator: Locator, *, every: bool, rest_by: str = "--problems shows them"
) -> None:
    """Print Problems on stderr, one line each: every one, or the first errors and a count of the rest, of which
    `rest_by` says how to be told."""
    errors = [item for item in found if item.severity is Severity.ERROR]
    shown = list(found) if every else errors[:SHOWN]
    for item in shown:
        line = problem_line(item.severity.value, place(item.origin, locator), item.message, item.hint)
        click.echo(line, err=True)
    left = Counter(item.severity for item in found) - Counter(item.severity for item in shown)
    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
    counts = [count(left[level], word) for level, word in words.items() if left[level]]
    if counts:
        click.echo(click.style(f"{', '.join(counts)} more in the manifests ({rest_by})", dim=True), err=True)


WIDEST = 110
"""Longer lines are hard to read, however wide the terminal is."""


def columns() -> int:
    """How wide lines may be: as wide as the terminal (or COLUMNS), within reason."""
    return max(40, min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns))


def paragraph(text: str, label: str = "", indent: str = "  ", hanging: str = "  ") -> list[str]:
    """A text in indented lines, none for no text.  Words are never broken: names and paths are to be copied."""
    if not text:
        return []
    return textwrap.wrap(
        label + text, columns(), initial_indent=indent, subsequent_indent=indent + hanging, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def count(number: int, word: str) -> str:
    """ "1 host", "2 hosts" """
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """ ", did you mean X?" when something of the kind is known, else ""."""
    near = difflib.get_close_matches(name, sorted(known), 1)
    return f", did you mean {near[0]}?" if near else ""


def machine(document: dict[str, Any], form: str) -> str:
    """A document as JSON or YAML text."""
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    import yaml

    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return text.rstrip()
