"""Which addresses and ports of Services and nodes stand for which pods, from the Services themselves.

The Service of a gateway stands for the gateway's space at its own ports.  Counterpart: `finish`, which makes
nftables of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from gatewright.graph.network.addresses import service_of
from gatewright.graph.network.nodes import Cluster
from gatewright.graph.network.placement import home
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import ServiceIntent
from gatewright.rehearsal import ranges
from gatewright.rehearsal.plan.clusters import joined
from gatewright.rehearsal.plan.clusters.joined import Below, family
from gatewright.rehearsal.plan.clusters.pods import served
from gatewright.rehearsal.world import Draft


class Translation(Struct, frozen=True):
    """`address` (of a Service, "" for none) and `port`, or `node_port` of every node (0 for none), stand for `targets`:
    (address, port) of one family.  `protocol` "tcp" or "udp"."""

    address: str
    port: int
    node_port: int
    protocol: str
    targets: tuple[tuple[str, int], ...]


def translations(draft: Draft, sight: Sight, cluster: Cluster, pods: list[Below]) -> Iterator[Translation]:
    """All Services of a cluster."""
    doors: dict[Key, str] = {}
    for gateway_id in sight.gateways():
        key = sight.ask(service_of, gateway_id)
        if key is not None:
            doors.setdefault(key, gateway_id)
    for service in ranges.services(sight):
        if service.type == "ExternalName" or sight.ask(home, service.key.namespace).cluster != cluster.id:
            continue
        targets = (
            _of_gateway(draft, service, doors[service.key], pods) if service.key in doors else _of_pods(sight, service)
        )
        for (port, protocol), found in targets.items():
            yield from _by_family(service, port, protocol, found)


def _by_family(service: ServiceIntent, port: int, protocol: str, found: list[tuple[str, int]]) -> Iterator[Translation]:
    node_port = next((p.node_port for p in service.ports if (p.port, p.protocol.lower()) == (port, protocol)), 0)
    for version in (4, 6):
        targets = tuple(dict.fromkeys(one for one in found if family(one[0]) == version))
        if not targets:
            continue
        own = [address for address in service.cluster_ips if family(address) == version]
        for number, address in enumerate(own or [""]):
            yield Translation(address, port, 0 if number else node_port, protocol, targets)


def _of_pods(sight: Sight, service: ServiceIntent) -> dict[tuple[int, str], list[tuple[str, int]]]:
    found: dict[tuple[int, str], list[tuple[str, int]]] = defaultdict(list)
    for one in served(sight, service):
        if one.port.protocol in ("TCP", "UDP"):
            found[one.port.port, one.port.protocol.lower()].append((one.at.address, one.number))
    return found


def _of_gateway(
    draft: Draft, service: ServiceIntent, gateway_id: str, pods: list[Below]
) -> dict[tuple[int, str], list[tuple[str, int]]]:
    """The gateway's own spaces, at the ports that it listens on."""
    spots = [spot for spot in draft.gateways if spot.gateway == gateway_id]
    inside = {one.space: one.addresses for one in pods}
    addresses = [a for spot in spots for a in inside.get(spot.space, spot.sources)]
    return {
        (port.port, port.protocol.lower()): [(address, port.port) for address in addresses]
        for port in service.ports
        if port.protocol in ("TCP", "UDP")
    }


def spread(one: Translation) -> str:
    """To one of several pods, by chance, as kube-proxy does; to the only one."""
    ip = joined.ip(one.targets[0][0])
    if len(one.targets) == 1:
        address, port = one.targets[0]
        return f"dnat {ip} to {f'[{address}]' if ip == 'ip6' else address}:{port}"
    elements = ", ".join(f"{n} : {address} . {port}" for n, (address, port) in enumerate(one.targets))
    return f"dnat {ip} to numgen random mod {len(one.targets)} map {{ {elements} }}"
