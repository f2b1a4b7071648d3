"""What name servers of a rehearsal answer, with whom they ask played by the test."""

from __future__ import annotations

import asyncio

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from gatewright.rehearsal.nameserving.answering import Answering, Said, fault
from gatewright.rehearsal.nameserving.behaviour import Behaviour, Forward, RecordSet, Rewrite, ZoneData


class Others:
    """Whoever is asked upstream: other Answerings by address."""

    def __init__(self, **servers: Answering) -> None:
        self.servers = servers
        self.asked: list[str] = []

    async def ask(self, address: str, query: dns.message.Message) -> dns.message.Message | None:
        self.asked.append(address)
        server = self.servers.get(address)
        if server is None:
            return None
        said = await server.answer(query.question[0].name, query.question[0].rdtype)
        response = dns.message.make_response(query)
        response.set_rcode(said.rcode)
        response.answer, response.authority = list(said.answer), list(said.authority)
        return dns.message.from_wire(response.to_wire())


def say(server: Answering, name: str, kind: str = "A") -> Said:
    async def ask() -> Said:
        async with asyncio.timeout(60):
            return await server.answer(dns.name.from_text(name), dns.rdatatype.from_text(kind))

    return asyncio.run(ask())


def shown(said: Said) -> tuple[str, list[str]]:
    return dns.rcode.to_text(said.rcode), [f"{rrset.name} {item}" for rrset in said.answer for item in rrset]


def a(name: str, *values: str) -> RecordSet:
    return RecordSet(name, "AAAA" if ":" in values[0] else "A", values)


def alone(behaviour: Behaviour, **servers: Answering) -> Answering:
    return Answering(behaviour, Others(**servers))


ZONE = ZoneData(
    "example.com",
    (
        a("www.example.com", "192.0.2.1"),
        a("*.example.com", "192.0.2.9"),
        a("deep.below.example.com", "192.0.2.3"),
        RecordSet("alias.example.com", "CNAME", ("www.example.com",)),
        RecordSet("away.example.com", "CNAME", ("elsewhere.example.net",)),
        RecordSet("example.com", "ALIAS", ("www.example.com",)),
        RecordSet("sub.example.com", "NS", ("ns.example.net",)),
    ),
)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("www.example.com", "A", ("NOERROR", ["www.example.com. 192.0.2.1"])),
        ("WWW.Example.COM", "A", ("NOERROR", ["www.example.com. 192.0.2.1"])),
        ("www.example.com", "AAAA", ("NOERROR", [])),
        ("other.example.com", "A", ("NOERROR", ["other.example.com. 192.0.2.9"])),
        ("a.b.example.com", "A", ("NOERROR", ["a.b.example.com. 192.0.2.9"])),
        ("below.example.com", "A", ("NOERROR", [])),  # an empty non-terminal
        ("other.below.example.com", "A", ("NXDOMAIN", [])),  # below its closest encloser there is no wildcard
        ("x.www.example.com", "A", ("NXDOMAIN", [])),
        ("alias.example.com", "A", ("NOERROR", ["alias.example.com. www.example.com.", "www.example.com. 192.0.2.1"])),
        ("away.example.com", "A", ("NOERROR", ["away.example.com. elsewhere.example.net."])),
        ("example.com", "A", ("NOERROR", ["example.com. 192.0.2.1"])),
        ("x.sub.example.com", "A", ("NOERROR", [])),
        ("example.org", "A", ("REFUSED", [])),
    ],
)
def test_zones_are_looked_up_as_rfc_4592_has_it(name: str, kind: str, expected: tuple[str, list[str]]) -> None:
    assert shown(say(alone(Behaviour(zones=(ZONE,))), name, kind)) == expected


def test_negative_answers_have_a_soa() -> None:
    said = say(alone(Behaviour(zones=(ZONE,))), "www.example.com", "AAAA")
    assert [rrset.rdtype for rrset in said.authority] == [dns.rdatatype.SOA]


def test_the_root_zone_has_nothing_else() -> None:
    server = alone(Behaviour(zones=(ZONE, ZoneData(""))))
    assert shown(say(server, "away.example.com")) == ("NXDOMAIN", ["away.example.com. elsewhere.example.net."])
    assert shown(say(server, "example.org")) == ("NXDOMAIN", [])


def test_wildcards_of_k8s_gateway_cover_one_label() -> None:
    zone = ZoneData("example.com", (a("*.example.com", "192.0.2.9"), a("x.y.example.com", "192.0.2.1")), of_routes=True)
    server = alone(Behaviour(zones=(zone,)))
    assert shown(say(server, "one.example.com"))[0] == "NOERROR"
    assert shown(say(server, "one.two.example.com"))[0] == "NXDOMAIN"
    assert shown(say(server, "y.example.com")) == ("NOERROR", ["y.example.com. 192.0.2.9"])
    assert shown(say(server, "example.com")) == ("NOERROR", [])


def test_what_falls_through_is_forwarded() -> None:
    zone = ZoneData("example.com", (a("x.example.com", "192.0.2.1"),), of_routes=True, falls_through=True)
    behaviour = Behaviour(zones=(zone,), forwards=(Forward("", (("up",),)),))
    server = alone(behaviour, up=alone(Behaviour(zones=(ZONE,))))
    assert shown(say(server, "x.example.com"))[1] == ["x.example.com. 192.0.2.1"]
    assert shown(say(server, "www.example.com"))[1] == ["www.example.com. 192.0.2.1"]


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("www.example.com", "A", "10.0.0.1"),
        ("www.example.com", "AAAA", "empty"),
        ("nas.example.com", "AAAA", "2001:db8::9"),  # asked upstream: the leak
        ("any.lan", "A", "10.0.0.2"),
        ("lan", "A", "refused"),
        ("x.home", "A", "10.0.0.3"),
        ("home", "A", "10.0.0.3"),
        ("not.home", "A", "refused"),
        ("ads.example.net", "A", "nxdomain"),
        ("alias.example.net", "A", "10.0.0.1"),
        ("none.example.net", "A", "empty"),
    ],
)
def test_rewrites(name: str, kind: str, expected: str) -> None:
    rewrites = (
        Rewrite("www.example.com", "A", ("10.0.0.1",)),
        Rewrite("nas.example.com", "A", ("10.0.0.5",), forwards_others=True),
        Rewrite("*.lan", "A", ("10.0.0.2",)),
        Rewrite("*.home", "A", ("10.0.0.3",), apex=True),
        Rewrite("not.home", "PASS"),
        Rewrite("ads.example.net", "NXDOMAIN"),
        Rewrite("alias.example.net", "CNAME", ("www.example.com",)),
        Rewrite("none.example.net", "A"),
    )
    up = alone(Behaviour(zones=(ZoneData("example.com", (a("nas.example.com", "2001:db8::9"),)),)))
    server = alone(Behaviour(rewrites=rewrites, forwards=(Forward("", (("up",),)),)), up=up)
    said = say(server, name, kind)
    words = {dns.rcode.NXDOMAIN: "nxdomain", dns.rcode.REFUSED: "refused"}
    found = words.get(said.rcode) or (shown(said)[1][-1].split()[1] if said.answer else "empty")
    assert found == expected


def test_the_longest_domain_decides_who_is_asked() -> None:
    near, far = (alone(Behaviour(zones=(ZoneData("", (a("*", ip),)),))) for ip in ("192.0.2.1", "192.0.2.2"))
    behaviour = Behaviour(
        zones=(ZoneData("own.k8s.example.com", (a("x.own.k8s.example.com", "192.0.2.3"),)),),
        forwards=(Forward("k8s.example.com", (("near",),)), Forward("", (("far",),))),
        domains=("lan",),
    )
    server = alone(behaviour, near=near, far=far)
    found = {
        name: shown(say(server, name)) for name in ("x.own.k8s.example.com", "x.k8s.example.com", "x.com", "x.lan")
    }
    assert [code for code, _ in found.values()] == ["NOERROR", "NOERROR", "NOERROR", "NXDOMAIN"]
    assert [lines[0].split()[1] for _, lines in list(found.values())[:3]] == ["192.0.2.3", "192.0.2.1", "192.0.2.2"]


@pytest.mark.parametrize("in_order", [True, False])
def test_upstreams_in_order_or_in_turn(in_order: bool) -> None:
    one, two = (alone(Behaviour(zones=(ZoneData("", (a("*", ip),)),))) for ip in ("192.0.2.1", "192.0.2.2"))
    behaviour = Behaviour(forwards=(Forward("", (("dead", "one"), ("two",)), in_order),))
    server = alone(behaviour, one=one, two=two)
    found = {shown(say(server, "x.example.com"))[1][0].split()[1] for _ in range(4)}
    assert found == ({"192.0.2.1"} if in_order else {"192.0.2.1", "192.0.2.2"})


def test_nobody_answers() -> None:
    assert shown(say(alone(Behaviour(forwards=(Forward("", (("dead",),)),))), "x.example.com")) == ("SERVFAIL", [])


class Slow(Others):
    """`late` answers once `next` has been asked, and `never` not at all."""

    def __init__(self, **servers: Answering) -> None:
        super().__init__(**servers)
        self.come = asyncio.Event()

    async def ask(self, address: str, query: dns.message.Message) -> dns.message.Message | None:
        if address == "next":
            self.come.set()
        elif address == "late":
            await self.come.wait()
        elif address == "never":
            await asyncio.Event().wait()
        return await super().ask(address, query)


@pytest.mark.parametrize("upstreams", [("never", "next"), ("never", "never", "next", "fails")])
def test_whoever_is_silent_is_not_waited_for_alone(upstreams: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewright.rehearsal.nameserving.answering.NEXT_SECONDS", 0.01)
    other = alone(Behaviour(zones=(ZoneData("", (a("*", "192.0.2.2"),)),)))
    server = Answering(Behaviour(forwards=(Forward("", (upstreams,), True),)), Slow(next=other))
    assert shown(say(server, "x.example.com"))[1] == ["x.example.com. 192.0.2.2"]


def test_a_late_answer_counts_where_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewright.rehearsal.nameserving.answering.NEXT_SECONDS", 0.01)
    late = alone(Behaviour(zones=(ZoneData("", (a("*", "192.0.2.1"),)),)))
    server = Answering(Behaviour(forwards=(Forward("", (("late", "next"),), True),)), Slow(late=late))
    assert shown(say(server, "x.example.com"))[1] == ["x.example.com. 192.0.2.1"]


def test_rebind_protection_and_its_exceptions() -> None:
    up = alone(Behaviour(zones=(ZoneData("", (a("*.com", "10.0.0.1"), a("*.org", "198.51.100.1"))),)))
    behaviour = Behaviour(forwards=(Forward("", (("up",),)),), rebind_protection=True, rebind_exceptions=("ok.com",))
    server = alone(behaviour, up=up)
    assert shown(say(server, "x.example.com")) == ("NOERROR", [])
    assert shown(say(server, "x.ok.com"))[1] == ["x.ok.com. 10.0.0.1"]
    assert shown(say(server, "x.example.org"))[1] == ["x.example.org. 198.51.100.1"]


@pytest.mark.parametrize("own_ipv6", [False, True])
def test_filters_ipv6(own_ipv6: bool) -> None:
    up = alone(Behaviour(zones=(ZoneData("", (a("*", "2001:db8::2"),)),)))
    rewrites = (Rewrite("www.example.com", "AAAA", ("2001:db8::1",)),)
    behaviour = Behaviour(rewrites=rewrites, forwards=(Forward("", (("up",),)),), filters_ipv6=True, own_ipv6=own_ipv6)
    server = alone(behaviour, up=up)
    assert shown(say(server, "x.example.com", "AAAA")) == ("NOERROR", [])
    assert bool(say(server, "www.example.com", "AAAA").answer) is own_ipv6


@pytest.mark.parametrize(("keeps_names", "rcode"), [(True, dns.rcode.NOERROR), (False, dns.rcode.NXDOMAIN)])
def test_whose_own_names_exist_whatever_upstream_says(keeps_names: bool, rcode: dns.rcode.Rcode) -> None:
    rewrites = (Rewrite("nas.lan", "A", ("10.0.0.1",), forwards_others=True),)
    up = alone(Behaviour(zones=(ZoneData(""),)))
    behaviour = Behaviour(rewrites=rewrites, forwards=(Forward("", (("up",),)),), keeps_names=keeps_names)
    assert say(alone(behaviour, up=up), "nas.lan", "AAAA").rcode == rcode
    assert say(alone(behaviour, up=up), "other.lan", "AAAA").rcode == dns.rcode.NXDOMAIN


def test_circles_end() -> None:
    behaviour = Behaviour(rewrites=(Rewrite("a.lan", "CNAME", ("b.lan",)), Rewrite("b.lan", "CNAME", ("a.lan",))))
    assert say(alone(behaviour), "a.lan").rcode == dns.rcode.SERVFAIL


def test_what_is_wrong_with_a_record() -> None:
    assert fault(RecordSet("x.example.com", "A", ("192.0.2.300",)))
    assert fault(RecordSet("x..example.com", "A", ("192.0.2.3",)))
    assert fault(RecordSet("x.example.com", "MX", ("mail",)))
    assert not fault(RecordSet("x.example.com", "MX", ("10 mail.example.com.",)))
