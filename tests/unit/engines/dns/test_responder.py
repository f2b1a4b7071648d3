"""Answers that are kept: never stale after a change, bounded under floods, equal however they were come by."""

import random

import dns.flags
import dns.message
import dns.rcode
import pytest

from gatewright.engines.dns import responder as module
from gatewright.engines.dns.content import Listen, Push, RateConfig, RRset, RRsets, ViewConfig
from gatewright.engines.dns.responder import SPECIAL, Client, Responder
from support.dnszones import ask, names_of, plan, responder, wire

LISTEN = Listen("192.0.2.53", 53)
NAMES = ("@", "a", "b", "x.a", "*.b", "y.x.a", "d.sub", "sub", "alias", "*")
TYPES = ("A", "AAAA", "TXT", "NS", "CNAME", "SOA", "ANY", "HTTPS")


def state(chance: random.Random) -> dict[bytes, RRsets]:
    lines = []
    for name in NAMES:
        match chance.choice(("none", "none", "a", "both", "ns", "alias")):
            case "a":
                lines.append(f"{name} A 192.0.2.{chance.randint(1, 200)}")
            case "both":
                lines += [
                    f"{name} A 192.0.2.{chance.randint(1, 200)}",
                    f"{name} AAAA 2001:db8::{chance.randint(1, 99)}",
                ]
            case "ns" if "*" not in name:
                lines += [f"{name} NS ns.elsewhere.test."]
            case "alias" if name != "@":
                lines.append(f"{name} CNAME {chance.choice(NAMES[:5])}")
    return names_of("\n".join(lines) + "\n", "example.com")


@pytest.mark.parametrize("seed", range(30))
def test_what_is_kept_is_what_would_be_made_anew(seed: int) -> None:
    chance = random.Random(seed)
    made = responder(plan({"example.com": ""}))
    known = names_of("", "example.com")
    for serial in range(2, 12):
        after = state(chance)
        changes = {name: after.get(name, ()) for name in {*known, *after} if known.get(name, ()) != after.get(name, ())}
        if chance.random() < 0.7:  # one name at a time
            changes = dict(list(changes.items())[:1])
        known = {name: sets for name, sets in {**known, **changes}.items() if sets}
        made.change(Push("example.com/lan", serial, changes))
        fresh = responder(plan({"example.com": ""}))
        fresh.change(Push("example.com/lan", serial, dict.fromkeys(names_of("", "example.com"), ())))
        fresh.change(Push("example.com/lan", serial, known))
        for name in NAMES:
            for kind in TYPES:
                query = dns.message.make_query(f"{name}.example.com" if name != "@" else "example.com", kind)
                assert ask(made, query) == ask(fresh, query), (name, kind)
                kept = made.respond(query.to_wire(), Client(made.lanes["lan"], None), LISTEN, True)
                assert kept == fresh.respond(query.to_wire(), Client(fresh.lanes["lan"], None), LISTEN, True)


def test_a_flood_of_random_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_DERIVED", 100)
    made = responder(plan({"example.com": "*.wild A 192.0.2.1"}))
    for number in range(1000):
        ask(made, dns.message.make_query(f"n{number}.{'wild.' if number % 2 else ''}example.com", "A"))
    lane = made.lanes["lan"]
    assert len(lane.derived) <= 100
    assert len(lane.own) == 0


def test_spellings_are_echoed_and_types_with_letters_in_them_are_told_apart() -> None:
    made = responder(plan({"example.com": "www A 192.0.2.1\nwww TYPE65 \\# 3 000100\nwww TYPE97 \\# 1 07"}))
    for name in ("wwW.Example.com.", "WWW.example.COM."):
        for kind in (1, 65, 97, 1, 65, 97):
            answer = ask(made, dns.message.make_query(name, kind))
            assert str(answer.question[0].name) == name
            assert answer.answer[0].rdtype == kind


def limited(rate: RateConfig) -> tuple[Responder, Client]:
    view = ViewConfig("public", ("0.0.0.0/0",), rate=rate)
    made = responder(plan({"example.com/public": "www A 192.0.2.1"}, (view,)))
    return made, made.client(LISTEN, "9.9.9.9")


def test_limits_apply_to_kept_and_made_answers_alike_but_not_to_tcp() -> None:
    made, client = limited(RateConfig(2, 2))
    query = dns.message.make_query("www.example.com", "A").to_wire()
    replies = [made.respond(query, client, LISTEN) for _ in range(4)]
    assert [None if reply is None else bool(reply[2] & 2) for reply in replies] == [False, False, None, True]
    assert made.respond(query, client, LISTEN, True) is not None
    floods = [
        made.respond(dns.message.make_query(f"n{n}.example.com", "A").to_wire(), client, LISTEN) for n in range(4)
    ]
    assert floods[2] is None  # random names below one zone are one answer
    assert made.stats()["public"].limited == 4


def test_special_requests_are_handed_on() -> None:
    made, client = limited(RateConfig(2, 2))
    assert made.respond(dns.message.make_query("example.com", "AXFR").to_wire(), client, LISTEN) == SPECIAL
    update = dns.message.make_query("example.com", "SOA")
    update.flags |= 5 << 11
    assert made.respond(update.to_wire(), client, LISTEN) == SPECIAL


def test_large_answers_are_truncated_to_what_the_client_takes() -> None:
    text = "\n".join(f"many A 192.0.2.{n}" for n in range(1, 60))
    made = responder(plan({"example.com": text}))
    for _ in range(2):  # made, then kept
        plain = ask(made, dns.message.make_query("many.example.com", "A", use_edns=False), tcp=False)
        assert plain.flags & dns.flags.TC
        assert not plain.answer
        assert len(ask(made, dns.message.make_query("many.example.com", "A", payload=1232), tcp=False).answer[0]) == 59
        assert len(ask(made, dns.message.make_query("many.example.com", "A", use_edns=False)).answer[0]) == 59


def test_a_name_without_data_exists() -> None:
    made = responder(plan({"example.com": "* A 192.0.2.1\n"}))
    made.change(Push("example.com/lan", 2, {wire("empty.example.com"): (RRset(1, 300, ()),)}))
    for kind in ("A", "AAAA", "ANY"):
        found = ask(made, dns.message.make_query("empty.example.com", kind))
        assert (found.rcode(), found.answer, len(found.authority)) == (dns.rcode.NOERROR, [], 1)


def test_zones_that_come_and_go_take_their_names_along() -> None:
    made = responder(plan({"example.com": "www.sub A 192.0.2.1"}))
    query = dns.message.make_query("www.sub.example.com", "A")
    assert ask(made, query).answer
    both = plan({"example.com": "", "sub.example.com": ""})
    other = responder(both)
    made.configure(both.views, [*made.zones.values(), other.zones["sub.example.com/lan"]])
    assert ask(made, query).rcode() == dns.rcode.NXDOMAIN
    made.configure(both.views, [made.zones["example.com/lan"]])
    assert ask(made, query).answer
    made.configure(both.views, [])
    assert ask(made, query).rcode() == dns.rcode.REFUSED
    assert wire("example.com") == b"\7example\3com\0"
