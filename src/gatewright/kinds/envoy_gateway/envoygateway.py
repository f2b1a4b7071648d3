"""What the kinds of Envoy Gateway share: what a policy attaches to, references to backends, texts with units.

Not a kind itself.  Field limits and defaults are those of v1.9.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds import labelselector
from gatewright.kinds.decode import LenientObject, Path, Report, Schema, decode, key_of
from gatewright.kinds.gateway_api import gatewayapi
from gatewright.kinds.gateway_api.gatewayapi import BackendObjectReference, Name
from gatewright.kinds.identity import Key, Selector
from gatewright.kinds.intents.options import Options, OptionsPolicyIntent, PolicyTarget
from gatewright.kinds.intents.routing import BackendRef
from gatewright.kinds.labelselector import Expression, LabelSelector

GROUP = "gateway.envoyproxy.io"
API_VERSIONS = (f"{GROUP}/v1alpha1",)

_QUANTITY = re.compile(r"([0-9]+)(Ki|Mi|Gi|Ti|k|M|G|T|)")
_UNITS = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
_UNITS |= {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3, "Ti": 1024**4}


class Target(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {"namespace": "a policy attaches to objects of its own namespace alone"}

    name: Name
    kind: str
    group: str = gatewayapi.GROUP
    section_name: str = ""


class _Namespaces(Schema, frozen=True):
    """Required to have `from`; without it, it says nothing."""

    from_: Literal["All", "Same", "Selector"] = field(default="Same", name="from")
    selector: LabelSelector | None = None


class TargetSelector(Schema, frozen=True):
    kind: str
    group: str = gatewayapi.GROUP
    match_labels: dict[str, str] | None = None
    match_expressions: tuple[Expression, ...] | None = None
    namespaces: _Namespaces | None = None


class Targets(Schema, frozen=True):
    """The part of every policy's spec that says what it attaches to."""

    target_ref: Target | None = None
    target_refs: Annotated[tuple[Target, ...], Meta(max_length=16)] = ()
    target_selectors: tuple[TargetSelector, ...] = ()


class _Attached(LenientObject, frozen=True):
    spec: dict[str, object] = field(default_factory=dict)


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
        namespaces = _namespaces(one.namespaces, report, (*path, "namespaces"))
        namespace = document.namespace if namespaces is None else ""
        key = gatewayapi.target_key(one.group, one.kind, namespace, "")
        if _fits(key, kinds, report, path):
            wanted = LabelSelector(one.match_labels, one.match_expressions)
            selector = labelselector.checked(wanted, report, path)
            found.append(PolicyTarget(key, report.origin.at(*path), selector=selector, namespaces=namespaces))
    if not refs and not spec.target_selectors:
        report.invalid("give targetRefs or targetSelectors", "spec", hint="targetRefs: [{group, kind, name}]")
    return tuple(found)


def _namespaces(wanted: _Namespaces | None, report: Report, path: Path) -> Selector | None:
    """The namespaces of what is selected; None: the policy's own."""
    if wanted is None or wanted.from_ == "Same":
        return None
    if wanted.from_ == "All":
        return Selector()
    if wanted.selector is None:
        report.invalid("from: Selector needs a selector", *path, hint="selector: {matchLabels: {...}}")
        return Selector()
    return labelselector.checked(wanted.selector, report, (*path, "selector"))


def _fits(key: Key, kinds: tuple[str, ...], report: Report, path: Path) -> bool:
    if key.kind in kinds:
        return True
    report.error("unsupported-reference", f"this policy cannot attach to a {key.kind}", *path)
    return False


def closed(document: Document, why: str, kinds: tuple[str, ...]) -> OptionsPolicyIntent | None:
    """What stands for a policy that protects and cannot be read: its targets answer 503, as far as they can be told."""
    raw, _ = decode(document, _Attached)
    spec = raw.spec if raw is not None else {}
    single = (*_legible([spec.get("targetRef")], Target), *_legible(spec.get("targetRefs"), Target))
    readable = Targets(target_refs=single, target_selectors=_selectors(spec.get("targetSelectors")))
    found = targets(readable, document, Report(document), kinds)
    if not found:
        return None
    return OptionsPolicyIntent(key_of(document), document.origin, found, Options(unbuildable=why))


def _selectors(items: object) -> tuple[TargetSelector, ...]:
    """Those that can be read; where they cannot say of which namespaces, it is all."""
    found: list[TargetSelector] = []
    for item in items if isinstance(items, Iterable) and not isinstance(items, (str, Mapping)) else ():
        everywhere = {**item, "namespaces": {"from": "All"}} if isinstance(item, Mapping) else item
        found += _legible([item], TargetSelector) or _legible([everywhere], TargetSelector)
    return tuple(found)


_T = TypeVar("_T", bound=Schema)


def _legible(items: object, kind: type[_T]) -> tuple[_T, ...]:
    """Those of a list that can be read, whatever else is in them."""
    found = []
    known = {one.encode_name for one in msgspec.structs.fields(kind)}
    for item in items if isinstance(items, Iterable) and not isinstance(items, (str, Mapping)) else ():
        with contextlib.suppress(msgspec.ValidationError):
            if isinstance(item, Mapping):
                found.append(msgspec.convert({name: item[name] for name in item if name in known}, kind))
    return tuple(found)


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


def check_networks(cidrs: tuple[str, ...], report: Report, *path: str | int) -> None:
    """Refuse what is no CIDR, which would close or open something else than was meant."""
    for index, cidr in enumerate(cidrs):
        try:
            ipaddress.ip_network(cidr, strict=False)
        except ValueError:
            report.invalid(f"{cidr!r} is not a CIDR", *path, index, hint="write it as 10.0.0.0/8")


def asked(
    refs: tuple[BackendReference, ...], document: Document, report: Report, *path: str | int
) -> BackendRef | None:
    """The backend that is asked about requests; None for none, or several, which is told."""
    if len(refs) != 1:
        report.error("protection-unbuildable", "one backend is expected; what it protects answers 503", *path)
        return None
    return gatewayapi.lower_backend(refs[0], document.namespace, report, path)
