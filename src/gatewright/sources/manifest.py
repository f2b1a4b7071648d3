"""One file of manifests: its document texts, what each of them holds, and what is wrong with it.

A `Manifest` is what `FileSource` remembers of a file: texts and names, not values, so that an edit
of one document in a file of thousands costs a comparison of texts and one parse.  It reads no file
and knows no Kustomization; its counterparts are `gatewright.sources.files` and `.kustomize`.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Mapping
from itertools import accumulate, count
from operator import attrgetter
from sys import intern
from typing import Any, NamedTuple

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.base.yaml import Fault, Parsed, is_blank, parse, split
from gatewright.sources import foreign
from gatewright.sources.lines import digest, item_id, line_id, repeated

KUSTOMIZATION_NAMES = frozenset(("kustomization.yaml", "kustomization.yml", "Kustomization"))

# Helm's own files say `apiVersion`, but are no objects.
_NOT_OBJECTS = frozenset(("Chart.yaml", "Chart.lock", "requirements.yaml"))
# Problems of documents that are read all the same.
_HARMLESS = frozenset(("duplicate-key", "encrypted"))
_TEMPLATE = re.compile(r"\{\{-?\s*[\w.$\"/(]")


class DocumentId(NamedTuple):
    """Which object of which file: stays the same while the object is edited.

    `repetition` counts documents of one file that name the same object.
    """

    file: str
    api_version: str
    kind: str
    namespace: str
    name: str
    repetition: int = 0


class Header(NamedTuple):
    """What an object calls itself, and its place in the Lists around it."""

    api_version: str
    kind: str
    namespace: str
    name: str
    items: tuple[int, ...] = ()


class Entry:
    """One document text of a file; `id` is "" for a stretch that holds no document."""

    __slots__ = ("digest", "documents", "headers", "id", "newlines", "problems", "text", "unresolved")

    def __init__(self, text: str) -> None:
        self.text = text
        self.newlines = text.count("\n")
        self.id = ""
        self.digest = ""
        """The hash of the text: how an edit is told."""
        self.headers: tuple[Header, ...] = ()
        self.problems: tuple[Problem, ...] = ()
        self.documents: tuple[DocumentId, ...] = ()
        """The live documents that were made of it."""
        self.unresolved: tuple[tuple[str, Origin], ...] = ()
        """The uses of variables that nobody gave a value."""


Objects = list[tuple[Header, Mapping[str, Any]]]


class Change(NamedTuple):
    """What an update did to a Manifest: the entries that went, and those that came with what they hold."""

    removed: list[Entry]
    added: list[tuple[Entry, Objects]]


class Manifest:
    """The entries of one file in order; together their texts are the whole file."""

    __slots__ = (
        "_basename",
        "_ids",
        "_lines",
        "entries",
        "file",
        "held",
        "live",
        "noisy",
        "problem",
        "repeats",
        "text_kind",
    )

    def __init__(self, file: str) -> None:
        self.file = file
        self.text_kind = ""
        """The kind of the one document that a file is which holds no YAML (see `foreign`)."""
        self.entries: list[Entry] = []
        self.problem: Problem | None = None
        """Why the file as a whole cannot be read now; the entries are then the last good ones."""
        self.live: dict[DocumentId, str] = {}
        """The live documents of this file, each with its Origin.document and the digest of its text."""
        self.held: dict[DocumentId, Entry] = {}
        """Those of them that the file no longer says, kept because something in it is broken."""
        self.repeats = False
        """Does the file hold one text, or name one object, several times?"""
        self.noisy: set[Entry] = set()
        """The entries that have something to report."""
        self._basename = file.rpartition("/")[2]
        self._ids: Counter[str] = Counter()
        self._lines: tuple[dict[str, int], list[int]] | None = None
        """By the id of an entry its index, and by that its first line."""

    @property
    def broken(self) -> bool:
        """Is there anything in the file that cannot be read?"""
        return self.problem is not None or any(
            problem.id not in _HARMLESS for entry in self.noisy for problem in entry.problems
        )

    def listen(self, entry: Entry) -> None:
        """Note whether an entry has something to report."""
        if entry.problems or entry.unresolved:
            self.noisy.add(entry)
        else:
            self.noisy.discard(entry)

    def start(self, document: str) -> tuple[str, int] | None:
        """The text of a document and the 1-based line of the file it starts on."""
        if self._lines is None:
            # In C: a file can have tens of thousands of entries, and this is done after each change.
            ids = map(attrgetter("id"), self.entries)
            starts = accumulate(map(attrgetter("newlines"), self.entries), initial=1)
            self._lines = dict(zip(ids, count(), strict=False)), list(starts)
        indexes, lines = self._lines
        index = indexes.get(document)
        if index is not None:
            return self.entries[index].text, lines[index]
        return next(((entry.text, 0) for entry in self.held.values() if entry.id == document), None)

    def update(self, text: str) -> Change:
        """Take in a new version of the file; only texts that changed are parsed."""
        whole = (0, len(self.entries), 0, len(text))
        first, last, begin, end = whole if self.text_kind else self._unchanged(text)
        known: dict[str, list[Entry]] = {}
        for entry in reversed(self.entries[first:last]):
            known.setdefault(entry.text, []).append(entry)
        parts = [text] if self.text_kind else split(text[begin:end])
        entries = [known[part].pop() if known.get(part) else Entry(part) for part in parts]
        removed = [entry for left in known.values() for entry in left if entry.id]
        self.entries[first:last] = entries
        self.noisy.difference_update(removed)
        self._lines = None
        fresh = [entry for entry in entries if not entry.id and (self.text_kind or not is_blank(entry.text))]
        parsed = {entry: None if self.text_kind else parse(entry.text) for entry in fresh}
        self._identify(removed, parsed)
        return Change(removed, [(entry, self._read(entry, parsed[entry])) for entry in fresh])

    def _unchanged(self, text: str) -> tuple[int, int, int, int]:
        """Which entries (first, last) and which stretch of `text` (begin, end) an edit can have touched."""
        entries, first, begin = self.entries, 0, 0
        for entry in entries:
            if not text.startswith(entry.text, begin):
                break
            begin += len(entry.text)
            first += 1
        # The last equal entry may go on where it used to end; and a `---` at the very end of a file
        # is a marker, but none when more letters follow it.
        for _ in range(min(first, 2)):
            first -= 1
            begin -= len(entries[first].text)
        last, end = len(entries), len(text)
        while last > first:
            part = entries[last - 1].text
            start = end - len(part)
            if start <= begin or not part.startswith("---") or text[start - 1] != "\n":
                break
            if not text.startswith(part, start):
                break
            last, end = last - 1, start
        return first, last, begin, end

    def _identify(self, removed: list[Entry], fresh: Mapping[Entry, Parsed | None]) -> None:
        """Give new entries their ids; several of one name, or equal texts, are told apart by their order."""
        for entry in removed:
            plain = entry.id.partition("~")[0]
            self._ids[plain] -= 1
            if not self._ids[plain]:
                del self._ids[plain]
        for entry, parsed in fresh.items():
            entry.digest = digest(entry.text)
            entry.id = digest(self.text_kind) if parsed is None else _own_id(parsed.value) or entry.digest
            self._ids[entry.id] += 1
        if self.repeats or any(self._ids[entry.id] > 1 for entry in fresh):
            self.repeats = True
            seen: Counter[str] = Counter()
            for entry in self.entries:
                if entry.id:
                    plain = entry.id.partition("~")[0]
                    seen[plain] += 1
                    entry.id = repeated(plain, seen[plain] - 1)

    def _read(self, entry: Entry, parsed: Parsed | None) -> Objects:
        """Note what a new entry holds."""
        objects, entry.problems = self.objects(entry, entry.text, parsed)
        entry.headers = tuple(header for header, _ in objects)
        self.listen(entry)
        return objects

    def objects(self, entry: Entry, text: str, parsed: Parsed | None = None) -> tuple[Objects, tuple[Problem, ...]]:
        """The objects in `text`, which is the entry's own or made of it line by line, and its problems.

        `parsed` is what the text holds, if the caller has it at hand.
        """
        if self.text_kind:
            return [(self._foreign(self.text_kind), {"text": text})], ()
        parsed = parsed or parse(text)
        problems = [self._problem(entry, fault) for fault in parsed.faults]
        found: Objects = []
        value = parsed.value
        if isinstance(value, dict):
            self._collect(value, (), found, entry, problems)
            if "sops" in value and found:
                problems.append(self._encrypted(entry))
        elif value is not None and not isinstance(value, list):
            problems.append(self._problem(entry, _NOT_AN_OBJECT))
        return found, tuple(problems)

    def _collect(
        self,
        value: dict[str, Any],
        items: tuple[int, ...],
        found: Objects,
        entry: Entry,
        problems: list[Problem],
    ) -> None:
        """Add the object `value`, or those of the List that it is."""
        api_version, kind = value.get("apiVersion"), value.get("kind")
        name = self._basename
        if name in KUSTOMIZATION_NAMES and not items:
            kind = kind or "Kustomization"
            api_version = api_version or "kustomize.config.k8s.io/v1beta1"
        if not isinstance(api_version, str) or not isinstance(kind, str) or not api_version or not kind:
            theirs = "" if items else foreign.mapping_kind(name, value)
            if theirs:
                found.append((self._foreign(theirs), value))
                return
            if ("apiVersion" in value or "kind" in value or items) and name not in _NOT_OBJECTS:
                missing = "kind" if isinstance(api_version, str) and api_version else "apiVersion"
                origin = Origin(self.file, item_id(entry.id, items))
                message = f"this document has no {missing}, so nobody can tell what it is; it is not read"
                problems.append(Problem("no-kind", message, origin, hint=f"add {missing}"))
            return
        metadata = value.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        members = value.get("items")
        if kind.endswith("List") and isinstance(members, list) and not metadata.get("name"):
            for index, member in enumerate(members):
                if isinstance(member, dict):
                    # In a ServiceList the API server leaves out what the list's own kind says.
                    typed = member if kind == "List" else {"apiVersion": api_version, "kind": kind[:-4], **member}
                    self._collect(typed, (*items, index), found, entry, problems)
                else:
                    origin = Origin(self.file, item_id(entry.id, (*items, index)))
                    problems.append(Problem("not-an-object", _NOT_AN_OBJECT.message, origin))
            return
        namespace, own_name = metadata.get("namespace"), metadata.get("name")
        header = Header(
            intern(api_version),
            intern(kind),
            intern(namespace) if isinstance(namespace, str) else "",
            own_name if isinstance(own_name, str) else "",
            items,
        )
        found.append((header, value))

    def _foreign(self, kind: str) -> Header:
        """What a configuration file of another program goes by: its path."""
        return Header(foreign.API_VERSION, intern(kind), "", posixpath.normpath(self.file))

    def _problem(self, entry: Entry, fault: Fault) -> Problem:
        if fault.severity is Severity.ERROR and is_template(entry.text):
            line = next(number for number, text in enumerate(entry.text.split("\n"), 1) if _TEMPLATE.search(text))
            fault = Fault(
                "template",
                "this is a template, not a manifest; it is not read",
                line,
                Severity.WARNING,
                "render it first, for example with helm template, and give the result",
            )
        origin = Origin(self.file, line_id(entry.id, fault.line))
        return Problem(fault.id, fault.message, origin, fault.severity, fault.hint)

    def _encrypted(self, entry: Entry) -> Problem:
        return Problem(
            "encrypted",
            "this document is encrypted with SOPS, so its values are unknown",
            Origin(self.file, entry.id, ("sops",)),
            Severity.INFO,
            "decrypt it into the input if its values matter",
        )


def _own_id(value: Any) -> str:
    """The id of an object by what it calls itself; "" when it does not say."""
    if not isinstance(value, dict) or not isinstance(metadata := value.get("metadata"), dict):
        return ""
    names = (value.get("apiVersion"), value.get("kind"), metadata.get("namespace") or "", metadata.get("name"))
    said = [name for name in names if isinstance(name, str)]
    return digest("\0".join(said)) if len(said) == len(names) and said[-1] else ""


_NOT_AN_OBJECT = Fault(
    "not-an-object",
    "this is not a manifest: an object with apiVersion and kind is expected",
    severity=Severity.WARNING,
)


def is_template(text: str) -> bool:
    """Does the text hold something that a template engine would replace?"""
    return "{{" in text and _TEMPLATE.search(text) is not None
