"""Names of a world, asked for real: inside a rehearsal's namespaces, every resolver of every vantage for every name.

Of a map only what names need is built, without firewalls: the ground, links, pods, doors.  CDNs have addresses, and
nothing behind these.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
from msgspec import Struct

from gatewright.graph.names import resolvers, zones
from gatewright.graph.names.nodes import Resolution, Status
from gatewright.graph.network.doors import gateways_at
from gatewright.graph.network.nodes import Place
from gatewright.graph.network.spots import places
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.pipeline import Model
from gatewright.rehearsal import builder, invent, isolation, ranges, spaces
from gatewright.rehearsal.daemons import Daemons, write
from gatewright.rehearsal.nameserver import NameServers
from gatewright.rehearsal.nameserving import inputs
from gatewright.rehearsal.plan import clusters, doors, links, names, network, vantages
from gatewright.rehearsal.world import Draft

PROGRAMS = ("dnsmasq", "named", "unbound")
FOLDER = Path("/run/names")
SECONDS = 20.0
EDGES = {"cloudflare": ("104.16.0.1", "2606:4700::1")}
TOGETHER = 12
ROUNDS = 4
"""How often each question is asked: where any of several upstreams may answer, more than one does."""


class Asked(Struct, frozen=True):
    """One question of one client: `addresses` of whom the model calls `resolver`, in the client's order."""

    vantage: str
    space: str
    place: Place
    resolver: str
    addresses: tuple[str, ...]
    name: str
    type: str


def planned(sight: Sight) -> Draft:
    """The world without what holds packets back."""
    draft = Draft()
    draft.programs = frozenset(name for name in PROGRAMS if isolation.program(name))
    draft.texts = dict(inputs.texts(sight))
    draft.edges = dict(EDGES)
    for planner in (network, links, clusters, doors, vantages, names):
        planner.plan(draft, sight)
    clusters.finish(draft, sight)
    return draft


def everything(sight: Sight, draft: Draft) -> Iterator[Asked]:
    """All questions: every name that is known, something below and beside each, and names of Services."""
    known = {name.replace("*", "any") for name in (*sight.names(), *zones.names(sight)) if "." in name}
    known |= {f"x.{name}" for name in known} | {f"beside-{name}" for name in known}
    known |= {f"{s.key.name}.{s.key.namespace}.svc.cluster.local" for s in ranges.services(sight)}
    known |= {"nobody.nowhere.svc.cluster.local", "example.invalid"}
    intents = {intent.key.name: intent for intent in sight.all("Vantage", VantageIntent)}
    for spot in draft.vantages:
        intent = intents[spot.vantage]
        place = next(iter(places(sight, intent.at, intent.addresses)))
        addresses: dict[str, list[str]] = {}
        for resolver, address in spot.resolvers:
            addresses.setdefault(resolver, []).append(address)
        for resolver, several in addresses.items():
            for name in sorted(known):
                for kind in ("A", "AAAA"):
                    yield Asked(spot.vantage, spot.space, place, resolver, tuple(several), name, kind)


async def ask(question: Asked) -> tuple[str, tuple[str, ...]]:
    """What a client learns of the first address that answers: a word as Status has it, and the addresses."""
    said: tuple[str, tuple[str, ...]] = "", ()
    for address in question.addresses:
        said = await _ask_at(question, address)
        if said[0] != "silent":
            break
    return said


async def _ask_at(question: Asked, address: str) -> tuple[str, tuple[str, ...]]:
    loop = asyncio.get_running_loop()
    query = dns.message.make_query(question.name, question.type)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with spaces.make_socket(question.space, family, socket.SOCK_DGRAM) as wire:
        try:
            async with asyncio.timeout(SECONDS):
                await loop.sock_connect(wire, (address, 53))
                await loop.sock_sendall(wire, query.to_wire())
                answer = dns.message.from_wire(await loop.sock_recv(wire, 4096))
        except (OSError, TimeoutError, dns.exception.DNSException) as error:
            return ("silent" if isinstance(error, TimeoutError | OSError) else type(error).__name__), ()
    if answer.rcode() == dns.rcode.NXDOMAIN:
        return "nxdomain", ()
    if answer.rcode() in (dns.rcode.REFUSED, dns.rcode.SERVFAIL):
        # Whoever is refused upstream passes that on (dnsmasq, CoreDNS) or fails itself (BIND, Unbound).
        return "refused", ()
    wanted = dns.rdatatype.from_text(question.type)
    found = sorted(str(item) for rrset in answer.answer if rrset.rdtype == wanted for item in rrset)
    return ("answer" if found else "nodata"), tuple(found)


def expected(sight: Sight, draft: Draft, answer: Resolution, kind: str) -> tuple[str, tuple[str, ...]]:
    """The same as the model has it.  Doors are at their spots, edges where the draft has them."""
    spots = {spot.gateway: spot.addresses for spot in draft.gateways}
    addresses: list[str] = []
    for address in answer.addresses:
        if address[-1].isdigit() or ":" in address:
            addresses.append(address)
        else:
            addresses += [a for gateway in sight.ask(gateways_at, address) for a in spots.get(gateway, ())]
    if answer.edge is not None:
        addresses = list(EDGES[answer.edge.provider])
    mine = tuple(sorted(a for a in dict.fromkeys(addresses) if (":" in a) == (kind == "AAAA")))
    if answer.status in (Status.ANSWER, Status.EDGE):
        return ("answer", mine) if mine else ("nodata", ())
    return str(answer.status), ()


def compared(folder: str) -> dict[str, Any]:
    """Build the world of one map and ask in it: how much was asked, where the model differs, who answered, notes."""
    model = Model(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    model.read([folder])
    model.provide(invent.invented(Sight(model.analysis)))
    sight = Sight(model.analysis)
    FOLDER.mkdir()
    return asyncio.run(_compared(sight, planned(sight)))


async def _compared(sight: Sight, draft: Draft) -> dict[str, Any]:
    world = draft.world()
    await builder.build(world, lambda _: None)
    write(FOLDER, world.files)
    servers = NameServers()
    for server in world.name_servers:
        await servers.start(server)
    daemons = Daemons(world.daemons, FOLDER)
    begun = time.monotonic()
    await daemons.start_all(lambda _: None)
    took = time.monotonic() - begun
    questions = list(everything(sight, draft))
    wrong: list[dict[str, Any]] = []
    slots = asyncio.Semaphore(TOGETHER)

    async def one(question: Asked) -> None:
        async with slots:
            real = {await ask(question) for _ in range(ROUNDS)}
        found = resolvers.resolutions(sight, (question.resolver,), question.name, question.type, question.place)
        if any(answer.status in (Status.UNKNOWN, Status.LOOP) for answer in found):
            return
        modelled = {expected(sight, draft, answer, question.type) for answer in found}
        if not real <= modelled or (len(modelled) == 1 and real != modelled):
            steps = [[step.summary for step in answer.steps] for answer in found]
            said = {"real": sorted(real), "model": sorted(modelled), "steps": steps}
            who = f"{question.vantage} asks {question.resolver} ({', '.join(question.addresses)})"
            wrong.append({"who": who, "what": f"{question.name} {question.type}", **said})

    async with asyncio.TaskGroup() as group:
        for question in questions:
            group.create_task(one(question))
    for daemon in world.daemons:
        await daemons.stop(daemon.name)
    await servers.stop()
    by_program = [daemon.name for daemon in world.daemons if daemon.name.startswith("resolver:")]
    by_us = [server.name for server in world.name_servers]
    notes = [note.text for note in draft.notes]
    return {
        "asked": len(questions),
        "wrong": wrong,
        "programs": by_program,
        "servers": by_us,
        "notes": notes,
        "seconds": took,
    }
