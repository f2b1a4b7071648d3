"""An UPDATE off the wire to an UpdateRequest: its form (RFC 2136, 2 and 3.4.1) and whether its key grants it.

Nothing of the zone's contents is judged here, except which types a deletion of a whole name concerns.  Counterpart:
`update`, which decides what becomes of the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from gatewright.engines.dns.content import GrantConfig, KeyConfig
from gatewright.engines.dns.records import META_TYPES, MalformedError, Message, Record, is_within, rdata
from gatewright.engines.dns.update import Action, Change, Condition, Prerequisite, UpdateRequest
from gatewright.engines.dns.wire import ANY, AXFR, DNAME, FORMERR, IN, NS, REFUSED, SOA
from gatewright.engines.dns.zone import Zone

NOTZONE: Final = 10
NONE: Final = 254
"""The class that deletes (RFC 2136, 2.4 and 2.5)."""

SIGNATURES: Final = frozenset({46, 47, 50})
"""RRSIG, NSEC and NSEC3 are made by who signs the zone, not by updates (RFC 3007, 4.3)."""

REACHING: Final = frozenset({NS, DNAME})
"""These decide about every name below their own, so that a grant for all types has to be for those, too."""


def take(message: Message, zone: Zone, key: KeyConfig, grants: Sequence[GrantConfig]) -> UpdateRequest | int:
    """The request, or the response code for one that is malformed, leaves the zone or was not granted."""
    domain = zone.config.domain
    if any(not is_within(record.name, domain) for record in (*message.answers, *message.authorities)):
        return NOTZONE
    try:
        prerequisites = _prerequisites(message)
        changes = tuple(_change(message, record) for record in message.authorities)
    except MalformedError:
        return FORMERR
    mine = [grant for grant in grants if grant.key == key.name]
    granted: list[Change] = []
    for change in changes:
        for part in _by_type(change, zone, mine, granted):
            if not _is_granted(part, domain, mine):
                return REFUSED
            granted.append(part)
    return UpdateRequest(zone.config.id, prerequisites, tuple(granted))


def _prerequisites(message: Message) -> tuple[Prerequisite, ...]:
    """RFC 2136, 2.4 and 3.2.  Records of one set make one condition together."""
    conditions: list[Prerequisite] = []
    values: dict[tuple[bytes, int], set[bytes]] = {}
    for record in message.answers:
        if record.ttl:
            raise MalformedError
        if record.rclass == IN:
            _check_type(record.type)
            values.setdefault((record.name, record.type), set()).add(rdata(message.wire, record))
        elif record.rclass in (ANY, NONE) and record.start == record.end:
            conditions.append(_condition(record))
        else:
            raise MalformedError
    equal = (
        Prerequisite(Condition.SET_EQUALS, name, type, tuple(sorted(data))) for (name, type), data in values.items()
    )
    return (*conditions, *equal)


def _condition(record: Record) -> Prerequisite:
    exists = record.rclass == ANY
    if record.type == ANY:
        return Prerequisite(Condition.NAME_IN_USE if exists else Condition.NAME_NOT_IN_USE, record.name)
    _check_type(record.type)
    return Prerequisite(Condition.SET_EXISTS if exists else Condition.SET_ABSENT, record.name, record.type)


def _change(message: Message, record: Record) -> Change:
    """RFC 2136, 2.5 and 3.4.1.3."""
    if record.rclass == IN:
        _check_type(record.type)
        return Change(Action.ADD, record.name, record.type, record.ttl, rdata(message.wire, record))
    if record.ttl:
        raise MalformedError
    if record.rclass == NONE:
        _check_type(record.type)
        return Change(Action.DELETE_RECORD, record.name, record.type, 0, rdata(message.wire, record))
    if record.rclass != ANY or record.start != record.end:
        raise MalformedError
    if record.type == ANY:
        return Change(Action.DELETE_NAME, record.name)
    _check_type(record.type)
    return Change(Action.DELETE_SET, record.name, record.type)


def _check_type(type: int) -> None:
    if type in (ANY, AXFR) or type in META_TYPES:
        raise MalformedError


def _by_type(change: Change, zone: Zone, grants: Sequence[GrantConfig], earlier: Iterable[Change]) -> Iterable[Change]:
    """Deleting a name deletes each type that is there, so that each is granted on its own; who may change every type
    there deletes the name itself, whatever comes in between."""
    if change.action is not Action.DELETE_NAME:
        return (change,)
    if any(_covers(grant, change.name) and not grant.types for grant in grants):
        return (change,)
    types = {rrset.type for rrset in zone.names.get(change.name, ())}
    types |= {other.type for other in earlier if other.name == change.name and other.action is Action.ADD}
    if change.name == zone.config.domain:
        types.discard(NS)  # RFC 2136, 3.4.2.3: those of the apex stay
    return [Change(Action.DELETE_SET, change.name, type) for type in sorted(types)]


def _is_granted(change: Change, domain: bytes, grants: Iterable[GrantConfig]) -> bool:
    if change.type == SOA or change.type in SIGNATURES:
        return False
    for grant in grants:
        if not _covers(grant, change.name):
            continue
        if change.type in grant.types:
            return True
        if grant.types or (change.type == NS and change.name == domain):
            continue
        if change.type not in REACHING or _covers(grant, b"\x01*" + change.name):
            return True
    return False


def _covers(grant: GrantConfig, name: bytes) -> bool:
    if not grant.names:
        return True
    for pattern in grant.names:
        if name == pattern:
            return True
        if pattern.startswith(b"\x01*") and name != pattern[2:] and is_within(name, pattern[2:]):
            return True
    return False
