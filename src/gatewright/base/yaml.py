"""Text to values, one YAML or JSON document at a time, typed the way kubectl types it.

`split` cuts a file into the texts of its documents, `parse` turns one such text into plain Python
values.  Neither knows files, folders or Kubernetes; lines of fields are `gatewright.sources.lines`.
Used by `sources` for files, and by the kinds for YAML that a document holds as text (Helm values).

Which YAML.  kubectl, Flux and every controller read manifests through sigs.k8s.io/yaml, which is
go-yaml v2 on libyaml's grammar followed by a conversion to JSON.  So here: plain `yes`, `no`, `on`,
`off`, `y` and `n` are booleans; `0777` and `0o777` are octal, `0b11` binary, `1_000` a thousand;
dates and `1:30` are strings; keys that are numbers or booleans become strings; merge keys (`<<`)
are applied, a mapping's own keys win; an anchor may be defined again.  A key given twice is a
Problem, and the last one wins, as it does there.

Two parsers.  `yaml12` is several times faster but reads YAML 1.2, drops repeated keys in silence and
expands aliases without bound, so it only gets texts in which none of this can occur (`_PECULIAR`,
and the count of keys, decide; in doubt they say no).  Everything else, and everything that it
refuses, is read from libyaml's events, which also word the error messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import re2
import yaml as pyyaml
from msgspec import Struct
from yaml12 import parse_yaml

from gatewright.base.problem import Severity

# Kubernetes refuses objects above about 1.5 MiB; room is for the Lists that `kubectl get -o yaml` writes.
MAX_DOCUMENT_CHARACTERS = 16 * 1024 * 1024
# Real manifests stay below 30 levels; the code that walks values recurses, and Python allows 1,000 frames.
MAX_DEPTH = 200
# What aliases may expand a document to. A real document with many aliases has hundreds of values.
MAX_EXPANDED_VALUES = 100_000

_MARKER = re.compile(r"^(?:---|\.\.\.)(?=[ \t\n]|\Z)", re.MULTILINE)
_NEXT_OBJECT = re.compile(r"\}\s*\{")
_NOTHING = re.compile(r"(?:---(?=\s))?\s*(?:[#%][^\n]*\s*)*(?:\.\.\.\s*)?(?:#[^\n]*\s*)*")
_COMMENT_LINES = re.compile(r"^[ \t]*#.*$", re.MULTILINE)

# What must not reach yaml12: aliases, anchors, tags, merge keys, complex keys, block scalars (an empty
# one is not empty there), values whose type YAML 1.1 and 1.2 disagree on, nesting too deep to count,
# tabs and control characters.  `_AT` is where a value can begin.
_AT = r"(?:^|[:\-?,\[{])[ \t]*"
_PECULIAR = re2.compile(
    "(?m)"
    + "|".join(
        (
            r"(?:^|[\s\[{,:])\*[^\s*]",
            _AT + r"&[^\s&]",
            _AT + r"!",
            _AT + r"[|>]",
            r"(?:^|\s)\?(?:\s|$)",
            r"<<[\"']?[ \t]*:",
            _AT + r"(?:[yY]|yes|Yes|YES|on|On|ON|[nN]|no|No|NO|off|Off|OFF)[ \t]*(?:$|#|[,\]}:])",
            _AT + r"[-+]?(?:0[0-9bBX_]|[0-9.][0-9a-fA-F.]*_|0[xo][0-9a-fA-F]*_)",
            _AT + r"(?:[-+]0[xo]|\+|-?[0-9]{19}|0x[0-9a-fA-F]{16})",
            r"^ {80}",
            r"(?:[-?][ \t]+){12}",
            r"[\x00-\x09\x0b-\x1f\x7f-\x{9f}\x{2028}\x{2029}\x{feff}]",
        )
    )
)

# A list of scalars on one line.  Its brackets are a pair also where both stand in one string.
_FLAT_LIST = re.compile(r'\[(?:[^\[\]{}"\'#\\\n]|"[^\[\]{}"\\\n]*")*\]')

_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"))
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_FLOATS = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LONGEST_NUMBER = 64


class Fault(Struct, frozen=True):
    """A mistake in one document's text; `line` is 1-based within that text, 0 when it is about the whole."""

    id: str
    message: str
    line: int = 0
    severity: Severity = Severity.ERROR
    hint: str = ""


class Parsed(Struct, frozen=True):
    """The value of one document text.  When a fault is an error, there is no value (None)."""

    value: Any
    faults: tuple[Fault, ...] = ()


class _RefusedError(Exception):
    """Carries the Fault that ends the reading of a document out of the recursion; never leaves this module."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def normalize_newlines(text: str) -> str:
    """One newline for every line break, which is what YAML itself does, so that lines can be counted once."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def split(text: str) -> Iterator[str]:
    """The texts of a file's documents in order; together they are the whole file.

    A line that begins with `---` or `...` always is a marker: inside block and quoted scalars YAML
    forbids it at column 0.  JSON objects follow each other with nothing or white space in between.
    `text` has normalized newlines and no byte order mark.
    """
    start = 0
    for marker in _MARKER.finditer(text):
        cut = marker.start()
        if marker.group() == "...":
            cut = text.find("\n", cut) + 1 or len(text)
        if cut > start:
            yield from _split_json(text[start:cut])
            start = cut
    if start < len(text):
        yield from _split_json(text[start:])


def _split_json(text: str) -> Iterator[str]:
    """The JSON objects in a text, each with the white space behind it; what is none ends the search."""
    start = 0
    if _is_json(text) and _NEXT_OBJECT.search(text) is not None:
        while following := _NEXT_OBJECT.match(text, _end_of_object(text, start) - 1):
            cut = following.end() - 1
            yield text[start:cut]
            start = cut
    yield text[start:]


def _is_json(text: str) -> bool:
    return text.startswith(("{", "-", " ", "\t", "\n")) and text.lstrip("- \t\n").startswith("{")


def _end_of_object(text: str, start: int) -> int:
    """Where the JSON object ends that begins behind `start`, or the end of the text if it is none."""
    try:
        return json.JSONDecoder().raw_decode(text, text.index("{", start))[1]
    except (ValueError, RecursionError):
        return len(text)


def is_blank(text: str) -> bool:
    """Does this text hold no document: only comments, directives and markers?"""
    return _NOTHING.fullmatch(text) is not None


def parse(text: str) -> Parsed:
    """The value of one document text; mistakes are Faults, never exceptions."""
    if len(text) > MAX_DOCUMENT_CHARACTERS:
        megabytes = MAX_DOCUMENT_CHARACTERS // 1024 // 1024
        return _refused(
            "document-too-large",
            f"this document is larger than {megabytes} MiB and is not read",
            hint="split the List into documents",
        )
    if _is_json(text):
        found = _parse_json(text)
        if found is not None:
            return found
    elif _is_shallow(text) and _PECULIAR.search(text.encode()) is None:
        try:
            values = parse_yaml(text, multi=True)
            if len(values) == 1 and isinstance(values[0], dict) and _every_key_arrived(text, values[0]):
                return Parsed(values[0])
        except ValueError:
            pass  # libyaml may read it, and words the mistake if there is one
    return _parse_events(text)


def _is_shallow(text: str) -> bool:
    """Are flow collections surely nested less deep than is read?  Lists of scalars, however many, are one level."""
    if text.count("[") + text.count("{") < MAX_DEPTH:
        return True
    rest = _FLAT_LIST.sub("", text)
    return rest.count("[") + rest.count("{") < MAX_DEPTH - 1


def _every_key_arrived(text: str, value: Any) -> bool:
    """Do the text and the value have the same number of keys?  If not, a key was repeated or is no string.

    Counting characters costs a fifth of looking at each key.  Colons inside strings make the counts
    differ, too; then the exact parser decides.
    """
    if "#" in text:
        text = _COMMENT_LINES.sub("", text)
    shown = repr(value)
    keys = text.count(": ") + text.count(":\n") + text.endswith(":")
    return keys == shown.count("': ") and "Yaml(" not in shown and "None: " not in shown


def _refused(id: str, message: str, line: int = 0, hint: str = "") -> Parsed:
    return Parsed(None, (Fault(id, message, line, hint=hint),))


def _parse_json(text: str) -> Parsed | None:
    """The value if the text is one JSON object without oddities, else None: YAML may still make sense of it."""
    repeated: list[str] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        collected = dict(pairs)
        if len(collected) != len(pairs):
            keys = [key for key, _ in pairs]
            repeated.extend(key for key in collected if keys.count(key) > 1)
        return collected

    body = text[3:] if text.startswith("---") else text
    try:
        value = json.loads(body, object_pairs_hook=collect)
    except (ValueError, RecursionError):
        return None
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return _refused("yaml-syntax", "this is not JSON: a \\u escape is half of a surrogate pair")
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        return _too_deep(0)
    return Parsed(value, tuple(_repeated_key(key, 0) for key in repeated))


def _depth(value: Any) -> int:
    """How deep lists and mappings are nested, found without recursion and no further than the limit."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
    return depth


def _too_deep(line: int) -> Parsed:
    message = f"this document is nested deeper than {MAX_DEPTH} levels and is not read"
    return _refused("document-too-deep", message, line)


def _repeated_key(key: str, line: int) -> Fault:
    return Fault(
        "duplicate-key",
        f"the key {_short(key)!r} is given more than once in the same mapping; the last one is used",
        line,
        Severity.WARNING,
        "remove all but one: strict tools refuse the document",
    )


def _parse_events(text: str) -> Parsed:
    """The exact way: libyaml's events, go-yaml's types, aliases within a budget."""
    control = _FORBIDDEN.search(text)
    if control is not None:
        line = text.count("\n", 0, control.start()) + 1
        return _refused(
            "control-character",
            f"the character U+{ord(control.group()):04X} is not allowed in YAML",
            line,
            hint="is this a text file?",
        )
    try:
        return _Reading(text).document()
    except _RefusedError as refused:
        return Parsed(None, (refused.fault,))
    except pyyaml.MarkedYAMLError as error:
        return _syntax_error(text, error)
    except pyyaml.YAMLError as error:
        return _refused("yaml-syntax", f"this is not YAML: {str(error).splitlines()[0]}")


_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def _syntax_error(text: str, error: pyyaml.MarkedYAMLError) -> Parsed:
    """libyaml's own words with the line that it stumbled on."""
    mark: Any = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark is not None else 0
    words = ", ".join(part for part in (error.context, error.problem) if part)
    column = f" (column {mark.column + 1})" if mark is not None else ""
    lines = text.split("\n")
    at = lines[line - 1] if 0 < line <= len(lines) else ""
    hint = ""
    if "\t" in at[: len(at) - len(at.lstrip())] or "'\\t'" in words:
        hint = "indent with spaces: YAML does not allow tabs there"
    return _refused("yaml-syntax", f"this is not YAML: {words}{column}", min(line, len(lines)), hint)


class _Reading:
    """One pass over the events of one document."""

    def __init__(self, text: str) -> None:
        self._events = pyyaml.parse(text, Loader=pyyaml.CSafeLoader)
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open: set[str] = set()
        self._values = 0
        self._faults: list[Fault] = []

    def document(self) -> Parsed:
        value: Any = None
        for event in self._events:
            if isinstance(event, pyyaml.NodeEvent):
                value = self._node(event, 0)
        return Parsed(value, tuple(self._faults))

    def _node(self, event: Any, depth: int) -> Any:
        line = _line(event)
        if depth > MAX_DEPTH:
            raise _RefusedError(_too_deep(line).faults[0])
        self._values += 1
        if isinstance(event, pyyaml.AliasEvent):
            return self._alias(str(event.anchor), line)
        anchor, before = event.anchor, self._values
        if anchor is not None:
            self._open.add(anchor)
        if isinstance(event, pyyaml.ScalarEvent):
            value = _scalar(event, line)
        elif isinstance(event, pyyaml.SequenceStartEvent):
            value = []
            while not isinstance(item := next(self._events), pyyaml.SequenceEndEvent):
                value.append(self._node(item, depth + 1))
        else:
            value = self._mapping(depth)
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = (value, self._values - before + 1)
        return value

    def _alias(self, name: str, line: int) -> Any:
        if name in self._open or name not in self._anchors:
            why = "it would contain itself" if name in self._open else "no anchor of that name stands above it"
            raise _RefusedError(Fault("unknown-anchor", f"the alias *{_short(name)} cannot be used: {why}", line))
        value, size = self._anchors[name]
        self._values += size
        if self._values > MAX_EXPANDED_VALUES:
            message = f"aliases expand this document to more than {MAX_EXPANDED_VALUES:,} values; it is not read"
            raise _RefusedError(Fault("alias-bomb", message, line, hint="write the values out where they are used"))
        return value

    def _mapping(self, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: list[Any] = []
        while not isinstance(event := next(self._events), pyyaml.MappingEndEvent):
            line = _line(event)
            merge = isinstance(event, pyyaml.ScalarEvent) and event.value == "<<" and event.implicit[0]
            key = _key(self._node(event, depth + 1), line)
            value = self._node(next(self._events), depth + 1)
            if merge:
                merged.extend(self._sources(value, line))
            else:
                if key in own:
                    self._faults.append(_repeated_key(key, line))
                own[key] = value
        for source in merged:
            for key, value in source.items():
                own.setdefault(key, value)
        return own

    def _sources(self, value: Any, line: int) -> list[dict[str, Any]]:
        """The mappings that a merge key names: one, or a list in which the first wins."""
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise _RefusedError(Fault("merge-key", "the merge key << takes a mapping or a list of mappings", line))
        return sources


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(event: Any, line: int) -> Any:
    tag = event.tag
    if tag is None:
        return plain(event.value) if event.implicit[0] else event.value
    if tag in ("!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:binary", "tag:yaml.org,2002:timestamp"):
        return event.value
    if tag.startswith("tag:yaml.org,2002:"):
        return plain(event.value)
    raise _RefusedError(Fault("yaml-tag", f"the YAML tag {_short(tag)} means nothing in a manifest", line))


def plain(value: str) -> Any:
    """The value of an unquoted scalar as go-yaml v2 resolves it."""
    if value in _NULL:
        return None
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    if value[0] not in "0123456789+-." or len(value) > _LONGEST_NUMBER:
        return value
    if value.lower() in _FLOATS:
        return float(_FLOATS[value.lower()])
    digits = value.replace("_", "")
    number = _INTEGER.fullmatch(digits)
    if number is not None:
        sign, hexadecimal, binary, octal, decimal = number.groups()
        for figures, base in ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10)):
            if figures is not None:
                return int(sign + figures, base)
    return float(digits) if _FLOAT.fullmatch(digits) else value


def _key(key: Any, line: int) -> str:
    """A mapping's key as JSON has it: always a string."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int | float):
        return str(key)
    what = "null" if key is None else "a list or a mapping"
    raise _RefusedError(Fault("yaml-key", f"the key of a mapping is {what}; it has to be a string", line))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
