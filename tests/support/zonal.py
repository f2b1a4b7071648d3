"""Zones, views and keys for tests of the DNS engine, and requests as dnspython writes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig

from gatewright.base.sensitive import Sensitive
from gatewright.engines.dns.content import (
    GrantConfig,
    KeyConfig,
    Plan,
    RRset,
    RRsets,
    SoaConfig,
    ViewConfig,
    ZoneConfig,
)
from gatewright.engines.dns.primary import Primary
from gatewright.engines.dns.privileged import Privileged
from gatewright.engines.dns.update import UpdateRequest

DOMAIN = "example.com"
SECRET = bytes(range(32))


def wire(name: str) -> bytes:
    """A name on the wire."""
    return dns.name.from_text(name).canonicalize().to_wire() or b""


def data(type: str, text: str) -> bytes:
    """Record data on the wire."""
    return dns.rdata.from_text("IN", type, text).to_wire() or b""


def rrset(type: str, *texts: str, ttl: int = 300) -> RRset:
    return RRset(int(dns.rdatatype.from_text(type)), ttl, tuple(sorted(data(type, text) for text in texts)))


def names(content: Mapping[str, Sequence[RRset]]) -> dict[bytes, RRsets]:
    """Content by name as text, "@" the apex, others relative to the domain."""
    return {
        wire(DOMAIN if name == "@" else f"{name}.{DOMAIN}"): tuple(sorted(sets, key=lambda rrset: rrset.type))
        for name, sets in content.items()
    }


def zone_config(view: str = "public", domain: str = DOMAIN, ttl: int = 300, refresh: int = 3600) -> ZoneConfig:
    soa = SoaConfig(wire(f"ns.{domain}"), wire(f"hostmaster.{domain}"), refresh, 600, 1209600, 60)
    return ZoneConfig(f"{domain}/{view}", wire(domain), view, soa, ttl)


def key(name: str = "update-key", algorithm: str = "hmac-sha256", secret: bytes = SECRET) -> KeyConfig:
    return KeyConfig(wire(name), algorithm, Sensitive(secret))


def client_key(config: KeyConfig) -> dns.tsig.Key:
    """The key as dnspython's client has it."""
    algorithm = "hmac-md5.sig-alg.reg.int" if config.algorithm == "hmac-md5" else config.algorithm
    return dns.tsig.Key(dns.name.from_wire(config.name, 0)[0], config.secret.reveal(), algorithm)


BASIC: Mapping[str, Sequence[RRset]] = {
    "@": (rrset("NS", "ns.example.com."), rrset("A", "192.0.2.1")),
    "ns": (rrset("A", "192.0.2.53"),),
    "www": (rrset("A", "192.0.2.80"), rrset("AAAA", "2001:db8::80")),
    "alias": (rrset("CNAME", "www.example.com."),),
}


def view(name: str = "public", **fields: Any) -> ViewConfig:
    """A view for everybody with one key, which may update all."""
    defaults: dict[str, Any] = {
        "clients": ("0.0.0.0/0", "::/0"),
        "keys": (key(),),
        "grants": (GrantConfig(key().name),),
    }
    return ViewConfig(name, **{**defaults, **fields})


def plan(
    content: Mapping[str, Sequence[RRset]] = BASIC,
    views: Sequence[ViewConfig] | None = None,
    zones: Sequence[ZoneConfig] | None = None,
    *,
    whole: bool = False,
) -> Plan:
    """The same content for each of the zones."""
    configs = tuple(zones) if zones is not None else (zone_config(),)
    chosen = tuple(views) if views is not None else (view(),)
    return Plan(chosen, configs, {config.id: names(content) for config in configs}, whole)


class Office:
    """A primary and what stands before it in a worker, in one process and without a network.

    `skew` is how many seconds its clock is ahead of that of its clients.
    """

    def __init__(self, folder: Path, plan: Plan, skew: float = 0.0) -> None:
        self.skew = skew
        self.primary = Primary(folder, self._clock)
        self.primary.take(plan)
        self.views = {view.name: view for view in plan.views}
        self.front = Privileged(self.primary.zones, self.views, self._update, self._clock)

    def _clock(self) -> float:
        return time.time() + self.skew

    async def _update(self, request: UpdateRequest) -> int:
        return self.primary.update(request)[0]

    def ask(
        self, message: bytes, client: str = "198.51.100.9", seen: str | None = "public", *, tcp: bool = True
    ) -> list[bytes]:
        """All messages of the answer; plain answers are a TXT of the view's name."""

        async def answer() -> list[bytes]:
            found = self.views[seen] if seen is not None else None
            return [part async for part in self.front.answer(message, client, found, tcp, plainly)]

        return asyncio.run(answer())

    def update(self, update: dns.message.Message, signer: KeyConfig | None = None, **options: Any) -> int:
        """The response code of an update, signed with this key (none: the one that may)."""
        (reply,) = self.ask(signed(update, signer or key()), **options)
        return int(checked(reply, update).rcode())

    def copy(
        self, type: str, signer: KeyConfig | None = None, serial: int = 0, **options: Any
    ) -> list[dns.message.Message]:
        """The messages of a transfer, unsigned without a signer."""
        request = dns.message.make_query(DOMAIN, type)
        if type == "IXFR":
            request.authority.append(
                dns.rrset.from_text(f"{DOMAIN}.", 0, "IN", "SOA", f"ns.{DOMAIN}. h.{DOMAIN}. {serial} 1 1 1 1")
            )
        if signer is None:
            return [
                dns.message.from_wire(part, xfr=True, one_rr_per_rrset=True)
                for part in self.ask(request.to_wire(), **options)
            ]
        context, found = None, []
        sent = signed(request, signer)
        keyring, mac = {request.keyring.name: request.keyring}, request.mac
        for part in self.ask(sent, **options):
            message = dns.message.from_wire(
                part, keyring=keyring, request_mac=mac, xfr=True, one_rr_per_rrset=True, tsig_ctx=context, multi=True
            )
            assert message.had_tsig
            context = message.tsig_ctx
            found.append(message)
        return found

    def served(self, name: str, zone: str = "example.com/public") -> dict[str, set[str]]:
        """What is at a name, as texts by type."""
        return texts(self.primary.zones[zone].names.get(wire(name), ()))


def texts(sets: RRsets) -> dict[str, set[str]]:
    """Record sets as texts by type."""
    return {
        dns.rdatatype.to_text(dns.rdatatype.RdataType.make(one.type)): {
            dns.rdata.from_wire(
                dns.rdataclass.IN, dns.rdatatype.RdataType.make(one.type), value, 0, len(value)
            ).to_text()
            for value in one.rdata
        }
        for one in sets
    }


def plainly(query: bytes, seen: ViewConfig) -> bytes:
    """A plain answer that tells the view which it is for."""
    try:
        read = dns.message.from_wire(query)
    except dns.exception.DNSException:  # as the plain server answers what it cannot read
        return query[:2] + bytes([0x80, dns.rcode.FORMERR]) + bytes(8)
    answer = dns.message.make_response(read)
    answer.answer.append(dns.rrset.from_text(answer.question[0].name, 5, "IN", "TXT", f'"{seen.name}"'))
    return answer.to_wire()


def signed(message: dns.message.Message, signer: KeyConfig, fudge: int = 300) -> bytes:
    """The message with a signature of this moment."""
    message.use_tsig(client_key(signer), fudge=fudge, algorithm=client_key(signer).algorithm)
    return message.to_wire()


def checked(reply: bytes, request: dns.message.Message) -> dns.message.Message:
    """The answer to a signed request, its signature verified; dnspython raises what is wrong with it."""
    keyring = {request.keyring.name: request.keyring} if request.keyring else None
    return dns.message.from_wire(reply, keyring=keyring, request_mac=request.mac)
