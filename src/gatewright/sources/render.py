"""The Documents that one entry of a file makes, under each effect that Kustomizations have on the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.sources.foreign import is_foreign
from gatewright.sources.kustomize import AS_IS, CLUSTER_KINDS, Effect
from gatewright.sources.lines import item_id, variant_id
from gatewright.sources.manifest import Entry, Header, Manifest, Objects
from gatewright.sources.substitute import may_substitute, substitute, uses

# A variable in these is most likely the business of a shell, unless Flux says that it is its own.
_SCRIPTS = frozenset(("ConfigMap", "Secret"))


def is_used_up(header: Header) -> bool:
    """Kustomizations are consumed here; nobody after the sources sees them."""
    return header.kind in ("Kustomization", "Component") and header.api_version.startswith(
        ("kustomize.config.k8s.io/", "kustomize.toolkit.fluxcd.io/")
    )


def render(manifest: Manifest, entry: Entry, objects: Objects | None, effects: Sequence[Effect]) -> list[Document]:
    """The documents of an entry; also notes on the entry its problems and the variables left in it.

    `objects` are those in the entry's own text, if the caller has them at hand.
    """
    if objects is None:
        objects, entry.problems = manifest.objects(entry, entry.text)
        manifest.listen(entry)
    if effects and any(is_foreign(header.api_version) for header, _ in objects):
        # What it means by a namespace or by `${NAME}` is its own program's business.
        return [_document(manifest, entry, header, data, AS_IS, "") for header, data in objects]
    has_variables = "${" in entry.text
    if not has_variables and effects == (AS_IS,):
        return [
            _document(manifest, entry, header, data, AS_IS, "") for header, data in objects if not is_used_up(header)
        ]
    documents: list[Document] = []
    problems: dict[Problem, None] = {}
    unresolved: dict[tuple[str, tuple[str | int, ...], int], Origin] = {}
    substitutable = has_variables and may_substitute(entry.text)
    made: set[Origin] = set()
    own_problems = entry.problems
    for effect in effects:
        text, found, faults = "", objects, own_problems
        if substitutable and effect.variables is not None:
            text = substitute(entry.text, dict(effect.variables))
            found, faults = manifest.objects(entry, text)
        problems.update(dict.fromkeys(faults))
        for header, data in found:
            document = _document(manifest, entry, header, data, effect, text)
            if is_used_up(header) or document.origin in made:
                continue
            made.add(document.origin)
            documents.append(document)
            if substitutable and (effect.variables is not None or header.kind not in _SCRIPTS):
                count: Counter[tuple[str, tuple[str | int, ...]]] = Counter()
                for use in uses(data):
                    count[use] += 1  # the same use under another effect is no other use
                    name, path = use
                    unresolved.setdefault((name, (*header.items, *path), count[use]), document.origin.at(*path))
    entry.problems = tuple(problems)
    entry.unresolved = tuple((name, origin) for (name, _, _), origin in unresolved.items())
    manifest.listen(entry)
    return documents


def _document(manifest: Manifest, entry: Entry, header: Header, data: object, effect: Effect, text: str) -> Document:
    namespace = header.namespace
    if effect.namespace and header.kind not in CLUSTER_KINDS:
        namespace = effect.namespace
    id = item_id(entry.id, header.items) if header.items else entry.id
    if text or namespace != header.namespace:
        id = variant_id(id, namespace, text)
    return Document(
        Origin(manifest.file, id),
        header.api_version,
        header.kind,
        namespace,
        header.name,
        data,  # type: ignore[arg-type]
    )
