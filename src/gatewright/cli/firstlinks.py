"""The Links of a first site map: which WireGuard and Nebula configurations belong together, and who is at their ends.

Part of `firstmap`.  An end whose configuration is not among the files is known by what the others say of it.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from gatewright.graph.sight import Sight
from gatewright.kinds.intents.places import LinkIntent, NodeIntent
from gatewright.kinds.intents.programs import LinkFileIntent, WireGuardPeer

KINDS = ("NebulaConfig", "WireGuardConfig")


class Machine(Struct, frozen=True):
    """A machine that only a configuration tells of."""

    name: str
    addresses: tuple[str, ...]
    why: str


class End(Struct, frozen=True):
    node: str
    config: str = ""
    routes: tuple[str, ...] = ()


class Link(Struct, frozen=True):
    name: str
    type: str
    ends: tuple[End, ...]
    machines: tuple[Machine, ...]


def described(sight: Sight) -> frozenset[str]:
    """The configuration files that Links of the site map have already."""
    links = sight.all("Link", LinkIntent)
    keys = [link.tunnel for link in links] + [end.config for link in links for end in link.ends]
    return frozenset(key.name for key in keys if key is not None)


def links(files: Sequence[LinkFileIntent], nodes: Sequence[NodeIntent]) -> tuple[Link, ...]:
    """One Link for each set of configurations that are each other's peers."""
    made = _Machines(nodes)
    found = []
    left = list(files)
    while left:
        group = _connected(left.pop(0), left)
        left = [file for file in left if file not in group]
        link = _link(group, made)
        if link is not None:
            found.append(link)
    return tuple(found)


def _connected(first: LinkFileIntent, others: Iterable[LinkFileIntent]) -> list[LinkFileIntent]:
    """The configurations that know each other, directly or by others: by public key; Nebula all by one network."""
    group, left = [first], list(others)
    while True:
        near = next((file for file in left if any(_know(file, member) for member in group)), None)
        if near is None:
            return group
        group.append(near)
        left.remove(near)


def _know(one: LinkFileIntent, other: LinkFileIntent) -> bool:
    if one.type != other.type:
        return False
    if one.key.kind == "NebulaConfig":
        return True
    pairs = ((one, other), (other, one))
    return any(b.public_key and b.public_key in {peer.public_key for peer in a.peers} for a, b in pairs)


class _Machines:
    """Machines by address, so that one address is one machine; those of the Nodes first."""

    def __init__(self, nodes: Iterable[NodeIntent]) -> None:
        self._by_address = {address: node.key.name for node in nodes for address in node.addresses}
        self._names = {node.key.name for node in nodes}

    def at(self, wanted: str, addresses: Iterable[str], why: str) -> tuple[str, Machine | None]:
        """The machine that has one of these addresses, else a new one; "" when there is nothing to know it by."""
        free = tuple(dict.fromkeys(address for text in addresses if (address := _address(text))))
        for address in free:
            if address in self._by_address:
                return self._by_address[address], None
        if not free:
            return "", None
        name, number = wanted, 1
        while name in self._names:
            number += 1
            name = f"{wanted}-{number}"
        self._names.add(name)
        self._by_address |= dict.fromkeys(free, name)
        return name, Machine(name, free, why)

    def forget(self, machines: Iterable[Machine]) -> None:
        """Machines that no Link needs after all."""
        for machine in machines:
            self._names.discard(machine.name)
            for address in machine.addresses:
                del self._by_address[address]


def _link(group: list[LinkFileIntent], made: _Machines) -> Link | None:
    """The Link of a group, or None when fewer than two ends can be told."""
    ends: dict[str, End] = {}
    machines: list[Machine] = []

    def add(end: End, machine: Machine | None) -> None:
        if end.node and end.node not in ends:
            ends[end.node] = end
        if machine is not None:
            machines.append(machine)

    keys = {file.public_key for file in group if file.public_key}
    for file in group:
        told = [
            peer for other in group for peer in other.peers if file.public_key and peer.public_key == file.public_key
        ]
        addresses = [_host(peer.endpoint) for peer in told] + list(file.addresses)
        name, machine = made.at(_named(file), addresses, f"{file.key.name}: put in its own addresses")
        add(End(name, file.key.name), machine)
    peers = [peer for file in group for peer in file.peers if peer.public_key not in keys]
    for number, peer in enumerate(dict.fromkeys(peers), 1):
        why = f"a peer in {group[0].key.name}: put in its name and addresses"
        name, machine = made.at(f"{_named(group[0])}-peer-{number}", _known_by(peer), why)
        add(End(name, routes=peer.allowed_ips), machine)
    for overlay, underlay in dict.fromkeys(pair for file in group for pair in file.hosts):
        why = f"the host {overlay} of {group[0].key.name}"
        name, machine = made.at("nebula-host", [*map(_host, underlay), overlay], why)
        add(End(name), machine)
    if len(ends) < 2:
        made.forget(machines)
        return None
    return Link(_named(group[0]), group[0].type.value, tuple(ends.values()), tuple(machines))


def _known_by(peer: WireGuardPeer) -> list[str]:
    """What a peer can be told by: where it is dialled, else its first address in the tunnel."""
    dialled = _host(peer.endpoint)
    alone = [cidr.partition("/")[0] for cidr in peer.allowed_ips if cidr.endswith(("/32", "/128"))]
    return [dialled] if _address(dialled) else alone[:1]


def _host(endpoint: str) -> str:
    """The host of `host:port`."""
    host = endpoint.rpartition(":")[0]
    return host.removeprefix("[").removesuffix("]")


def _address(text: str) -> str:
    """An address without its prefix length, "" when it is none that a machine can have."""
    try:
        found = ipaddress.ip_address(text.partition("/")[0])
    except ValueError:
        return ""
    return "" if found.is_unspecified or "%" in text else str(found)


def _named(file: LinkFileIntent) -> str:
    """A name for the machine that a file configures: by its folder and itself."""
    folder, name = posixpath.split(posixpath.normpath(file.key.name))
    text = f"{posixpath.basename(folder)}-{name.partition('.')[0]}"
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:50].strip("-") or "end"
