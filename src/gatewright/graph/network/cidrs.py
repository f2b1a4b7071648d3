"""Arithmetic of addresses and prefixes: what is global, longest-prefix match, which prefixes overlap.

Knows nothing of sites or links; every function is pure.  Prefixes either nest or are disjoint, which is why nothing
here compares all with all.  Counterpart: `topology`, which says what the prefixes belong to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Generic, TypeVar

from gatewright.graph.network.nodes import Net

Address = IPv4Address | IPv6Address
T = TypeVar("T")

# What no router of the internet carries.  The ranges set aside for documentation are not among them: whoever writes
# 203.0.113.7 into a site map means a public address.
_LOCAL = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
        "::/127",
        "fc00::/7",
        "fe80::/10",
        "ff00::/8",
    )
)
ULA = ip_network("fc00::/7")
_LINK_LOCAL = (ip_network("169.254.0.0/16"), ip_network("fe80::/10"))


def address(text: str) -> Address | None:
    """An address, or None for what is none (a hostname)."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def networks(texts: Iterable[str]) -> tuple[Net, ...]:
    """The prefixes among these texts; what is none was refused where it was written, and is left out here."""
    found = []
    for text in texts:
        try:
            found.append(ip_network(text, strict=False))
        except ValueError:
            continue
    return tuple(found)


def is_global(value: Address | Net) -> bool:
    """Does the internet route this address, or the first of this network?"""
    first = value if isinstance(value, IPv4Address | IPv6Address) else value.network_address
    return not any(first.version == local.version and first in local for local in _LOCAL)


def is_private(text: str) -> bool:
    """Is it an address that the internet does not route?  A hostname leads where it leads."""
    value = address(text)
    return value is not None and not is_global(value)


def is_link_local(value: Address) -> bool:
    """Is it only valid on one segment?"""
    return any(value.version == net.version and value in net for net in _LINK_LOCAL)


def within(inner: Net, outer: Net) -> bool:
    """Is every address of `inner` in `outer`?"""
    return (
        inner.version == outer.version
        and outer.prefixlen <= inner.prefixlen
        and int(outer.network_address) == int(inner.network_address) & int(outer.netmask)
    )


def host(value: Address) -> Net:
    """The prefix of this address alone."""
    return ip_network(value)


class Prefixes(Generic[T]):
    """Longest-prefix match: one dict per prefix length, so that a look-up costs a few dict reads at any size."""

    __slots__ = ("_lengths", "_tables")

    def __init__(self, entries: Iterable[tuple[Net, T]]) -> None:
        self._tables: dict[tuple[int, int], dict[int, list[T]]] = {}
        for net, value in entries:
            table = self._tables.setdefault((net.version, net.prefixlen), {})
            table.setdefault(int(net.network_address), []).append(value)
        self._lengths: dict[int, tuple[tuple[int, int], ...]] = {4: (), 6: ()}
        for version, bits in ((4, 32), (6, 128)):
            lengths = sorted((length for v, length in self._tables if v == version), reverse=True)
            self._lengths[version] = tuple((length, bits - length) for length in lengths)

    def longest(self, wanted: Address) -> tuple[int, Sequence[T]]:
        """The length of the longest prefix that holds the address and what is there; (-1, ()) for none."""
        return next(self.each(wanted), (-1, ()))

    def each(self, wanted: Address) -> Iterator[tuple[int, Sequence[T]]]:
        """The length of every prefix that holds the address and what is there, longest first."""
        value = int(wanted)
        for length, shift in self._lengths[wanted.version]:
            found = self._tables[wanted.version, length].get(value >> shift << shift)
            if found:
                yield length, found


def overlapping(nets: Sequence[tuple[Net, T]]) -> list[tuple[T, T]]:
    """Pairs (outer, inner) that overlap: each prefix with the narrowest one around it, so never more pairs than nets.

    Equal prefixes count as nested in the order in which they are given.
    """
    order = sorted(
        range(len(nets)),
        key=lambda i: (nets[i][0].version, int(nets[i][0].network_address), nets[i][0].prefixlen, i),
    )
    pairs: list[tuple[T, T]] = []
    around: list[int] = []
    for i in order:
        while around and not within(nets[i][0], nets[around[-1]][0]):
            around.pop()
        if around:
            pairs.append((nets[around[-1]][1], nets[i][1]))
        around.append(i)
    return pairs


def numbered(version: int, number: int) -> Address:
    """The address of that family with this number."""
    return IPv4Address(number) if version == 4 else IPv6Address(number)
