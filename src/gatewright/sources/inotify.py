"""Asks the kernel what happens to paths: everything below a folder, and whatever a name leads to.

Only this module knows inotify, which watches single folders (not trees, and inodes, not names) and
tells what their entries go through.  It says which paths changed; `gatewright.sources.watch`, its
counterpart, decides when that is worth looking at.

A path is followed along every name that leads to it.  For `/etc/config/a.yaml`, in a ConfigMap that
Kubernetes mounted, these are `etc`, `config`, `a.yaml`, `..data` and `..2024_01_01`, each watched in
the folder that it is looked up in.  When any of them stands for something else than before, the
picture is `lost`, and has to be taken anew.

A folder is watched before it is listed, so that nothing is created in it unseen.
"""

# Paths are strings here as in the rest of the sources.
# ruff: noqa: PTH112, PTH114, PTH115, PTH116, PTH118, PTH120
from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import TracebackType

from asyncinotify import Event, Inotify, Mask, Watch

from gatewright.base.errors import EngineError
from gatewright.sources.folders import walk

_APPEARED = Mask.CREATE | Mask.MOVED_TO
_WENT = Mask.DELETE | Mask.MOVED_FROM
_NAMES = _APPEARED | _WENT | Mask.ONLYDIR | Mask.MASK_ADD
# A change of attributes matters because the right to read may have come or gone.
_CONTENTS = _NAMES | Mask.CLOSE_WRITE | Mask.ATTRIB
_LONGEST_CHAIN = 40
_READ_AT_ONCE = 100


class _Folder:
    """One watched folder, by whatever names it goes."""

    __slots__ = ("files", "trees", "watch", "ways")

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.trees: set[str] = set()
        """Its paths within what is watched with all that is below it."""
        self.ways: set[str] = set()
        """Entries on the way to a followed path: folders, links, and names that do not exist yet."""
        self.files: dict[str, set[str]] = {}
        """Entries that are the file that followed paths lead to."""


class Following:
    """What becomes of some paths, from the moment it is entered; used on one loop, until it is left."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = tuple(paths)
        self._folders: dict[int, _Folder] = {}
        self._refused: set[str] = set()
        self.lost = False
        """Names mean something else than they did, or events were dropped: start again, and look at everything."""

    def __enter__(self) -> Following:
        try:
            self._inotify = Inotify(cache_size=_READ_AT_ONCE, sync_timeout=0)
        except OSError as error:
            raise _limit(error, "fs.inotify.max_user_instances") from error
        try:
            known: dict[str, _Folder | None] = {}
            for path in self._paths:
                self._follow(path, known)
                if os.path.isdir(path):
                    self._grow(path)
        except BaseException:
            self._inotify.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._inotify.close()

    @property
    def descriptor(self) -> int:
        """Readable when `changed` has something to say."""
        return self._inotify.fd

    def changed(self) -> set[str]:
        """The paths that changed since the last call; never waits."""
        changed: set[str] = set()
        for event in self._inotify:
            changed.update(self._take(event))
        return changed

    # Events.

    def _take(self, event: Event) -> Iterator[str]:
        """The paths that one event is about."""
        mask, watch = event.mask, event.watch
        if mask & (Mask.Q_OVERFLOW | Mask.UNMOUNT):
            self.lost = True
            return
        folder = self._folders.get(watch.wd) if watch is not None else None
        if folder is None or watch is None:
            return
        if mask & Mask.IGNORED:
            del self._folders[watch.wd]
            self.lost = self.lost or bool(folder.ways or folder.files)
        elif event.name is not None:
            name = str(event.name)
            if name in folder.ways and mask & (_APPEARED | _WENT):
                self.lost = True
            yield from self._file(folder, name, mask)
            if not name.startswith("."):
                for tree in tuple(folder.trees):
                    yield from self._entry(os.path.join(tree, name), mask)

    def _file(self, folder: _Folder, name: str, mask: Mask) -> Iterator[str]:
        """An event of the file that followed paths lead to."""
        paths = folder.files.get(name)
        if paths is None:
            return
        entry = os.path.join(folder.watch.path, name)
        if mask & _APPEARED and (mask & Mask.ISDIR or os.path.islink(entry)):
            self.lost = True
        elif not mask & Mask.CREATE or _is_another_name(entry):
            yield from paths

    def _entry(self, path: str, mask: Mask) -> Iterator[str]:
        """An event of something in a watched tree."""
        if mask & Mask.ISDIR:
            if mask & Mask.ATTRIB and path not in self._refused:
                return
            if mask & Mask.MOVED_FROM:
                self._leave(path)
            elif not mask & Mask.DELETE:
                self._grow(path)
        elif mask & _APPEARED and os.path.islink(path):
            self._follow(path, {})
            if os.path.isdir(path):
                self._grow(path)
        elif mask & Mask.CREATE and not _is_another_name(path):
            return  # it is still empty; its writer will close it
        yield path

    # Watches.

    def _follow(self, path: str, known: dict[str, _Folder | None]) -> None:
        """Watch every name on the way to a path; `known` are folders that are watched already."""
        steps = list(_steps(path))
        for number, (parent, name) in enumerate(steps, 1):
            if parent not in known:
                known[parent] = self._watch(parent, _NAMES)
            folder = known[parent]
            if folder is None:
                continue
            entry = os.path.join(parent, name)
            if number == len(steps) and os.path.lexists(entry) and not os.path.isdir(entry):
                if not folder.files:
                    self._watch(parent, _CONTENTS)
                folder.files.setdefault(name, set()).add(path)
            else:
                folder.ways.add(name)

    def _grow(self, path: str) -> None:
        """Watch a folder with all that is below it, and what the links in it lead to."""

        def enter(folder: str) -> None:
            watched = self._watch(folder, _CONTENTS)
            if watched is not None:
                watched.trees.add(folder)

        known: dict[str, _Folder | None] = {}
        for link in walk(path, enter).links:
            self._follow(link, known)

    def _leave(self, path: str) -> None:
        """A folder was moved away: its inode would go on to report under the old name."""
        for wd, folder in list(self._folders.items()):
            gone = {tree for tree in folder.trees if tree == path or tree.startswith(path + "/")}
            folder.trees -= gone
            if gone and not (folder.trees or folder.ways or folder.files):
                del self._folders[wd]
                with suppress(OSError):  # it was deleted since
                    self._inotify.rm_watch(folder.watch)

    def _watch(self, path: str, mask: Mask) -> _Folder | None:
        """Have a folder watched; None if that is not possible: it is gone, or not ours to see."""
        try:
            watch = self._inotify.add_watch(path, mask)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.ENOMEM):
                raise _limit(error, "fs.inotify.max_user_watches") from error
            if error.errno in (errno.EACCES, errno.EPERM):
                self._refused.add(path)
            return None
        self._refused.discard(path)
        return self._folders.setdefault(watch.wd, _Folder(watch))


def _steps(path: str) -> Iterator[tuple[str, str]]:
    """Every look-up that leads to an absolute path, links included: the folder, and the name in it.

    The last one that is given is the first that fails, if one does.
    """
    at, links = "/", 0
    names = path.split("/")[::-1]
    while names:
        name = names.pop()
        if name in ("", "."):
            continue
        if name == "..":
            at = os.path.dirname(at)
            continue
        yield at, name
        entry = os.path.join(at, name)
        try:
            target = os.readlink(entry)
        except OSError:
            if names and not os.path.isdir(entry):
                return
            at = entry
            continue
        links += 1
        if links > _LONGEST_CHAIN:
            return
        at = "/" if target.startswith("/") else at
        names += target.split("/")[::-1]


def _is_another_name(path: str) -> bool:
    """Is the file one that exists under another name, too (a hard link)?"""
    try:
        return os.stat(path).st_nlink > 1
    except OSError:
        return False


def _limit(error: OSError, setting: str) -> EngineError:
    return EngineError(
        f"cannot watch the files: {error.strerror}; raise the kernel's limit, for example with "
        f"sysctl {setting}=1048576, or name fewer folders"
    )
