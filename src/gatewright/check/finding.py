"""Findings: faults of the whole, as values.  Their counterpart for one document is the Problem."""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity


class Patch(Struct, frozen=True, gc=False):
    """A change that mends it: set the field at `origin` to `value` (YAML), or remove it when `value` is None."""

    origin: Origin
    value: str | None


class Finding(Struct, frozen=True):
    """One fault.  `message` says what is wrong, `consequence` what a user meets, `fix` what to do: a sentence each.

    `origins`: the place to mend first, then what else is part of it; never empty.  `vantages` and `hosts` say whom it
    concerns ("" tuples: everybody who comes that way).  `snippet`: a manifest to add, such as a ReferenceGrant.
    """

    id: str
    severity: Severity
    message: str
    consequence: str
    fix: str
    origins: tuple[Origin, ...]
    vantages: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    patch: Patch | None = None
    snippet: str = ""
