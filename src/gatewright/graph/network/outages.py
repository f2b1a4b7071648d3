"""What is down: everything that is supposed not to work, put together.

Counterparts: `topology`, which leaves links out; `walker` and `placement`, for machines; `names.resolvers`;
`trace.stopped` and `trace.trust`, for gateways and certificates.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.graph.sight import Sight
from gatewright.kinds.intents.outages import OutageIntent

OUTAGE = "Outage"


class Down(Struct, frozen=True):
    """Links and resolvers by name, machines and gateways by id, certificates by their Secret ("namespace/name")."""

    links: frozenset[str] = frozenset()
    machines: frozenset[str] = frozenset()
    resolvers: frozenset[str] = frozenset()
    gateways: frozenset[str] = frozenset()
    certificates: frozenset[str] = frozenset()


def down(sight: Sight) -> Down:
    """A question: what does not work."""
    all_ = sight.all(OUTAGE, OutageIntent)
    return Down(
        frozenset(name for one in all_ for name in one.links),
        frozenset(name for one in all_ for name in one.machines),
        frozenset(name for one in all_ for name in one.resolvers),
        frozenset(name for one in all_ for name in one.gateways),
        frozenset(name for one in all_ for name in one.certificates),
    )


def links_down(sight: Sight) -> frozenset[str]:
    """A question: the links alone."""
    return sight.ask(down).links


def machines_down(sight: Sight) -> frozenset[str]:
    """A question: the machines alone."""
    return sight.ask(down).machines


def resolvers_down(sight: Sight) -> frozenset[str]:
    """A question: the resolvers alone."""
    return sight.ask(down).resolvers


def gateways_down(sight: Sight) -> frozenset[str]:
    """A question: the gateways alone."""
    return sight.ask(down).gateways


def certificates_down(sight: Sight) -> frozenset[str]:
    """A question: the certificates alone."""
    return sight.ask(down).certificates
