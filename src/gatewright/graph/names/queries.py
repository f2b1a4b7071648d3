"""A walk after a name so far, and how it ends.

It asks nobody.  Counterpart: `resolvers`, which goes from one to the next.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.graph.names.nodes import NameStep, Resolution, Status
from gatewright.graph.network.nodes import Place
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import Override, Record

MAX_STEPS = 16
"""Who is asked more often than this in one walk gives it up."""

Answers = tuple[Resolution, ...]


class Query(Struct, frozen=True, gc=False):
    """A walk so far.  `first`: whom the client asked; `seen`: (resolver, name) pairs that were asked already.

    `asker`: whoever asks next, a client's place or the Key of a resolver that passes the query on.
    """

    name: str
    type: str
    first: str
    asked: tuple[str, ...] = ()
    steps: tuple[NameStep, ...] = ()
    seen: tuple[tuple[str, str], ...] = ()
    asker: Place | Key | None = None

    def said(self, who: str, summary: str, origin: Origin | None = None) -> Query:
        """The walk with one more step."""
        steps = (*self.steps, NameStep(who, summary, origin))
        return Query(self.name, self.type, self.first, self.asked, steps, self.seen, self.asker)

    def for_name(self, name: str) -> Query:
        """The same walk, now after another name."""
        return Query(name, self.type, self.first, self.asked, self.steps, self.seen, self.asker)

    def past(self, who: str) -> Query:
        """The same walk, with its name noted as asked of somebody."""
        seen = (*self.seen, (who, self.name))
        return Query(self.name, self.type, self.first, self.asked, self.steps, seen, self.asker)

    def from_(self, asker: Key) -> Query:
        """The same walk, passed on by a resolver."""
        return Query(self.name, self.type, self.first, self.asked, self.steps, self.seen, asker)

    def ended(self, status: Status, origin: Origin | None = None, zone: Key | None = None) -> Answers:
        """The walk ends without records."""
        return (Resolution(status, self.first, self.asked, self.steps, canonical=self.name, zone=zone, origin=origin),)

    def answered(self, record: Record | Override, zone: Key | None = None) -> Answers:
        """The walk ends at the records of its name."""
        return (
            Resolution(
                Status.ANSWER,
                self.first,
                self.asked,
                self.steps,
                addresses=record.values,
                canonical=self.name,
                ttl=record.ttl if isinstance(record, Record) else 0,
                zone=zone,
                origin=record.origin,
            ),
        )
