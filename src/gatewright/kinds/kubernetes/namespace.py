"""Namespace: its labels decide which routes a listener admits."""

from __future__ import annotations

from gatewright.base.document import Document
from gatewright.kinds.decode import Ignored, Object, Report, decode, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.material import NamespaceIntent
from gatewright.kinds.kind import Kind

NAME_LABEL = "kubernetes.io/metadata.name"


class Namespace(Object, frozen=True):
    spec: Ignored = None


def lower(document: Document) -> Lowered:
    """Lower a Namespace, with the label that the API server puts on each."""
    namespace, problems = decode(document, Namespace)
    report = Report(document, problems)
    if namespace is None:
        return report.lowered(None)
    labels = {**namespace.metadata.labels, NAME_LABEL: document.name}
    return report.lowered(NamespaceIntent(key_of(document), document.origin, tuple(sorted(labels.items()))))


KIND = Kind("Namespace", ("v1",), lower, namespaced=False)
