"""All planners, one after the other: the description becomes a World."""

from __future__ import annotations

from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.rehearsal.plan import (
    acme,
    clusters,
    doors,
    edges,
    firewalls,
    links,
    names,
    network,
    policies,
    possible,
    vantages,
)
from gatewright.rehearsal.world import Draft, World


def whole(sight: Sight, programs: frozenset[str], texts: tuple[tuple[Key, str], ...] = ()) -> World:
    """A question: the world that is described.  `programs`: which real servers may be used for what they are named;
    `texts`: the configuration files that resolvers of the map name (see `nameserving.inputs`).  UsageError where
    addresses contradict each other, or are too few."""
    draft = Draft()
    draft.programs = programs
    draft.texts = dict(texts)
    network.plan(draft, sight)
    links.plan(draft, sight)
    acme.plan(draft, sight)
    clusters.plan(draft, sight)
    doors.plan(draft, sight)
    vantages.plan(draft, sight)
    edges.plan(draft, sight)
    names.plan(draft, sight)
    edges.finish(draft, sight)
    clusters.finish(draft, sight)
    policies.plan(draft, sight)
    firewalls.plan(draft, sight)
    world = draft.world()
    possible.check(world, (vantage.key.name for vantage in sight.all("Vantage", VantageIntent)))
    return world
