"""Redirects by a regular expression over the whole URL, decided as far as a VirtualHost already knows it.

Scheme, host and port of a request are known once its VirtualHost is an exact name; what is left to be matched per
request is the path.  `residual` splits such a pattern there.
"""

from __future__ import annotations

import re

import re2
from msgspec import Struct

_OPEN_END = (r"(.*)", r"(.*)$", r"(.+)", r"(.+)$", r".*", r".*$", "")
_GROUP = re.compile(r"\\(\d)")


class Residual(Struct, frozen=True):
    """What is left for the path: full-match RE2 `pattern`, and `replacement` (a whole URL) with groups renumbered."""

    pattern: str
    replacement: str


def residual(pattern: str, replacement: str, base: str) -> Residual | None:
    """Split `pattern` (unanchored RE2 over `base` + path) at the end of `base` ("https://host:port").

    Every prefix of the pattern that is itself an expression and matches `base` to its end is tried; the rest then
    applies to the path.  None: the pattern cannot be split so that both halves stand alone.
    """
    body = pattern.removeprefix("^")
    anchored = body != pattern
    for cut in range(len(body), 0, -1):
        head, tail = body[:cut], body[cut:]
        if not _stands_alone(head) or not _stands_alone(tail):
            continue
        found = re2.fullmatch(head if anchored else f"(?s:.*){head}", base)
        if found is None:
            continue
        groups = found.groups()
        renumbered = _GROUP.sub(lambda m: _group(int(m[1]), groups), replacement)
        closed = tail if tail.endswith("$") and not tail.endswith("\\$") else tail + "(?s:.*)"
        return Residual(closed.removesuffix("$"), renumbered)
    return None


def _group(number: int, known: tuple[str | None, ...]) -> str:
    """A group that matched in the base is its text now; later ones move down."""
    if number == 0:
        return "\\0"
    if number <= len(known):
        return (known[number - 1] or "").replace("\\", "\\\\")
    return f"\\{number - len(known)}"


def _stands_alone(expression: str) -> bool:
    if expression[:1] in ("*", "+", "?", "{", ")"):
        return False
    if "|" in expression:  # an alternation would reach over the cut
        return False
    try:
        re2.compile(expression)
    except re2.error:
        return False
    return True
