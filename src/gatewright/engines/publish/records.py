"""Record sets of ours as octoDNS's records, and octoDNS's records as ours.

octoDNS ships no types, so its zones and records are Any here and in `planning`; nobody else sees them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY.TXT import TXT
from msgspec import structs

from gatewright.engines.publish import marks
from gatewright.engines.publish.content import RecordSet, Refused
from gatewright.engines.publish.providers.provider import Alias, Client, Provider
from gatewright.graph.names import recorddata
from gatewright.kinds.intents.naming import Record

_PROXIABLE = frozenset({"A", "AAAA", "ALIAS", "CNAME"})
_PROVIDERS_OWN = frozenset({"SOA", "NS"})
_LONGEST_NAME = 253


def empty(domain: str) -> Any:
    """A zone of octoDNS without records."""
    from octodns.zone import Zone  # type: ignore[import-untyped]

    return Zone(f"{domain}.", [])


def wanted(
    domain: str, records: Iterable[Record], provider: Provider, client: Client
) -> tuple[Any, tuple[Refused, ...]]:
    """The zone that a provider is to have, and what it cannot have of these records.

    SOA and NS of the domain itself are the provider's own and left out.
    """
    zone, refused = empty(domain), []
    fitted = [
        _fitted(record, domain, provider)
        for record in records
        if not (record.name == domain and record.type in _PROVIDERS_OWN)
    ]
    for record, reason in _crowded(fitted):
        refused.append(Refused(record.name, record.type, reason))
        fitted.remove(record)
    for record in fitted:
        reason = _unfit(record, domain, provider, client)
        if not reason:
            try:
                zone.add_record(_record(zone, record, provider))
            except ValueError as error:
                reason = str(error)
        if reason:
            refused.append(Refused(record.name, record.type, reason))
    return zone, tuple(refused)


def _fitted(record: Record, domain: str, provider: Provider) -> Record:
    """An ALIAS where only that leads on, a CNAME where that does; whether it can be had is asked later."""
    if record.type == "CNAME" and record.name == domain:
        return structs.replace(record, type="ALIAS")
    if record.type == "ALIAS" and record.name != domain and provider.alias is not Alias.ANYWHERE:
        return structs.replace(record, type="CNAME")
    return record


def _crowded(records: list[Record]) -> list[tuple[Record, str]]:
    """CNAMEs that are not alone at their name (RFC 1034, 3.6.2), and sets that are there twice."""
    types: dict[str, list[str]] = defaultdict(list)
    for record in records:
        types[record.name].append(record.type)
    found = []
    seen = set()
    for record in records:
        at = types[record.name]
        if (record.name, record.type) in seen:
            found.append((record, "it is there twice"))
        elif record.type == "CNAME" and len(set(at)) > 1:
            found.append((record, f"beside a CNAME there can be no {' or '.join(sorted(set(at) - {'CNAME'}))}"))
        seen.add((record.name, record.type))
    return found


def _unfit(record: Record, domain: str, provider: Provider, client: Client) -> str:
    """Why a provider cannot have a record set; "" when it can."""
    if record.type == "ALIAS" and provider.alias is Alias.NOWHERE:
        return f"{provider.name} has no ALIAS and no CNAME for the domain itself: write its addresses"
    if record.type not in client.SUPPORTS:
        return f"{provider.name} has no records of type {record.type}"
    if record.proxied and not provider.proxies:
        return f"{provider.name} proxies nothing: leave proxied out"
    if len(marks.mark_of((record.name, record.type), domain)[0]) > _LONGEST_NAME:
        return "its name is too long for an owner mark beside it"
    return ""


def _record(zone: Any, record: Record, provider: Provider) -> Any:
    """A record of octoDNS.  ValueError with a sentence when it takes it for invalid."""
    from octodns.record import Rrset  # type: ignore[import-untyped]
    from octodns.record.base import Record as Made  # type: ignore[import-untyped]
    from octodns.record.exception import RecordException, ValidationError  # type: ignore[import-untyped]

    texts = [_rdata(record.type, value) for value in record.values]
    lenient = record.type == "ALIAS"  # octoDNS would have it at the apex only, and nothing else of it can be wrong
    try:
        made = Made.from_rrset(zone, Rrset(f"{record.name}.", record.type, record.ttl, texts), lenient=lenient)
    except ValidationError as error:
        raise ValueError("; ".join(map(str, error.reasons))) from None
    except RecordException as error:
        raise ValueError(str(error)) from None
    if record.proxied and provider.proxies and record.type in _PROXIABLE:
        made.octodns["cloudflare"] = {"proxied": True, "auto-ttl": True}
    return made


def _rdata(type_: str, value: str) -> str:
    """A value in presentation format, its names in full.  ValueError for one that is none."""
    if type_ in recorddata.ADDRESSES:
        return value
    if type_ in recorddata.NAMES:
        return f"{value.removesuffix('.')}."
    if type_ in recorddata.TEXTS:
        text: str = TXT(dns.rdataclass.IN, dns.rdatatype.TXT, recorddata.strings(value)).to_text()
        return text
    return recorddata.parsed(type_, value).to_text()


def mark(zone: Any, identity: tuple[str, str], owner: str) -> Any:
    """The owner mark of this identity as a record of octoDNS."""
    from octodns.record import Rrset
    from octodns.record.base import Record as Made

    name, type_ = identity
    return Made.from_rrset(zone, Rrset(f"{name}.", type_, marks.TTL_SECONDS, [marks.mark_value(owner)]), lenient=True)


def record_set(record: Any) -> RecordSet:
    """A record of octoDNS as a value."""
    special = record.octodns.get("cloudflare", {})
    proxied = bool(special.get("proxied"))
    automatic = proxied or bool(special.get("auto-ttl"))
    return RecordSet(
        str(record.fqdn).removesuffix(".").lower(),
        record._type,
        0 if automatic else record.ttl,
        _values(record),
        proxied,
    )


def _values(record: Any) -> tuple[str, ...]:
    if "/" in record._type:  # a provider's own kind of record, which has no presentation format
        return tuple(sorted(map(str, getattr(record, "values", None) or [record.value])))
    return tuple(sorted(map(str, record.to_rrset().rdatas)))


def record_sets(zone: Any) -> dict[tuple[str, str], RecordSet]:
    """All record sets of a zone of octoDNS."""
    return {item.identity: item for item in map(record_set, zone.records)}
