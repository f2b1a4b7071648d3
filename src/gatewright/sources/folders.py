"""The inputs that the user named, on disk: which files they hold, what these are called, their text.

This is the only module of the manifests' side that opens files.  It knows nothing of documents.
"""

# Paths are strings: with 10,000 files Path objects would cost as much as reading them.
# ruff: noqa: PTH100, PTH110, PTH113, PTH114, PTH116
from __future__ import annotations

import errno
import fcntl
import os
import posixpath
import signal
import stat
import sys
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from gatewright.base.errors import UsageError
from gatewright.base.yaml import normalize_newlines
from gatewright.sources.foreign import may_be_text
from gatewright.sources.manifest import KUSTOMIZATION_NAMES

STDIN = "-"
SUFFIXES = (".yaml", ".yml", ".json")
# 50,000 routes with Services and EndpointSlices in one file are about 60 MB. Beyond that a file is
# more likely no manifest at all, and reading it would cost more memory than the control plane may use.
MAX_FILE_BYTES = 64 * 1024 * 1024


class Unreadable(Struct, frozen=True):
    """Why a file or folder could not be read; `line` is 0 when it is about the whole."""

    id: str
    message: str
    line: int = 0
    hint: str = ""


def read_text(path: str, *, finished: bool = False) -> str | Unreadable | None:
    """The text of a file with normalized newlines.  FileNotFoundError is the caller's to judge.

    When it has to be `finished`: None while somebody is still writing it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if finished and _is_being_written(descriptor):
                return None
            size = os.fstat(descriptor).st_size
            if size > MAX_FILE_BYTES:
                return _too_large()
            data = os.read(descriptor, size + 1)
            if len(data) != size:  # it grew, or is a pipe
                parts = [data]
                while parts[-1] and sum(map(len, parts)) <= MAX_FILE_BYTES:
                    parts.append(os.read(descriptor, 1 << 20))
                data = b"".join(parts)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise
    except OSError as error:
        return Unreadable("unreadable", f"this file cannot be read: {error.strerror or error}")
    return decode(data)


def _is_being_written(descriptor: int) -> bool:
    """Has anybody opened the file for writing?  If not, nobody will until the descriptor is closed.

    The kernel knows: it grants a read lease only on a file that has no writer, and lets new ones wait
    for its end.  A file system without leases, or somebody else's file, counts as not being written.
    """
    try:
        # Who waits is announced by SIGIO, which would end the process; SIGURG is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False


def read_stdin() -> str | Unreadable:
    """All of standard input."""
    return decode(sys.stdin.buffer.read(MAX_FILE_BYTES + 1))


def decode(data: bytes) -> str | Unreadable:
    """Bytes as text with normalized newlines and without a byte order mark."""
    if len(data) > MAX_FILE_BYTES:
        return _too_large()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"this file is not UTF-8: byte 0x{data[error.start]:02x} is not text; it is not read"
        return Unreadable("not-utf8", message, line, "save it as UTF-8")
    return normalize_newlines(text.removeprefix("\ufeff"))


def _too_large() -> Unreadable:
    limit = MAX_FILE_BYTES // 1024 // 1024
    message = f"this file is larger than {limit} MiB and is not read"
    return Unreadable("file-too-large", message, hint="split it into files, or keep it out of the folder")


def is_manifest(name: str) -> bool:
    """Is a file of this name read when its folder is?"""
    if name.startswith("."):
        return False
    return name.endswith(SUFFIXES) or name in KUSTOMIZATION_NAMES or may_be_text(name)


def is_chart_template(path: str) -> bool:
    """Does the file lie under `templates/` of a Helm chart?"""
    folder = posixpath.dirname(path)
    while "/templates" in folder:
        parent, _, _ = folder.rpartition("/templates")
        if os.path.isfile(f"{parent}/Chart.yaml"):
            return True
        folder = parent
    return False


class Found(Struct):
    """What a walk saw: files, and folders that could not be listed, by absolute path."""

    files: list[str]
    links: list[str]
    """All links, whether they lead to a manifest (now) or not."""
    unlisted: dict[str, Unreadable]


class Roots:
    """The paths that the user named.  Absolute paths inside; `name` gives them back as the user knows them."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.stdin = False
        self.paths: dict[str, str] = {}
        for path in sorted({os.fspath(path) for path in paths}):
            if path == STDIN:
                self.stdin = True
                continue
            if not os.path.exists(path):
                raise UsageError(f"{path}: there is no such file or folder")
            self.paths.setdefault(os.path.abspath(path), posixpath.normpath(path))
        for inner in [path for path in self.paths if self._is_covered(path)]:
            del self.paths[inner]

    def _is_covered(self, path: str) -> bool:
        """Is the path read anyway, because it is inside another one (and not hidden there)?"""
        outer = [other.rstrip("/") + "/" for other in self.paths if other != path]
        return any(path.startswith(other) and "/." not in path[len(other) - 1 :] for other in outer)

    def root_of(self, path: str) -> str | None:
        """The named path that `path` is, or is inside of."""
        inside = [root for root in self.paths if path == root or path.startswith(root.rstrip("/") + "/")]
        return max(inside, key=len, default=None)

    def name(self, path: str) -> str:
        """The path in the user's terms: below what was named, or relative to it."""
        root = self.root_of(path) or next(iter(self.paths))
        if path == root:
            return self.paths[root]
        if path.startswith(root):
            return posixpath.join(self.paths[root], path[len(root) :].lstrip("/"))
        return posixpath.normpath(posixpath.join(self.paths[root], posixpath.relpath(path, root)))


def walk(path: str, entering: Callable[[str], None] | None = None) -> Found:
    """Every manifest at or below `path`, each real folder once, hidden ones never.

    `entering` is told of each folder before that is listed.
    """
    found = Found([], [], {})
    links: list[str] = []
    seen: set[tuple[int, int]] = set()
    pending = [path]
    while pending or links:
        # Links come last, so that what they point at goes by its real name if it is in reach.
        folder = pending.pop() if pending else links.pop()
        try:
            status = os.stat(folder)
            if not stat.S_ISDIR(status.st_mode):
                found.files.append(folder)
                continue
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            if entering is not None:
                entering(folder)
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name, reverse=True)
        except FileNotFoundError:
            continue
        except OSError as error:
            message = f"this folder cannot be read: {error.strerror or error}"
            found.unlisted[folder] = Unreadable("unreadable", message)
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                found.links.append(entry.path)
                _sort_link(entry, links, found)
            elif entry.is_dir():
                pending.append(entry.path)
            elif is_manifest(entry.name) and entry.is_file():
                found.files.append(entry.path)
    found.files = list(_without_doubles(found.files))
    return found


def _sort_link(entry: os.DirEntry[str], links: list[str], found: Found) -> None:
    try:
        if entry.is_dir():
            links.append(entry.path)
        elif is_manifest(entry.name) and entry.is_file():
            found.files.append(entry.path)
    except OSError:
        pass  # a link to itself points at nothing


def _without_doubles(files: list[str]) -> Iterator[str]:
    """Without links to files that are among them anyway."""
    names = set(files)
    for file in files:
        if not os.path.islink(file) or os.path.realpath(file) not in names:
            yield file
