"""Addresses, CIDRs and ranges as manifests write them.  Not a kind; pools, policies and nodes use it.

A text that is none becomes None; the kind says what that means.  Counterpart: `syntax`, the same for names.
"""

from __future__ import annotations

import ipaddress
import socket

from gatewright.base.origin import Origin
from gatewright.kinds.intents.places import AddressRange


def address(text: str) -> str | None:
    """An IP address in the form that `ipaddress` prints."""
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return None


def plain(text: str) -> str:
    """The same for nearly all addresses, many times faster; "" for what is none and for what `address` has to judge."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        octets = socket.inet_pton(family, text)
    except (OSError, ValueError):
        return ""
    if family == socket.AF_INET:
        return text
    found = socket.inet_ntop(family, octets)
    return "" if "." in found else found  # IPv4 within IPv6 is printed in other ways


def cidr(text: str) -> str | None:
    """`address/prefix` with the host bits cleared; a bare address is none."""
    if "/" not in text:
        return None
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        return None


def block(text: str) -> str | None:
    """A CIDR, or a bare address as the CIDR that holds it alone."""
    found = cidr(text)
    if found is None and (alone := address(text)) is not None:
        return f"{alone}/{32 if '.' in alone and ':' not in alone else 128}"
    return found


def contains(outer: str, inner: str) -> bool:
    """Is the second CIDR part of the first?  Both as `cidr` gives them."""
    around, within = ipaddress.ip_network(outer), ipaddress.ip_network(inner)
    if isinstance(around, ipaddress.IPv4Network) and isinstance(within, ipaddress.IPv4Network):
        return within.subnet_of(around)
    if isinstance(around, ipaddress.IPv6Network) and isinstance(within, ipaddress.IPv6Network):
        return within.subnet_of(around)
    return False


def span(text: str, origin: Origin) -> AddressRange | str:
    """`a.b.c.d/n` or `first-last`, both ends whole addresses; or why it is neither."""
    first, dash, last = text.partition("-")
    if dash:
        return between(first, last, text, origin)
    found = cidr(text)
    if found is None:
        return "neither a CIDR nor a range first-last"
    network = ipaddress.ip_network(found)
    return AddressRange(str(network[0]), str(network[-1]), text, origin)


def between(first: str, last: str, text: str, origin: Origin) -> AddressRange | str:
    """The addresses from first to last; or why there are none.  `::10` to `::20` are 17: IPv6 counts in hex."""
    try:
        start, stop = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
    except ValueError:
        return "both ends of a range have to be whole IP addresses"
    if start.version != stop.version:
        return "the ends of a range have to be of one address family"
    if int(start) > int(stop):
        return "the range ends before it starts"
    return AddressRange(str(start), str(stop), text, origin)
