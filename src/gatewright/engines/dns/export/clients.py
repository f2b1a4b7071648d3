"""Who sees which view, for targets that ask in an order of their own: with us the longest prefix decides.

Counterpart: `engines.dns.views`, which finds the view of one query.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from gatewright.engines.dns.export.format import Loss
from gatewright.graph.names import serving
from gatewright.graph.names.serving import View

EVERYBODY = frozenset(serving.EVERYBODY)


def is_for_everybody(view: View) -> bool:
    """Do clients of both families see it, whoever sees more specific ones?"""
    return set(view.clients) >= EVERYBODY


def unseen(view: View) -> Iterator[Loss]:
    """The loss of a view that nobody sees."""
    if not view.clients and not view.listen:
        yield Loss("nobody", view.name)


def without_servers(view: View) -> Iterator[Loss]:
    """What of a view is lost where only the client's network decides, and no other server copies or changes zones."""
    yield from unseen(view)
    if view.listen:
        yield Loss("listen", view.name)
    if view.client_subnet:
        yield Loss("client-subnet", view.name)
    if view.updates or view.transfer_to or view.secondaries:
        yield Loss("transfer", view.name)


def ordered(views: Iterable[View]) -> tuple[View, ...]:
    """The views, those for everybody last: what comes first decides in most targets."""
    return tuple(sorted(views, key=lambda view: (bool(EVERYBODY & set(view.clients)), view.name)))


def terms(view: View, views: Iterable[View]) -> tuple[tuple[bool, str], ...]:
    """The networks that decide whether a client sees the view: (yes?, CIDR), the first that holds the client decides.

    Those of other views are there as far as they take clients away from this one.
    """
    mine = [ipaddress.ip_network(cidr) for cidr in view.clients]
    found = dict.fromkeys(mine, True)
    for other in views:
        for network in map(ipaddress.ip_network, other.clients):
            if other.name != view.name and any(_holds(outer, network) for outer in mine):
                found.setdefault(network, False)
    order = sorted(found, key=lambda network: (network.version, -network.prefixlen, network.network_address.packed))
    return tuple((found[network], str(network)) for network in order)


def _holds(
    outer: ipaddress.IPv4Network | ipaddress.IPv6Network, inner: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> bool:
    """Is one network in another, and smaller?"""
    if isinstance(outer, ipaddress.IPv4Network):
        return isinstance(inner, ipaddress.IPv4Network) and inner != outer and inner.subnet_of(outer)
    return isinstance(inner, ipaddress.IPv6Network) and inner != outer and inner.subnet_of(outer)
