"""What the kinds of Envoy Gateway share: what a policy attaches to, references to backends, texts with units.

Not a kind itself.  Field limits and defaults are those of v1.9.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds import labelselector
from gatewright.kinds.decode import LenientObject, Object, Path, Report, Schema, decode, key_of
from gatewright.kinds.gateway_api import gatewayapi
from gatewright.kinds.gateway_api.gatewayapi import BackendObjectReference, Name
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.options import Options, OptionsPolicyIntent, PolicyTarget
from gatewright.kinds.labelselector import Expression

GROUP = "gateway.envoyproxy.io"
API_VERSIONS = (f"{GROUP}/v1alpha1",)

_QUANTITY = re.compile(r"([0-9]+)(Ki|Mi|Gi|Ti|k|M|G|T|)")
_UNITS = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
_UNITS |= {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3, "Ti": 1024**4}


class Target(Schema, frozen=True):
    name: Name
    kind: str
    group: str = gatewayapi.GROUP
    namespace: str = ""
    section_name: str = ""


class TargetSelector(Schema, frozen=True):
    kind: str
    group: str = gatewayapi.GROUP
    match_labels: dict[str, str] | None = None
    match_expressions: tuple[Expression, ...] | None = None
    namespaces: dict[str, object] | None = None


class Targets(Schema, frozen=True):
    """The part of every policy's spec that says what it attaches to."""

    target_ref: Target | None = None
    target_refs: Annotated[tuple[Target, ...], Meta(max_length=16)] = ()
    target_selectors: tuple[TargetSelector, ...] = ()


class _Attached(LenientObject, frozen=True):
    spec: dict[str, object] = field(default_factory=dict)


class _TargetsOnly(Object, frozen=True, kw_only=True):
    spec: Targets


class BackendReference(BackendObjectReference, frozen=True):
    weight: int = 1


class StringMatch(Schema, frozen=True):
    value: str
    type: Literal["Exact", "Prefix", "Suffix", "RegularExpression"] = "Exact"


def targets(spec: Targets, document: Document, report: Report, kinds: tuple[str, ...]) -> tuple[PolicyTarget, ...]:
    """The objects of `kinds` that a policy attaches to; nothing at all is told."""
    found = []
    refs: list[tuple[Path, Target]] = [(("spec", "targetRef"), spec.target_ref)] if spec.target_ref else []
    refs += [(("spec", "targetRefs", index), ref) for index, ref in enumerate(spec.target_refs)]
    for path, ref in refs:
        key = gatewayapi.target_key(ref.group, ref.kind, document.namespace, ref.name)
        if _fits(key, kinds, report, path):
            found.append(PolicyTarget(key, report.origin.at(*path), ref.section_name))
    for index, one in enumerate(spec.target_selectors):
        path = ("spec", "targetSelectors", index)
        key = gatewayapi.target_key(one.group, one.kind, document.namespace, "")
        if one.namespaces is not None:
            report.unsupported("only objects of the policy's own namespace are selected", *path, "namespaces")
        if _fits(key, kinds, report, path):
            wanted = labelselector.LabelSelector(one.match_labels, one.match_expressions)
            selector = labelselector.checked(wanted, report, path)
            found.append(PolicyTarget(key, report.origin.at(*path), selector=selector))
    if not refs and not spec.target_selectors:
        report.invalid("give targetRefs or targetSelectors", "spec", hint="targetRefs: [{group, kind, name}]")
    return tuple(found)


def _fits(key: Key, kinds: tuple[str, ...], report: Report, path: Path) -> bool:
    if key.kind in kinds:
        return True
    report.error("unsupported-reference", f"this policy cannot attach to a {key.kind}", *path)
    return False


def closed(document: Document, why: str, kinds: tuple[str, ...]) -> OptionsPolicyIntent | None:
    """What stands for a policy that protects and cannot be read: its targets answer 503, as far as they can be told."""
    raw, _ = decode(document, _Attached)
    spec = raw.spec if raw is not None else {}
    only = {name: spec[name] for name in ("targetRef", "targetRefs", "targetSelectors") if name in spec}
    bare = Document(
        document.origin,
        document.api_version,
        document.kind,
        document.namespace,
        document.name,
        {"apiVersion": document.api_version, "kind": document.kind, "spec": only},
    )
    read, _ = decode(bare, _TargetsOnly)
    if read is None:
        return None
    found = targets(read.spec, document, Report(document), kinds)
    return OptionsPolicyIntent(key_of(document), document.origin, found, Options(unbuildable=why))


def seconds(text: str, report: Report, *path: str | int) -> float | None:
    """A duration in seconds, None if it is not given."""
    return gatewayapi.lower_duration(text, report, path)


def octets(quantity: str | int, report: Report, *path: str | int) -> int | None:
    """A quantity of memory in octets; None, and the document refused, when it is not one."""
    found = _QUANTITY.fullmatch(str(quantity))
    if found is None:
        report.invalid(f"{quantity!r} is not a quantity", *path, hint="write it as 512Ki or 10Mi")
        return None
    return int(found[1]) * _UNITS[found[2]]


def url_of(ref: BackendObjectReference, namespace: str, path: str, report: Report, *where: str | int) -> str:
    """The URL of a Service of the cluster; "" for what is none, which is told."""
    key = gatewayapi.target_key(ref.group, ref.kind, ref.namespace or namespace, ref.name)
    if key.kind != "Service" or ref.port is None:
        report.error("unsupported-reference", f"a {key.kind} cannot be asked; name a Service and its port", *where)
        return ""
    return f"http://{key.name}.{key.namespace}.svc:{ref.port}/{path.lstrip('/')}"
