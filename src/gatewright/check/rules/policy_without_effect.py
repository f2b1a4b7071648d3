"""A policy that attaches to nothing, or that another one pushes aside.

A SecurityPolicy, BackendTrafficPolicy or ClientTrafficPolicy names its targets, in its own namespace, or selects them
in others, each of which has to let it with a ReferenceGrant: without one nothing holds there. When the route
or Gateway has another name, or no such rule or listener, the policy is accepted and does nothing: what it was to
protect is open. And of two policies of one kind for the very same target the older alone counts. A policy of a route
takes the place of its Gateway's, unless it merges (`mergeType`): where it says nothing of who may pass, everybody may.

    kind: SecurityPolicy
    metadata: {namespace: shop}
    spec:
      targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}]   # the route is called web-shop

Correct the name, or move the policy to the namespace of its target. Where two attach to the same, make one of both, or
name a rule or listener in `sectionName`.

It is no fault when a chart makes the route, whose manifests are not here; nor when a policy selects by labels and
nothing has them yet.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph.resolve.references import granted
from gatewright.graph.resolve.rules.policies import DISPLACED, aims, policies_at, seniority
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import GatewayIntent, ListenerSetIntent, RouteIntent
from gatewright.kinds.intents.options import OptionsPolicyIntent, PolicyTarget

ID = "policy-without-effect"
_PROTECTING = "SecurityPolicy"


_Target = RouteIntent | GatewayIntent | ListenerSetIntent


def check(sight: Sight, subject: OptionsPolicyIntent | _Target) -> Iterable[Finding]:
    """Policies without a target, and what a policy of another namespace selects and may not have."""
    return _named(sight, subject) if isinstance(subject, OptionsPolicyIntent) else _selected(sight, subject)


def _selected(sight: Sight, subject: _Target) -> Iterable[Finding]:
    """Equal for all of one kind in one namespace, so that they are told once."""
    key = subject.key
    for policy in policies_at(sight, key):
        for target in policy.targets:
            if target.namespaces is None or granted(sight, policy.key, key):
                continue
            if aims(sight, target, key, dict(subject.labels)):
                message = (
                    f"{policy.key} has no effect on any {key.kind} of namespace {key.namespace}: no ReferenceGrant"
                )
                fix = (
                    f"add a ReferenceGrant in namespace {key.namespace}, from {policy.key.kind} in namespace "
                    f"{policy.key.namespace} to {key.kind}"
                )
                yield Finding(ID, Severity.ERROR, message, _lost(policy), fix, (target.origin,))


def _lost(policy: OptionsPolicyIntent) -> str:
    protecting = policy.key.kind == _PROTECTING
    return "what it was to protect is open" if protecting else "what it says does not hold there"


def _named(sight: Sight, policy: OptionsPolicyIntent) -> Iterable[Finding]:
    """Targets of a policy by name that are not there, or that an older one of its kind has."""
    for target in policy.targets:
        if target.selector is not None:
            continue
        why, severity = _missing(sight, target)
        fix = "correct the name, or move the policy to the namespace of its target"
        what = _lost(policy)
        where: tuple[Origin, ...] = (target.origin,)
        if not why:
            older = _older(sight, policy, target)
            if older is None:
                continue
            why, severity, what = f"{older.key} was there first", Severity.WARNING, "what it says does not hold there"
            fix = "make one policy of both, or name a rule or listener in sectionName"
            where = (target.origin, older.origin)
        section = f" ({target.section})" if target.section else ""
        yield Finding(ID, severity, f"{policy.key} has no effect on {target.key}{section}: {why}", what, fix, where)


def _missing(sight: Sight, target: PolicyTarget) -> tuple[str, Severity]:
    """What of a target is not there ("" when all is), and how bad that is: a chart may make a route."""
    sections = _sections(sight, target.key)
    if sections is None:
        return f"{target.key} is not among what was read", Severity.WARNING
    if target.section and target.section not in sections:
        return f"it has no rule or listener {target.section}", Severity.ERROR
    return "", Severity.WARNING


def _sections(sight: Sight, key: Key) -> tuple[str, ...] | None:
    """The names of an object's listeners or rules; None when there is no such object."""
    route = sight.get(key, RouteIntent)
    if route is not None:
        return tuple(rule.name for rule in route.rules)
    door = sight.get(key, GatewayIntent) or sight.get(key, ListenerSetIntent)
    return tuple(item.name for item in door.listeners) if door is not None else None


def _older(sight: Sight, policy: OptionsPolicyIntent, target: PolicyTarget) -> OptionsPolicyIntent | None:
    """An older policy of the same kind that names the very same target."""
    rivals = (
        other
        for other in policies_at(sight, target.key)
        if other.key != policy.key and other.key.kind == policy.key.kind and seniority(other) < seniority(policy)
        if any(aim.key == target.key and aim.section == target.section for aim in other.targets)
    )
    return min(rivals, key=seniority, default=None)


RULE = Rule(
    ID,
    "a policy that attaches to nothing",
    Severity.ERROR,
    Scope.OBJECT,
    __doc__,
    check,
    kinds=(OptionsPolicyIntent, RouteIntent, GatewayIntent, ListenerSetIntent),
    lifts=(DISPLACED,),
    consequence="whom the wider policy keeps out passes there",
    fix="repeat it in the nearer policy, or have that merge",
)
