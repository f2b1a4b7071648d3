"""ListenerSet (Gateway API) and its experimental form XListenerSet: listeners that are added to a Gateway."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gatewright.base.document import Document
from gatewright.kinds.decode import Object, Report, Schema, decode
from gatewright.kinds.gateway_api import gatewayapi
from gatewright.kinds.gateway_api.gateway import Listener, lower_listeners
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.doors import ListenerSetIntent
from gatewright.kinds.kind import Kind


class _Parent(Schema, frozen=True):
    name: gatewayapi.Name
    group: str = gatewayapi.GROUP
    kind: str = "Gateway"
    namespace: str = ""


class _Spec(Schema, frozen=True):
    parent_ref: _Parent
    listeners: Annotated[tuple[Listener, ...], Meta(min_length=1, max_length=64)]


class ListenerSet(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower a ListenerSet or XListenerSet; both are known as ListenerSet from here on."""
    listener_set, problems = decode(document, ListenerSet)
    report = Report(document, problems)
    if listener_set is None:
        return report.lowered(None)
    parent = listener_set.spec.parent_ref
    key = gatewayapi.target_key(parent.group, parent.kind, parent.namespace or document.namespace, parent.name)
    if key.kind != "Gateway":
        report.error("unsupported-reference", "the parent has to be a Gateway", "spec", "parentRef", "kind")
    intent = ListenerSetIntent(
        key=Key("ListenerSet", document.namespace, document.name),
        origin=document.origin,
        parent=key,
        listeners=lower_listeners(listener_set.spec.listeners, document, report),
        created=listener_set.metadata.created,
        labels=listener_set.metadata.marks,
    )
    return report.lowered(intent)


KINDS = (
    Kind("ListenerSet", (f"{gatewayapi.GROUP}/v1",), lower),
    Kind("XListenerSet", (f"{gatewayapi.EXPERIMENTAL_GROUP}/v1alpha1",), lower),
)
