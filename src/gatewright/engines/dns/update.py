"""Dynamic updates (RFC 2136) as values, and what becomes of one: `decide`, which the control plane asks.

Counterparts: `intake`, where a worker reads them off the wire; `primary`, which applies them.
"""

from __future__ import annotations

import enum
from typing import Final

from msgspec import Struct

from gatewright.engines.dns.content import RRsets
from gatewright.engines.dns.overlay import Lookup, conflicts, find, with_record, without_record, without_type
from gatewright.engines.dns.wire import NOERROR, NS, NXDOMAIN, REFUSED, SOA
from gatewright.engines.dns.zone import Zone

YXDOMAIN: Final = 6
YXRRSET: Final = 7
NXRRSET: Final = 8

SET_RECORDS: Final = 200
"""A set of more records is refused: hardly an answer could carry it."""


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


def decide(request: UpdateRequest, zone: Zone, static: Lookup, dynamic: Lookup) -> int | dict[bytes, RRsets]:
    """The dynamic record sets that the names of the request have after it; or the response code of one that fails, of
    which nothing is applied (RFC 2136, 3.2 to 3.4).

    What the manifests say stays: who would delete such a record, add to its set, or put a CNAME in its place is
    refused.  A CNAME beside other dynamic records is left out in silence, as is the other way round (3.4.2.2).
    """
    for prerequisite in request.prerequisites:
        failure = _failure(prerequisite, zone)
        if failure:
            return failure
    work: dict[bytes, RRsets] = {}
    for change in request.changes:
        name, fixed = change.name, static(change.name)
        have = work.get(name, dynamic(name))
        if _is_fixed(change, fixed, name == zone.config.domain):
            return REFUSED
        work[name] = _changed(change, have, fixed, name == zone.config.domain)
        if any(len(rrset.rdata) > SET_RECORDS for rrset in work[name]):
            return REFUSED
    return work


def _failure(prerequisite: Prerequisite, zone: Zone) -> int:
    """The response code when it does not hold, else NOERROR (RFC 2136, 3.2)."""
    sets = zone.names.get(prerequisite.name, ())
    if prerequisite.name == zone.config.domain:
        sets = (*sets, zone.soa())
    match prerequisite.condition:
        case Condition.NAME_IN_USE:
            return NOERROR if sets else NXDOMAIN
        case Condition.NAME_NOT_IN_USE:
            return YXDOMAIN if sets else NOERROR
    found = find(sets, prerequisite.type)
    match prerequisite.condition:
        case Condition.SET_EXISTS:
            return NOERROR if found is not None else NXRRSET
        case Condition.SET_ABSENT:
            return NOERROR if found is None else YXRRSET
    return NOERROR if found is not None and found.rdata == prerequisite.rdata else NXRRSET


def _is_fixed(change: Change, static: RRsets, is_apex: bool) -> bool:
    """Would the change touch what the manifests say?"""
    if change.type == SOA:
        return True
    own = find(static, change.type)
    match change.action:
        case Action.ADD:
            return conflicts(static, change.type) or (own is not None and change.rdata not in own.rdata)
        case Action.DELETE_SET:
            return own is not None
        case Action.DELETE_RECORD:
            return own is not None and change.rdata in own.rdata
    return any(not (is_apex and rrset.type == NS) for rrset in static)  # RFC 2136, 3.4.2.3: the apex keeps its NS


def _changed(change: Change, have: RRsets, static: RRsets, is_apex: bool) -> RRsets:
    match change.action:
        case Action.ADD:
            own = find(static, change.type)
            if own is not None or conflicts(have, change.type):
                return have
            return with_record(have, change.type, change.ttl, change.rdata)
        case Action.DELETE_SET:
            return without_type(have, change.type)
        case Action.DELETE_RECORD:
            return without_record(have, change.type, change.rdata)
    return tuple(rrset for rrset in have if is_apex and rrset.type == NS)
