"""Go regular expressions and their replacement templates, in the RE2 form that intents carry.

Go's `regexp` and RE2 share their syntax, so a pattern is checked, never translated.  What differs is use:
Traefik searches for a pattern anywhere in a value, an intent wants to match the whole of it; and a Go
template names groups `$1` or `${name}` where RE2 writes `\\1`.  Not a matcher: engines and trace match.
"""

from __future__ import annotations

import re

import re2

from gatewright.kinds.syntax import regex_error

_TEMPLATE = re.compile(r"\$(?:\$|\{(?P<braced>\w+)\}|(?P<bare>\w+))", re.ASCII)
_MULTILINE = re.compile(r"\(\?[a-zA-Z]*m")
_MAX_GROUP = 9  # RE2 rewrites know \0 to \9


def full_match(pattern: str) -> str:
    """A pattern that matches a whole value exactly when `pattern` is found somewhere in it."""
    plain = "|" not in pattern and "\\Q" not in pattern and not _MULTILINE.search(pattern)
    start = "" if plain and re.match(r"\^(?![*+?{])", pattern) else "(?s:.*)"
    end = "" if plain and re.search(r"(?<!\\)(?:\\\\)*\$$", pattern) else "(?s:.*)"
    return f"{start}(?:{pattern}){end}" if start or end else pattern


def replacement(template: str, pattern: str) -> tuple[str, str]:
    """A Go template for groups of `pattern` in RE2's form, and what cannot be expressed ("" if all can).

    As in Go: `$$` is a dollar sign, a name is as long as it can be (`$1x` is the group `1x`), and a group
    that does not exist is empty.
    """
    if why := regex_error(pattern):
        return "", why
    compiled = re2.compile(pattern)
    out: list[str] = []
    end = 0
    for found in _TEMPLATE.finditer(template):
        out.append(template[end : found.start()].replace("\\", "\\\\"))
        end = found.end()
        name = found["braced"] or found["bare"]
        if not name:
            out.append("$")
            continue
        number = int(name) if name.isdigit() and len(name) < 6 else compiled.groupindex.get(name)
        if number is None or number > compiled.groups:
            continue
        if number > _MAX_GROUP:
            return "", f"only the groups 0 to {_MAX_GROUP} can be used, not {number}"
        out.append(f"\\{number}")
    out.append(template[end:].replace("\\", "\\\\"))
    return "".join(out), ""
