"""Worlds of links alone, inside namespaces of their own: built, and packets of exactly some size sent through them.

Sizes are those of whole IP packets; none is ever fragmented.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from gatewright.graph.network.nodes import Place, Way
from gatewright.graph.network.topology import topology
from gatewright.graph.network.ways import way
from gatewright.graph.sight import Sight
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.places import LinkType
from gatewright.pipeline import Model
from gatewright.rehearsal import builder, daemons, world
from gatewright.rehearsal.clients import counters
from gatewright.rehearsal.daemons import Daemons
from gatewright.rehearsal.plan import links, network
from gatewright.rehearsal.spaces import inside
from gatewright.rehearsal.world import Draft, Role, World, default_routes
from support.mapped import World as Mapped
from support.networked import end, homes, link, node, site
from support.networked import network as segment

FOLDER = Path("/run/world")
PORT = 4000
HEADERS = {4: 28, 6: 48}
PROBE = 3
"""IP_PMTUDISC_PROBE: never fragment, whatever is known of the way (ip(7), ipv6(7))."""

DISCOVER = {4: (socket.IPPROTO_IP, 10), 6: (socket.IPPROTO_IPV6, 23)}
SECONDS = 20.0
LOST_SECONDS = 0.3
PODS = {"aws/aws": "10.52.0.9", "homelab/talos00": "10.42.0.9"}


def hub() -> tuple[Intent, ...]:
    """Two sites behind address translation that dial a third, and reach each other through it."""
    lans = [site(n, segment("lan", f"10.{i}.0.0/24", f"fd00:{i}::/64"), node("pc", f"10.{i}.0.5", f"fd00:{i}::5"))
            for i, n in enumerate(("east", "west"), 1)]  # fmt: skip
    spokes = [end(f"network:{n}/lan", f"10.{i}.0.0/24", f"fd00:{i}::/64") for i, n in enumerate(("east", "west"), 1)]
    server = site("cloud", node("hub", "203.0.113.9"))
    middle = end("node:cloud/hub", addresses=("10.9.0.1",), endpoint="203.0.113.9:51820")
    return (*lans, server, link("wg", *spokes, middle, mtu=1380))


def everything() -> tuple[Intent, ...]:
    """A laptop in a hotel that sends all that it has to say through a tunnel."""
    return (
        site("hotel", segment("wifi", "192.168.7.0/24"), node("laptop", "192.168.7.20")),
        site("dc", segment("lan", "10.0.0.0/24"), node("vpn", "10.0.0.2", "203.0.113.9"), node("web", "203.0.113.80")),
        link("vpn", end("node:dc/vpn", "0.0.0.0/0", endpoint="203.0.113.9:51820"),
             end("node:hotel/laptop", addresses=("10.99.0.2",))),
    )  # fmt: skip


def unsaid() -> tuple[Intent, ...]:
    """Nobody says where anybody is dialled; and a line between two sites."""
    return (
        site("a", segment("lan", "10.1.0.0/24"), node("n", "10.1.0.5")),
        site("b", segment("lan", "10.2.0.0/24"), node("n", "10.2.0.5")),
        site("c", segment("lan", "10.3.0.0/24", "fd00:3::/64"), node("n", "10.3.0.5", "fd00:3::5")),
        site("d", segment("lan", "10.4.0.0/24", "fd00:4::/64"), node("n", "10.4.0.5", "fd00:4::5")),
        link("wg", end("network:a/lan"), end("network:b/lan")),
        link("line", end("network:c/lan"), end("network:d/lan"), type_=LinkType.DIRECT, mtu=1400),
    )


MAPS = {"homes": homes, "hub": hub, "everything": everything, "unsaid": unsaid}


def through(case: str, pairs: Iterable[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Of a map: from one machine to another's address, each as the model has it and as it is."""
    mapped = Mapped(*MAPS[case]())
    return asyncio.run(_measured(mapped.answer, [(Place("machine", one), world.node(one), world.node(other), address)
                                                 for one, other, address in pairs]))  # fmt: skip


def of_example(folder: str) -> list[dict[str, Any]]:
    """Nebula, and Liqo within, in a world of an example: between machines, and between pods."""
    model = Model()
    model.read([folder])
    aws, home = world.pod("x", "aws"), world.pod("x", "homelab")
    return asyncio.run(
        _measured(
            model.analysis.answer,
            [
                (Place("machine", "aws/aws"), world.node("aws/aws"), world.node("homelab/talos00"), "10.66.0.54"),
                (
                    Place("machine", "homelab/talos00"),
                    world.node("homelab/talos00"),
                    world.node("aws/aws"),
                    "10.66.0.1",
                ),
                (Place("cluster", "homelab/homelab"), home, aws, PODS["aws/aws"]),
                (Place("cluster", "aws/k3s"), aws, home, PODS["homelab/talos00"]),
            ],
        )
    )


def interrupted() -> list[str]:
    """Who is seen across a link before it ends, while it is gone, and when it is back."""
    return asyncio.run(_interrupted())


async def _interrupted() -> list[str]:
    running = await _stand(Mapped(*homes()).answer(_planned).world())
    ends = running.concerned("link:wg")

    def seen(seconds: float) -> str:
        return arrives(world.node("home/n1"), world.node("cloud/edge"), "192.168.178.201", 100, seconds)

    found = [seen(SECONDS)]
    for name in ends:
        await running.stop(name)
    found.append(seen(LOST_SECONDS))
    for name in ends:
        await running.start(name)
    return [*found, seen(SECONDS)]


async def _stand(planned: World) -> Daemons:
    await builder.build(planned, lambda _: None)
    daemons.write(FOLDER, planned.files)
    running = Daemons(planned.daemons, FOLDER)
    await running.start_all(lambda _: None)
    return running


async def _measured(answer: Any, tries: list[tuple[Place, str, str, str]]) -> list[dict[str, Any]]:
    planned = answer(_planned).world()
    await _stand(planned)
    found = []
    for place, start, there, address in tries:
        known: Way = answer(way, place, address, PORT, "udp")
        assert known.mtu is not None
        size = known.mtu.value
        before = counters.read(planned.links)
        whole = arrives(start, there, address, size, SECONDS)
        moved = counters.moved(before, counters.read(planned.links))
        found.append(
            {
                "to": address,
                "links": sorted(known.links),
                "mtu": size,
                "small": arrives(start, there, address, 100, SECONDS),
                "whole": whole,
                "larger": arrives(start, there, address, size + 1, LOST_SECONDS),
                "stream": streams(start, there, address),
                "moved": sorted(moved),
            }
        )
    return found


def _planned(sight: Sight) -> Draft:
    """A question: the ground and the links; pods where there are clusters."""
    draft = Draft()
    network.plan(draft, sight)
    links.plan(draft, sight)
    for id_, address in PODS.items():
        if id_ not in sight.ask(topology).machines:
            continue
        below = draft.space(world.pod("x", id_.partition("/")[0]), Role.POD)
        device, _ = draft.uplink(below, draft.spaces[world.node(id_)], [address])
        default_routes(below, device)
        draft.spaces[world.node(id_)].routes()
    return draft


def arrives(start: str, there: str, address: str, size: int, seconds: float) -> str:
    """Who a packet of a size seems to be from where it arrives, "" when it does not."""
    version = ip_network(address).version
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with inside(there):
        receiver = socket.socket(family, socket.SOCK_DGRAM)
    with inside(start):
        sender = socket.socket(family, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind((address, PORT))
        receiver.settimeout(seconds)
        sender.setsockopt(*DISCOVER[version], PROBE)
        try:
            sender.sendto(b"x" * (size - HEADERS[version]), (address, PORT))
            return str(receiver.recvfrom(65536)[1][0])
        except OSError:  # too long for the first device, or lost on the way
            return ""


def streams(start: str, there: str, address: str) -> bool:
    """Does a megabyte pass by TCP, which has to find the size of packets by itself?"""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(there):
        listener = socket.socket(family)
    with inside(start):
        client = socket.socket(family)
    with listener, client:
        listener.bind((address, PORT))
        listener.listen()
        for one in (listener, client):
            one.settimeout(SECONDS)
        try:
            client.connect((address, PORT))
        except OSError:
            return False
        server, _ = listener.accept()
        with server:
            server.settimeout(SECONDS)
            sent, got = b"x" * 65536, 0
            for _ in range(16):
                client.sendall(sent)
                part = 0
                while part < len(sent):
                    part += len(server.recv(65536))
                got += part
        return got == 16 * len(sent)
