"""What a name server answers: its own words, what it has of zones, and what those say whom it asks.

Zones are looked up as RFC 1034 (4.3.2), 2308 and 4592 have it; forwarders as their programs document it.  Counterpart:
`nameserver`, which has the sockets and the Behaviours.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from msgspec import Struct

from gatewright.rehearsal.nameserving.behaviour import Behaviour, Forward, RecordSet, Rewrite, ZoneData

MOST_STEPS: Final = 16
"""Aliases that are followed for one query."""

NEGATIVE_SECONDS: Final = 60

NEXT_SECONDS: Final = 1.0
"""After how long somebody else is asked as well."""

PRIVATE: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16",
        "fc00::/7", "fe80::/10", "::1/128",
    )
)  # fmt: skip
"""What rebind protection takes for private (RFC 1918, 3927, 4193, 4291)."""


class Said(Struct, frozen=True):
    """An answer: its code and its sections."""

    rcode: dns.rcode.Rcode
    answer: tuple[dns.rrset.RRset, ...] = ()
    authority: tuple[dns.rrset.RRset, ...] = ()


SERVFAIL: Final = Said(dns.rcode.SERVFAIL)
REFUSED: Final = Said(dns.rcode.REFUSED)
NOTHING: Final = Said(dns.rcode.NOERROR)
NXDOMAIN: Final = Said(dns.rcode.NXDOMAIN)


class Asks(Protocol):
    """Whoever asks others."""

    async def ask(self, address: str, query: dns.message.Message) -> dns.message.Message | None:
        """What the server at an address says, None for nothing."""


class Answering:
    """One name server.  `asks` others for it."""

    def __init__(self, behaviour: Behaviour, asks: Asks) -> None:
        self._behaviour = behaviour
        self._asks = asks
        self._rewrites = _by_name(behaviour.rewrites)
        self._hosts = _Zone(ZoneData("", behaviour.hosts)) if behaviour.hosts else None
        self._zones: dict[str, list[_Zone]] = {}
        for data in behaviour.zones:
            self._zones.setdefault(data.domain, []).append(_Zone(data))
        self._forwards = {forward.domain: forward for forward in reversed(behaviour.forwards)}
        self._turns = itertools.count()
        self._asking: dict[tuple[str, int], asyncio.Future[Said]] = {}

    async def answer(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> Said:
        """What this server says of a name."""
        return await self._of(text_of(name), rdtype, 0)

    async def _of(self, name: str, rdtype: dns.rdatatype.RdataType, step: int) -> Said:
        if step > MOST_STEPS:
            return SERVFAIL
        behaviour = self._behaviour
        if behaviour.filters_ipv6 and not behaviour.own_ipv6 and rdtype == dns.rdatatype.AAAA:
            return NOTHING
        said = await self._rewritten(name, rdtype, step)
        if said is None and self._hosts is not None:
            found = self._hosts.at(name)
            said = await self._from_node(name, found, rdtype, step) if found else None
        if said is not None:
            return said
        said = await self._by_domain(name, rdtype, step)
        is_own = behaviour.keeps_names and any(item.type in ("A", "AAAA") for item in self._matching(name)[:1])
        return NOTHING if is_own and said.rcode == dns.rcode.NXDOMAIN else said

    # --- its own words ---

    async def _rewritten(self, name: str, rdtype: dns.rdatatype.RdataType, step: int) -> Said | None:
        """What a rewrite says; None when it is asked elsewhere."""
        rewrites = self._matching(name)
        if not rewrites:
            return None
        # What is said of the name as a whole goes before its addresses.
        first = next((rewrite for rewrite in rewrites if rewrite.type not in ("A", "AAAA")), rewrites[0])
        if first.type == "NXDOMAIN":
            return NXDOMAIN
        if first.type == "PASS" or (first.type == "CNAME" and first.values == (name,)):
            return None
        if first.type == "CNAME":
            return await self._follow(RecordSet(name, "CNAME", first.values[:1]), rdtype, step)
        kind = dns.rdatatype.to_text(rdtype)
        mine = [rewrite for rewrite in rewrites if rewrite.type == kind]
        values = tuple(dict.fromkeys(value for rewrite in mine for value in rewrite.values))
        if values:
            return Said(dns.rcode.NOERROR, (_rrset(RecordSet(name, kind, values)),))
        if not mine and any(rewrite.forwards_others for rewrite in rewrites):
            return None
        return NOTHING

    def _matching(self, name: str) -> tuple[Rewrite, ...]:
        """The rewrites that decide: of the name itself, else of the longest wildcard that covers it."""
        exact = self._rewrites.get(name)
        if exact:
            return exact
        apex = tuple(rewrite for rewrite in self._rewrites.get(f"*.{name}", ()) if rewrite.apex)
        if apex:
            return apex
        for parent in itertools.islice(_upwards(name), 1, None):
            found = self._rewrites.get(f"*.{parent}" if parent else "*")
            if found:
                return found
        return ()

    # --- zones ---

    async def _by_domain(self, name: str, rdtype: dns.rdatatype.RdataType, step: int) -> Said:
        """Whoever has the say for the longest domain decides."""
        for domain in _upwards(name):
            for zone in self._zones.get(domain, ()):
                said = await self._of_zone(zone, name, rdtype, step)
                if said is not None:
                    return said
            if domain in self._forwards:
                return await self._forward(self._forwards[domain], name, rdtype)
            if domain in self._behaviour.domains:
                return NXDOMAIN
        return REFUSED

    async def _of_zone(self, zone: _Zone, name: str, rdtype: dns.rdatatype.RdataType, step: int) -> Said | None:
        cut = zone.cut(name)
        if cut is not None:
            return Said(dns.rcode.NOERROR, (), (_rrset(cut),))
        node = zone.at(name)
        if node is None:
            return None if zone.data.falls_through else Said(dns.rcode.NXDOMAIN, (), (zone.soa(),))
        said = await self._from_node(name, node, rdtype, step)
        return said if said.answer else Said(said.rcode, (), (zone.soa(),))

    async def _from_node(
        self, name: str, node: Mapping[str, RecordSet], rdtype: dns.rdatatype.RdataType, step: int
    ) -> Said:
        """What the records of a name, or of the wildcard that stands for it, say."""
        kind = dns.rdatatype.to_text(rdtype)
        for found in (node.get(kind), node.get("CNAME")):
            if found is not None:
                own = RecordSet(name, found.type, found.values, found.ttl)
                if found.type == kind:
                    return Said(dns.rcode.NOERROR, (_rrset(own),))
                return await self._follow(own, rdtype, step)
        alias = node.get("ALIAS")
        if alias is None or kind not in ("A", "AAAA"):
            return NOTHING
        said = await self._of(alias.values[0], rdtype, step + 1)
        addresses = [str(item) for rrset in said.answer if rrset.rdtype == rdtype for item in rrset]
        if addresses:
            return Said(dns.rcode.NOERROR, (_rrset(RecordSet(name, kind, tuple(addresses), alias.ttl)),))
        return NOTHING if said.rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) else said

    async def _follow(self, alias: RecordSet, rdtype: dns.rdatatype.RdataType, step: int) -> Said:
        """An alias and what it leads to; alone where this server may not say what that is."""
        said = await self._of(alias.values[0], rdtype, step + 1)
        if said.rcode == dns.rcode.SERVFAIL:
            return said
        rcode = dns.rcode.NOERROR if said.rcode == dns.rcode.REFUSED else said.rcode
        return Said(rcode, (_rrset(alias), *said.answer), said.authority)

    # --- others ---

    async def _forward(self, forward: Forward, name: str, rdtype: dns.rdatatype.RdataType) -> Said:
        """What others say.  The same question is asked once at a time, so that circles end by themselves."""
        key = (name, int(rdtype))
        underway = self._asking.get(key)
        if underway is None:
            underway = self._asking[key] = asyncio.ensure_future(self._asked(forward, name, rdtype))
            underway.add_done_callback(lambda _: self._asking.pop(key, None))
        return self._filtered(name, rdtype, await asyncio.shield(underway))

    async def _asked(self, forward: Forward, name: str, rdtype: dns.rdatatype.RdataType) -> Said:
        """Whoever is silent for a while is not waited for alone: the next is asked, too."""
        query = dns.message.make_query(name + ".", rdtype, use_edns=0, payload=1232)
        late: set[asyncio.Task[Said]] = set()
        try:
            for address in itertools.chain.from_iterable(self._in_turn(forward)):
                asking = asyncio.create_task(self._asked_at(address, query))
                late.add(asking)
                done, _ = await asyncio.wait((asking,), timeout=NEXT_SECONDS)
                if done and asking.result() is not SERVFAIL:
                    return asking.result()
            for answer in asyncio.as_completed(late):
                if (said := await answer) is not SERVFAIL:
                    return said
            return SERVFAIL
        finally:
            for asking in late:
                asking.cancel()

    async def _asked_at(self, address: str, query: dns.message.Message) -> Said:
        """What one of them says; SERVFAIL for nothing."""
        answer = await self._asks.ask(address, query)
        if answer is None or answer.rcode() == dns.rcode.SERVFAIL:
            return SERVFAIL
        return Said(answer.rcode(), tuple(answer.answer), tuple(answer.authority))

    def _in_turn(self, forward: Forward) -> Iterable[tuple[str, ...]]:
        if forward.in_order or not forward.to:
            return forward.to
        first = next(self._turns) % len(forward.to)
        return (*forward.to[first:], *forward.to[:first])

    def _filtered(self, name: str, rdtype: dns.rdatatype.RdataType, said: Said) -> Said:
        behaviour = self._behaviour
        if behaviour.filters_ipv6 and rdtype == dns.rdatatype.AAAA:
            return Said(said.rcode)
        is_rebinding = behaviour.rebind_protection and any(map(_is_private, _addresses(said)))
        if is_rebinding and set(_upwards(name)).isdisjoint(behaviour.rebind_exceptions):
            return NOTHING
        return said


class _Zone:
    """A zone with its names at hand."""

    def __init__(self, data: ZoneData) -> None:
        self.data = data
        self._nodes: dict[str, dict[str, RecordSet]] = {data.domain: {}}
        for record in data.records:
            self._nodes.setdefault(record.name, {})[record.type] = record
            if not data.of_routes:
                for parent in itertools.takewhile(lambda name: name != data.domain, _upwards(record.name)):
                    self._nodes.setdefault(parent, {})

    def cut(self, name: str) -> RecordSet | None:
        """The delegation that a name is at or below; the highest one has the say."""
        found = None
        for parent in itertools.takewhile(lambda each: each != self.data.domain, _upwards(name)):
            found = self._nodes.get(parent, {}).get("NS", found)
        return found

    def at(self, name: str) -> Mapping[str, RecordSet] | None:
        """The records of a name: its own, or those of the wildcard at its closest encloser; None: no such name."""
        if name in self._nodes:
            return self._nodes[name]
        parents = itertools.islice(_upwards(name), 1, None)
        if self.data.of_routes:
            return self._nodes.get(f"*.{next(parents, '')}")
        encloser = next((parent for parent in parents if parent in self._nodes), "")
        return self._nodes.get(f"*.{encloser}" if encloser else "*")

    def soa(self) -> dns.rrset.RRset:
        """For negative answers (RFC 2308, 3)."""
        own = self._nodes[self.data.domain].get("SOA")
        if own is not None:
            return _rrset(own)
        value = f"ns.{self.data.domain or 'invalid'}. hostmaster.{self.data.domain or 'invalid'}. 1 3600 900 604800 60"
        return _rrset(RecordSet(self.data.domain, "SOA", (value,), NEGATIVE_SECONDS))


def text_of(name: dns.name.Name) -> str:
    """A name as the map writes it: lower-case, without the last dot."""
    return name.to_text(omit_final_dot=True).lower().removesuffix(".")


def fault(record: RecordSet) -> str:
    """What is wrong with a record set, "" when it can be served."""
    try:
        if record.type == "ALIAS":
            dns.name.from_text(record.values[0] + ".")
        else:
            _rrset(record)
    except (dns.exception.DNSException, ValueError, IndexError) as error:
        return str(error) or type(error).__name__
    return ""


def _rrset(record: RecordSet) -> dns.rrset.RRset:
    return dns.rrset.from_text(
        f"{record.name}.",
        record.ttl,
        dns.rdataclass.IN,
        record.type,
        *(_absolute(record.type, v) for v in record.values),
    )


def _absolute(kind: str, value: str) -> str:
    """A value as in a zone file; lone names are written without their last dot on the map."""
    if kind in ("CNAME", "NS", "PTR", "DNAME") and not value.endswith("."):
        return f"{value}."
    return value


def _by_name(rewrites: Iterable[Rewrite]) -> dict[str, tuple[Rewrite, ...]]:
    found: dict[str, tuple[Rewrite, ...]] = {}
    for rewrite in rewrites:
        found[rewrite.name] = (*found.get(rewrite.name, ()), rewrite)
    return found


def _upwards(name: str) -> Iterator[str]:
    """A name and all that it is below, the root ("") last."""
    while name:
        yield name
        name = name.partition(".")[2]
    yield ""


def _addresses(said: Said) -> Iterator[str]:
    for rrset in said.answer:
        if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            yield from map(str, rrset)


def _is_private(text: str) -> bool:
    address = ipaddress.ip_address(text)
    return any(address in net for net in PRIVATE if net.version == address.version)
