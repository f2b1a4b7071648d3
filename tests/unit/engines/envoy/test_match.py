"""Addresses: complements of ranges, and what X-Forwarded-For may say."""

from __future__ import annotations

import ipaddress

import re2
from hypothesis import given
from hypothesis import strategies as st

from gatewright.engines.envoy.access import forwarded, unrecognisable
from gatewright.engines.envoy.match import complement
from gatewright.graph.nodes import Access
from support import compiled as c

ADDRESSES = st.ip_addresses(v=4)
RANGES = st.builds(lambda a, n: f"{a}/{n}", ADDRESSES, st.integers(0, 32))


def inside(address: ipaddress.IPv4Address, cidrs: list[str]) -> bool:
    return any(address in ipaddress.ip_network(cidr, strict=False) for cidr in cidrs if ":" not in cidr)


@given(ADDRESSES, st.lists(RANGES, max_size=4))
def test_the_complement_is_everything_else(address: ipaddress.IPv4Address, cidrs: list[str]) -> None:
    assert inside(address, complement(cidrs)) != inside(address, cidrs)


@given(ADDRESSES, st.lists(RANGES, max_size=4), st.data())
def test_a_forwarded_address_is_recognised_exactly(
    address: ipaddress.IPv4Address, cidrs: list[str], data: st.DataObject
) -> None:
    if cidrs:  # make hits likely
        network = ipaddress.ip_network(data.draw(st.sampled_from(cidrs)), strict=False)
        address = data.draw(st.sampled_from([address, network[0], network[-1]]))
    assert (re2.fullmatch(forwarded(cidrs), str(address)) is not None) == inside(address, cidrs)


def test_what_cannot_be_recognised_is_told() -> None:
    access = Access(("2001:db8::/32", "10.0.0.0/8", "::1/128", "::/0"), c.ORIGIN, depth=1)
    assert [p.id for p in unrecognisable(access)] == ["forwarded-ipv6-range"]
    assert "2001:db8::/32" in unrecognisable(access)[0].message
    assert unrecognisable(Access(("2001:db8::/32",), c.ORIGIN)) == []
