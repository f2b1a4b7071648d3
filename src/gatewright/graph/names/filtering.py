"""What a resolver makes of what its upstreams answer, before its client hears it.

Rebind protection, the suppression of AAAA, and names that it knows better.  Nothing is asked here.  Counterpart:
`resolvers`, which has the answers from the upstreams.
"""

from __future__ import annotations

from gatewright.graph.names.nodes import NameStep, Resolution, Status
from gatewright.graph.names.queries import Query
from gatewright.graph.names.servers import Server

PRIVATE = ("10.", "192.168.", "127.", "169.254.", "fc", "fd", "fe80:", *(f"172.{n}." for n in range(16, 32)))

REBIND = "rebind protection drops private addresses"
"""The end of the last step of an answer that a resolver emptied."""


def filtered(query: Query, who: Server, resolution: Resolution) -> Resolution:
    """What is left of an upstream's answer after rebind protection and the suppression of AAAA."""
    if resolution.status is not Status.ANSWER and resolution.status is not Status.EDGE:
        return resolution
    if who.filters_ipv6 and query.type == "AAAA":
        return _dropped(resolution, who, f"{who.label}: drops AAAA answers")
    if who.rebind_protection and any(map(is_private, resolution.addresses)):
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


def is_private(address: str) -> bool:
    """Is it an address that the internet does not route?"""
    return address.startswith(PRIVATE) or address == "::1"


def corrected(who: Server, answer: Resolution) -> Resolution:
    """dnsmasq knows that there is such a name, if only in the other family, and corrects upstreams that deny it."""
    if answer.status is not Status.NXDOMAIN:
        return answer
    return _dropped(answer, who, f"{who.label}: there is such a name, whatever upstream says")
