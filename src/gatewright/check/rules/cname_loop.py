"""Aliases that lead back to where they began: the name has no address.

A CNAME says "see there".  Where "there" is an alias in turn that leads back, every resolver gives up after some
steps and answers SERVFAIL; nobody says which of the records is the wrong one.  It often comes of a wildcard alias
whose own target lies below it and has lost its record, or of two views of one zone that alias into each other.

    kind: Zone
    spec:
      domain: example.com
      records:
        - {name: app, values: [www.example.com]}
        - {name: www, values: [app.example.com]}

Make one of the names on the circle an address again.  So many aliases one after another that resolvers give up (Knot
Resolver does after 13; here it is 16) are told here as well.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Row
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names
from gatewright.graph.names.nodes import NameStep, Resolution, Status
from gatewright.graph.names.queries import MAX_STEPS
from gatewright.graph.sight import Sight

ID = "cname-loop"
ALIASES = (" CNAME ", " ALIAS ")


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name whose aliases go round in a circle."""
    for cell, who, item in _names.unanswered(sight, row):
        found = circle(item, _names.asked(row.host))
        chain = () if found else endless(item)
        if found or chain:
            names = [name for name, _ in found or chain]
            yield Finding(
                ID,
                Severity.ERROR,
                f"aliases go round in a circle: {' → '.join((*names, names[0]))}"
                if found
                else f"aliases lead on and on: {' → '.join(names)} → …",
                "the name has no address: resolvers give up and answer SERVFAIL",
                f"give {names[0]} an address, or an alias that ends at one",
                _names.places(*(step.origin for _, step in found or chain)) or (who.origin,),
                (cell.vantage,),
                (row.host,),
            )


def circle(item: Resolution, asked: str) -> tuple[tuple[str, NameStep], ...]:
    """The aliases on the circle with the step that tells of each, from the first of the names in order.

    Nothing where it is the resolvers that go round: then the last name was come to only once.
    """
    if item.status is not Status.LOOP:
        return ()
    targets = [(_target(step), step) for step in item.steps if _target(step)]
    last = item.canonical
    starts = [index for index, (target, _) in enumerate(targets) if target == last]
    if not starts or (len(starts) == 1 and asked != last):
        return ()
    # The steps after which the last name is come to again; each is told by the name before it.
    begin = starts[-2] + 1 if len(starts) > 1 else 0
    steps = targets[begin : starts[-1] + 1]
    names = [last, *(target for target, _ in steps[:-1])]
    turn = names.index(min(names))
    pairs = [(name, step) for name, (_, step) in zip(names, steps, strict=True)]
    return tuple(pairs[turn:] + pairs[:turn])


def endless(item: Resolution) -> tuple[tuple[str, NameStep], ...]:
    """The targets of so many aliases one after another that nobody follows them to the end."""
    if item.status is not Status.LOOP:
        return ()
    targets = tuple((target, step) for step in item.steps if (target := _target(step)))
    return targets if len(targets) >= MAX_STEPS else ()


def _target(step: NameStep) -> str:
    return next((step.summary.rpartition(word)[2] for word in ALIASES if word in step.summary), "")


RULE = Rule(ID, "aliases that go round in a circle", Severity.ERROR, Scope.NAME, __doc__, check)
