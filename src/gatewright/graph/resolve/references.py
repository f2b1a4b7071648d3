"""May this object refer to that one?  Gateway API's ReferenceGrant and label selectors."""

from __future__ import annotations

from collections.abc import Mapping

from gatewright.graph.objects import View
from gatewright.kinds.intents import AllowedRoutes, GrantIntent, Key, NamespaceIntent, Selector

NAME_LABEL = "kubernetes.io/metadata.name"


def granted(view: View, source: Key, target: Key) -> bool:
    """Is a reference from `source` to `target` allowed: same namespace, or a ReferenceGrant in the target's (GEP-709)."""
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
    """The ReferenceGrant that would allow it, ready to paste."""
    return (
        f"add a ReferenceGrant in namespace {target.namespace}: "
        f"from {source.kind} in {source.namespace} to {target.kind} {target.name}"
    )


def selects(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Does a Kubernetes label selector match these labels?  An empty selector matches everything."""
    for key, value in selector.labels:
        if labels.get(key) != value:
            return False
    for key, operator, values in selector.expressions:
        value = labels.get(key)
        held = {
            "In": value is not None and value in values,
            "NotIn": value is None or value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }.get(operator, False)
        if not held:
            return False
    return True


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
