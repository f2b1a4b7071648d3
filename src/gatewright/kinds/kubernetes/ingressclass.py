"""IngressClass: which controller serves the Ingresses that name the class, and whether it is the default."""

from __future__ import annotations

from typing import Any

from gatewright.base.document import Document
from gatewright.base.problem import Severity
from gatewright.kinds.decode import Object, Report, Schema, decode, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.doors import IngressClassIntent
from gatewright.kinds.kind import Kind

DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"


class _Spec(Schema, frozen=True):
    controller: str = ""
    parameters: Any = None


class IngressClass(Object, frozen=True, kw_only=True):
    spec: _Spec = _Spec()


def lower(document: Document) -> Lowered:
    """Lower an IngressClass.  Its parameters belong to one controller, and are said to be unread."""
    ingress_class, problems = decode(document, IngressClass)
    report = Report(document, problems)
    if ingress_class is None:
        return report.lowered(None)
    if ingress_class.spec.parameters is not None:
        message = "spec.parameters: settings of one controller are not read"
        report.add(Severity.INFO, "parameters-not-read", message, ("spec", "parameters"))
    default = ingress_class.metadata.annotations.get(DEFAULT_ANNOTATION) == "true"
    intent = IngressClassIntent(key_of(document), document.origin, ingress_class.spec.controller, default)
    return report.lowered(intent)


KIND = Kind("IngressClass", ("networking.k8s.io/v1", "networking.k8s.io/v1beta1"), lower, namespaced=False)
