r"""Redirects by a regular expression over the whole URL, decided as far as a VirtualHost already knows it.

Scheme, host and port of a request are known once its VirtualHost is an exact name; what is left to be matched per
request is the path.  `residual` splits such a pattern there, exactly or not at all.  The query is no part of it: it is
kept as it is, which is what a pattern that ends in `(.*)` does with it, and `$` stands for the end of the path.
"""

from __future__ import annotations

import re

import re2
from msgspec import Struct

_OPEN = frozenset({"(.*)", "(.*)$", "(.+)", "(.+)$"})
_REACHING = re.compile(r"\(\.\*\)/(?![?*{])")
"""How a tail begins whose first group reaches from the host, which has no slash, into the path, up to one."""
_GROUP = re.compile(r"\\(\d)")
_FLAGS = re.compile(r"\(\?[imsU]+\)")
_PROBES = ("/", "/a", "/a/b", "/index.html", "/a/b/c.d")


class Residual(Struct, frozen=True):
    r"""What is left for the path: full-match RE2 `pattern`, and where to: a new base and the path's `replacement`.

    `base` is "scheme://host[:port]", or "" to stay at the base.  `replacement` refers to groups of `pattern` as \1.
    """

    pattern: str
    base: str
    replacement: str

    def changes_nothing(self, base: str) -> bool:
        """Does every path that it takes come out the same?  Then there is no redirect."""
        matched = [path for path in _PROBES if re2.fullmatch(self.pattern, path)]
        kept = all(re2.sub(f"^(?:{self.pattern})$", self.replacement, path) == path for path in matched)
        return self.base in ("", base) and bool(matched) and kept


class _Split(Struct, frozen=True):
    """A pattern cut in two at the end of the base: what came before the match, known groups, what is left."""

    before: str
    groups: tuple[str, ...]
    tail: str
    carried: str = ""  # the part of the base that the tail's first group holds


def residual(pattern: str, replacement: str, base: str) -> Residual | None:
    """Apply `pattern` (unanchored RE2 over `base` + path) to a known `base` ("https://host:port").

    None: it cannot be split so that both halves stand alone, or its replacement is no URL that can be put together.
    """
    flags = _FLAGS.match(pattern.removeprefix("^"))
    prefix = flags[0] if flags else ""
    anchored = pattern.startswith("^")
    body = pattern.removeprefix("^").removeprefix(prefix).removeprefix("^" if not anchored else "")
    anchored = anchored or pattern.startswith(prefix + "^")
    if not body or "?" in _literal_part(replacement) or "#" in replacement or r"\?" in body or _alternates(body):
        return None
    starts = (0,) if anchored else range(len(base))
    split = next((found for start in starts if (found := _split(body, prefix, base, start))), None)
    return _put_together(split, prefix, replacement, base) if split else None


def never_matches(pattern: str, base: str) -> bool:
    """Is it certain that no URL with this base matches?  Decided for anchored patterns by how they begin."""
    flags = _FLAGS.match(pattern.removeprefix("^"))
    prefix = flags[0] if flags else ""
    if not pattern.startswith("^") or _alternates(body := pattern.removeprefix("^").removeprefix(prefix)):
        return False
    return any(_excludes(body[:cut], body[cut:], prefix, base) for cut in range(1, len(body) + 1))


def _excludes(head: str, tail: str, flags: str, base: str) -> bool:
    """Can a URL with this base not even begin like `head`?"""
    if not (_stands_alone(head) and _stands_alone(tail)):
        return False
    bounded = head.replace("[^/]+", "").replace("[^/]*", "")
    if set(bounded) & set("*+{"):
        return False
    if bounded == head:  # no longer than it is written, so it ends within the base
        return len(head) <= len(base) and re2.match(flags + head, base) is None
    # A host pattern ends before the first slash of the path.
    return bounded.count("/") == 2 and tail.startswith("/") and re2.match(f"{flags}{head}/", base + "/") is None


def _literal_part(replacement: str) -> str:
    return _GROUP.sub("", replacement)


def _split(body: str, flags: str, base: str, start: int) -> _Split | None:
    known = base[start:]
    for cut in range(1, len(body) + 1):
        head, tail = body[:cut], body[cut:]
        if not (_stands_alone(head) and _stands_alone(tail)):
            continue
        if tail in _OPEN or _REACHING.match(tail):
            found = re2.fullmatch(f"{flags}(?:{head})(?s:(.*))", known)
            whole = tail in _OPEN or (found is not None and "/" not in (found.groups()[-1] or ""))
            if found is not None and whole and not _crosses(flags + head, known):
                *groups, carried = found.groups()
                return _Split(base[:start], tuple(group or "" for group in groups), tail, carried or "")
        found = re2.fullmatch(flags + head, known)
        if found is not None:
            if _crosses(flags + head, known):
                return None
            return _Split(base[:start], tuple(group or "" for group in found.groups()), tail)
    return None


def _crosses(head: str, known: str) -> bool:
    """Could the head also match beyond the base, into the path?  Then where it ends depends on the path."""
    return any(re2.fullmatch(head, f"{known}/{known[index:]}") for index in range(len(known) + 1))


def _put_together(split: _Split, flags: str, replacement: str, base: str) -> Residual | None:
    count = re2.compile(split.tail).groups if split.tail else 0
    closed = split.tail in _OPEN or (split.tail.endswith("$") and not split.tail.endswith("\\$"))
    known = len(split.groups)

    def group(found: re.Match[str]) -> str:
        number = int(found[1])
        if number == 0:
            return "\\0"
        if number <= known:
            return split.groups[number - 1].replace("\\", "\\\\")
        return (split.carried if number == known + 1 else "") + f"\\{number - known}"

    url = split.before + _GROUP.sub(group, replacement)
    pattern = flags + (split.tail.removesuffix("$") if closed else f"(?:{split.tail})(?s:(.*))")
    if "\\0" in url or (count > 8 and not closed):
        return None
    url += "" if closed else f"\\{count + 1}"
    return _parted(url, pattern, split.tail, base)


def _parted(url: str, pattern: str, tail: str, base: str) -> Residual | None:
    """A new URL with groups in it, parted into its base, which must be fixed, and its path."""
    if url.startswith("/"):
        return Residual(pattern, "", url)
    found = re.match(r"(https?://[^/\\]+)(.*)", url)
    if found is None:
        return None
    path = found[2]
    reached = _REACHING.match(tail) is not None and path.startswith("\\1/")
    if path.startswith("\\") and not _takes_slash(tail) and not reached:
        return None
    return Residual(pattern, found[1], path or "/") if path or base else None


def _takes_slash(tail: str) -> bool:
    """Does the first group hold the slash that every path starts with?"""
    return tail in _OPEN or tail == ""


def _stands_alone(expression: str) -> bool:
    if expression[:1] in ("*", "+", "?", "{", ")"):
        return False
    options = re2.Options()
    options.log_errors = False  # most cuts are no expressions
    try:
        re2.compile(expression, options)
    except re2.error:
        return False
    return True


def _alternates(expression: str) -> bool:
    """Is there an alternation outside of all parentheses and classes?  It would reach over any cut."""
    depth, at, in_class = 0, 0, False
    while at < len(expression):
        char = expression[at]
        if char == "\\":
            at += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char == "|" and depth == 0:
            return True
        else:
            depth += (char == "(") - (char == ")")
        at += 1
    return False
