"""A route is not attached, or refers to something that it may not refer to.

A route asks to be taken, and the gateway decides: the parent has to exist under that name and namespace, `sectionName`
and `port` have to be a listener's, one of the route's hostnames has to lie within the listener's, and the listener's
`allowedRoutes` has to admit the route's namespace and kind (by default only the Gateway's own namespace).  A backend or
certificate in another namespace needs a ReferenceGrant there.  kubectl applies all of it without a word; only the
status tells, to those who look.

    kind: HTTPRoute
    metadata: {name: shop, namespace: shop}
    spec:
      parentRefs: [{name: public, namespace: edge, sectionName: https}]   # allowedRoutes: {namespaces: {from: Same}}
      hostnames: [shop.example.net]                                       # the listener's hostname: *.example.com

The message names the rule that refused it.  Correct the reference, or let the gateway's owner admit the namespace:

    allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {gateway: public}}}}

For a reference across namespaces add the ReferenceGrant that the finding prints, in the namespace referred to (Gateway
API, ReferenceGrant, GEP-709); a ListenerSet needs `allowedListeners` on its Gateway.

It is no fault where the Gateway is in another repository, which is why a missing parent is only a warning.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "route-not-attached",
    "a route that a gateway does not take",
    Severity.ERROR,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "not-attached",
        "listener-set-not-admitted",
        "no-parent",
        "reference-not-permitted",
    ),
    consequence="clients of these hosts get the gateway's 404, or another route's answer",
    fix="correct the parentRef, or let the gateway's owner admit the route",
)
