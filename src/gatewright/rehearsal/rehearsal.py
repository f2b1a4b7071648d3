"""One rehearsal, from the manifests to what was seen: read, plan, build, ask, break, ask again.

    read ──► prepare (certificates, invented pods) ──► plan ──► stand ──► ask ──► break … ask ──► report

Everything happens inside (`isolation`): whoever ends this process ends the world.  Counterparts: `world`, what is
built; `questions`, `clients` and `compare`, what is asked and concluded; `faults`, what is broken.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from gatewright.base.problem import Problem
from gatewright.graph.breaking import things
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.pipeline import Model
from gatewright.rehearsal import acme, again, builder, daemons, estimate, isolation, report, servers
from gatewright.rehearsal.asking import Observation, Question
from gatewright.rehearsal.certificates import Certificates
from gatewright.rehearsal.clients.asker import Clients
from gatewright.rehearsal.compare import Comparison, Verdict
from gatewright.rehearsal.concluding import Judge
from gatewright.rehearsal.daemons import Daemons
from gatewright.rehearsal.faults import Ground, parse
from gatewright.rehearsal.faults.suffering import Sufferer
from gatewright.rehearsal.gateways import Gateways
from gatewright.rehearsal.invent import invented
from gatewright.rehearsal.nameserving import inputs
from gatewright.rehearsal.plan.links import wireguard
from gatewright.rehearsal.plan.whole import whole
from gatewright.rehearsal.questions import ALL, Part, questions
from gatewright.rehearsal.report import Broken, Cell, RehearsalReport
from gatewright.rehearsal.servers import Servers
from gatewright.rehearsal.stays import stays
from gatewright.rehearsal.world import World

REAL: Final = frozenset({"named", "dnsmasq", "unbound", "pebble"})
"""Programs that are used where the map says so and the machine has them."""


class Options(Struct, frozen=True):
    """What the user asks for.  `only`: names of Expectations and hostnames; `patience`: how many seconds of silence
    WebSockets are really given; `folder`: where the world keeps its files, gone with it; `programs`: the real servers
    that may be used for what they are named after, where the machine has them; `faults`: what is broken, as users write
    it."""

    paths: tuple[str, ...]
    folder: Path
    parts: frozenset[Part] = ALL
    only: tuple[str, ...] = ()
    patience: float = 0.0
    programs: frozenset[str] = REAL
    faults: tuple[str, ...] = ()


class Listener(Struct, frozen=True):
    """Who is told: `stage` what is being done ("" for done), `detail` how far it is, `asked` (done, all), `differs`
    where reality does otherwise than the model says."""

    stage: Callable[[str], None]
    detail: Callable[[str], None]
    asked: Callable[[int, int], None]
    differs: Callable[[Comparison], None] = lambda _: None


class Standing(Struct):
    """A world that stands."""

    world: World
    daemons: Daemons
    gateways: Gateways
    servers: Servers
    clients: Clients


class Rehearsal:
    """The steps of one rehearsal, in the order in which they are called."""

    def __init__(self, options: Options, listener: Listener) -> None:
        self.options = options
        self.listener = listener
        self.model = Model()
        self.timings: dict[str, float] = {}
        self.faults = tuple(parse(text) for text in options.faults)
        self.world: World | None = None
        self.standing: Standing | None = None

    def read(self) -> tuple[Problem, ...]:
        """Read the description and fill in what it leaves open.  UsageError where there is nothing to rehearse."""
        self._stage("reading")
        self.model.read(self.options.paths)
        self.options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.certificates = Certificates(self.options.folder / "authorities")
        self.certificates.provide(self.model)
        self.model.provide(dict(self.model.analysis.answer(invented)))
        return tuple(self.model.problems())

    def imagine(self) -> World:
        """What would be built, whether or not this machine can bear it.  UsageError for faults of what there is not."""
        self._stage("planning")
        self.world = self._planned()
        for fault in self.faults:
            fault.aim(structs.replace(self.model.analysis.answer(things), certificates=self.certificates.ordered))
        return self.world

    def needed(self) -> tuple[str, ...]:
        """The programs that the world needs, those that it is built with among them."""
        daemons = self.world.daemons if self.world is not None else ()
        commands = (command for one in daemons for command in (one.command, *one.before, *one.then))
        return tuple(sorted({*isolation.BASIC, *(command[0] for command in commands)}))

    def plan(self) -> World:
        """What is to be built.  UsageError where this machine cannot bear it."""
        world = self.imagine()
        self.model.provide(stays(world))
        isolation.require(self.needed(), "this world")
        estimate.check(world, len(self.questions()))
        return world

    async def stand(self) -> Standing:
        """Build the world and have everything serve.  EngineError when something does not."""
        if self.world is None:
            raise ValueError("plan first")
        world, folder = self.world, self.options.folder
        self._stage("building")
        await builder.build(world, self.listener.detail)
        self._stage("starting")
        daemons.write(folder, world.files)
        running = Daemons(world.daemons, folder)
        gateways = Gateways(self.model.graph, world.gateways, folder / "e", self.certificates, world.resolver_of)
        others = asyncio.gather(
            servers.start(world, folder, self.certificates.unsaid_folder), running.start_all(self.listener.detail)
        )
        await gateways.start(self.listener.detail, others)
        started, _ = await others
        self._stage("ordering")
        await acme.order(self.certificates, self.model, gateways, world, folder)
        clients = Clients(world.vantages, self._trust(), world.links, self.options.patience)
        self.standing = Standing(world, running, gateways, started, clients)
        self._stage("")
        return self.standing

    def questions(self) -> tuple[Question, ...]:
        """What is asked of both."""
        return self.model.analysis.answer(questions, self.options.parts, self.options.only)

    def judge(self, asked: Sequence[Question]) -> Judge:
        """Whoever knows what the model says now."""
        if self.world is None:
            raise ValueError("plan first")
        return Judge(self.model, self.world, asked)

    async def ask(self, asked: Sequence[Question], judge: Judge | None = None) -> list[tuple[Observation, ...]]:
        """What real clients meet, question by question; a judge of these questions tells differences at once, and has
        those asked again who were late (see `again`)."""
        if self.standing is None:
            raise ValueError("stand first")
        self._stage("asking")

        def met(place: int, observations: tuple[Observation, ...]) -> None:
            compared = judge.compare(place, observations) if judge is not None else None
            if compared is not None and compared.verdict is Verdict.DIFFERS and not again.was_late(compared):
                self.listener.differs(compared)

        clients = self.standing.clients
        seen = await clients.ask_all(asked, self.listener.asked, met)
        if judge is not None:
            seen = await again.asked(clients, judge, seen, self.listener.differs)
        self._stage("")
        return seen

    def conclude(
        self, judge: Judge, seen: Sequence[tuple[Observation, ...]], faults: Sequence[Broken] = ()
    ) -> RehearsalReport:
        """The report: all that was asked, and what came of faults."""
        if self.standing is None:
            raise ValueError("stand first")
        cells, held = judge.cells(seen)
        return RehearsalReport(
            report.summary(self.standing.world), cells, held, tuple(faults), dict(self.timings),
            self._failures(self.standing), _ended(self.standing),
        )  # fmt: skip

    async def suffer(self, asked: Sequence[Question], cells: Sequence[Cell]) -> tuple[Broken, ...]:
        """Break what is to be broken, one after the other, each alone.  `cells`: what was met of `asked` before."""
        if self.standing is None:
            raise ValueError("stand first")
        here = self.standing
        ground = Ground(
            here.world, self._planned, self.model, here.daemons, here.gateways, here.servers, self.certificates
        )
        clients = Clients(here.world.vantages, self._trust())  # which links are passed would be asked one by one
        sufferer = Sufferer(ground, clients, asked, self.listener.asked)
        found = []
        for fault in self.faults:
            self._stage(f"breaking {fault.text}")
            found.append(await sufferer.suffer(fault, cells))
        self._stage("")
        return tuple(found)

    def clear(self) -> None:
        """Take the files away; all else ends with this process."""
        shutil.rmtree(self.options.folder, ignore_errors=True)

    # --- inside ---------------------------------------------------------------------------------

    def _planned(self) -> World:
        programs = frozenset(name for name in self.options.programs if isolation.program(name))
        if isolation.is_inside() and builder.kernel_makes(wireguard.KERNEL):
            programs |= {wireguard.KERNEL}
        answer = self.model.analysis.answer
        return answer(whole, programs, answer(inputs.texts))

    def _trust(self) -> dict[str, bytes]:
        vantages = self.model.analysis.answer(_vantages)
        return {one.key.name: self.certificates.trust_for(one) for one in vantages}

    def _failures(self, standing: Standing) -> tuple[str, ...]:
        """What does not run as it should, though the world stands."""
        return (*self.certificates.failures, *standing.gateways.failures, *standing.servers.failures)

    def _stage(self, name: str) -> None:
        now = time.monotonic()
        if self._running:
            self.timings[self._running] = self.timings.get(self._running, 0.0) + now - self._since
        self._running, self._since = name, now
        self.listener.stage(name)

    _running = ""
    _since = 0.0


def _ended(standing: Standing) -> tuple[str, ...]:
    """What has ended by itself, though the world is to stand."""
    daemons = (f"{name} has ended: {words}" for name, words in standing.daemons.ended())
    return (*daemons, *standing.gateways.ended, *standing.servers.ended)


def _vantages(sight: Sight) -> tuple[VantageIntent, ...]:
    """A question: all Vantages."""
    return tuple(sight.all("Vantage", VantageIntent))
