"""What the readers of other programs' configuration files share: notes by line, names, addresses, upstreams.

Not a parser: every format has a file of its own (`corefile`, `dnsmasqconf`, `zonefile`, `wireguard`, ...), which splits
its text by itself.  Counterpart for YAML documents: `decode`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.kinds import addressing
from gatewright.kinds.decode import suggest

MAX_CHARACTERS = 16 * 1024 * 1024
"""Longer texts are not read: the longest real one, a zone of 100,000 names with long lines, has about half."""
MAX_PROBLEMS = 100
"""A file with more mistakes is another kind of file; the rest is counted."""

PUBLIC = "public"
"""Where upstreams lead that are named, not numbered: nobody but public resolvers is reached by name."""

_LABEL = r"[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_SHOWN = 60
_LONGEST_OPTION = 40


class Notes:
    """Collects the Problems of one text by line, up to a limit."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self._problems: list[Problem] = []
        self._more = 0

    def at(self, line: int) -> Origin:
        """The origin of a line (from 1)."""
        return self.origin.at("line", line)

    def error(self, problem_id: str, message: str, line: int, hint: str = "") -> None:
        """The line has no effect."""
        self._add(Severity.ERROR, problem_id, message, line, hint)

    def warning(self, problem_id: str, message: str, line: int, hint: str = "") -> None:
        """The line means something else than its author may think, or we cannot tell what it does."""
        self._add(Severity.WARNING, problem_id, message, line, hint)

    def info(self, problem_id: str, message: str, line: int, hint: str = "") -> None:
        """Something was assumed."""
        self._add(Severity.INFO, problem_id, message, line, hint)

    def suggest(self, word: str, known: Collection[str]) -> str:
        """A did-you-mean hint or "": not for what is no word, nor when nobody will read it, since looking is slow."""
        if len(word) > _LONGEST_OPTION or len(self._problems) >= MAX_PROBLEMS:
            return ""
        return suggest(word, frozenset(known))

    def problems(self) -> tuple[Problem, ...]:
        """All Problems; the last one counts those above the limit."""
        if not self._more:
            return tuple(self._problems)
        message = f"{self._more} more problems in this file are not listed"
        return (
            *self._problems,
            Problem("more-problems", message, self.origin, hint="is it the kind of file it claims?"),
        )

    def _add(self, severity: Severity, problem_id: str, message: str, line: int, hint: str) -> None:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(Problem(problem_id, message, self.at(line), severity, hint))
        else:
            self._more += 1


def text_of(document: Document) -> str:
    """The text of a document that the sources made of a file."""
    text = document.data.get("text")
    return text if isinstance(text, str) else ""


def too_long(text: str, origin: Origin) -> tuple[Problem, ...]:
    """The Problem of a text that is not read for its length, or nothing."""
    if len(text) <= MAX_CHARACTERS:
        return ()
    message = f"the file is longer than {MAX_CHARACTERS // 1024 // 1024} MiB and is not read"
    return (Problem("document-too-large", message, origin),)


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a text with their numbers, without line breaks."""
    return ((number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), 1))


def clip(text: str) -> str:
    """A word of the input as messages show it."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def address(text: str) -> str:
    """An IP address in its usual form without an interface, "" if it is none."""
    try:
        return addressing.plain(text) or str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return ""


def cidr(text: str) -> str:
    """A network in its usual form, host bits cleared, "" if it is none."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return ""


def family(ip: str) -> str:
    """The type of record that holds the address: A or AAAA."""
    return "AAAA" if ":" in ip else "A"


def name(text: str) -> str:
    """A DNS name in lower case without trailing dot, perhaps a wildcard; "" if it is none.

    Underscores are let through: they are in real names of records."""
    lowered = text.lower().removesuffix(".")
    return lowered if len(lowered) <= 253 and _NAME.fullmatch(lowered) is not None else ""


def within(inner: str, domain: str) -> bool:
    """Is the name the domain or below it?  "" is the root."""
    return not domain or inner == domain or inner.endswith("." + domain)


def upstream(text: str) -> str:
    """The address of a server that queries are sent to, whatever its scheme, port or interface; PUBLIC for one that is
    named; "" if it is neither."""
    scheme, marked, rest = text.partition("://")
    if not marked:
        scheme, rest = "", text
    if scheme == "sdns":
        return PUBLIC
    rest = rest.partition("/")[0]
    if rest.startswith("["):
        host = rest[1:].partition("]")[0]
    else:
        rest = rest.partition("#")[0].partition("@")[0].partition("%")[0]
        host = rest.partition(":")[0] if rest.count(":") == 1 else rest
    return address(host) or (PUBLIC if name(host) and "." in host else "")
