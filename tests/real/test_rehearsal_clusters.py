"""Clusters in namespaces against the model: every pod and gateway connects to every endpoint of every Service."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.support import rehearsed_clusters, worlds
from tests.support.needs import REPOSITORY, binary

from gatewright.engines.echo.service import Transport
from gatewright.graph.network.nodes import Place
from gatewright.graph.network.placement import home
from gatewright.graph.nodes import BackendKey
from gatewright.graph.reach import Reach, Reached, reach, reach_from
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.material import ServiceIntent, ServicePort
from gatewright.rehearsal import builder, daemons, ranges, spaces
from gatewright.rehearsal.plan.identity import identify
from gatewright.rehearsal.world import World

pytestmark = pytest.mark.real

SECONDS = 20.0
SIDE_BY_SIDE = 32

Asked = tuple[str, str, int]
"""From which space, to which address and port."""


def matrix(source: str) -> dict[str, Any]:
    """Inside: a world of an example, or of a text of `rehearsed_clusters`; what model and reality say of each pair."""
    folder = Path(tempfile.mkdtemp())
    text = getattr(rehearsed_clusters, source, None)
    model = (
        rehearsed_clusters.model_of_text(text, folder)
        if text is not None
        else rehearsed_clusters.model_of(str(REPOSITORY / "examples" / source))
    )
    sight = Sight(model.analysis)
    world = rehearsed_clusters.planned(model).world()
    asyncio.run(_stand(world, folder / "world"))
    listeners = [
        spaces.listener(echo.space, echo.address, echo.port)
        for echo in world.echoes
        if echo.service.transport is Transport.TCP
    ]
    pairs = list(_pairs(sight, world))
    told = _told(pairs) | _by_service(pairs)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        seen = dict(zip(told, pool.map(lambda one: _connects(*one), told), strict=True))
    for listener in listeners:
        listener.close()
    different = [
        f"{one}: {said or 'reached'}, but {seen[one] or 'connected'}"
        for one, said in told.items()
        if bool(said) != bool(seen[one])
    ]
    refused = sum(map(bool, seen.values()))
    return {"different": different, "reached": len(seen) - refused, "refused": refused}


async def _stand(world: World, folder: Path) -> None:
    await builder.build(world, lambda _: None)
    daemons.write(folder, world.files)
    await daemons.Daemons(world.daemons, folder).start_all(lambda _: None)


class Pair(NamedTuple):
    """What the model says of the way from a space to the endpoints of one family of a Service's port."""

    space: str
    service: ServiceIntent
    port: ServicePort
    endpoints: tuple[Reached, ...]


def _told(pairs: Iterable[Pair]) -> dict[Asked, str]:
    """Why an endpoint is not reached, "" when it is."""
    return {
        (pair.space, one.address, one.port): "" if one.ok else one.reason
        for pair in pairs
        for one in pair.endpoints
        if isinstance(one.port, int)
    }


def _by_service(pairs: Iterable[Pair]) -> dict[Asked, str]:
    """By its Service's address a pod is reached where each of its endpoints is; where only some are, by chance."""
    return {
        (pair.space, address, pair.port.port): next(one.reason for one in pair.endpoints)
        for pair in pairs
        if len({one.ok for one in pair.endpoints}) == 1 and not pair.space.startswith("node:")
        for address in pair.service.cluster_ips
        if (":" in address) == (":" in pair.endpoints[0].address)
    }


def _pairs(sight: Sight, world: World) -> Iterator[Pair]:
    """Every pod and gateway with every port of every Service; but a pod always reaches itself."""
    own = {(echo.space, echo.address) for echo in world.echoes}
    for service in ranges.services(sight):
        for port in service.ports:
            key = BackendKey(service.key.namespace, service.key.name, port.port)
            for space, said in _reaches(sight, world, key):
                for six in (False, True):
                    there = tuple(one for one in said[six].endpoints if (":" in one.address) == six)
                    itself = any((space, one.address) in own for one in there)
                    if there and not itself and port.protocol == "TCP":
                        yield Pair(space, service, port, there)


def _reaches(sight: Sight, world: World, key: BackendKey) -> Iterator[tuple[str, dict[bool, Reach]]]:
    """By space, what the model says for IPv4 and IPv6: policies may tell a pod's addresses apart."""
    at = home(sight, key.namespace).cluster
    for wire in world.wires:
        who = identify(sight, wire.one.space)
        if who is not None and home(sight, who.namespace).cluster == at and wire.other.space.startswith("node:"):
            addresses = [address.partition("/")[0] for address in wire.one.addresses]
            places = {
                six: Place("cluster", at, tuple(a for a in addresses if (":" in a) == six), who.namespace, who.labels)
                for six in (False, True)
            }
            yield wire.one.space, {six: reach_from(sight, place, key) for six, place in places.items()}
    for spot in world.gateways:
        if sight.backend(key) is not None:
            said = reach(sight, spot.gateway, key)
            yield spot.space, {False: said, True: said}


def _connects(space: str, address: str, port: int) -> str:
    """Why a connection is not made, "" when it is."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    client = spaces.make_socket(space, family, socket.SOCK_STREAM)
    client.settimeout(SECONDS)
    with client:
        try:
            client.connect((address, port))
        except OSError as error:
            return str(error) or type(error).__name__
    return ""


def doors(source: str, client: str) -> dict[str, str]:
    """Inside: from a space to every address of the gateways of an example: why there is no connection, or whence it
    seems to come."""
    model = rehearsed_clusters.model_of(str(REPOSITORY / "examples" / source))
    world = rehearsed_clusters.planned(model).world()
    asyncio.run(builder.build(world, lambda _: None))
    found: dict[str, str] = {}
    for spot in world.gateways:
        for address in spot.addresses:
            with spaces.listener(spot.space, address, 443) as door:
                failed = _connects(client, address, 443)
                found[address] = failed or str(door.accept()[1][0])
    return found


def _agree(source: str, *, refused: bool) -> None:
    outcome = worlds.run(matrix, source)
    assert outcome["different"] == []
    assert outcome["reached"] > 5
    assert bool(outcome["refused"]) is refused


def test_a_policy_of_cilium_in_a_routed_cluster() -> None:
    _agree("gateway-split-dns", refused=True)


def test_a_cluster_that_spans_a_tunnel() -> None:
    binary("wireguard-go")
    _agree("dual-stack-edge", refused=False)


def test_policies_of_kubernetes() -> None:
    _agree("KUBERNETES", refused=True)


def test_policies_of_cilium() -> None:
    _agree("CILIUM", refused=True)


def test_doors_on_a_segment_see_their_clients_addresses() -> None:
    found = worlds.run(doors, "dual-stack-edge", "node:home/dns")
    assert found["192.168.178.10"] == "192.168.178.3"
    assert found["fda8:a1db:5685::10"] == "fda8:a1db:5685::3"


def test_doors_in_a_cloud_are_on_the_internet_and_in_their_cluster() -> None:
    found = worlds.run(doors, "hybrid-labs", "vantage:student")
    assert len(found) == 2
    assert set(found.values()) <= {"198.18.0.254"}
