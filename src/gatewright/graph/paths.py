r"""Path edits, composed: a sequence of edits becomes one substitution, because data planes have room for one.

Most edits cut something off the front of the path and put something else there.  Such an edit is a
`_Front`: a regular expression for what is cut, and a literal that takes its place; the rest of the
path is kept.  Fronts compose exactly.  A `_Constant` path swallows everything.  A regular expression
of the user composes only with what makes the path constant.  What does not compose is refused with
the reason (`Uncomposable`), never approximated.

The graph refuses rules whose edits do not compose, the engines compile what `compose` makes of the others.
Counterpart: `trace`, which applies the edits one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import re2
from msgspec import Struct

from gatewright.base import percent
from gatewright.base.percent import Reading
from gatewright.kinds.intents.filters import PathEdit, PathEditKind
from gatewright.kinds.intents.routing import Match, PathKind, PathMatch

_NOTHING: Final = r"[^\s\S]"


class Substitution(Struct, frozen=True):
    r"""Replace every match of RE2 `pattern` in the path (without query) by `value`, with \1 groups."""

    pattern: str
    value: str


class Uncomposable(Struct, frozen=True):
    """Why a sequence of edits is not one substitution."""

    reason: str


class _Front(Struct, frozen=True):
    """What is cut off the front (a regular expression that matches some prefix of every path), and its stead."""

    cut: str = ""
    stead: str = ""
    rest: str = "(.*)"

    def substitution(self) -> Substitution:
        return Substitution(f"^(?s:(?:{self.cut}){self.rest})$", literal(self.stead) + r"\1")


class _Constant(Struct, frozen=True):
    path: str

    def substitution(self) -> Substitution:
        return Substitution(r"^(?s:.*)$", literal(self.path))


_State = _Front | _Constant | Substitution
_UNCHANGED = _Front()


def compose(
    edits: Sequence[PathEdit], matched: str | None, *, ignore_case: bool = False
) -> Substitution | Uncomposable | None:
    """All edits in order as one substitution; None when nothing changes.

    `matched` is the prefix that the rule's match guarantees (REPLACE_PREFIX replaces it), None without one.
    """
    state: _State = _UNCHANGED
    for edit in edits:
        after = _apply(state, edit, matched, ignore_case=ignore_case)
        if isinstance(after, Uncomposable):
            return after
        state = after
    if state == _UNCHANGED:
        return None
    return state if isinstance(state, Substitution) else state.substitution()


def uncomposable(edits: Sequence[PathEdit], match: Match) -> str:
    """Why these edits cannot be done together to what `match` matches; "" when they can."""
    prefix = matched_prefix(match)
    composed = compose(edits, prefix.value if prefix else None, ignore_case=prefix is not None and prefix.ignore_case)
    return composed.reason if isinstance(composed, Uncomposable) else ""


def matched_prefix(match: Match) -> PathMatch | None:
    """The PREFIX condition whose prefix a path edit may replace."""
    return next((p for p in match.paths if p.kind is PathKind.PREFIX and not p.negate), None)


def stripped(match: Match, prefixes: Sequence[str]) -> str | None:
    """The prefix that stripping takes from every path that `match` matches.

    "" when there is none to take; None when it depends on the path.
    """
    plain = (PathKind.EXACT, PathKind.PREFIX, PathKind.RAW_PREFIX)
    begin = next((p.value for p in match.paths if p.kind in plain and not p.negate and not p.ignore_case), "")
    for prefix in prefixes:
        if begin.startswith(prefix):
            return prefix
        if prefix.startswith(begin):
            return None
    return ""


def literal(text: str) -> str:
    r"""Text for the right side of a substitution, where a backslash starts a group."""
    return text.replace("\\", "\\\\")


def _apply(state: _State, edit: PathEdit, matched: str | None, *, ignore_case: bool) -> _State | Uncomposable:
    if edit.kind is PathEditKind.REPLACE:
        return _Constant(rooted(edit.value))
    if isinstance(state, _Constant):
        return _edit_constant(state.path, edit)
    if isinstance(state, Substitution):
        return Uncomposable(f"a path edit by regular expression cannot be followed by {edit.kind.value}")
    match edit.kind:
        case PathEditKind.ADD_PREFIX:
            return _Front(state.cut, rooted(edit.value) + state.stead, state.rest) if edit.value else state
        case PathEditKind.STRIP_PREFIX:
            return _strip(state, edit.prefixes)
        case PathEditKind.REPLACE_PREFIX:
            if state != _UNCHANGED:
                return Uncomposable("the matched prefix can be replaced only by the first path edit")
            if matched is None:
                return Uncomposable("a prefix can be replaced only where the rule matches by prefix")
            return replace_prefix(matched, edit.value, ignore_case=ignore_case)
        case _:
            if state != _UNCHANGED:
                return Uncomposable("a path edit by regular expression cannot follow another path edit")
            return _checked(edit)


def replace_prefix(matched: str, value: str, *, ignore_case: bool = False) -> _Front:
    """Replace by segments: /a by /b makes /b of /a and /b/c of /a/c; by / or nothing makes / and /c."""
    old = re2.escape(matched.rstrip("/"))
    if ignore_case:
        old = f"(?i:{old})"
    new = value.rstrip("/")
    if new:
        return _Front(old, rooted(new), "(|/.*)")
    return _Front(f"{old}/?", "/")


def _strip(state: _Front, prefixes: tuple[str, ...]) -> _State | Uncomposable:
    """Remove the first of `prefixes` that the path starts with; what is left gets a slash in front."""
    for number, prefix in enumerate(prefixes):
        if state.stead.startswith(prefix) and prefix:
            return _after_strip(state, prefix)
        if prefix.startswith(state.stead):
            return _strip_maybe(state, prefixes[number:])
    return state if state.stead.startswith("/") else _Front(state.cut, "/" + state.stead, state.rest)


def _after_strip(state: _Front, prefix: str) -> _Front:
    left = state.stead[len(prefix) :]
    if left:
        return _Front(state.cut, rooted(left), state.rest)
    if state.rest != "(.*)":  # the rest is empty or starts with the slash
        return _Front(f"{state.cut}(?:/|$)", "/") if state.rest == "(|/.*)" else state
    return _Front(f"{state.cut}/?", "/")


def _strip_maybe(state: _Front, prefixes: tuple[str, ...]) -> _State | Uncomposable:
    """Whether a prefix is there depends on the request: possible as long as both outcomes put "/" in front."""
    if state.stead not in ("", "/") or state.rest != "(.*)":
        return Uncomposable("prefixes cannot be stripped after another edit has put only part of them there")
    if not all(prefix.startswith("/") for prefix in prefixes):
        return Uncomposable("a prefix to strip has to start with a slash")
    tails = [_spelt(prefix[len(state.stead) :]) for prefix in prefixes]
    cut = "|".join([*(f"{tail}/?" for tail in tails), "" if state.stead else "/?"])
    return _Front(f"(?:{state.cut})(?:{cut})" if state.cut else cut, "/")


def _spelt(text: str) -> str:
    """Every way to write a text that is stripped: Traefik strips from the decoded path."""
    found = percent.spelt(text, Reading.DECODED)
    return _NOTHING if found is None else found


def _edit_constant(path: str, edit: PathEdit) -> _State | Uncomposable:
    match edit.kind:
        case PathEditKind.ADD_PREFIX:
            return _Constant(rooted(edit.value + path))
        case PathEditKind.STRIP_PREFIX:
            found = next((p for p in edit.prefixes if path.startswith(p)), "")
            return _Constant(rooted(path[len(found) :]))
        case PathEditKind.REGEX:
            checked = _checked(edit)
            if isinstance(checked, Uncomposable):
                return checked
            return _Constant(re2.sub(edit.pattern, edit.value, path))
        case _:
            return Uncomposable("the matched prefix can be replaced only by the first path edit")


def _checked(edit: PathEdit) -> Substitution | Uncomposable:
    """The user's own substitution, when RE2 takes it: Envoy would refuse the whole VirtualHost otherwise."""
    try:
        groups = re2.compile(edit.pattern).groups
    except re2.error as error:
        return Uncomposable(f"{edit.pattern!r} is no RE2 regular expression: {error}")
    for reference in re2.findall(r"\\(.|$)", edit.value):
        if reference != "\\" and not (reference.isdigit() and int(reference) <= groups):
            return Uncomposable(f"{edit.value!r} refers to a group that {edit.pattern!r} does not have")
    return Substitution(edit.pattern, edit.value)


def rooted(path: str) -> str:
    """With the slash that every path starts with."""
    return path if path.startswith("/") else "/" + path
