"""How a machine answers on its segment for addresses that are behind it or its own besides."""

from __future__ import annotations

from gatewright.rehearsal.plan.clusters.joined import family
from gatewright.rehearsal.world import SpaceDraft


def announce(space: SpaceDraft, device: str, address: str) -> None:
    """Answer ARP or neighbour discovery for an address that the space routes elsewhere."""
    space.ip(f"neigh add proxy {address} dev {device}")
    if family(address) == 6:
        space.sysctl("ipv6/conf/all/proxy_ndp", "1")


def host(address: str) -> str:
    """The prefix of an address alone."""
    return f"{address}/{128 if family(address) == 6 else 32}"
