"""Stands worlds up in namespaces and tries every way in them: TCP from machines and vantages to machines' addresses.

A program (`python -m support.probing WHAT ...`), since it has to be inside; prints a line of JSON for each way on which
the model and reality differ, and last how many it tried.  WHAT: the folder of a map, `random:SEED`, or `open:SEED` to
leave out its firewalls.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gatewright.graph.analysis import Analysis
from gatewright.graph.network import spots, ways
from gatewright.graph.network.nodes import Place, Topology
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.kinds.intents.places import FirewallIntent
from gatewright.pipeline import Model
from gatewright.rehearsal import builder, isolation, spaces
from gatewright.rehearsal.plan import firewalls, network, vantages
from gatewright.rehearsal.world import Draft, node
from support.mapped import World
from support.random_ground import ground

PORTS = (22, 80, 443, 8443)
SECONDS = 20.0
TOGETHER = 200


def planned(sight: Sight, guarded: bool) -> Draft:
    """The ground alone: links, clusters and doors are planned by others.  Not `guarded`: without its firewalls."""
    draft = Draft()
    network.plan(draft, sight)
    for intent in sight.all("Vantage", VantageIntent):
        place = next(iter(spots.places(sight, intent.at)), None)
        if place is None or place.kind != "cluster":
            vantages.plan_one(draft, sight, intent)
    if guarded:
        firewalls.plan(draft, sight)
    return draft


def starts(sight: Sight, draft: Draft) -> Iterator[tuple[str, Place, dict[str, str]]]:
    """(space, place, source by family) of everybody who may ask; machines choose their sources."""
    known = sight.ask(topology)
    for machine in known.machines.values():
        yield node(machine.id), Place("machine", machine.id), {}
    intents = {intent.key.name: intent for intent in sight.all("Vantage", VantageIntent)}
    for spot in draft.vantages:
        if spot.space.startswith("vantage:"):
            intent = intents[spot.vantage]
            place = next(iter(spots.places(sight, intent.at, intent.addresses)))
            yield spot.space, place, dict(spot.sources)


def asked(sight: Sight, draft: Draft) -> Iterator[tuple[str, Place, str, str, int]]:
    """Every way whose model is about the ground: (space, place, source, address, port)."""
    known = sight.ask(topology)
    targets = [address for machine in known.machines.values() for address in machine.addresses]
    targets += [f.address for firewall in sight.all("Firewall", FirewallIntent) for f in firewall.forwards]
    for space, place, sources in starts(sight, draft):
        for address in dict.fromkeys(targets):
            source = sources.get("6" if ":" in address else "4", "")
            if (sources and not source) or (address not in known.owners and _site_of(known, place) != ""):
                continue
            for port in PORTS:
                yield space, place, source, address, port


def _site_of(known: Topology, place: Place) -> str:
    """Where somebody is.  From within a site ports that its router forwards are another matter: a test of its own."""
    return known.machines[place.id].site if place.kind == "machine" else known.networks[place.id].site


async def compare(analysis: Analysis, what: str) -> int:
    """Build one world, try it, take it down; how many ways were tried."""
    sight = Sight(analysis)
    draft = analysis.answer(planned, not what.startswith("open:"))
    world = draft.world()
    await builder.build(world, lambda _: None)
    slots = asyncio.Semaphore(TOGETHER)
    tried = 0

    async def one(space: str, place: Place, source: str, address: str, port: int) -> None:
        nonlocal tried
        way = sight.ask(ways.way, place, address, port, "tcp")
        if way.links or way.unknown:
            return
        async with slots:
            said = await real(space, source, address, port)
        tried += 1
        expected = f"{node(way.machine)} {way.port}" if way.reached else ""
        if way.reached and not way.machine:
            return
        seen = " ".join(said.split()[:2]) if said.startswith("node:") else ""
        if seen != expected or said == "silence":  # nothing is slow: what is refused says so
            steps = [step.summary for step in way.steps]
            print(
                json.dumps(
                    {"in": what, "from": space, "source": source, "to": address, "port": port,
                     "model": expected or way.reason, "reality": said, "steps": steps}
                )
            )  # fmt: skip

    async with serving(known_spaces(sight)), asyncio.TaskGroup() as group:
        for each in asked(sight, draft):
            group.create_task(one(*each))
    await builder.run("", [isolation.program("ip"), "-all", "netns", "delete"])
    return tried


def known_spaces(sight: Sight) -> list[str]:
    return [node(machine) for machine in sight.ask(topology).machines]


@contextlib.asynccontextmanager
async def serving(names: Iterable[str]) -> Any:
    """In each space somebody who tells where it is, at which port, and whom it sees."""
    servers = []
    for name in names:
        for address in ("0.0.0.0", "::"):
            for port in PORTS:
                sock = spaces.listener(name, address, port)

                async def tell(
                    _: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str = name, port: int = port
                ) -> None:
                    writer.write(f"{name} {port} {writer.get_extra_info('peername')[0]}".encode())
                    with contextlib.suppress(OSError):
                        await writer.drain()
                    writer.close()

                servers.append(await asyncio.start_server(tell, sock=sock))
    yield
    for server in servers:
        server.close()


async def real(space: str, source: str, address: str, port: int) -> str:
    """What a client learns: who answered, or the error's name."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    loop = asyncio.get_running_loop()
    with spaces.make_socket(space, family, socket.SOCK_STREAM) as client:
        try:
            if source:
                client.bind((source, 0))
            async with asyncio.timeout(SECONDS):
                await loop.sock_connect(client, (address, port))
                return (await loop.sock_recv(client, 200)).decode()
        except TimeoutError:
            return "silence"
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, str(error))


def main(arguments: list[str]) -> int:
    if not isolation.is_inside():
        isolation.enter(["-m", "support.probing", *arguments])
    isolation.settle()
    for what in arguments:
        if what.startswith(("random:", "open:")):
            analysis = World(*ground(int(what.partition(":")[2]))).analysis
        else:
            model = Model(lambda: datetime(2026, 1, 1, tzinfo=UTC))
            model.read([str(Path(what))])
            analysis = model.analysis
        tried = asyncio.run(compare(analysis, what))
        print(json.dumps({"in": what, "tried": tried}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
