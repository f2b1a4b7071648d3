"""Zone files: names, times, continuation and mistakes."""

from __future__ import annotations

from ipaddress import ip_address

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base.origin import Origin
from gatewright.kinds.programs import zonefile
from support.resolved import noted, said

ORIGIN = Origin("zones/db.example.com", "1")

ZONE = """\
; the public zone
$TTL 1h
@       IN SOA ns1 hostmaster.example.com. (
                2024010101 ; serial
                1d 2h 4w 1h )
        IN NS ns1
        NS    ns2.other.net.
ns1     300 IN A 10.0.0.53
ns1     IN 300 AAAA fd00::53
*       A 10.0.0.50
        A 10.0.0.51
WWW     5m CNAME @
@       MX 10 mail
txt     TXT "a; (b)" "c \\"d\\""
_sip._tcp SRV 0 5 5060 sip.example.net.
@       CAA 0 issue "letsencrypt.org"
k       DNSKEY 256 3 8 AwEAAag=
$ORIGIN lab
host    1d2h A 10.0.0.1
$ORIGIN other.example.com.
host    A 10.0.0.2
"""


def test_a_zone() -> None:
    config, problems = zonefile.parse(ZONE, ORIGIN)
    assert problems == ()
    assert said(config) == [
        "example.com SOA ns1.example.com. hostmaster.example.com. 2024010101 86400 7200 2419200 3600 3600",
        "example.com NS ns1.example.com ns2.other.net 3600",
        "ns1.example.com A 10.0.0.53 300",
        "ns1.example.com AAAA fd00::53 300",
        "*.example.com A 10.0.0.50 10.0.0.51 3600",
        "www.example.com CNAME example.com 300",
        "example.com MX 10 mail.example.com 3600",
        'txt.example.com TXT a; (b)c "d" 3600',
        "_sip._tcp.example.com SRV 0 5 5060 sip.example.net 3600",
        'example.com CAA 0 issue "letsencrypt.org" 3600',
        "host.lab.example.com A 10.0.0.1 93600",
        "host.other.example.com A 10.0.0.2 3600",
        "example.com own",
    ]
    assert [record.origin.path[-1] for record in config.records][:5] == [3, 6, 8, 9, 10]


@pytest.mark.parametrize(
    ("origin", "domain", "text", "expected"),
    [
        (Origin("db.x.lan"), "", "a A 10.0.0.1", "a.x.lan A 10.0.0.1 0"),
        (Origin("zones/x.lan.zone"), "", "a A 10.0.0.1", "a.x.lan A 10.0.0.1 0"),
        (Origin("x.lan"), "", "a A 10.0.0.1", "a.x.lan A 10.0.0.1 0"),
        (Origin("cm.yaml", "1", ("data", "db.x.lan")), "", "a A 10.0.0.1", "a.x.lan A 10.0.0.1 0"),
        (Origin("db.x.lan"), "y.lan", "a A 10.0.0.1", "a.y.lan A 10.0.0.1 0"),
        (Origin("zonefile"), "", "$ORIGIN z.lan.\na A 10.0.0.1", "a.z.lan A 10.0.0.1 0"),
        (Origin("zonefile"), "", "a.z.lan. A 10.0.0.1", "a.z.lan A 10.0.0.1 0"),
    ],
)
def test_where_the_zone_s_name_comes_from(origin: Origin, domain: str, text: str, expected: str) -> None:
    config, problems = zonefile.parse(text, origin, domain)
    assert problems == ()
    assert said(config)[0] == expected


def test_an_soa_names_the_zone() -> None:
    config, _ = zonefile.parse("x.lan. SOA ns.x.lan. a.x.lan. 1 2 3 4 5", Origin("zonefile"))
    assert config.domains == ("x.lan",)


@pytest.mark.parametrize(
    ("line", "severity", "problem_id", "hint"),
    [
        ("a A 10.0.0.300", "error", "invalid-value", ""),
        ("a A fd00::1", "error", "invalid-value", ""),
        ("a AAAA", "error", "invalid-value", ""),
        ("a MX mail", "error", "invalid-value", ""),
        ("a AAA ::1", "error", "unknown-type", "did you mean AAAA?"),
        ("a 300", "error", "syntax", ""),
        ("a..b A 10.0.0.1", "error", "invalid-value", ""),
        ("other.org. A 10.0.0.1", "warning", "out-of-zone", ""),
        ("$INCLUDE more", "warning", "unsupported-option", ""),
        ("$GENERATE 1-9 h$ A 10.0.0.$", "warning", "unsupported-option", ""),
        ("$ORIGIN", "error", "invalid-value", ""),
        ("$ORGIN x", "error", "unknown-option", "did you mean $ORIGIN?"),
        ("$TTL soon", "error", "invalid-value", ""),
    ],
)
def test_a_mistake_costs_its_line_alone(line: str, severity: str, problem_id: str, hint: str) -> None:
    config, problems = zonefile.parse(f"first A 10.0.0.1\n{line}\nlast A 10.0.0.2\n", ORIGIN)
    assert noted(problems) == [(severity, problem_id, 2)]
    assert problems[0].hint == hint
    assert [record.name for record in config.records] == ["first.example.com", "last.example.com"]


def test_a_cname_stands_alone() -> None:
    _, problems = zonefile.parse("a CNAME b\na A 10.0.0.1\n", ORIGIN)
    assert noted(problems) == [("error", "cname-and-others", 1)]


def test_without_a_name_for_the_zone() -> None:
    config, problems = zonefile.parse("a A 10.0.0.1\n", Origin("zonefile"))
    assert config.records == ()
    assert noted(problems) == [("error", "invalid-value", 1)]
    assert "$ORIGIN" in problems[0].hint


def test_many_mistakes_are_counted() -> None:
    _, problems = zonefile.parse("a A x\n" * 1000, ORIGIN)
    assert len(problems) == 101
    assert problems[-1].message == "900 more problems in this file are not listed"


def test_a_file_that_is_too_long_is_not_read() -> None:
    config, problems = zonefile.parse("a A 10.0.0.1\n" * 1_400_000, ORIGIN)
    assert config.records == ()
    assert [p.id for p in problems] == ["document-too-large"]


_OWNERS = st.sampled_from(("", "@", "a", "*", "*.a", "A.b", "x.example.com.", "other.net.", "_t", "-", "a..b", "9"))
_ADDRESSES = ["10.0.0.1", "010.0.0.1", "10.0.0", "::1", "FD00:0::1", "::ffff:1.2.3.4", "::1.2.3.4", "fe80::1%eth0"]
_NAMES = f"@ a B. a.b. *.a . a..b _x.y {'x' * 64}. word".split()
_TEXTS = ['"text"', '""', '"a b; c"', '"é"', f'"{"y" * 260}"']
_VALUES = st.sampled_from(_ADDRESSES + _NAMES + _TEXTS)
_TYPES = st.sampled_from(("A", "AAAA", "CNAME", "TXT", "PTR", "NS", "MX", "a", "Aa"))
_LINES = st.tuples(_OWNERS, st.sampled_from(("", "60", "1h")), st.sampled_from(("", "IN", "in")), _TYPES, _VALUES)


@given(st.lists(_LINES, max_size=12))
def test_plain_lines_are_read_like_any_other(lines: list[tuple[str, ...]]) -> None:
    """Parentheses change nothing, and lead past what knows lines of the plain form."""
    plain = "".join(f"{owner} {ttl} {class_} {type_} {value}\n" for owner, ttl, class_, type_, value in lines)
    other = "".join(f"{owner} {ttl} {class_} {type_} ({value})\n" for owner, ttl, class_, type_, value in lines)
    assert zonefile.parse(plain, ORIGIN) == zonefile.parse(other, ORIGIN)


@given(_TYPES.filter(str.isupper), _VALUES)
def test_usual_values_are_what_dnspython_reads(type_: str, value: str) -> None:
    config, _ = zonefile.parse(f"h {type_} {value}\n", ORIGIN)
    found = [text for record in config.records for text in record.values]
    origin = dns.name.from_text("example.com.")
    try:
        read = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(type_), value, origin, relativize=False)
    except (dns.exception.DNSException, ValueError):
        assert found == []
        return
    text = b"".join(read.strings).decode() if type_ == "TXT" else read.to_text().removesuffix(".").lower()
    if type_ == "AAAA":
        text = str(ip_address(text))
    assert found == [text]
