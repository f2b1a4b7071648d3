"""ReferenceGrant (Gateway API): who may refer to objects of this namespace from another one."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds.decode import Object, Report, Schema, decode, key_of
from gatewright.kinds.gateway_api import gatewayapi
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.material import Grant, GrantIntent
from gatewright.kinds.kind import Kind


class _From(Schema, frozen=True):
    group: str
    kind: str
    namespace: str


class _To(Schema, frozen=True):
    group: str
    kind: str
    name: str = ""


class _Spec(Schema, frozen=True):
    from_: Annotated[tuple[_From, ...], Meta(min_length=1, max_length=16)] = field(name="from")
    to: Annotated[tuple[_To, ...], Meta(min_length=1, max_length=16)]


class ReferenceGrant(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower a ReferenceGrant: every `from` with every `to`."""
    grant, problems = decode(document, ReferenceGrant)
    report = Report(document, problems)
    if grant is None:
        return report.lowered(None)
    pairs = tuple(
        Grant(
            gatewayapi.kind_name(source.group, source.kind),
            source.namespace,
            gatewayapi.kind_name(target.group, target.kind),
            target.name,
        )
        for source in grant.spec.from_
        for target in grant.spec.to
    )
    return report.lowered(GrantIntent(key_of(document), document.origin, pairs))


KIND = Kind(
    "ReferenceGrant",
    tuple(f"{gatewayapi.GROUP}/{version}" for version in ("v1", "v1beta1", "v1alpha2")),
    lower,
)
