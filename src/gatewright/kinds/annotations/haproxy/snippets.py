"""Snippets of HAProxy's configuration in annotations: headers without condition are read, every other line is told.

A line that guards something cannot be left out: the rules are refused then.
"""

from __future__ import annotations

import re

from gatewright.kinds import syntax
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.intents.filters import Filter, HeaderEdit, RequestHeaders, ResponseHeaders

_HEADER = re.compile(
    r"http-(?P<way>request|response)\s+(?P<verb>set|add|del)-header\s+(?P<name>\S+)"
    r"(?:\s+(?P<value>\"[^\"]*\"|'[^']*'|(?:[^\s\\]|\\.)+))?"
)
_GUARD = re.compile(
    r"deny|reject|tarpit|silent-drop|auth|allow|block|acl|stick|track-sc|verify|limit|wait-for|return|lua"
)


def read(notes: Notes, name: str) -> tuple[tuple[Filter, ...], str]:
    """The filters of a snippet, and why the rules have to be refused ("": they do not)."""
    filters: list[Filter] = []
    refusal = ""
    for line in (notes.text(name) or "").splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        found = _HEADER.fullmatch(text)
        made = _edit(notes, name, found) if found else None
        if made is not None:
            filters.append(made)
        elif _GUARD.search(text):
            refusal = notes.refuse(name, f"the line {text[:60]!r} may guard something and is not understood")
        else:
            notes.unsupported(name, f"the line {text[:60]!r} has no effect", "use the controller's annotations")
    return tuple(filters), refusal


def _edit(notes: Notes, name: str, found: re.Match[str]) -> Filter | None:
    header, value = found["name"], found["value"]
    if not syntax.is_header_name(header) or (found["verb"] == "del") != (value is None):
        return None
    plain = re.sub(r"\\(.)", r"\1", value.strip("\"'")) if value else ""
    if "%[" in plain or not syntax.is_header_value(plain):
        return None
    match found["verb"]:
        case "set":
            edit = HeaderEdit(set=((header, plain),))
        case "add":
            edit = HeaderEdit(add=((header, plain),))
        case _:
            edit = HeaderEdit(remove=(header,))
    kind = RequestHeaders if found["way"] == "request" else ResponseHeaders
    return kind(edit, notes.at(name))
