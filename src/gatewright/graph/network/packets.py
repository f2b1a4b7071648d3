"""A packet under way, and how its way ends.

Counterpart: `walker`, whose stations pass it on.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field, structs

from gatewright.base.origin import Origin
from gatewright.graph.network import cidrs
from gatewright.graph.network.cidrs import Address
from gatewright.graph.network.firewalls import Traffic
from gatewright.graph.network.nodes import Mtu, Net, Network, Step, StepKind, Way


class Packet(Struct, frozen=True):
    """All that is known of a packet.  `sources`: prefixes that the sender's address may be in (empty: unknown).

    `seen`: the stations that it has passed; `tried`: those that it has on any branch, shared by all branches of a walk,
    for what fails once from a station fails again.  `banned`: links that may not carry it, since it carries them.
    `judged` False: firewalls are not asked; `hidden`: it has come out of a link on the machine where it is, so that
    only the machine's own firewall sees it.
    """

    wanted: Address
    port: int
    protocol: str
    sources: tuple[Net, ...] = ()
    steps: tuple[Step, ...] = ()
    mtu: Mtu | None = None
    links: tuple[str, ...] = ()
    seen: frozenset[tuple[str, str]] = frozenset()
    tried: set[tuple[str, str]] = field(default_factory=set)
    banned: frozenset[int] = frozenset()
    judged: bool = True
    hidden: bool = False

    def step(self, kind: StepKind, summary: str, origin: Origin | None = None, *details: str) -> Packet:
        return structs.replace(self, steps=(*self.steps, Step(kind, summary, origin, details)))

    def narrowed(self, value: int, hop: str, origin: Origin | None) -> Packet:
        """The packet after a hop that carries at most `value` octets."""
        if self.mtu is not None and self.mtu.value <= value:
            return self
        return structs.replace(self, mtu=Mtu(value, hop, origin))

    @property
    def source(self) -> Net | None:
        """The likeliest prefix of the sender: of the wanted family, and global where the wanted address is."""
        same = [net for net in self.sources if net.version == self.wanted.version]
        wide = cidrs.is_global(self.wanted)
        return next((net for net in same if cidrs.is_global(net) == wide), same[0] if same else None)

    @property
    def has_source(self) -> bool:
        """Has the sender an address of the wanted family, as far as anybody knows?"""
        return not self.sources or any(net.version == self.wanted.version for net in self.sources)

    def again(self, place: str) -> Way | None:
        """The Way that ends at a station where the packet, or another branch, has been before; None where none has."""
        station = (place, str(self.wanted))
        if station in self.seen:
            links = ", ".join(self.links) or "the routers"
            return self.failed(f"packets for {self.wanted} go round in a circle ({links})")
        if station in self.tried:
            return self.failed(f"{place} has no way to {self.wanted} on another branch either", unknown=True)
        return None

    def at(self, place: str) -> Packet:
        """The packet once it is at a station."""
        station = (place, str(self.wanted))
        self.tried.add(station)
        return structs.replace(self, seen=self.seen | {station}, hidden=False)

    @property
    def said(self) -> str:
        """As messages name it."""
        source = self.source
        alone = source is not None and source.prefixlen == source.max_prefixlen
        whose = f" from {source.network_address if alone else source}" if source is not None else ""
        return f"{self.protocol} {self.port}{whose}"

    @property
    def traffic(self) -> Traffic:
        return Traffic(self.source, self.wanted.version, self.port, self.protocol)

    def failed(self, reason: str, *, unknown: bool = False, blocked_by: Origin | None = None) -> Way:
        return self._end(False, reason, "", unknown, blocked_by)

    def arrived(self, machine: str = "", segment: str = "") -> Way:
        return structs.replace(self._end(True, "", machine, False, None), segment=segment)

    def _end(self, reached: bool, reason: str, machine: str, unknown: bool, blocked_by: Origin | None) -> Way:
        source = self.source
        alone = source is not None and source.prefixlen == source.max_prefixlen
        return Way(
            reached=reached,
            steps=self.steps,
            reason=reason,
            address=str(self.wanted),
            port=self.port,
            machine=machine,
            source=str(source.network_address) if source is not None and alone else "",
            mtu=self.mtu,
            links=self.links,
            unknown=unknown,
            blocked_by=blocked_by,
        )

    def from_within(self, network: Network) -> Packet:
        """The packet as that network sees it: a sender with several addresses uses the one that is there."""
        inside = tuple(net for net in self.sources if any(cidrs.within(net, outer) for outer in network.cidrs))
        return structs.replace(self, sources=inside) if inside else self


def hosts(addresses: Iterable[str]) -> tuple[Net, ...]:
    """Each address as the prefix that it alone is in."""
    found = (cidrs.address(text) for text in addresses)
    return tuple(cidrs.host(value) for value in found if value is not None)
