r"""Access lists as route conditions: who may pass is decided where the route is chosen, without a filter.

The direct peer is known from the connection (filter state).  A client behind trusted proxies is an
entry of X-Forwarded-For, which Envoy has as text only: IPv4 ranges become a regular expression, of IPv6
only single addresses and "all" can be recognised.  Who cannot be recognised is not let in, and a Problem
says so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from envoy.config.route.v3 import route_components_pb2 as route

from gatewright.base.problem import Problem, Severity
from gatewright.engines.envoy.match import Condition, peer, regex
from gatewright.graph.nodes import Access

_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"


def passes(access: Access) -> list[Condition]:
    """What has to hold for a client to be let in."""
    if access.depth == 0:
        return [peer(access.cidrs)]
    # The peer itself has been appended: the n-th entry of what arrived is followed by n others.
    others = r"\s*,[^,]*" * access.depth
    pattern = rf"(?:.*,)?\s*(?:{forwarded(access.cidrs)}){others}"
    return [route.HeaderMatcher(name="x-forwarded-for", string_match=regex(pattern))]


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
        return "[0-9a-fA-F:.]*:[0-9a-fA-F:.]*"
    if network.prefixlen == 128:
        return "(?i:" + str(network.network_address).replace(".", r"\.") + ")"
    return ""


def unrecognisable(access: Access) -> list[Problem]:
    """The ranges whose clients are turned away although they are listed."""
    if access.depth == 0:
        return []
    networks = [ipaddress.ip_network(cidr, strict=False) for cidr in access.cidrs]
    lost = [str(n) for n in networks if isinstance(n, ipaddress.IPv6Network) and not _six(n)]
    if not lost:
        return []
    message = (
        f"clients in {', '.join(lost)} are turned away: "
        "X-Forwarded-For can be compared with IPv4 ranges and single IPv6 addresses only"
    )
    return [Problem("forwarded-ipv6-range", message, access.origin, Severity.WARNING)]
