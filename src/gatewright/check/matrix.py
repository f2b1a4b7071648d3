"""The matrix: what every hostname means from every vantage in each family.  One `Row` per hostname."""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.trace.journey import Limits, Trust


class Fate(Struct, frozen=True):
    """How one branch ends, without its hops: what the matrix and the rules need of it.

    `kind` an OutcomeKind's value; `at` the hop where it failed; `words` "delivered to X via Y" or "fails at Z: why".
    """

    kind: str
    words: str
    status: int = 0
    resolver: str = ""
    address: str = ""
    gateway: str = ""
    listener: str = ""
    rule: str = ""
    backend: str = ""
    at: str = ""
    location: str = ""
    gateways: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = ()
    limits: Limits = Limits()
    trust: Trust = Trust.NONE


class Cell(Struct, frozen=True):
    """One vantage and family.  `fates`: one per branch, equal ones once.  `outcome`: in one line, the worst first."""

    vantage: str
    family: str
    outcome: str
    kind: str
    fates: tuple[Fate, ...]


class Row(Struct, frozen=True):
    """One hostname.  `host` as routes write it (perhaps a wildcard), `url` what was asked in its place."""

    host: str
    url: str
    cells: tuple[Cell, ...]
