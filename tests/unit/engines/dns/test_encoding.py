"""Records on the wire, as dnspython reads them back."""

from __future__ import annotations

import dns.name
import dns.rdata
import dns.rdataclass
import pytest

from gatewright.engines.dns.encoding import rrset, type_number, wire_name


@pytest.mark.parametrize("name", ["example.com", "*.Example.com.", "_acme-challenge.a.example.com", "x" * 63 + ".a"])
def test_names(name: str) -> None:
    assert wire_name(name) == dns.name.from_text(name.lower()).to_wire()


def test_the_root_and_escapes() -> None:
    assert wire_name("") == wire_name(".") == b"\0"
    assert wire_name(r"a\.b.example") == b"\x03a.b\x07example\x00"


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("A", "192.0.2.1", "192.0.2.1"),
        ("AAAA", "2001:db8::1", "2001:db8::1"),
        ("CNAME", "WWW.example.com", "www.example.com."),
        ("NS", "ns.example.com.", "ns.example.com."),
        ("MX", "10 mail.example.com", "10 mail.example.com."),
        ("SRV", "0 5 5060 sip.example.com", "0 5 5060 sip.example.com."),
        ("TXT", "v=spf1 -all", '"v=spf1 -all"'),
        ("TXT", '"two" "strings"', '"two" "strings"'),
        ("TXT", 'a "quoted" word', r'"a \"quoted\" word"'),
        ("CAA", '0 issue "letsencrypt.org"', '0 issue "letsencrypt.org"'),
        ("HTTPS", "1 . alpn=h2", '1 . alpn="h2"'),
    ],
)
def test_data(kind: str, value: str, text: str) -> None:
    found = rrset(kind, 60, (value,))
    assert (found.type, found.ttl) == (type_number(kind), 60)
    (wire,) = found.rdata
    assert dns.rdata.from_wire(dns.rdataclass.IN, found.type, wire, 0, len(wire)).to_text() == text


def test_long_text_is_cut() -> None:
    (wire,) = rrset("TXT", 60, ("x" * 600,)).rdata
    assert (wire[0], wire[256], wire[512], len(wire)) == (255, 255, 90, 603)


def test_values_are_sorted_and_once() -> None:
    assert rrset("A", 60, ("192.0.2.2", "192.0.2.1", "192.0.2.2")).rdata == (b"\xc0\0\x02\x01", b"\xc0\0\x02\x02")
