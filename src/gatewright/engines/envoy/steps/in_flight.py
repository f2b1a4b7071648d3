"""Limits of requests at the same time: a matter of the backends' clusters, whose variants say so."""

from __future__ import annotations

from gatewright.graph.nodes import Action, Forward
from gatewright.graph.resolve.upstreams import variants
from gatewright.kinds.intents.filters import InFlight, LimitBy


def is_limited(step: InFlight, action: Action) -> bool:
    """Is it kept by the clusters that the rule sends to?  Nothing is sent by a rule that answers itself."""
    if not isinstance(action, Forward):
        return True
    limits = [variants.decode(share.backend.variant).upstream for share in action.backends if share.backend is not None]
    return step.by is LimitBy.ALL and all((one.max_requests or step.amount + 1) <= step.amount for one in limits)
