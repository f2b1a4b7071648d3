"""Strict decoding: one document's raw mapping into the Struct that describes its kind's schema.

A kind file declares its schema as Structs derived from `Schema`; fields that exist in Kubernetes but
change nothing about traffic are declared as `Ignored`, and those that we know but do not implement are
named in `UNSUPPORTED`.  The good path is a single `msgspec.convert`.  Only when that fails is the document
walked field by field, to name every fault and to save what can be saved:

- an unknown or unsupported field is a warning, and the object is used without it;
- a wrong type, an impossible value or a missing required field is an error, and the object is not used.

What the values mean is not decided here; the counterpart is each kind's `lower`.
"""

from __future__ import annotations

import difflib
import functools
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Struct

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent, Lowered

Ignored = Any
"""The type of a field that is accepted and never looked at."""

# The second for text with half a surrogate pair, where msgspec has to look into the text.
_REFUSED = (msgspec.ValidationError, UnicodeEncodeError)

Path = tuple[str | int, ...]
T = TypeVar("T", bound=Struct)


class Schema(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Base of a strict schema: a field that is not declared is a Problem.

    `UNSUPPORTED` names fields (as spelled in YAML) that the kind has and that we do not implement, each
    with what that means for the user ("" if the name says it).
    """

    UNSUPPORTED: ClassVar[Mapping[str, str]] = {}


class Lenient(Struct, frozen=True, rename="camel"):
    """Base of a schema that names only what concerns us and accepts any other field."""


class Metadata(Lenient, frozen=True):
    """The part of ObjectMeta that changes traffic.  Name and namespace are taken from the Document."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    creation_timestamp: Any = None

    @property
    def created(self) -> str:
        """The creation time as text that sorts by age, "" when unknown."""
        stamp = self.creation_timestamp
        return stamp if isinstance(stamp, str) else stamp.isoformat() if hasattr(stamp, "isoformat") else ""

    @property
    def notes(self) -> tuple[tuple[str, str], ...]:
        """The annotations as intents have them: sorted."""
        return tuple(sorted(self.annotations.items())) if self.annotations else ()

    @property
    def marks(self) -> tuple[tuple[str, str], ...]:
        """The labels as intents have them: sorted."""
        return tuple(sorted(self.labels.items())) if self.labels else ()


class Object(Schema, frozen=True):
    """Base of every strict top-level schema."""

    api_version: str
    kind: str
    metadata: Metadata = Metadata()
    status: Ignored = None


class LenientObject(Lenient, frozen=True):
    """Base of every lenient top-level schema."""

    metadata: Metadata = Metadata()


def decode(document: Document, schema: type[T]) -> tuple[T | None, tuple[Problem, ...]]:
    """The document as a `schema`, or None when an error keeps it from being used; and its Problems."""
    try:
        return msgspec.convert(document.data, schema), ()
    except _REFUSED:
        pass
    walk = _Walk(document.origin)
    pruned = walk.visit(document.data, schema, ())
    if any(problem.severity is Severity.ERROR for problem in walk.problems):
        return None, tuple(walk.problems)
    try:
        return msgspec.convert(pruned, schema), tuple(walk.problems)
    except _REFUSED as error:
        # Limits on whole lists and mappings are known to msgspec alone.
        text, _, where = str(error).partition(" - at `$")
        walk.add("invalid-value", _plain(text), _parse_path(where.rstrip("`")))
        return None, tuple(walk.problems)


class Report:
    """Collects the Problems of one document while it is lowered, and knows whether it stays usable.

    `invalid` is for what the API server would refuse: the whole document is then not used, so that the
    last good version stays live.  `error` and `warning` leave the rest of the document working.
    """

    __slots__ = ("_problems", "origin", "rejected")

    def __init__(self, document: Document, problems: Sequence[Problem] = ()) -> None:
        self.origin = document.origin
        self.rejected = False
        self._problems = list(problems)

    def add(self, severity: Severity, problem_id: str, message: str, path: Path, hint: str = "") -> None:
        """One Problem at the field `path`."""
        where = self.origin.at(*path) if path else self.origin
        self._problems.append(Problem(problem_id, message, where, severity, hint))

    def invalid(self, message: str, *path: str | int, hint: str = "") -> None:
        """A value that the API server would refuse; rejects the document."""
        self.rejected = True
        self.add(Severity.ERROR, "invalid-value", f"{dotted(path)}: {message}", path, hint)

    def error(self, problem_id: str, message: str, *path: str | int, hint: str = "") -> None:
        """A part of the document does not work."""
        self.add(Severity.ERROR, problem_id, f"{dotted(path)}: {message}", path, hint)

    def warning(self, problem_id: str, message: str, *path: str | int, hint: str = "") -> None:
        """The document means something else than its author may think."""
        self.add(Severity.WARNING, problem_id, f"{dotted(path)}: {message}", path, hint)

    def unsupported(self, message: str, *path: str | int, hint: str = "") -> None:
        """A known field or value that we do not implement."""
        self.warning("unsupported-field", message, *path, hint=hint)

    def extend(self, problems: Iterable[Problem]) -> None:
        """Problems that somebody else found in this document."""
        self._problems += problems

    def lowered(self, intent: Intent | None) -> Lowered:
        """The result: without the intent if the document was rejected."""
        return Lowered(None if self.rejected else intent, tuple(self._problems))


def key_of(document: Document) -> Key:
    """The identity of the document's object."""
    return Key(document.kind, document.namespace, document.name)


def dotted(path: Path) -> str:
    """`spec.rules[0].matches` for messages; the document itself is `the document`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the document"


def suggest(name: str, known: Sequence[str] | frozenset[str]) -> str:
    """A did-you-mean hint, or ""."""
    folded = {candidate.lower(): candidate for candidate in sorted(known)}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return f"did you mean {folded[close[0]]}?" if close else ""


def has_variable(text: str) -> bool:
    """Does the text hold a `${VAR}` that nobody substituted?"""
    return "${" in text


# --- the slow path ------------------------------------------------------------------------------


class _Walk:
    """Walks a document along its schema; collects Problems and returns the part that can be used."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.problems: list[Problem] = []

    def add(
        self,
        problem_id: str,
        message: str,
        path: Path,
        hint: str = "",
        severity: Severity = Severity.ERROR,
    ) -> None:
        where = self.origin.at(*path) if path else self.origin
        self.problems.append(Problem(problem_id, f"{dotted(path)}: {message}", where, severity, hint))

    def visit(self, value: Any, annotation: Any, path: Path) -> Any:
        shape = None if _is_scalar_choice(value, annotation) else _shape(annotation)
        if isinstance(shape, _Record):
            return self._record(value, shape, path)
        if isinstance(shape, _Many):
            return self._many(value, shape, path)
        try:
            return msgspec.convert(value, annotation) if annotation is not Any else value
        except _REFUSED as error:
            self._leaf(value, annotation, str(error), path)
        return None

    def _record(self, value: Any, shape: _Record, path: Path) -> Any:
        if not isinstance(value, Mapping):
            return self._mismatch(value, "a mapping", path)
        kept: dict[str, Any] = {}
        for name, item in value.items():
            annotation = shape.fields.get(name, _UNKNOWN) if isinstance(name, str) else _UNKNOWN
            if annotation is _UNKNOWN:
                self._unknown(name, item, shape, path)
            elif item is not None:  # in Kubernetes a null field is an absent one
                kept[name] = self.visit(item, annotation, (*path, name))
        for name in shape.required - kept.keys():
            self.add("missing-field", f"the field {name} is required", path)
        return kept

    def _unknown(self, name: Any, item: Any, shape: _Record, path: Path) -> None:
        if shape.lenient or item is None:
            return
        where = (*path, name) if isinstance(name, (str, int)) else path
        if isinstance(name, str) and name in shape.unsupported:
            why = shape.unsupported[name] or "not supported, so it has no effect"
            self.add("unsupported-field", why, where, severity=Severity.WARNING)
            return
        known = frozenset((*shape.fields, *shape.unsupported))
        meant = suggest(str(name), known)
        if meant:
            # A misspelt filter or match would leave a route wider open than was meant: not used, as kubectl refuses it.
            self.add("unknown-field", "unknown field", where, meant)
        else:
            hint = "remove it, or correct its name or place"
            self.add("unknown-field", "unknown field, ignored", where, hint, Severity.WARNING)

    def _many(self, value: Any, shape: _Many, path: Path) -> Any:
        if shape.keyed:
            if not isinstance(value, Mapping):
                return self._mismatch(value, "a mapping", path)
            for name in value:
                if not isinstance(name, str):
                    self.add("wrong-type", f"the key {name!r} has to be text; quote it", path)
            return {
                name: self.visit(item, shape.item, (*path, name))
                for name, item in value.items()
                if isinstance(name, str)
            }
        if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
            return self._mismatch(value, "a list", path)
        return [self.visit(item, shape.item, (*path, index)) for index, item in enumerate(value)]

    def _mismatch(self, value: Any, expected: str, path: Path) -> None:
        if isinstance(value, str) and has_variable(value):
            self._variable(value, expected, path)
        else:
            self.add("wrong-type", f"expected {expected}, got {_describe(value)}", path)

    def _leaf(self, value: Any, annotation: Any, error: str, path: Path) -> None:
        text = _plain(error)
        expected = re.match(r"expected ([a-z| ]+), got", text)
        choices = [
            choice
            for member in _members(annotation)
            if typing.get_origin(member) is Literal
            for choice in typing.get_args(member)
        ]
        if isinstance(value, str) and has_variable(value):
            self._variable(value, expected[1] if expected else "another value", path)
        elif choices and type(value) is type(choices[0]):
            names = [str(choice) for choice in choices]
            got, hint = (_clip(value), suggest(value, names)) if isinstance(value, str) else (str(value)[:40], "")
            self.add("invalid-value", f"expected one of {', '.join(names)}, got {got}", path, hint)
        elif expected:
            hint = "put it in quotes" if "text" in expected[1] and not _is_container(value) else ""
            if isinstance(value, str) and "a number" in expected[1] and value.strip().isdigit():
                hint = "write it without quotes"
            self.add("wrong-type", f"expected {expected[1]}, got {_describe(value)}", path, hint)
        else:
            self.add("invalid-value", f"{text}, got {_describe(value)}", path)

    def _variable(self, value: str, expected: str, path: Path) -> None:
        self.add(
            "unresolved-variable",
            f"expected {expected}, but {_clip(value)} was not substituted",
            path,
            "give the variable a value where it is substituted (Flux: postBuild.substitute)",
        )


class _Record(Struct, frozen=True):
    """What the walk needs to know of a Struct."""

    fields: dict[str, Any]
    required: frozenset[str]
    unsupported: Mapping[str, str]
    lenient: bool


class _Many(Struct, frozen=True):
    """A list (or mapping, if keyed) of items."""

    item: Any
    keyed: bool


_UNKNOWN: Any = object()


@functools.cache
def _shape(annotation: Any) -> _Record | _Many | None:
    """How to walk into a type; None for one that is checked as a whole."""
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, Struct):
            fields = msgspec.structs.fields(member)
            return _Record(
                {field.encode_name: field.type for field in fields},
                frozenset(field.encode_name for field in fields if field.required),
                getattr(member, "UNSUPPORTED", {}),
                not member.__struct_config__.forbid_unknown_fields,
            )
        origin, arguments = typing.get_origin(member), typing.get_args(member)
        if origin in (list, tuple):
            return _Many(arguments[0], keyed=False)
        if origin is dict:
            return _Many(arguments[1], keyed=True)
    return None


def _is_scalar_choice(value: Any, annotation: Any) -> bool:
    """Is this a plain value where a plain value would do as well as a mapping or list (`true` or `{crd: true}`)?"""
    return not _is_container(value) and any(_shape(member) is None for member in _members(annotation))


def _members(annotation: Any) -> Iterator[Any]:
    """The alternatives of a type, without Annotated and None."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        yield from _members(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for argument in typing.get_args(annotation):
            yield from _members(argument)
    elif annotation is not type(None):
        yield annotation


_WORDS = (
    ("null", ""),
    ("int", "a number"),
    ("float", "a number"),
    ("str", "text"),
    ("bool", "true or false"),
    ("array", "a list"),
    ("object", "a mapping"),
)


def _plain(error: str) -> str:
    """msgspec's message in the words of YAML."""
    text = error.partition(" - at ")[0]

    def words(found: re.Match[str]) -> str:
        names = [dict(_WORDS).get(part, part) for part in found[1].split(" | ")]
        return " or ".join(dict.fromkeys(name for name in names if name)) or "null"

    text = re.sub(r"`([^`]*)`", words, text)
    return text[:1].lower() + text[1:]


def _parse_path(where: str) -> Path:
    """`.spec.rules[0]` as a path."""
    return tuple(int(index) if index else name for name, index in re.findall(r"\.([^.\[\]`]+)|\[(\d+)\]", where))


def _is_container(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, (str, bytes)))


def _clip(value: str) -> str:
    return repr(value if len(value) <= 60 else value[:59] + "…")


def _describe(value: Any) -> str:
    """A value as a message shows it: what it is, and the value itself where it is short.

    Only reached for values in places that hold no secrets; Secrets decode their `data` leniently.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {_clip(value)}"
    if isinstance(value, (int, float)):
        return f"the number {str(value)[:40]}" if abs(value) < 1e300 else "a huge number"
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if _is_container(value) else f"a {type(value).__name__}"
