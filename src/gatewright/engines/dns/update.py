"""Dynamic updates (RFC 2136) as values: what a request demands and what it changes."""

from __future__ import annotations

import enum

from msgspec import Struct


class Condition(enum.IntEnum):
    """The five prerequisites of RFC 2136, 2.4."""

    SET_EQUALS = 1
    SET_EXISTS = 2
    SET_ABSENT = 3
    NAME_IN_USE = 4
    NAME_NOT_IN_USE = 5


class Prerequisite(Struct, frozen=True, array_like=True):
    """What has to hold; `type` 0 for names, `rdata` sorted for SET_EQUALS."""

    condition: Condition
    name: bytes
    type: int = 0
    rdata: tuple[bytes, ...] = ()


class Action(enum.IntEnum):
    """The four changes of RFC 2136, 2.5."""

    ADD = 1
    DELETE_SET = 2
    DELETE_NAME = 3
    DELETE_RECORD = 4


class Change(Struct, frozen=True, array_like=True):
    """One change; `rdata` for ADD and DELETE_RECORD."""

    action: Action
    name: bytes
    type: int = 0
    ttl: int = 0
    rdata: bytes = b""


class UpdateRequest(Struct, frozen=True):
    """An update that was verified and is allowed, for the control plane to apply.  `zone` is the id of a zone."""

    zone: str
    prerequisites: tuple[Prerequisite, ...]
    changes: tuple[Change, ...]
