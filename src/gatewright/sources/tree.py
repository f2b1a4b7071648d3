"""The files that were read as a tree: what `kustomize.compute` asks about.  Nothing is read here."""

# Paths are strings: with 10,000 files Path objects would cost as much as reading them.
# ruff: noqa: PTH110, PTH113
from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable

from gatewright.sources.kustomize import Tree
from gatewright.sources.manifest import KUSTOMIZATION_NAMES


class KnownTree(Tree):
    """A picture of the files at one moment; of what lies outside it only asks whether it exists."""

    def __init__(self, files: Iterable[str]) -> None:
        self._files = frozenset(files)
        self._contents: dict[str, tuple[list[str], list[str]]] = {}
        for file in sorted(self._files):
            folder = posixpath.dirname(file)
            self._folder(folder)[0].append(file)

    def _folder(self, folder: str) -> tuple[list[str], list[str]]:
        known = self._contents.get(folder)
        if known is None:
            known = self._contents[folder] = ([], [])
            parent = posixpath.dirname(folder)
            if parent != folder:
                self._folder(parent)[1].append(folder)
        return known

    def is_file(self, path: str) -> bool:
        return path in self._files

    def contents(self, folder: str) -> tuple[Iterable[str], Iterable[str]] | None:
        return self._contents.get(folder)

    def unread(self, path: str) -> str | None:
        candidates = (path, *(posixpath.join(path, name) for name in KUSTOMIZATION_NAMES))
        return next((file for file in candidates if file not in self._files and os.path.isfile(file)), None)

    def repository_folder(self, path: str, file: str) -> str | None:
        """The outermost folder above `file` in which `path` is known.

        The repository's root itself is only recognised by its `.git`.
        """
        relative = posixpath.normpath(path.lstrip("/") or ".")
        found = None
        folder = posixpath.dirname(file)
        while True:
            if relative == ".":
                if os.path.exists(posixpath.join(folder, ".git")):
                    return folder
            elif not relative.startswith("..") and posixpath.join(folder, relative) in self._contents:
                found = posixpath.join(folder, relative)
            parent = posixpath.dirname(folder)
            if parent == folder:
                return found
            folder = parent
