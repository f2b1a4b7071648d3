"""How spaces of a draft are joined: what others have planned already, read from the wires."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_interface

from msgspec import Struct

from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Cluster, Net
from gatewright.rehearsal.world import INTERNET, ROUTER, SWITCH, Draft, node


class Below(Struct, frozen=True):
    """A space that a machine routes for: its addresses, and the machine's device that leads there."""

    space: str
    machine: str
    addresses: tuple[str, ...]
    device: str


def below(draft: Draft) -> list[Below]:
    """All spaces that are uplinked, with the space above (`machine`)."""
    return [
        Below(wire.one.space, wire.other.space, tuple(bare(a) for a in wire.one.addresses), wire.other.device)
        for wire in draft.wires
        if wire.other.addresses == (f"{ROUTER}/64",) and wire.other.space != SWITCH
    ]


def of_cluster(draft: Draft, cluster: Cluster) -> list[Below]:
    """Those below the machines of a cluster."""
    machines = {node(id_) for id_ in cluster.machines}
    return [one for one in below(draft) if one.machine in machines]


def segments(draft: Draft, space: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The segments that a space is on: (network, its device there, its addresses there with prefix)."""
    names = {bridge: network for network, bridge in draft.networks.items()}
    for wire in draft.wires:
        if wire.one.space == space and wire.other.space == SWITCH and wire.other.bridge in names:
            yield names[wire.other.bridge], wire.one.device, wire.one.addresses


def segment_of(draft: Draft, space: str, address: str) -> str:
    """The device of a space on the segment whose prefix holds an address, "" for none."""
    value = ip_address(address)
    for _, device, own in segments(draft, space):
        if any(value.version == ip_interface(a).version and value in ip_interface(a).network for a in own):
            return device
    return ""


def internet_device(draft: Draft, space: str) -> str:
    """The device of the internet that leads to a space, "" for none."""
    found = (one.device for one in below(draft) if one.space == space and one.machine == INTERNET)
    return next(found, "")


def holders(draft: Draft) -> dict[str, str]:
    """The space of each address that somebody has."""
    return {address: space.name for space in draft.spaces.values() for address in space.addresses}


def bare(address: str) -> str:
    """An address without its prefix."""
    return address.partition("/")[0]


def family(address: str) -> int:
    """4 or 6."""
    return 6 if ":" in address else 4


def ip(address: str) -> str:
    """The word of nftables for its family."""
    return "ip6" if family(address) == 6 else "ip"


def merged(nets: Iterable[Net]) -> list[Net]:
    """Prefixes without those that others hold: nftables wants no overlaps in a set."""
    found: list[Net] = []
    for net in sorted(set(nets), key=lambda net: (net.version, net.prefixlen, int(net.network_address))):
        if not any(cidrs.within(net, outer) for outer in found):
            found.append(net)
    return found
