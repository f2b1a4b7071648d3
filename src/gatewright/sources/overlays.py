"""What the Kustomizations that were read do to the other files; kept while files come and go.

Remembers the Kustomizations of kustomize and Flux and where ConfigMaps and Secrets are, and has
`kustomize.compute` work out the effects again when one of them changed.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.sources.kustomize import AS_IS, Effect, Flux, Kustomization, Reach, compute
from gatewright.sources.lines import item_id
from gatewright.sources.manifest import KUSTOMIZATION_NAMES, Change, Entry, Header, Manifest
from gatewright.sources.substitute import may_substitute, substitute
from gatewright.sources.tree import KnownTree

# Flux Kustomizations that are themselves made by Flux Kustomizations, and so on.
_MAX_NESTING = 6
_AS_IS = (AS_IS,)
_FLUX = "kustomize.toolkit.fluxcd.io/"
_KUSTOMIZE = "kustomize.config.k8s.io/"
_SETTINGS = frozenset(("ConfigMap", "Secret"))


class _FluxSource:
    """A Flux Kustomization as the file says it, before any effects on itself."""

    __slots__ = ("data", "entry", "header")

    def __init__(self, entry: Entry, header: Header, data: Mapping[str, Any]) -> None:
        self.entry = entry
        self.header = header
        self.data = data


class Overlays:
    """The effects on files, by absolute path."""

    def __init__(self, manifests: Mapping[str, Manifest]) -> None:
        self._manifests = manifests
        self._kustomizations: dict[str, Kustomization] = {}
        self._fluxes: dict[str, list[_FluxSource]] = {}
        self._settings: dict[tuple[str, str], dict[str, None]] = {}
        self._effects: dict[str, tuple[Effect, ...]] = {}
        self._consumed: set[str] = set()
        self._stale = False
        self.problems: tuple[Problem, ...] = ()
        self.wanted: frozenset[str] = frozenset()
        """Files outside of what the user named that a Kustomization uses."""

    def effects(self, path: str) -> tuple[Effect, ...]:
        """With what a file is to be read: as it is, once for each effect, or (a patch) not at all."""
        if path in self._consumed:
            return ()
        return self._effects.get(path, _AS_IS)

    def note(self, path: str, manifest: Manifest, change: Change, *, is_new: bool) -> None:
        """A file was read.  A Kustomization that cannot be read any more keeps its last good version."""
        if is_new and (self._kustomizations or self._fluxes):
            self._stale = True
        if self._fluxes and any(header.kind in _SETTINGS for entry in change.removed for header in entry.headers):
            self._stale = True
        removed = {entry.id for entry in change.removed}
        fluxes = self._fluxes.get(path, [])
        found = [flux for flux in fluxes if flux.entry.id not in removed or manifest.broken]
        for entry, objects in change.added:
            for header, data in objects:
                if header.kind in _SETTINGS:
                    self._settings.setdefault((header.kind, header.name), {})[path] = None
                    self._stale = self._stale or bool(self._fluxes)
                elif header.kind in ("Kustomization", "Component"):
                    if header.api_version.startswith(_FLUX):
                        found = [flux for flux in found if flux.header[:4] != header[:4]]
                        found.append(_FluxSource(entry, header, data))
                    elif header.api_version.startswith(_KUSTOMIZE) and posixpath.basename(path) in KUSTOMIZATION_NAMES:
                        origin = Origin(manifest.file, item_id(entry.id, header.items))
                        self._kustomizations[path] = Kustomization(origin, path, data)
                        self._stale = True
        if found != fluxes:
            self._stale = True
            self._fluxes[path] = found
            if not found:
                del self._fluxes[path]

    def forget(self, path: str) -> None:
        """A file is gone."""
        self._kustomizations.pop(path, None)
        self._fluxes.pop(path, None)
        for paths in self._settings.values():
            paths.pop(path, None)
        if self._kustomizations or self._fluxes or self._effects or self.problems:
            self._stale = True

    def reaches(self, path: str) -> bool:
        """Does a Kustomization use this file?"""
        return path in self._effects or path in self._consumed

    def settle(self, outside: Collection[str]) -> set[str]:
        """Work out the effects if anything changed, and return the files whose effects did.

        The files `outside` of what the user named were only read because a Kustomization uses them.
        When `wanted` is not empty then, those files have to be read first, and `settle` called again.
        """
        self.wanted = frozenset()
        if not self._stale:
            return set()
        self._stale = False
        tree = KnownTree(self._manifests)
        by_folder = {posixpath.dirname(path): self._kustomizations[path] for path in sorted(self._kustomizations)}
        helpers = {posixpath.dirname(path) for path in outside}
        fluxes: list[Flux] = []
        reach = compute(by_folder, fluxes, tree, helpers)
        for _ in range(_MAX_NESTING):
            known, fluxes = fluxes, list(self._effective(reach))
            if fluxes == known:
                break
            reach = compute(by_folder, fluxes, tree, helpers)
        effects = {path: tuple(sorted(found, key=_order)) for path, found in reach.effects.items()}
        touched = {
            path
            for path in effects.keys() | self._effects.keys()
            if effects.get(path, _AS_IS) != self._effects.get(path, _AS_IS)
        } | (self._consumed ^ reach.consumed)
        self._effects, self._consumed, self.problems = effects, reach.consumed, tuple(reach.problems)
        self.wanted = frozenset(reach.wanted)
        self._stale = bool(self.wanted)
        return touched

    def _effective(self, reach: Reach) -> Iterator[Flux]:
        """The Flux Kustomizations as Flux would make them: with the effects on their own files."""
        for path in sorted(self._fluxes):
            manifest = self._manifests[path]
            for source in self._fluxes[path]:
                for effect in reach.effects.get(path, _AS_IS):
                    header, data = source.header, source.data
                    if effect.variables and may_substitute(source.entry.text):
                        text = substitute(source.entry.text, dict(effect.variables))
                        for other, value in manifest.objects(source.entry, text)[0]:
                            if other.items == header.items:
                                header, data = other, value
                    spec = data.get("spec")
                    spec = spec if isinstance(spec, dict) else {}
                    namespace = effect.namespace or header.namespace
                    origin = Origin(manifest.file, item_id(source.entry.id, header.items))
                    variables = self._variables(spec.get("postBuild"), namespace, reach)
                    yield Flux(origin, path, header.name, spec, variables)

    def _variables(self, post_build: Any, namespace: str, reach: Reach) -> tuple[tuple[str, str], ...] | None:
        """What a postBuild gives values to; its own values come after those from ConfigMaps and Secrets."""
        if not isinstance(post_build, dict) or not post_build:
            return None
        values: dict[str, str] = {}
        references = post_build.get("substituteFrom")
        for reference in references if isinstance(references, list) else ():
            if isinstance(reference, dict):
                values.update(self._setting(reference.get("kind"), reference.get("name"), namespace, reach))
        own = post_build.get("substitute")
        if isinstance(own, dict):
            values.update({name: _text(value) for name, value in own.items()})
        return tuple(sorted(values.items()))

    def _setting(self, kind: Any, name: Any, namespace: str, reach: Reach) -> dict[str, str]:
        """The values of a ConfigMap or Secret, if it is among the files and readable."""
        for path in sorted(self._settings.get((str(kind), str(name)), ())):
            manifest = self._manifests[path]
            outer = next((effect.namespace for effect in reach.effects.get(path, ()) if effect.namespace), "")
            for entry in manifest.entries:
                for header in entry.headers:
                    theirs = outer or header.namespace
                    if (header.kind, header.name) != (kind, name) or (theirs and namespace and theirs != namespace):
                        continue
                    for other, data in manifest.objects(entry, entry.text)[0]:
                        if other == header and "sops" not in data:
                            return _values(data)
        return {}


def _order(effect: Effect) -> tuple[str, tuple[tuple[str, str], ...]]:
    return effect.namespace, effect.variables or ()


def _text(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else "" if value is None else str(value)


def _values(data: Mapping[str, Any]) -> dict[str, str]:
    """What a ConfigMap or Secret says, decoded."""
    values: dict[str, str] = {}
    encoded = data.get("data")
    for name, value in encoded.items() if isinstance(encoded, dict) else ():
        if data.get("kind") == "Secret":
            try:
                values[name] = base64.b64decode(_text(value), validate=True).decode()
            except (binascii.Error, ValueError):
                continue
        else:
            values[name] = _text(value)
    plain = data.get("stringData")
    if isinstance(plain, dict) and data.get("kind") == "Secret":
        values.update({name: _text(value) for name, value in plain.items()})
    return values
