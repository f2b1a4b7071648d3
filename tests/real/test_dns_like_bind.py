"""Property: for random zones, random names and types, our answer is BIND's."""

import random
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from support.dnszones import ask, bind, plan, responder

pytestmark = pytest.mark.real

ZONES = 24
LABELS = ("a", "b", "c", "*", "ns1")
TYPES = ("A", "AAAA", "TXT", "MX", "CNAME", "NS", "SRV", "DS", "SOA")


def zone_text(random: random.Random, domains: list[str]) -> str:
    """A small zone with everything that can meet: wildcards, empty non-terminals, cuts, aliases within and beyond."""
    lines, taken = [], {"@", "ns1"}

    def label() -> str:
        return ".".join(random.choices(LABELS, k=random.randint(1, 3)))

    for _ in range(random.randint(2, 9)):
        name = label()
        if name in taken or name.endswith("ns1") or name == "a":  # zones of their own are at "a"
            continue
        taken.add(name)
        kind = random.choice(("A", "A", "AAAA", "TXT", "MX", "CNAME", "CNAME", "NS", "ENT"))
        target = random.choice((label(), f"{label()}.{random.choice(domains)}.", "elsewhere.invalid."))
        match kind:
            case "A":
                lines += [f"{name} A 192.0.2.{i}" for i in range(1, random.randint(2, 4))]
            case "AAAA":
                lines += [f"{name} AAAA 2001:db8::1", f"{name} A 192.0.2.9"]
            case "TXT":
                lines.append(f'{name} TXT "one" "two"')
            case "MX":
                lines.append(f"{name} MX 10 {target}")
            case "CNAME":
                lines.append(f"{name} CNAME {target}")
            case "NS" if "*" not in name:
                lines += [f"{name} NS ns.{name}", f"ns.{name} A 192.0.2.53", f"{name} NS other.invalid."]
            case "ENT":
                lines.append(f"deep.{name} SRV 1 2 3 {target}")
    return "\n".join(lines) + "\n"


def meaning(message: dns.message.Message) -> tuple[object, ...]:
    """What an answer says; the order of records and the additional section apart."""

    def records(section: list[dns.rrset.RRset]) -> list[str]:
        return sorted(
            f"{rrset.name} {rrset.ttl} {rrset.rdtype} {rdata}".lower() for rrset in section for rdata in rrset
        )

    return message.rcode(), bool(message.flags & dns.flags.AA), records(message.answer), records(message.authority)


def goes_on(found: dns.message.Message, expected: dns.message.Message, domains: list[str]) -> bool:
    """Is ours BIND's answer with an alias followed into another zone, where BIND stops unless it is recursive, or the
    same circle of aliases?"""

    def zone(name: str) -> str:
        return max((each for each in domains if f".{name}".endswith(f".{each}.")), key=len, default="")

    told = [str(rrset) for rrset in found.answer]
    if expected.rcode() == dns.rcode.SERVFAIL and expected.answer:  # a circle of aliases, which is no fault of ours
        return found.rcode() == dns.rcode.NOERROR and told == [str(rrset) for rrset in expected.answer]
    crossings = [
        rrset
        for rrset in found.answer
        if rrset.rdtype == dns.rdatatype.CNAME and zone(str(rrset.name)) != zone(str(rrset[0].target))
    ]
    return bool(crossings) and told[: len(expected.answer)] == [str(rrset) for rrset in expected.answer]


@pytest.mark.parametrize("seed", range(4))
def test_answers_are_those_of_bind(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    domains = [f"z{i}.test" for i in range(ZONES)] + [f"a.z{i}.test" for i in range(0, ZONES, 6)]
    zones = {domain: zone_text(chance, domains) for domain in domains}
    ours, differences, compared = responder(plan(zones)), [], 0
    with bind(tmp_path, zones) as port:
        for domain in domains:
            names = {domain} | {
                ".".join([*chance.choices((*LABELS, "q", "deep"), k=chance.randint(1, 4)), domain]) for _ in range(25)
            }
            for name in sorted(names):
                for kind in chance.sample(TYPES, 5):
                    query = dns.message.make_query(f"{name}.", kind, flags=0, use_edns=0, payload=1232)
                    expected = dns.query.tcp(query, "127.0.0.1", port=port, timeout=60)
                    found = ask(ours, query)
                    compared += 1
                    if meaning(found) != meaning(expected) and not goes_on(found, expected, domains):
                        differences.append(f"--- {name} {kind}\nBIND\n{expected}\nours\n{found}\n")
    assert compared > 2000
    assert not differences, f"{len(differences)} of {compared}\n" + "\n".join(differences[:3])
