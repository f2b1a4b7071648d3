"""May this object refer to that one?  Gateway API's ReferenceGrant and label selectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gatewright.graph.objects import View
from gatewright.kinds.identity import Key, Selector
from gatewright.kinds.intents.doors import AllowedRoutes
from gatewright.kinds.intents.material import GrantIntent, NamespaceIntent

if TYPE_CHECKING:  # rules of `check` ask, too
    from gatewright.graph.sight import Sight

GATEWAY_GROUP = "gateway.networking.k8s.io"
CORE_KINDS = frozenset({"Service", "Secret", "ConfigMap"})
GROUPS = {"Backend": "gateway.envoyproxy.io"}
GRANT = """\
apiVersion: {gateway_group}/v1
kind: ReferenceGrant
metadata:
  name: {source.namespace}-to-{target.name}
  namespace: {target.namespace}
spec:
  from:
    - group: {gateway_group}
      kind: {source.kind}
      namespace: {source.namespace}
  to:
    - group: {group}
      kind: {target.kind}
      name: {target.name}
"""
NAME_LABEL = "kubernetes.io/metadata.name"


def granted(view: View | Sight, source: Key, target: Key) -> bool:
    """Is a reference allowed: within one namespace, or by a ReferenceGrant in that of `target` (GEP-709)?"""
    if source.namespace == target.namespace:
        return True
    grants = view.listed("grants", target.namespace, GrantIntent)
    return any(
        pair.from_kind == source.kind
        and pair.from_namespace == source.namespace
        and pair.to_kind == target.kind
        and pair.to_name in ("", target.name)
        for intent in grants
        for pair in intent.grants
    )


def grant_hint(source: Key, target: Key) -> str:
    """What would allow it, in a few words."""
    return (
        f"add a ReferenceGrant in namespace {target.namespace}, from {source.kind} in namespace {source.namespace} "
        f"to {target.kind} {target.name}"
    )


def grant(source: Key, target: Key) -> str:
    """The ReferenceGrant that would allow it, ready to apply."""
    group = '""' if target.kind in CORE_KINDS else GROUPS.get(target.kind, GATEWAY_GROUP)
    return GRANT.format(source=source, target=target, gateway_group=GATEWAY_GROUP, group=group)


def selects(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Does a Kubernetes label selector match these labels?  An empty selector matches everything."""
    if any(labels.get(key) != value for key, value in selector.labels):
        return False
    return all(_expression(labels.get(key), operator, values) for key, operator, values in selector.expressions)


def _expression(value: str | None, operator: str, values: tuple[str, ...]) -> bool:
    match operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False


def namespace_allowed(view: View, allowed: AllowedRoutes, owner: str, namespace: str) -> bool:
    """May objects of `namespace` attach to something in namespace `owner` that allows `allowed`?"""
    match allowed.namespaces:
        case "All":
            return True
        case "Same":
            return namespace == owner
        case "Selector":
            found = view.get(Key("Namespace", "", namespace), NamespaceIntent)
            labels = dict(found.labels) if found else {}
            labels[NAME_LABEL] = namespace
            return allowed.selector is not None and selects(allowed.selector, labels)
        case _:
            return False
