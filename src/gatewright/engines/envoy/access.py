r"""Access lists as route conditions: who may pass is decided where the route is chosen, without a filter.

The direct peer is known from the connection (filter state).  A client behind trusted proxies is an
entry of X-Forwarded-For, which counts if the peer is believed, and which Envoy has as text only: IPv4 ranges become a
regular expression, of IPv6 only single addresses and "all" can be recognised.  Who cannot be recognised is not let in,
and a Problem says so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from envoy.config.route.v3 import route_components_pb2 as route

from gatewright.base.problem import Problem, Severity
from gatewright.engines.envoy.match import Condition, complement, peer, regex
from gatewright.graph.nodes import Access
from gatewright.kinds import syntax

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_ANY_FOUR = r"\.".join([_OCTET] * 4)
_ANY_SIX = "[0-9a-fA-F:.]*:[0-9a-fA-F:.]*"
_MAPPED = r"(?i:[0:]*:ffff:[0-9a-f:.]*|[0-9a-f:]*:[0-9.]*\.[0-9.]*)"
"""An address of IPv4 in the form of one of IPv6."""
_NOBODY = ("255.255.255.255/32",)
"""No connection comes from there."""
_MOST = 500
"""Ranges; RE2 takes some hundred, by their kind."""


def passes(access: Access) -> list[Condition]:
    """What has to hold for a client to be let in."""
    if access.nearest:
        return [_nearest(complement(access.cidrs) if access.deny else access.cidrs, access.trusted)]
    if access.depth == 0:
        return [peer(complement(access.cidrs) if access.deny else access.cidrs)]
    believed = peer(access.trusted or _NOBODY)
    listed = _entry(access.depth, forwarded(access.cidrs))
    if not access.deny:
        return [believed, listed]
    # Whose entry cannot be told from the ranges is not let in either: one address of IPv6 has many written forms.
    listed.invert_match = True
    if any(":" in cidr for cidr in access.cidrs):
        return [believed, listed, _entry(access.depth, _ANY_FOUR)]
    mapped = _entry(access.depth, _MAPPED)
    mapped.invert_match = True
    return [believed, listed, mapped, _entry(access.depth, f"{_ANY_FOUR}|{_ANY_SIX}")]


def endless(access: Access) -> bool:
    """Is the list too long to be compared with text?  Envoy would refuse the whole scope for such an expression."""
    if not access.depth and not access.nearest:
        return False
    if len(access.cidrs) + len(access.trusted) > _MOST:
        return True
    texts = (one.string_match.safe_regex.regex for one in passes(access) if isinstance(one, route.HeaderMatcher))
    return any(syntax.regex_error(text) for text in texts)


def _nearest(cidrs: Iterable[str], trusted: tuple[str, ...]) -> route.HeaderMatcher:
    """The last entry that is no believed peer's lies in these ranges, or all are such peers' and the first does.

    The peer has been appended, and what others than believed ones sent is gone, so that the header says it all.
    """
    listed = list(cidrs)
    strangers = complement([*complement(listed), *trusted])
    behind = rf"(?:\s*,\s*(?:{forwarded(trusted)}))*\s*"
    return route.HeaderMatcher(
        name="x-forwarded-for",
        string_match=regex(
            rf"(?:.*,)?\s*(?:{forwarded(strangers)}){behind}|\s*(?:{forwarded(listed)}){behind}",
        ),
        treat_missing_header_as_empty=True,
    )


def _entry(depth: int, pattern: str) -> route.HeaderMatcher:
    """The n-th entry of what arrived is like this: behind it come n others, of which the last is the peer."""
    others = r"\s*,[^,]*" * depth
    return route.HeaderMatcher(
        name="x-forwarded-for",
        string_match=regex(rf"(?:.*,)?\s*(?:{pattern}){others}"),
        treat_missing_header_as_empty=True,
    )


def forwarded(cidrs: Iterable[str]) -> str:
    """An expression for the written form of any address in the ranges; one that matches nothing if there is none."""
    found = []
    for cidr in cidrs:
        network = ipaddress.ip_network(cidr, strict=False)
        found.append(_four(network) if isinstance(network, ipaddress.IPv4Network) else _six(network))
    return "|".join(part for part in found if part) or r"[^\s\S]"


def _four(network: ipaddress.IPv4Network) -> str:
    octets, length = network.network_address.packed, network.prefixlen
    whole, rest = divmod(length, 8)
    parts = [str(octet) for octet in octets[:whole]]
    if rest:
        first = octets[whole]
        parts.append("(?:" + "|".join(str(n) for n in range(first, first + 2 ** (8 - rest))) + ")")
    parts += [_OCTET] * (4 - len(parts))
    return r"\.".join(parts)


def _six(network: ipaddress.IPv6Network) -> str:
    if network.prefixlen == 0:
        return _ANY_SIX
    if network.prefixlen == 128:
        return "(?i:" + str(network.network_address).replace(".", r"\.") + ")"
    return ""


def unrecognisable(access: Access) -> list[Problem]:
    """The clients who are turned away although they are listed, or not denied."""
    if access.depth == 0 and not access.nearest:
        return []
    networks = [ipaddress.ip_network(cidr, strict=False) for cidr in access.cidrs]
    ranges = [n for n in networks if isinstance(n, ipaddress.IPv6Network)]
    lost = [] if access.deny else [str(n) for n in ranges if not _six(n)]
    if access.deny and ranges and all(n.prefixlen for n in ranges):
        lost = ["::/0"]
    if not lost:
        return []
    message = (
        f"clients in {', '.join(lost)} are turned away: "
        "X-Forwarded-For can be compared with IPv4 ranges and single IPv6 addresses only"
    )
    return [Problem("forwarded-ipv6-range", message, access.origin, Severity.WARNING)]
