"""The whole of Gatewright on one page: sources → kinds → graph.  Read this first.

A `Model` holds what is known now.  `read` takes everything in once, `refresh` what changed since; both hand
out an immutable `State`.  What cannot be read or understood keeps its last good version and is said so: a Problem
is a value here, collected beside the good documents, never an exception.  What is done with a State is its
reader's business: `trace` and `check` answer questions, the engines make it real (see `gatewright.runtime`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from msgspec import Struct, structs

from gatewright import kinds
from gatewright.base import collector
from gatewright.base.document import Document
from gatewright.base.origin import Locator, Origin
from gatewright.base.problem import Problem, Severity
from gatewright.graph.analysis import Analysis
from gatewright.graph.builder import Builder, empty_graph
from gatewright.graph.memo import Asked
from gatewright.graph.nodes import Change, Graph
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent, Lowered, Suppression
from gatewright.sources.files import Delta, FileSource
from gatewright.sources.manifest import DocumentId


class Documents(Struct, frozen=True):
    """What became of every document: read (a kind that is known), unknown (by kind), with problems."""

    read: int
    unknown: Mapping[str, int]
    problems: int


class State(Struct, frozen=True):
    """The graph at one moment and what changed in it last.

    `concerned`: the kept questions of the analysis whose answers may differ since, if anybody has asked for it.
    `reclaimed`: what was provided until a document of the same Key was saved, which counts since.
    """

    graph: Graph
    change: Change
    concerned: frozenset[Asked] = frozenset()
    reclaimed: frozenset[Key] = frozenset()


class _Held(Struct):
    """One live document: what it was lowered to, and the Problems of its latest version."""

    lowered: Lowered | None
    kind: str
    problems: tuple[Problem, ...] = ()
    suppressions: tuple[Suppression, ...] = ()


def utc_now() -> datetime:
    """The wall clock; certificates expire by it."""
    return datetime.now(UTC)


class Model:
    """Keeps documents, intents and graph current.  Single-threaded; every State it hands out is immutable."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._source = FileSource()
        self._now = now
        self._builder = Builder(now)
        self._analysis: Analysis | None = None
        self._held: dict[DocumentId, _Held] = {}
        self._provided: dict[Key, Intent] = {}
        self._claims: dict[Key, set[DocumentId]] = {}
        self._crowded: set[Key] = set()
        self._unsound: set[DocumentId] = set()
        self._accepting: set[DocumentId] = set()
        """The documents that suppress findings."""
        self._unknown: Counter[str] = Counter()
        self._source_problems: tuple[Problem, ...] = ()
        self._graph = empty_graph()

    @property
    def graph(self) -> Graph:
        """The graph as it is now."""
        return self._graph

    @property
    def analysis(self) -> Analysis:
        """Questions about the whole path, kept current from the first time that somebody asks."""
        if self._analysis is None:
            self._analysis = Analysis(self._builder.objects, self._graph, self._now().date())
        return self._analysis

    @property
    def locator(self) -> Locator:
        """Finds the lines of Origins, for whoever prints."""
        return self._source.locator

    @property
    def watched(self) -> tuple[str, ...]:
        """The paths to watch for changes."""
        return self._source.watched

    def read(self, paths: Iterable[str]) -> State:
        """Read everything.  UsageError when a path does not exist."""
        with collector.paused():
            snapshot = self._source.read(paths)
            self._source_problems = snapshot.problems
            return self._take(snapshot.documents, frozenset())

    def refresh(self, changed: Iterable[str]) -> State | None:
        """Read what changed on disk; None when nothing that matters did."""
        delta: Delta = self._source.refresh(changed)
        if not delta and delta.problems == self._source_problems:
            return None
        self._source_problems = delta.problems
        return self._take({**delta.added, **delta.changed}, delta.removed)

    def provide(self, changes: Mapping[Key, Intent | None]) -> State:
        """Take in what no document says: an issued Secret, the answer to a challenge; None takes it back.

        It stands in for a document of the same Key until it is taken back, or until somebody saves another version of
        that document: what a user has just written counts more than what was made before.  O(changes).
        """
        for key, intent in changes.items():
            if intent is None:
                self._provided.pop(key, None)
            else:
                self._provided[key] = intent
        return self._state(*self._builder.apply({key: self._intent(key) for key in changes}))

    def provided(self, key: Key) -> Intent | None:
        """What is provided under a Key now, None for nothing."""
        return self._provided.get(key)

    def recheck(self) -> State:
        """Bring up to date what time alone changes: certificates expire."""
        return self._state(*self._builder.recheck_certificates())

    def _state(self, graph: Graph, change: Change, reclaimed: frozenset[Key] = frozenset()) -> State:
        self._graph = graph
        concerned = self._analysis.update(graph, change) if self._analysis is not None else ()
        return State(graph, change, frozenset(concerned), reclaimed)

    def _take(self, put: Mapping[DocumentId, Document], removed: frozenset[DocumentId]) -> State:
        concerned: set[Key] = set()
        reclaimed: set[Key] = set()
        for identity in removed:
            concerned |= self._drop(identity)
        for identity, document in put.items():
            before = self._live(identity) if self._provided else None
            concerned |= self._put(identity, document)
            after = self._live(identity) if self._provided else None
            if after is not None and after != before and self._provided.pop(after.key, None) is not None:
                reclaimed.add(after.key)
        changes: dict[Key, Intent | None] = {key: self._intent(key) for key in concerned}
        graph, change = self._builder.apply(changes)
        return self._state(graph, change, frozenset(reclaimed))

    def _live(self, identity: DocumentId) -> Intent | None:
        """What a document asks for now."""
        held = self._held.get(identity)
        return held.lowered.intent if held is not None and held.lowered is not None else None

    # --- documents to intents ---

    def _put(self, identity: DocumentId, document: Document) -> set[Key]:
        lowered = kinds.lower(document)
        before = self._held.get(identity)
        if lowered is None:
            concerned = self._drop(identity)
            self._held[identity] = _Held(None, document.kind)
            self._unknown[f"{document.api_version} {document.kind}"] += 1
            return concerned
        problems, accepted = lowered.problems, lowered.suppressions
        good = before.lowered if before is not None else None
        if lowered.intent is None and good is not None and good.intent is not good.instead:
            # What was live stays live: the last good version goes on, and says so.
            assert good.intent is not None, "or it would be what stands instead"
            problems += (_held_back(good.intent.key, document.origin),)
            lowered = good
        elif lowered.intent is None:
            lowered = structs.replace(lowered, intent=lowered.instead)
        concerned = self._drop(identity)
        self._held[identity] = _Held(lowered, document.kind, problems, accepted)
        if accepted:
            self._accepting.add(identity)
        if problems:
            self._unsound.add(identity)
        if lowered.intent is not None:
            self._claim(lowered.intent.key, identity)
            concerned.add(lowered.intent.key)
        return concerned

    def _drop(self, identity: DocumentId) -> set[Key]:
        held = self._held.pop(identity, None)
        self._unsound.discard(identity)
        self._accepting.discard(identity)
        if held is None:
            return set()
        if held.lowered is None:
            self._unknown -= Counter({f"{identity.api_version} {identity.kind}": 1})
            return set()
        if held.lowered.intent is None:
            return set()
        key = held.lowered.intent.key
        claims = self._claims[key]
        claims.discard(identity)
        if not claims:
            del self._claims[key]
        if len(claims) < 2:
            self._crowded.discard(key)
        return {key}

    def _claim(self, key: Key, identity: DocumentId) -> None:
        claims = self._claims.setdefault(key, set())
        claims.add(identity)
        if len(claims) > 1:
            self._crowded.add(key)

    def _intent(self, key: Key) -> Intent | None:
        """The object of a Key: what was provided, else the document's; of several the first by file, so that order
        cannot show."""
        if key in self._provided:
            return self._provided[key]
        claims = self._claims.get(key)
        if not claims:
            return None
        held = self._held[min(claims)]
        return held.lowered.intent if held.lowered else None

    # --- what is reported ---

    def problems(self) -> tuple[Problem, ...]:
        """All Problems that there are now, in a stable order."""
        found = list(self._source_problems)
        for identity in self._unsound:
            found += self._held[identity].problems
        for key in self._crowded:
            found += self._duplicates(key)
        for problems in self._graph.problems.values():
            found += problems
        return tuple(sorted(dict.fromkeys(found), key=_order))

    def _duplicates(self, key: Key) -> list[Problem]:
        first, *others = sorted(self._claims[key])
        found = []
        for identity in others:
            held = self._held[identity]
            if held.lowered and held.lowered.intent:
                message = f"{key} is already in {first.file}; this one is not used"
                hint = "keep one of them, or tell them apart by namespace"
                found.append(Problem("duplicate-object", message, held.lowered.intent.origin, Severity.WARNING, hint))
        return found

    def suppressions(self) -> tuple[Suppression, ...]:
        """The findings that owners of documents accept, in the order of the documents."""
        return tuple(entry for identity in sorted(self._accepting) for entry in self._held[identity].suppressions)

    def documents(self) -> Documents:
        """What became of the documents."""
        unknown = sum(self._unknown.values())
        return Documents(len(self._held) - unknown, dict(sorted(self._unknown.items())), len(self._unsound))


def _held_back(key: Key, origin: Origin) -> Problem:
    message = f"{key} is unusable as it is now; its last good version stays live"
    return Problem("held-back", message, origin, Severity.WARNING, "correct it; the next save takes effect")


def _order(problem: Problem) -> tuple[str, str, str, str, str]:
    origin = problem.origin or Origin("")
    return (origin.file, problem.id, str(origin.path), problem.message, origin.document)
