"""Two accounts of names, made apart: the servers of a rehearsal answer what the model says, whatever the map.

No sockets: whom a server asks is looked up by address.  Counterpart: tests/real/test_rehearsal_names.py.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gatewright.graph.names import resolvers
from gatewright.graph.names.nodes import PUBLIC, Resolution, Status
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.places import NetworkSpec, SiteIntent
from gatewright.rehearsal.nameserver import Behaviour
from gatewright.rehearsal.nameserving.answering import Answering
from gatewright.rehearsal.plan import names, network
from gatewright.rehearsal.world import Draft
from support.mapped import AT, World, forward, override, record, resolver, zone

HOME = SiteIntent(Key("Site", "", "home"), AT, (NetworkSpec("lan", AT, ("10.9.0.0/24",)),))
LABELS = st.sampled_from(["a", "b"])
DOMAINS = st.sampled_from(["example.com", "sub.example.com"])
NAMES = st.builds(lambda labels, domain: ".".join((*labels, domain)), st.lists(LABELS, max_size=3), DOMAINS)
WILD = st.one_of(NAMES, NAMES.map("*.{}".format))
V4 = st.sampled_from(["203.0.113.1", "203.0.113.2", "10.0.0.1"])
V6 = st.sampled_from(["2001:db8::1", "fd00::1"])


@st.composite
def records(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from(["A", "AAAA", "CNAME", "TXT", "A"]))
    values = {"A": V4, "AAAA": V6, "CNAME": NAMES, "TXT": st.just("text")}[kind]
    return record(draw(WILD), kind, draw(values))


@st.composite
def overrides(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from(["A", "AAAA", "CNAME", "NXDOMAIN", "PASS"]))
    values = {"A": V4, "AAAA": V6, "CNAME": NAMES}.get(kind)
    given = (draw(values),) if values is not None else ()
    others = draw(st.sampled_from(["empty", "forward"]))
    return override(draw(WILD), kind, *given, apex=draw(st.booleans()), others=others)


@st.composite
def maps(draw: st.DrawFn) -> list[Any]:
    """Public and private zones, and three resolvers that ask each other and the public DNS."""
    found: list[Any] = [HOME]
    for number, domain in enumerate(sorted(draw(st.sets(DOMAINS, min_size=1)))):
        view = draw(st.sampled_from(["public", "public", "inner"]))
        found.append(zone(domain, *draw(st.lists(records(), max_size=6)), name=f"z{number}", view=view))
    for number in range(3):
        to = (*(f"r{n}" for n in range(number)), PUBLIC)
        some = st.lists(st.sampled_from(to), min_size=1, max_size=2, unique=True).map(tuple)
        found.append(
            resolver(
                f"r{number}",
                *draw(st.lists(overrides(), max_size=3)),
                address=f"10.9.0.{number + 1}",
                implementation=draw(st.sampled_from(["other", "pihole", "fritzbox", "adguardhome"])),
                forwards=tuple(forward(d, *draw(some)) for d in sorted(draw(st.sets(DOMAINS, max_size=2)))),
                upstreams=draw(some),
                domains=tuple(draw(st.sets(st.just("sub.example.com")))),
                views=tuple(draw(st.sets(st.just("inner")))),
                filters_ipv6=draw(st.booleans()),
                rebind_protection=draw(st.booleans()),
                rebind_exceptions=tuple(draw(st.sets(st.just("sub.example.com")))),
            )
        )
    return found


class Wires:
    """All name servers of a world by address."""

    def __init__(self, draft: Draft) -> None:
        self.servers = {
            address: Answering(msgspec.msgpack.decode(server.behaviour, type=Behaviour), self)
            for server in draft.name_servers
            for address in server.addresses
        }

    async def ask(self, address: str, query: dns.message.Message) -> dns.message.Message | None:
        server = self.servers.get(address)
        if server is None:
            return None
        said = await server.answer(query.question[0].name, query.question[0].rdtype)
        response = dns.message.make_response(query)
        response.set_rcode(said.rcode)
        response.answer, response.authority = list(said.answer), list(said.authority)
        return dns.message.from_wire(response.to_wire())


def planned(sight: Sight) -> Draft:
    draft = Draft()
    network.plan(draft, sight)
    names.plan(draft, sight)
    return draft


async def real(wires: Wires, address: str, name: str, kind: str) -> tuple[str, tuple[str, ...]]:
    async with asyncio.timeout(10):
        said = await wires.servers[address].answer(dns.name.from_text(name), dns.rdatatype.from_text(kind))
    if said.rcode != dns.rcode.NOERROR:
        return {dns.rcode.NXDOMAIN: "nxdomain"}.get(said.rcode, "refused"), ()
    wanted = dns.rdatatype.from_text(kind)
    found = tuple(sorted(str(item) for rrset in said.answer if rrset.rdtype == wanted for item in rrset))
    return ("answer" if found else "nodata"), found


def modelled(answer: Resolution) -> tuple[str, tuple[str, ...]]:
    if answer.status in (Status.UNKNOWN, Status.LOOP):
        return "unknown", ()
    return str(answer.status), tuple(sorted(set(answer.addresses)))


@given(maps(), st.lists(NAMES, min_size=4, max_size=6, unique=True))
def test_what_is_answered_is_what_the_model_says(given: list[Any], asked: list[str]) -> None:
    sight = Sight(World(*given).analysis)
    wires = Wires(planned(sight))

    async def everybody() -> None:
        for number, name, kind in itertools.product(range(3), asked, ("A", "AAAA")):
            found = resolvers.resolutions(sight, (f"r{number}",), name, kind, None)
            expected = {modelled(answer) for answer in found}
            if ("unknown", ()) not in expected:
                said = {await real(wires, f"10.9.0.{number + 1}", name, kind) for _ in range(2)}
                steps = [[step.summary for step in answer.steps] for answer in found]
                assert said <= expected, (number, name, kind, steps)

    asyncio.run(everybody())
