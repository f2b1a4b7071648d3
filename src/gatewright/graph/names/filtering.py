"""What a resolver makes of what its upstreams answer, before its client hears it.

Rebind protection, the suppression of AAAA, and names that it knows better.  Nothing is asked here.  Counterpart:
`resolvers`, which has the answers from the upstreams.
"""

from __future__ import annotations

from gatewright.graph.names.nodes import NameStep, Resolution, Status
from gatewright.graph.names.queries import Query
from gatewright.graph.names.servers import Server
from gatewright.graph.network import cidrs

PRIVATE = cidrs.networks(
    ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "fc00::/7", "fe80::/10", "::1")
)
"""What rebind protection takes for private (RFC 1918, 1122, 3927, 4193, 4291)."""
REBIND = "rebind protection drops private addresses"
"""The end of the last step of an answer that a resolver emptied."""


def filtered(query: Query, who: Server, resolution: Resolution) -> Resolution:
    """What is left of an upstream's answer after rebind protection and the suppression of AAAA."""
    if resolution.status is not Status.ANSWER and resolution.status is not Status.EDGE:
        return resolution
    if who.filters_ipv6 and query.type == "AAAA":
        return _dropped(resolution, who, f"{who.label}: drops AAAA answers")
    if who.rebind_protection and any(map(is_rebinding, resolution.addresses)):
        name = query.name
        while name:
            if name in who.rebind_exceptions:
                return resolution
            name = name.partition(".")[2]
        return _dropped(resolution, who, f"{who.label}: {REBIND}")
    return resolution


def _dropped(resolution: Resolution, who: Server, text: str) -> Resolution:
    steps = (*resolution.steps, NameStep(who.label, text, who.origin))
    return Resolution(
        Status.NODATA,
        resolution.resolver,
        resolution.asked,
        steps,
        canonical=resolution.canonical,
        zone=resolution.zone,
        origin=who.origin,
    )


def is_rebinding(text: str) -> bool:
    """Does rebind protection drop this address?"""
    address = cidrs.address(text)
    return address is not None and any(address.version == net.version and address in net for net in PRIVATE)


def corrected(who: Server, answer: Resolution) -> Resolution:
    """dnsmasq knows that there is such a name, if only in the other family, and corrects upstreams that deny it."""
    if answer.status is not Status.NXDOMAIN:
        return answer
    return _dropped(answer, who, f"{who.label}: there is such a name, whatever upstream says")
