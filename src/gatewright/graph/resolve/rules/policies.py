"""Which policies hold where: those of Envoy Gateway that attach to gateways, listeners, routes and rules.

Of each kind the most specific one counts alone (rule, route, listener, set of listeners, gateway), then the oldest; one
that merges is laid over the next wider one.  Counterparts: `options`, for what they amount to at a rule;
`door_options`, for what they say of the door itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import Gateway
from gatewright.graph.objects import OPTIONS_POLICIES, View
from gatewright.graph.resolve.references import NAME_LABEL, granted, selects
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import GatewayIntent, ListenerSetIntent, RouteIntent
from gatewright.kinds.intents.filters import Authorize, BasicAuth, Jwt, RateLimit
from gatewright.kinds.intents.material import NamespaceIntent
from gatewright.kinds.intents.options import NOTHING, Options, OptionsPolicyIntent, PolicyTarget, laid_over
from gatewright.kinds.intents.routing import RuleIntent

if TYPE_CHECKING:  # rules of `check` look at policies, too
    from gatewright.graph.sight import Sight

RULE, ROUTE, LISTENER, SET_LISTENER, SET, GATEWAY = range(6)
"""How near a policy is to a rule: the smaller, the nearer.  A set's own listener is as near as a gateway's."""
DISPLACED = "policy-displaced"
Labels = tuple[tuple[str, str], ...]


class Attached(Struct, frozen=True):
    """A policy at a place."""

    place: int
    policy: OptionsPolicyIntent

    @property
    def rank(self) -> tuple[int, str, Key]:
        return (self.place, *seniority(self.policy))


def seniority(policy: OptionsPolicyIntent) -> tuple[str, Key]:
    """What orders policies for the same: the oldest is first, those of unknown age last."""
    return policy.created or "~", policy.key


def policies_at(view: View | Sight, key: Key) -> list[OptionsPolicyIntent]:
    """The policies that may attach to an object: by its name, by labels, or by those of its namespace."""
    named = view.listed(OPTIONS_POLICIES, key, OptionsPolicyIntent)
    near = view.listed(OPTIONS_POLICIES, structs.replace(key, name=""), OptionsPolicyIntent)
    far = view.listed(OPTIONS_POLICIES, Key(key.kind, "", ""), OptionsPolicyIntent)
    return named + near + far


def aims(view: View | Sight, target: PolicyTarget, key: Key, labels: Mapping[str, str]) -> bool:
    """Does a policy mean this object, whatever the section, and whether it may or not?

    A namespace whose labels nobody gave is meant: what protects would leave it open.
    """
    if target.selector is None:
        return target.key == key
    if target.namespaces is None:
        return structs.replace(target.key, name=key.name) == key and selects(target.selector, labels)
    if target.key.kind != key.kind or not selects(target.selector, labels):
        return False
    namespace = view.get(Key("Namespace", "", key.namespace), NamespaceIntent)
    return namespace is None or selects(target.namespaces, dict(namespace.labels) | {NAME_LABEL: key.namespace})


def _attached(view: View, key: Key, labels: Labels | None, sections: Mapping[str, int]) -> Iterator[Attached]:
    """The policies at an object, for it as a whole or for one of its sections; labels None: those that it has."""
    for policy in policies_at(view, key):
        for target in policy.targets:
            if target.section not in sections:
                continue
            own = labels if labels is not None or target.selector is None else _labels(view, key)
            if aims(view, target, key, dict(own or ())) and granted(view, policy.key, key):
                yield Attached(sections[target.section], policy)


def _labels(view: View, key: Key) -> Labels:
    owner = view.get(key, GatewayIntent) or view.get(key, ListenerSetIntent)
    return owner.labels if owner is not None else ()


def at_listener(view: View, gateway: Key, listener: str) -> list[Attached]:
    """The policies that hold at a listener, the nearest first.  `listener`: its name at its gateway."""
    namespace, _, rest = listener.partition("/")
    group, _, section = rest.partition("/")
    found = list(_attached(view, gateway, None, {listener: LISTENER, "": GATEWAY}))
    if section:
        key = Key("ListenerSet", namespace, group)
        found += _attached(view, key, None, {section: SET_LISTENER, "": SET})
    return sorted(found, key=lambda one: one.rank)


def effective(view: View, gateway: Gateway, listener: str, route: RouteIntent, rule: RuleIntent | None) -> Options:
    """What policies say of a rule.  What asks who may pass comes before what limits and shapes requests."""
    found = NOTHING
    for _, rivals in sorted(_rivals(view, gateway, listener, route, rule).items(), reverse=True):
        found = laid_over(found, _merged(rivals))  # SecurityPolicy before BackendTrafficPolicy
    # What is said of the door itself is its listener's already, see `door_options.by_policy`.
    return structs.replace(found, door=None, client=None) if found.door or found.client else found


def opened(
    view: View, gateway: Gateway, listener: str, route: RouteIntent, rule: RuleIntent | None
) -> Iterator[Problem]:
    """A Problem for each policy of a route that pushes aside a wider one, and asks less of who may pass than that."""
    for rivals in _rivals(view, gateway, listener, route, rule).values():
        said = _merged(rivals)
        if said.unbuildable:
            continue  # nobody passes
        asked = _asked(said)
        nearest = next((one for one in rivals if not one.policy.merges), rivals[0])
        places = {nearest.place}
        for one in rivals:
            if one.place < nearest.place or one.place in places:
                continue  # the older one of a place counts
            places.add(one.place)
            if nearest.place <= ROUTE and (lost := sorted(_asked(one.policy.options, locks=True) - asked)):
                what = " and ".join(lost)
                message = (
                    f"at {route.key} {nearest.policy.key} takes the place of {one.policy.key}, whose {what} is lost"
                )
                hint = f"repeat it in {nearest.policy.key.name}, or have that merge (mergeType: StrategicMerge)"
                yield Problem(DISPLACED, message, nearest.policy.origin, Severity.WARNING, hint)


def _asked(options: Options, *, locks: bool = False) -> frozenset[str]:
    """What is said of who may pass; `locks`: where it may keep somebody out."""
    return frozenset(_questions(options, locks=locks))


def _questions(options: Options, *, locks: bool) -> Iterator[str]:
    if locks and options.unbuildable:
        yield "protection"
    if options.auth or any(isinstance(item, BasicAuth | Jwt) for item in options.filters):
        yield "authentication"
    for item in options.filters:
        if isinstance(item, Authorize) and not (locks and item.allow and all(one.allow for one in item.rules)):
            yield "authorization"


def _rivals(
    view: View, gateway: Gateway, listener: str, route: RouteIntent, rule: RuleIntent | None
) -> dict[str, list[Attached]]:
    """The policies that hold at a rule by their kind, the nearest first."""
    sections = {"": ROUTE}
    if rule is not None and rule.name:
        sections[rule.name] = RULE
    near = sorted(_attached(view, route.key, route.labels, sections), key=lambda one: one.rank)
    ranked: dict[str, list[Attached]] = {}
    for one in (*near, *at_listener(view, gateway.key, listener)):
        ranked.setdefault(one.policy.key.kind, []).append(one)
    return ranked


def _merged(rivals: list[Attached]) -> Options:
    """The nearest, laid over the next wider one where it merges.  Limits of both hold; of the rest the nearer's."""
    nearest, *others = rivals
    wider = [one for one in others if one.place > nearest.place]
    if not nearest.policy.merges or not wider:
        return nearest.policy.options
    below, own = _merged(wider), nearest.policy.options
    replaced = {type(item) for item in own.filters} - {RateLimit}
    kept = tuple(item for item in below.filters if type(item) not in replaced)
    return laid_over(structs.replace(below, filters=kept), own)
