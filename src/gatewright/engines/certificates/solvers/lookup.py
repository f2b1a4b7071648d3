"""What authoritative servers say, asked of them directly: never of a resolver, whose view may be another.

`Lookup` finds the servers of a zone, from a server that is known to have it or by the delegations below the roots, and
asks each.  Counterpart: the solvers, which wait until what they wrote is seen there.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

from gatewright.engines.certificates.challenge import SolverError

_TIMEOUT = 3.0
_DEEPEST = 16
_MOST_CNAMES = 8
_MOST_SERVERS = 16
# https://www.iana.org/domains/root/servers: four operators, both families.
_ROOTS = ("198.41.0.4", "170.247.170.2", "192.33.4.12", "199.7.91.13", "2001:503:ba3e::2:30", "2001:500:2::c")


class Server(NamedTuple):
    """A name server."""

    address: str
    port: int = 53

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return host if self.port == 53 else f"{host}:{self.port}"


def ask(server: Server, name: dns.name.Name, kind: str) -> dns.message.Message | None:
    """One question without recursion, by TCP when the answer is long; None when there is no usable answer."""
    query = dns.message.make_query(name, kind, flags=0)
    try:
        answer, _ = dns.query.udp_with_fallback(query, server.address, _TIMEOUT, server.port, ignore_unexpected=True)
    except (dns.exception.DNSException, OSError, EOFError, ValueError):
        return None
    return answer


def absolute(record: str) -> dns.name.Name:
    """A name as DNS has it; SolverError for one that is too long or has a label of more than 63 octets."""
    try:
        return dns.name.from_text(record)
    except (dns.exception.DNSException, UnicodeError):
        raise SolverError(f"{record[:100]} is not a name that DNS can have") from None


class Lookup:
    """Asks authoritative servers.  `roots`: where delegations begin; `port`: where name servers listen."""

    def __init__(self, roots: Sequence[str] = _ROOTS, port: int = 53) -> None:
        self._roots = tuple(Server(address, port) for address in roots)
        self._port = port

    def zone(self, record: str, server: Server) -> dns.name.Name:
        """The zone of `server` that a name belongs to: the nearest name above with an SOA; SolverError if none."""
        name = absolute(record)
        while name != dns.name.root:
            answer = ask(server, name, "SOA")
            if answer is None:
                raise SolverError(f"{server} does not answer the question which zone {record} belongs to")
            if answer.flags & dns.flags.AA and any(_of(answer.answer, "SOA", name)):
                return name
            name = name.parent()
        raise SolverError(f"{server} has no zone that {record} belongs to")

    def servers(self, zone: dns.name.Name, server: Server) -> tuple[Server, ...]:
        """`server` and the other name servers of its zone that it knows the addresses of."""
        found = {server: None}
        answer = ask(server, zone, "NS")
        for host in _targets(answer, "NS") if answer else ():
            for kind in ("A", "AAAA"):
                said = ask(server, host, kind)
                for rrset in _of(said.answer, kind) if said else ():
                    found.update({Server(item.address, self._port): None for item in rrset})
        return tuple(found)

    def public(self, record: str) -> tuple[Server, ...]:
        """The servers that the public delegations lead to for a name; SolverError when they lead nowhere."""
        return self._delegated(absolute(record), 0)

    def values(self, record: str, servers: Collection[Server]) -> dict[Server, frozenset[str] | None]:
        """The TXT values of a name at each server; None where it does not answer."""
        name = absolute(record)
        found: dict[Server, frozenset[str] | None] = {}
        for server in servers:
            answer = ask(server, name, "TXT")
            usable = answer is not None and answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
            found[server] = _texts(answer) if answer is not None and usable else None
        return found

    def target(self, record: str) -> str:
        """Where the CNAMEs of a name end, in the public view; the name itself without any.  SolverError for a loop."""
        name, seen = absolute(record), set[dns.name.Name]()
        while True:
            if name in seen or len(seen) > _MOST_CNAMES:
                raise SolverError(f"the CNAME of {record} leads in a circle, or too far")
            seen.add(name)
            following = self._alias(name)
            if following is None:
                return name.to_text(omit_final_dot=True).lower()
            name = following

    def _alias(self, name: dns.name.Name) -> dns.name.Name | None:
        for server in self._delegated(name, 0):
            answer = ask(server, name, "CNAME")
            if answer is not None and answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return next(_targets(answer, "CNAME"), None)
        raise SolverError(f"no authoritative server of {name.to_text(omit_final_dot=True)} answers")

    def _delegated(self, name: dns.name.Name, depth: int) -> tuple[Server, ...]:
        """Follow referrals from the roots (RFC 1034, 5.3.3) to the servers that answer for `name` themselves."""
        servers, above = self._roots, dns.name.root
        for _ in range(_DEEPEST):
            answer, by = self._first(servers, name)
            if answer is None or by is None:
                break
            referral = next(_of(answer.authority, "NS"), None)
            if answer.flags & dns.flags.AA or referral is None or not _below(referral.name, above, name):
                return servers if answer.flags & dns.flags.AA else ()
            above = referral.name
            servers = self._addresses(answer, referral, depth)
        raise SolverError(
            f"no name server that the public delegations name for {name.to_text(omit_final_dot=True)} answers"
        )

    def _first(
        self, servers: Sequence[Server], name: dns.name.Name
    ) -> tuple[dns.message.Message | None, Server | None]:
        # CNAME: the one type for which servers do not follow CNAMEs themselves.
        for server in servers:
            answer = ask(server, name, "CNAME")
            if answer is not None and answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return answer, server
        return None, None

    def _addresses(self, answer: dns.message.Message, referral: dns.rrset.RRset, depth: int) -> tuple[Server, ...]:
        """The addresses of the servers that a referral names: its glue, else asked of their own zones."""
        hosts = [item.target for item in referral]
        glue = [
            Server(item.address, self._port)
            for kind in ("A", "AAAA")
            for rrset in _of(answer.additional, kind)
            if rrset.name in hosts
            for item in rrset
        ]
        if glue or depth > _DEEPEST:
            return tuple(glue[:_MOST_SERVERS])
        found: list[Server] = []
        for host in random.sample(hosts, min(len(hosts), 3)):
            for server in self._delegated(host, depth + 4):
                said = ask(server, host, "A")
                items = [item for rrset in _of(said.answer, "A") for item in rrset] if said else []
                found += [Server(item.address, self._port) for item in items]
                if items:
                    break
        return tuple(found[:_MOST_SERVERS])


def _below(name: dns.name.Name, above: dns.name.Name, asked: dns.name.Name) -> bool:
    """Does a referral lead downwards, and towards what was asked?"""
    return name != above and name.is_subdomain(above) and asked.is_subdomain(name)


def _of(section: Sequence[dns.rrset.RRset], kind: str, name: dns.name.Name | None = None) -> Iterator[dns.rrset.RRset]:
    wanted = dns.rdatatype.from_text(kind)
    return (rrset for rrset in section if rrset.rdtype == wanted and (name is None or rrset.name == name))


def _targets(answer: dns.message.Message, kind: str) -> Iterator[dns.name.Name]:
    return (item.target for rrset in _of(answer.answer, kind) for item in rrset)


def _texts(answer: dns.message.Message) -> frozenset[str]:
    items = (item for rrset in _of(answer.answer, "TXT") for item in rrset)
    return frozenset(b"".join(item.strings).decode("ascii", "replace") for item in items)
