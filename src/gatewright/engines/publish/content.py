"""What is planned and reviewed, as values: record sets, changes of them, and what is left as it is.

Names are in full, lower-case, without trailing dot; values are rdata in presentation format (RFC 1035, 5.1), sorted.
Counterpart: `records`, which makes them of octoDNS's records and back.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import msgspec
from msgspec import Struct

from gatewright.kinds.intents.naming import Record

Identity: TypeAlias = tuple[str, str]
"""A name and a type: what a record set is known by."""


class RecordSet(Struct, frozen=True, order=True):
    """A record set at a provider.  `ttl` in seconds, 0 where the provider chooses it."""

    name: str
    type: str
    ttl: int
    values: tuple[str, ...]
    proxied: bool = False

    @property
    def identity(self) -> Identity:
        return self.name, self.type


class Action(enum.StrEnum):
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Change(Struct, frozen=True):
    """One change; `old` None: nothing was there, `new` None: nothing will be.  `mark`: it is an owner mark."""

    action: Action
    name: str
    type: str
    old: RecordSet | None = None
    new: RecordSet | None = None
    mark: bool = False


class Left(Struct, frozen=True):
    """A wanted record set that is not published because of what others have there: `found`."""

    wanted: RecordSet
    reason: str
    found: tuple[RecordSet, ...]

    @property
    def differs(self) -> bool:
        """Is what others have there anything else than what is wanted?"""
        return self.found != (self.wanted,)


class Refused(Struct, frozen=True):
    """A record set that the provider cannot have, and why."""

    name: str
    type: str
    reason: str


class ZonePlan(Struct, frozen=True):
    """What publishing a zone would do.  `id` is "domain/view".

    `unsafe`: why it is held back unless forced, "" when it is not.  `desired` and `existing` are digests of what was
    wanted and of what was found at the names concerned, so that a later look can tell whether either has changed.
    """

    id: str
    domain: str
    provider: str
    changes: tuple[Change, ...]
    left: tuple[Left, ...]
    refused: tuple[Refused, ...]
    desired: str
    existing: str
    unsafe: str = ""


class PublicZone(Struct, frozen=True):
    """A zone as it is described: `settings` as written ("env/NAME" not looked up yet), `records` with TTLs."""

    id: str
    domain: str
    provider: str
    settings: Mapping[str, str]
    owner: str
    records: tuple[Record, ...]


def digest(sets: Iterable[RecordSet], *more: str) -> str:
    """A digest of record sets in any order, and of more words."""
    return hashlib.sha256(msgspec.json.encode([sorted(sets), more])).hexdigest()
