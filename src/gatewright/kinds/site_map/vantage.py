"""Vantage (gatewright.dev/v1alpha1): where requests start, with which resolvers, address families and trust store.

A phone in the living room and the same phone on the road are two of them.  A pod of a cluster is one too, where its
network policies matter.  docs/site-map.md explains each field.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from gatewright.base.document import Document
from gatewright.kinds.decode import Object, Report, Schema, decode, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.site_map import sitemap

PUBLIC = "public"
"""The certificate authorities that every device trusts."""


class _Reference(Schema, frozen=True):
    name: sitemap.Name
    namespace: str = "default"


class _Authority(Schema, frozen=True):
    """A Secret or ConfigMap with a `ca.crt`; exactly one of the two."""

    secret: _Reference | None = None
    config_map: _Reference | None = None


class _Pod(Schema, frozen=True):
    """A pod as network policies see it."""

    namespace: sitemap.Name
    labels: dict[str, str] = field(default_factory=dict)


class _Spec(Schema, frozen=True):
    network: str = ""
    node: str = ""
    cluster: str = ""
    pod: _Pod | None = None
    addresses: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    families: tuple[Literal[4, 6], ...] = (4, 6)
    trust: tuple[str | _Authority, ...] = (PUBLIC,)


class Vantage(Object, frozen=True, kw_only=True):
    spec: _Spec


class _From(Struct, frozen=True):
    """The pod that a Vantage is, if it is one."""

    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()


def lower(document: Document) -> Lowered:
    """Lower a Vantage."""
    vantage, problems = decode(document, Vantage)
    report = Report(document, problems)
    if vantage is None:
        return report.lowered(None)
    spec = vantage.spec
    at = sitemap.spot(sitemap.Place(spec.network, spec.node, spec.cluster), report, "spec")
    pod = _pod(spec, report)
    if not spec.families:
        report.invalid("has neither IPv4 nor IPv6", "spec", "families", hint="write [4, 6], [4] or [6]")
    if len(set(spec.families)) < len(spec.families):
        report.invalid("lists a family twice", "spec", "families")
    addresses = sitemap.each(spec.addresses, sitemap.address, report, "spec", "addresses")
    for index, address in enumerate(addresses):
        if spec.families and sitemap.family(address) not in spec.families:
            message = f"{address} is of a family that spec.families does not have"
            report.invalid(message, "spec", "addresses", index)
    trust = [_trusted(item, index, report) for index, item in enumerate(spec.trust)]
    if at is None:
        return report.lowered(None)
    intent = VantageIntent(
        key=key_of(document),
        origin=document.origin,
        at=at,
        addresses=addresses,
        resolvers=sitemap.each(spec.resolvers, sitemap.address_or_name, report, "spec", "resolvers"),
        families=tuple(map(str, spec.families)),
        trust=tuple(item for item in trust if item),
        namespace=pod.namespace,
        labels=pod.labels,
    )
    return report.lowered(intent)


def _pod(spec: _Spec, report: Report) -> _From:
    if spec.pod is None:
        return _From()
    if not spec.cluster:
        report.invalid("a pod is in a cluster", "spec", "pod", hint="name the cluster instead of a network or node")
    return _From(spec.pod.namespace, sitemap.labels(spec.pod.labels))


def _trusted(item: str | _Authority, index: int, report: Report) -> str:
    """An authority as VantageIntent names it, "" when it is none."""
    path = ("spec", "trust", index)
    if isinstance(item, str):
        if item == PUBLIC:
            return item
        report.invalid(f"{item!r} is no authority", *path, hint="write public, or refer to a secret or configMap")
        return ""
    if (item.secret is None) == (item.config_map is None):
        report.invalid("names no single authority", *path, hint="give either secret or configMap")
        return ""
    kind, found = ("Secret", item.secret) if item.secret is not None else ("ConfigMap", item.config_map)
    return f"{kind}:{found.namespace}/{found.name}" if found is not None else ""


KIND = Kind("Vantage", (sitemap.API_VERSION,), lower, namespaced=False)
