"""Files, folders and standard input as Documents, kept up to date at the cost of what changed.

`FileSource` is the reader of manifests on disk.  It knows which documents are live, holds the last
good version of what can no longer be read, and has the Kustomizations applied.  It does not wait
for changes (`gatewright.sources.watch` does) and does not know what any kind means.

What "live" means.  A document stays live until its file, read without a mistake, no longer says it.
So a file that does not parse, cannot be opened or has become too large keeps its last good
documents, and so does a whole input that vanished (a disk unmounted, a folder being replaced); each
is one Problem for as long as it lasts.  A file deleted from a folder that is still there takes its
documents with it.
"""

# Paths are strings: with 10,000 files Path objects would cost as much as reading them.
# ruff: noqa: PTH100, PTH110, PTH112, PTH116, PTH119, PTH120
from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from gatewright.base import collector
from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.sources.folders import (
    STDIN,
    Roots,
    Unreadable,
    is_chart_template,
    is_manifest,
    read_stdin,
    read_text,
    walk,
)
from gatewright.sources.foreign import may_be_text, text_kind
from gatewright.sources.lines import FileLocator, line_id
from gatewright.sources.manifest import Change, DocumentId, Entry, Manifest, is_template
from gatewright.sources.overlays import Overlays
from gatewright.sources.render import render


class Counts(Struct, frozen=True):
    """What was read: files, and the documents in them by kind (List items one by one, effects not applied)."""

    files: int
    documents: int
    kinds: Mapping[str, int]


class Snapshot(Struct, frozen=True):
    """Everything at one moment.  The source itself keeps no Document: whoever drops one frees its memory."""

    documents: Mapping[DocumentId, Document]
    problems: tuple[Problem, ...]
    counts: Counts


class Delta(Struct, frozen=True):
    """What a refresh changed.  `problems` are all that there are now, as in a new Snapshot."""

    added: Mapping[DocumentId, Document]
    changed: Mapping[DocumentId, Document]
    removed: frozenset[DocumentId]
    held: frozenset[DocumentId]
    """Documents that are live although their file cannot be read (in full) or is gone, all of them."""
    problems: tuple[Problem, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


class _Batch:
    """The documents that one pass touches: what they were before, and what was made anew."""

    def __init__(self) -> None:
        self.changes: dict[str, Change] = {}
        self.before: dict[DocumentId, str | None] = {}
        self.made: dict[DocumentId, Document] = {}

    def touch(self, manifest: Manifest, id: DocumentId) -> None:
        self.before.setdefault(id, manifest.live.get(id))

    def put(self, manifest: Manifest, id: DocumentId, document: Document, entry: Entry) -> None:
        self.touch(manifest, id)
        manifest.live[id] = f"{document.origin.document} {entry.digest}"
        manifest.held.pop(id, None)
        self.made[id] = document

    def drop(self, manifest: Manifest, id: DocumentId) -> None:
        self.touch(manifest, id)
        manifest.live.pop(id, None)
        manifest.held.pop(id, None)


class FileSource:
    """Reads what the user named, once with `read`, then again and again with `refresh`."""

    def __init__(self) -> None:
        self._roots = Roots(())
        self._manifests: dict[str, Manifest] = {}
        self._by_name: dict[str, Manifest] = {}
        self._stamps: dict[str, tuple[int, int, int] | None] = {}
        self._unlisted: dict[str, Unreadable] = {}
        self._vanished: set[str] = set()
        self._outside: set[str] = set()
        self._overlays = Overlays(self._manifests)
        self._restless: set[str] = set()
        """Files with something to report."""
        self.locator = FileLocator(self._by_name)

    @property
    def watched(self) -> tuple[str, ...]:
        """What to watch: the named paths, and what Kustomizations use outside of them.  Absolute."""
        return (*self._roots.paths, *sorted(self._outside))

    def read(self, paths: Iterable[str]) -> Snapshot:
        """Read everything.  UsageError if a path does not exist; "-" is standard input, read to its end."""
        self._roots = Roots(paths)
        batch = _Batch()
        with collector.paused():
            if self._roots.stdin:
                self._take(STDIN, STDIN, read_stdin(), batch)
            for root in self._roots.paths:
                self._scan(root, batch, only_changed=False)
            self._settle(batch)
        return Snapshot(batch.made, self._problems(), self._counts())

    def refresh(self, changed: Iterable[str]) -> Delta:
        """Read again what changed: files or folders, created, edited, replaced or deleted.

        A folder stands for everything in it (of which only files with another size or time are
        read), a file for itself.  Paths that mean nothing to the source are ignored.
        """
        batch = _Batch()
        for path in sorted({os.path.abspath(path) for path in changed}):
            self._look_again(path, batch)
        self._settle(batch)
        return self._delta(batch)

    # Reading.

    def _look_again(self, path: str, batch: _Batch) -> None:
        """Find out what became of a path that somebody says has changed."""
        root = self._roots.root_of(path)
        if root is None:
            # A file that only a Kustomization uses, or the folder that a named path is in.
            if path in self._outside:
                self._load(path, batch)
            for below in self._roots.paths:
                if below.startswith(path.rstrip("/") + "/"):
                    self._look_again(below, batch)
            return
        hidden = _hidden_part(path, root)
        if not os.path.exists(root):
            self._vanished.add(root)
        elif root in self._vanished:
            self._come_back(root, batch)
        elif hidden is not None:
            # Kubernetes swaps `..data` to replace all files of a mounted ConfigMap at once.
            if hidden.startswith("..", hidden.rindex("/") + 1):
                self._scan(os.path.dirname(hidden), batch, only_changed=True)
        elif os.path.isdir(path):
            self._scan(path, batch, only_changed=True)
        elif path in self._manifests or path == root or is_manifest(os.path.basename(path)):
            self._load(path, batch)
        elif not os.path.lexists(path):
            for file in [file for file in self._manifests if file.startswith(path + "/")]:
                self._load(file, batch)

    def _come_back(self, root: str, batch: _Batch) -> None:
        """A named path exists again; a folder that is still empty is not back yet."""
        if os.path.isdir(root) and not walk(root).files:
            return
        self._vanished.discard(root)
        self._scan(root, batch, only_changed=False)

    def _scan(self, folder: str, batch: _Batch, *, only_changed: bool) -> None:
        """Read the files at or below a path, and forget those that are gone from it."""
        found = walk(folder)
        below = folder.rstrip("/") + "/"
        for gone in [path for path in self._unlisted if path == folder or path.startswith(below)]:
            del self._unlisted[gone]
        self._unlisted.update(found.unlisted)
        present = set(found.files)
        for file in [file for file in self._manifests if file.startswith(below) and file not in present]:
            if self._roots.root_of(file) != self._roots.root_of(folder):
                continue  # a hidden folder that was named, too
            if not any(file.startswith(unlisted + "/") for unlisted in found.unlisted):
                self._forget(file, batch)
        for file in found.files:
            if not only_changed or self._stamps.get(file) != _stamp(file):
                self._load(file, batch, finished=only_changed)

    def _load(self, path: str, batch: _Batch, *, finished: bool = True) -> None:
        """Read one file; when it has to be `finished`, a file that is being written stays what it was."""
        try:
            # Before the text: if the file changes in between, the next scan must see that.
            stamp = _stamp(path)
            text = read_text(path, finished=finished)
        except FileNotFoundError:
            if path in self._roots.paths:
                self._vanished.add(path)
            else:
                self._forget(path, batch)
            return
        if text is None:
            return  # its writer will close it, which is a change, too
        self._take(path, self._roots.name(path), text, batch)
        self._stamps[path] = stamp

    def _take(self, path: str, name: str, text: str | Unreadable, batch: _Batch) -> None:
        """A file's new text, or why there is none."""
        is_new = path not in self._manifests
        kind = text_kind(path, text if isinstance(text, str) else "")
        if not kind and not self._is_ours(path, text, is_new=is_new):
            self._forget(path, batch)
            return
        if is_new:
            self._by_name[name] = self._manifests[path] = Manifest(name)
        manifest = self._manifests[path]
        if isinstance(text, str) and is_chart_template(path) and is_template(text):
            text = Unreadable(
                "template",
                "this is a template of a Helm chart, not a manifest; it is not read",
                hint="give what helm template prints",
            )
        if isinstance(text, Unreadable):
            severity = Severity.INFO if text.id == "template" else Severity.ERROR
            origin = Origin(name, line_id("", text.line))
            manifest.problem = Problem(text.id, text.message, origin, severity, text.hint)
            change = Change([], [])
        else:
            manifest.problem = None
            manifest.text_kind = kind
            change = manifest.update(text if not path.endswith(".json") or _may_be_object(text) else "")
        earlier = batch.changes.get(path)
        if earlier is not None:  # a link and its target, or a file that is named twice
            change = Change(earlier.removed + change.removed, earlier.added + change.added)
        batch.changes[path] = change
        self._overlays.note(path, manifest, change, is_new=is_new)

    def _is_ours(self, path: str, text: str | Unreadable, *, is_new: bool) -> bool:
        """Is a file to be read that is not known to be a configuration file of another program?

        One whose name is no manifest's was only opened to see whether it is one.  As long as that cannot be seen, it
        stays what it was.
        """
        if path in self._roots.paths or path == STDIN or not may_be_text(posixpath.basename(path)):
            return True
        return isinstance(text, Unreadable) and not is_new

    def _forget(self, path: str, batch: _Batch) -> None:
        """A file was deleted."""
        manifest = self._manifests.pop(path, None)
        if manifest is None:
            return
        for id in manifest.live:
            batch.touch(manifest, id)
        manifest.live.clear()
        batch.changes.pop(path, None)
        del self._by_name[manifest.file]
        self._stamps.pop(path, None)
        self._restless.discard(path)
        self._overlays.forget(path)

    # Documents.

    def _settle(self, batch: _Batch) -> None:
        """Once all files are read: work out effects, then make the documents."""
        touched = self._overlays.settle(self._outside)
        while self._overlays.wanted:
            for path in sorted(self._overlays.wanted):
                self._outside.add(path)
                self._load(path, batch, finished=False)
            touched |= self._overlays.settle(self._outside)
        for path in [path for path in self._outside if not self._overlays.reaches(path)]:
            self._outside.discard(path)
            self._forget(path, batch)
        for path in touched & self._manifests.keys():
            self._remake(path, batch)
        for path, change in batch.changes.items():
            if path not in touched:
                self._patch(path, change, batch)

    def _patch(self, path: str, change: Change, batch: _Batch) -> None:
        """Make the documents of the entries that came, drop those of the entries that went."""
        manifest = self._manifests[path]
        if manifest.repeats:
            self._remake(path, batch, change.removed)
            return
        effects = self._overlays.effects(path)
        gone = {id: entry for entry in change.removed for id in entry.documents}
        made: dict[DocumentId, tuple[Entry, Document]] = {}
        clash = False
        for entry, objects in change.added:
            for document in render(manifest, entry, objects, effects):
                id = _id(manifest.file, document)
                clash = clash or id in made or (id in manifest.live and id not in gone and id not in manifest.held)
                made[id] = (entry, document)
        if clash:
            self._remake(path, batch, change.removed)
            return
        for entry, _ in change.added:
            entry.documents = ()
        for id, (entry, document) in made.items():
            entry.documents += (id,)
            batch.put(manifest, id, document, entry)
        self._let_go(path, {id: entry for id, entry in gone.items() if id not in made}, batch)

    def _remake(self, path: str, batch: _Batch, removed: Iterable[Entry] = ()) -> None:
        """Make all documents of a file anew: its effects changed, or repetitions have to be counted."""
        manifest = self._manifests[path]
        removed = (*removed, *batch.changes.get(path, Change([], [])).removed)
        effects = self._overlays.effects(path)
        seen: Counter[DocumentId] = Counter()
        made: set[DocumentId] = set()
        before = [id for entry in manifest.entries for id in entry.documents]
        for entry in manifest.entries:
            if not entry.id:
                continue
            ids = []
            for document in render(manifest, entry, None, effects):
                id = _id(manifest.file, document)
                seen[id] += 1
                id = id._replace(repetition=seen[id] - 1)
                batch.put(manifest, id, document, entry)
                ids.append(id)
            entry.documents = tuple(ids)
            made.update(ids)
        manifest.repeats = any(count > 1 for count in seen.values()) or any(
            "~" in entry.id for entry in manifest.entries
        )
        for id in before:
            if id not in made:  # its text is still there, so this is no mistake of the file
                batch.drop(manifest, id)
        gone = {id: entry for entry in removed for id in entry.documents if id not in made}
        self._let_go(path, gone, batch)

    def _let_go(self, path: str, gone: Mapping[DocumentId, Entry], batch: _Batch) -> None:
        """Drop the documents that the file no longer says, or hold them if it cannot be trusted now."""
        manifest = self._manifests[path]
        broken = manifest.broken
        if broken:
            manifest.held.update(gone)
        else:
            for id in (*gone, *manifest.held):
                batch.drop(manifest, id)
        if broken or manifest.noisy:
            self._restless.add(path)
        else:
            self._restless.discard(path)

    # What to tell.

    def _delta(self, batch: _Batch) -> Delta:
        added: dict[DocumentId, Document] = {}
        changed: dict[DocumentId, Document] = {}
        removed: set[DocumentId] = set()
        for id, before in batch.before.items():
            manifest = self._by_name.get(id.file)
            now = manifest.live.get(id) if manifest is not None else None
            if now == before:
                continue
            if now is None:
                removed.add(id)
            elif before is None:
                added[id] = batch.made[id]
            else:
                changed[id] = batch.made[id]
        return Delta(added, changed, frozenset(removed), self._held(), self._problems())

    def _held(self) -> frozenset[DocumentId]:
        held: set[DocumentId] = set()
        for path in self._restless:
            manifest = self._manifests[path]
            held.update(manifest.live if manifest.problem is not None else manifest.held)
        if self._vanished or self._unlisted:
            for path, manifest in self._manifests.items():
                if self._is_out_of_reach(path):
                    held.update(manifest.live)
        return frozenset(held)

    def _is_out_of_reach(self, path: str) -> bool:
        return any(path == gone or path.startswith(gone + "/") for gone in (*self._vanished, *self._unlisted))

    def _counts(self) -> Counts:
        kinds = Counter(
            header.kind
            for manifest in self._manifests.values()
            for entry in manifest.entries
            for header in entry.headers
        )
        return Counts(len(self._manifests), kinds.total(), dict(sorted(kinds.items())))

    def _problems(self) -> tuple[Problem, ...]:
        problems: list[Problem] = []
        uses: dict[str, list[Origin]] = {}
        for path in sorted(self._restless):
            manifest = self._manifests[path]
            noisy = [entry for entry in manifest.entries if entry in manifest.noisy] if manifest.noisy else []
            problems.extend(_file_problems(manifest, noisy))
            for entry in noisy:
                for name, origin in entry.unresolved:
                    uses.setdefault(name, []).append(origin)
        problems.extend(self._overlays.problems)
        for root in sorted(self._vanished):
            name = self._roots.name(root)
            message = f"{name} is gone; what was read from it stays live until it is back"
            problems.append(Problem("input-gone", message, Origin(name)))
        for folder, unlisted in sorted(self._unlisted.items()):
            problems.append(Problem(unlisted.id, unlisted.message, Origin(self._roots.name(folder))))
        problems.extend(_unresolved(name, uses[name]) for name in sorted(uses))
        return tuple(problems)


# What a file with many of them is told once.
_ONCE_PER_FILE = frozenset(("encrypted", "template"))


def _file_problems(manifest: Manifest, noisy: list[Entry]) -> Iterator[Problem]:
    """The problems of one file."""
    if manifest.problem is not None:
        yield manifest.problem
    said: set[str] = set()
    for entry in noisy:
        for problem in entry.problems:
            if problem.id not in _ONCE_PER_FILE or problem.id not in said:
                said.add(problem.id)
                yield problem
    held = len(manifest.live) if manifest.problem is not None else len(manifest.held)
    if held:
        what = "a document" if held == 1 else f"{held} documents"
        message = f"the last good version of {what} of this file stays live until the file can be read again"
        yield Problem("held", message, Origin(manifest.file), Severity.WARNING)


def _unresolved(name: str, origins: list[Origin]) -> Problem:
    count = len(origins)
    places = "once" if count == 1 else f"{count} times"
    return Problem(
        "unresolved-variable",
        f"${{{name}}} is used {places}, but nothing here gives it a value; it stays as it is",
        origins[0],
        Severity.WARNING,
        "give the files with the Flux Kustomization, ConfigMap or Secret that has it",
    )


def _id(file: str, document: Document) -> DocumentId:
    return DocumentId(file, document.api_version, document.kind, document.namespace, document.name)


def _stamp(path: str) -> tuple[int, int, int] | None:
    """What tells versions of a file apart without reading it."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _hidden_part(path: str, root: str) -> str | None:
    """The path down to its first hidden component below the root."""
    at = path.find("/.", len(root.rstrip("/")))
    return None if at < 0 else path[: (path + "/").index("/", at + 1)]


def _may_be_object(text: str) -> bool:
    """Most JSON in a folder is no manifest (and may be no strict JSON); that is no mistake of anybody."""
    return '"kind"' in text or '"apiVersion"' in text
