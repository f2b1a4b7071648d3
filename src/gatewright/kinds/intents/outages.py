"""Intents of what does not work: somebody supposes it, or has seen it.  No document says it.

Counterpart: `graph.network.outages`, which puts all of them together.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key


class OutageIntent(Struct, frozen=True):
    """What is down, while this is provided.

    `links` and `resolvers` by name, `machines` by id ("site/name"; a Kubernetes Node of no site: its name), `gateways`
    by id.  A link that is down is as if it were not there; a machine gives no answer, and runs nothing; a resolver is
    silent; a gateway's ports are closed.  `certificates`: those in these Secrets ("namespace/name") ended yesterday.
    """

    key: Key
    origin: Origin
    links: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
