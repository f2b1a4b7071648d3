"""Addresses, CIDRs and ranges: both ends are parsed whole, IPv6 counts in hex."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base.origin import Origin
from gatewright.kinds import addressing
from gatewright.kinds.intents.places import AddressRange

HERE = Origin("manifest.yaml", "1")


@pytest.mark.parametrize(
    ("text", "first", "last", "count"),
    [
        ("192.0.2.10-192.0.2.20", "192.0.2.10", "192.0.2.20", 11),
        ("192.0.2.10 - 192.0.2.10", "192.0.2.10", "192.0.2.10", 1),
        ("2001:db8::10-2001:db8::20", "2001:db8::10", "2001:db8::20", 17),
        ("2001:DB8::/126", "2001:db8::", "2001:db8::3", 4),
        ("192.0.2.77/24", "192.0.2.0", "192.0.2.255", 256),
        ("192.0.2.7/32", "192.0.2.7", "192.0.2.7", 1),
    ],
)
def test_spans(text: str, first: str, last: str, count: int) -> None:
    found = addressing.span(text, HERE)
    assert found == AddressRange(first, last, text, HERE)
    assert int(ip_address(last)) - int(ip_address(first)) + 1 == count


@pytest.mark.parametrize(
    "text",
    ["", "192.0.2.1", "192.0.2.10-20", "192.0.2.20-192.0.2.10", "192.0.2.1-2001:db8::1", "192.0.2.0/33", "a-b", "a/b"],
)
def test_what_is_no_span(text: str) -> None:
    assert isinstance(addressing.span(text, HERE), str)


@pytest.mark.parametrize(
    ("text", "cidr", "block"),
    [
        ("10.0.0.1/8", "10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.1", None, "10.0.0.1/32"),
        ("2001:DB8::1", None, "2001:db8::1/128"),
        ("10.0.0.0/33", None, None),
        ("x", None, None),
    ],
)
def test_cidrs_and_blocks(text: str, cidr: str | None, block: str | None) -> None:
    assert addressing.cidr(text) == cidr
    assert addressing.block(text) == block


@pytest.mark.parametrize(
    ("outer", "inner", "holds"),
    [
        ("10.0.0.0/8", "10.1.0.0/16", True),
        ("10.1.0.0/16", "10.0.0.0/8", False),
        ("10.0.0.0/8", "2001:db8::/32", False),
        ("2001:db8::/32", "2001:db8:1::/48", True),
    ],
)
def test_containment(outer: str, inner: str, holds: bool) -> None:
    assert addressing.contains(outer, inner) is holds


@given(
    st.one_of(
        st.ip_addresses().map(str),
        st.ip_addresses(v=6).map(lambda address: address.exploded.upper()),
        st.text("0123456789abF:.%/ \x00é", max_size=20),
        st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", fullmatch=True),
        st.from_regex(r"[0-9a-f:]{2,10}", fullmatch=True),
        st.from_regex(r"([0-9a-f]{1,2}:){0,7}:([0-9a-f]{1,2}:){0,7}[0-9a-f]?", fullmatch=True),
    )
)
def test_a_plain_address_is_what_ipaddress_makes_of_it(text: str) -> None:
    assert addressing.plain(text) in ("", addressing.address(text))


@given(st.ip_addresses().map(str))
def test_nearly_all_addresses_are_plain(text: str) -> None:
    assert addressing.plain(text) or "." in text or text.startswith("::")
