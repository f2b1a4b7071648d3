"""Which namespace and which variables the Kustomizations among the files give to which file.

`compute` takes the Kustomizations of kustomize and of Flux that were found and says, for every file
that one of them leads to, with what `Effect`s it is to be read.  It is pure: what exists is asked
from a `Tree`.  Nothing is applied here (`FileSource` does that), and of all that kustomize can do
only what decides namespaces is honoured; the rest is reported, never guessed.

The outermost namespace wins, because kustomize transforms from the inside out: Flux's
targetNamespace, then the overlay's, then the base's.  A file that several of them reach with
different effects is read once for each.  Files that nothing reaches are read as they are.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity

# Kinds without a namespace: kustomize leaves them alone. It takes kinds that it does not know for namespaced.
CLUSTER_KINDS = frozenset(
    (
        "APIService",
        "CertificateSigningRequest",
        "ClusterIssuer",
        "ClusterRole",
        "ClusterRoleBinding",
        "CSIDriver",
        "CSINode",
        "CustomResourceDefinition",
        "GatewayClass",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
    )
)

_LISTS = ("resources", "bases", "components")
_PATCH_LISTS = ("patches", "patchesStrategicMerge", "patchesJson6902")
# Honoured, or without any effect on objects.
_SILENT = frozenset(
    (
        "apiVersion",
        "kind",
        "metadata",
        "namespace",
        "buildMetadata",
        "configurations",
        "crds",
        "generatorOptions",
        "openapi",
        "sortOptions",
        *_LISTS,
    )
)
# Not applied, and without effect on where a request goes: said, but no reason to worry.
_COSMETIC = frozenset(("commonAnnotations", "commonLabels", "images", "labels", "replicas"))


class Effect(NamedTuple):
    """How a file is to be read: in which namespace ("" leaves the objects' own), with which variables."""

    namespace: str = ""
    variables: tuple[tuple[str, str], ...] | None = None
    """None: nothing is substituted, `${VAR}` is plain text to whoever applies the file."""


AS_IS = Effect()


class Kustomization(NamedTuple):
    """One Kustomization of kustomize, which stands for the folder that it is in."""

    origin: Origin
    file: str
    data: Mapping[str, Any]


class Flux(NamedTuple):
    """One Kustomization of Flux with the variables that its postBuild names (None: it substitutes nothing)."""

    origin: Origin
    file: str
    name: str
    spec: Mapping[str, Any]
    variables: tuple[tuple[str, str], ...] | None


class Tree(Protocol):
    """The files and folders as they are known; every path is absolute and normal."""

    def is_file(self, path: str) -> bool:
        """Is this a manifest that was read?"""
        ...

    def contents(self, folder: str) -> tuple[Iterable[str], Iterable[str]] | None:
        """The manifests and the folders directly in a folder; None if there is no such folder."""
        ...

    def unread(self, path: str) -> str | None:
        """The file that has to be read for this file or folder, if there is one and it was not."""
        ...

    def repository_folder(self, path: str, file: str) -> str | None:
        """The folder that `path`, relative to the root of the repository that `file` is in, means."""
        ...


class Reach:
    """What `compute` found."""

    def __init__(self) -> None:
        self.effects: dict[str, list[Effect]] = {}
        """By file; a file that is absent is read as it is."""
        self.consumed: set[str] = set()
        """Files that are patches: parts of objects, not objects."""
        self.wanted: set[str] = set()
        """What exists but was not read yet, and a Kustomization needs."""
        self.problems: list[Problem] = []

    def add(self, file: str, effect: Effect) -> None:
        effects = self.effects.setdefault(file, [])
        if effect not in effects:
            effects.append(effect)


def compute(
    kustomizations: Mapping[str, Kustomization], fluxes: Iterable[Flux], tree: Tree, helpers: Collection[str] = ()
) -> Reach:
    """Follow every Flux Kustomization, then every kustomization (by folder) that nothing has led to.

    `helpers` are folders that only count where something leads to them.
    """
    walk = _Walk(kustomizations, tree)
    absent: list[tuple[Flux, str]] = []
    for flux in fluxes:
        path = flux.spec.get("path", ".")
        if not isinstance(path, str):
            continue  # the kinds do not read it either; the path is no path
        folder = tree.repository_folder(path, flux.file)
        if folder is None:
            absent.append((flux, path))
            continue
        namespace = flux.spec.get("targetNamespace")
        walk.flux_folder(folder, Effect(namespace if isinstance(namespace, str) else "", flux.variables))
    if absent:
        walk.reach.problems.append(_absent(absent))
    used = {target for folder in kustomizations for _, target in walk.targets(folder) if target != folder}
    starts = sorted(folder for folder in kustomizations if folder not in helpers)
    for folder in starts:
        if folder not in used and folder not in walk.reported:
            walk.kustomization(folder, AS_IS, ())
    for folder in starts:  # what is left is a circle, which has no outside
        if folder not in walk.reported:
            walk.kustomization(folder, AS_IS, ())
    return walk.reach


class _Walk:
    """One computation: follows references and remembers where it has been."""

    def __init__(self, kustomizations: Mapping[str, Kustomization], tree: Tree) -> None:
        self.reach = Reach()
        self.reported: set[str] = set()
        self._kustomizations = kustomizations
        self._tree = tree
        self._visited: set[tuple[str, Effect]] = set()

    def targets(self, folder: str) -> Iterator[tuple[str, str]]:
        """What the kustomization of a folder refers to: as written, and as a path ("" is not on this disk)."""
        data = self._kustomizations[folder].data
        for field in _LISTS:
            for reference in _strings(data.get(field)):
                remote = "://" in reference or reference.startswith(("git@", "github.com/"))
                local = "" if remote else posixpath.normpath(posixpath.join(folder, reference))
                if local and "?ref=" in reference:
                    local = ""
                yield reference, local

    def flux_folder(self, folder: str, effect: Effect) -> None:
        """A folder as Flux takes it: its kustomization, or else every manifest below it."""
        if folder in self._kustomizations:
            self.kustomization(folder, effect, ())
            return
        if (folder, effect) in self._visited:
            return
        self._visited.add((folder, effect))
        files, folders = self._tree.contents(folder) or ((), ())
        for file in files:
            self.reach.add(file, effect)
        for inner in folders:
            self.flux_folder(inner, effect)

    def kustomization(self, folder: str, outer: Effect, above: tuple[str, ...]) -> None:
        """Everything that the kustomization of a folder leads to, with what its users add."""
        kustomization = self._kustomizations[folder]
        first = folder not in self.reported
        self.reported.add(folder)
        if folder in above:
            self._say(kustomization, "kustomize-circle", "this Kustomization contains itself", Severity.ERROR)
            return
        own = kustomization.data.get("namespace")
        effect = outer if outer.namespace or not isinstance(own, str) else outer._replace(namespace=own)
        if (folder, effect) in self._visited:
            return
        self._visited.add((folder, effect))
        self.reach.add(kustomization.file, effect)
        missing: list[str] = []
        remote: list[str] = []
        for reference, target in self.targets(folder):
            if not target:
                remote.append(reference)
            elif target in self._kustomizations:
                self.kustomization(target, effect, (*above, folder))
            elif self._tree.is_file(target):
                self.reach.add(target, effect)
            elif (unread := self._tree.unread(target)) is not None:
                self.reach.wanted.add(unread)
            else:
                missing.append(reference)
        if first:
            self._report(kustomization, folder, missing, remote)

    def _report(self, kustomization: Kustomization, folder: str, missing: list[str], remote: list[str]) -> None:
        """Say once what of this kustomization could not be honoured."""
        if missing:
            message = f"this Kustomization names {_some(missing)}, which cannot be read here"
            self._say(kustomization, "kustomize-missing", message, Severity.WARNING, "give those files, too")
        if remote:
            message = f"this Kustomization takes {_some(remote)} from elsewhere; nothing is fetched"
            hint = "render it with kubectl kustomize and give the result"
            self._say(kustomization, "kustomize-remote", message, Severity.INFO, hint)
        ignored = sorted(field for field, value in kustomization.data.items() if value and field not in _SILENT)
        if ignored:
            severity = Severity.INFO if _COSMETIC.issuperset(ignored) else Severity.WARNING
            message = f"this Kustomization's {_some(ignored)} {'is' if len(ignored) == 1 else 'are'} not applied"
            hint = "render it with kubectl kustomize and give the result" if severity is Severity.WARNING else ""
            self._say(kustomization, "kustomize-unsupported", message, severity, hint)
        for reference in _patch_files(kustomization.data):
            self.reach.consumed.add(posixpath.normpath(posixpath.join(folder, reference)))

    def _say(self, kustomization: Kustomization, id: str, message: str, severity: Severity, hint: str = "") -> None:
        self.reach.problems.append(Problem(id, message, kustomization.origin, severity, hint))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, str) and item)


def _patch_files(data: Mapping[str, Any]) -> Iterator[str]:
    """The files that hold patches, which look like objects but are parts of them."""
    for field in _PATCH_LISTS:
        patches = data.get(field)
        for patch in patches if isinstance(patches, list) else ():
            path = patch.get("path") if isinstance(patch, dict) else patch
            if isinstance(path, str) and "\n" not in path:
                yield path


def _some(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def _absent(absent: list[tuple[Flux, str]]) -> Problem:
    flux, path = absent[0]
    others = f" (and {len(absent) - 1} more like it)" if len(absent) > 1 else ""
    return Problem(
        "flux-path-missing",
        f"Flux Kustomization {flux.name} applies {path}, which is not among the files{others}",
        flux.origin.at("spec", "path"),
        Severity.INFO,
        "give the whole repository, so that namespaces and variables can be honoured",
    )
