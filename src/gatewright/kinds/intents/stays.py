"""Intents of where something runs that manifests leave open: somebody has decided or seen it.  No document says it.

Counterpart: `outages`, of what does not run.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key


class StayIntent(Struct, frozen=True):
    """The machines ("site/name") on which pods run: of gateways by the ids of these, of Vantages and Resolvers by their
    names, a cluster's own resolver by the cluster's id.  One that is down, or on which a gateway may not run, says
    nothing."""

    key: Key
    origin: Origin
    gateways: tuple[tuple[str, str], ...] = ()
    vantages: tuple[tuple[str, str], ...] = ()
    resolvers: tuple[tuple[str, str], ...] = ()
