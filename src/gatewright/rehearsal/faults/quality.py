"""`latency:WHERE=50ms` and `rate:WHERE=1mbit`: what passes a link or network, or leaves a node, is late or squeezed.

The model knows neither, and predicts that nothing changes.  Who gives up meanwhile is a difference.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import Final

from gatewright.base.errors import UsageError
from gatewright.graph.breaking import Things, known
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.rehearsal import builder, isolation
from gatewright.rehearsal.faults import devices
from gatewright.rehearsal.faults.base import Fault, Ground
from gatewright.rehearsal.world import SWITCH, World, node

BURST: Final = "32kb"
QUEUE: Final = "400ms"
"""How much is let through at once, and how long packets may wait (tc-tbf(8))."""


class QualityFault(Fault):
    """A queueing discipline at every device that leads there.  `discipline`: of the kernel; `form`: of the value."""

    discipline = ""
    form = re.compile("")
    example = ""

    def aim(self, things: Things) -> None:
        where, equals, self._value = self.name.partition("=")
        if not equals or not self.form.fullmatch(self._value):
            raise UsageError(f"cannot break {self.text!r}: say {self.text.partition(':')[0]}:WHERE={self.example}")
        self._link = where if where in things.links else ""
        places = things.networks | things.machines
        self._place = "" if self._link else known("link, network or node", where, things.links | places)
        isolation.require(("tc",), self.text)
        self._try()

    def words(self) -> list[str]:
        """What `tc qdisc add` is told."""
        raise NotImplementedError

    def supposed(self, ground: Ground) -> Mapping[Key, Intent | None]:
        return {}

    async def strike(self, ground: Ground) -> None:
        for space, device in self._devices(ground.world):
            await builder.run(space, [isolation.program("tc"), "qdisc", "add", "dev", device, "root", *self.words()])

    async def mend(self, ground: Ground) -> None:
        for space, device in self._devices(ground.world):
            await builder.run(space, [isolation.program("tc"), "qdisc", "del", "dev", device, "root"])

    def _devices(self, world: World) -> Iterator[tuple[str, str]]:
        """(space, device) of all that lead there."""
        if self._link:
            yield from world.links.get(self._link, ())
        elif self._place in world.networks:
            bridge = world.networks[self._place]
            yield from ((SWITCH, near.device) for near, _ in devices.ends(world, SWITCH) if near.bridge == bridge)
        else:
            space = node(self._place)
            yield from ((space, near.device) for near, _ in devices.ends(world, space))

    def _try(self) -> None:
        """Has the kernel what it takes?  Our own loopback tells, which nobody else uses."""
        command = [isolation.program("tc"), "qdisc", "add", "dev", "lo", "root", *self.words()]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            raise UsageError(
                f"cannot break {self.text!r}: the kernel has no {self.discipline} (its module is sch_{self.discipline})"
            )
        subprocess.run([isolation.program("tc"), "qdisc", "del", "dev", "lo", "root"], capture_output=True, check=False)


class LatencyFault(QualityFault):
    """Every packet is late by so much, on its way there."""

    discipline = "netem"
    form = re.compile(r"\d+(\.\d+)?(us|ms|s)")
    example = "50ms"

    def words(self) -> list[str]:
        return [self.discipline, "delay", self._value]


class RateFault(QualityFault):
    """No more than so much a second."""

    discipline = "tbf"
    form = re.compile(r"\d+(\.\d+)?[kmg]?bit")
    example = "1mbit"

    def words(self) -> list[str]:
        return [self.discipline, "rate", self._value, "burst", BURST, "latency", QUEUE]
