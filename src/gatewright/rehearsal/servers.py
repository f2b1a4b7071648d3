"""All echo backends and name servers of a world, in one process: sockets in every space, answered from one event loop.

    conductor ── channel ──► python -m gatewright.rehearsal.servers DESCRIPTOR ── sockets ──► spaces

`Servers` is the conductor's side; `Process` the other one, which has the sockets made in their spaces and lives no
longer than its channel.  Counterparts: `engines.echo`, what backends say; `nameserver`, what name servers say;
`daemons`, the servers that are programs of others.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop
from msgspec import Struct, structs

from gatewright.base.errors import EngineError
from gatewright.base.sensitive import Sensitive
from gatewright.engines.echo.placed import PlacedEcho
from gatewright.engines.echo.service import EchoService, Transport
from gatewright.rehearsal import spaces
from gatewright.rehearsal.world import Echo, NameServer, World
from gatewright.system import children
from gatewright.system.channel import Receiver, encode
from gatewright.system.children import Child

if TYPE_CHECKING:
    from gatewright.rehearsal.nameserver import NameServers

MODULE: Final = "gatewright.rehearsal.servers"
WHAT: Final = "the echo backends and name servers"
POD: Final = "pod:"
UNNAMED: Final = "gatewright.invalid"
"""Whose certificate is shown to clients that name nobody (RFC 6761, 6.4)."""


# --- what is said -------------------------------------------------------------------------------


class Begin(Struct, frozen=True, tag=True):
    """Answer for all of these.  `authority`: the folder of the CA that issues the certificates of backends."""

    number: int
    echoes: tuple[Echo, ...]
    name_servers: tuple[NameServer, ...]
    authority: str


class Silence(Struct, frozen=True, tag=True):
    """Have a name server answer no more, as if it had been ended."""

    number: int
    name: str


class Resume(Struct, frozen=True, tag=True):
    """Have a silenced name server answer again; `server`: as this one from now on, None as before."""

    number: int
    name: str
    server: NameServer | None = None


ToProcess = Begin | Silence | Resume


class Done(Struct, frozen=True, tag=True):
    """What was asked under a number is done, but for these, each in a sentence."""

    number: int
    failures: tuple[str, ...] = ()


# --- the conductor's side -----------------------------------------------------------------------


class Servers:
    """The process as the conductor sees it.  `failures`: what could not be begun, in sentences."""

    def __init__(self, child: Child, log: Path) -> None:
        self._child = child
        self._log = log
        self._receiver = Receiver(child.reader, Done)
        self._turn = asyncio.Lock()
        self._number = 0
        self.failures: tuple[str, ...] = ()

    async def begin(self, world: World, authority: Path) -> None:
        """Answer for the echoes and name servers of a world that stands."""
        self.failures = await self._ask(Begin(0, world.echoes, world.name_servers, str(authority)))

    async def silence(self, name: str) -> None:
        """End a name server, until `resume`.  EngineError when there is none of this name."""
        _raise(await self._ask(Silence(0, name)))

    async def resume(self, name: str, server: NameServer | None = None) -> None:
        """Start a name server again, to say what `server` says where that is another now.  EngineError when there is
        none of this name."""
        _raise(await self._ask(Resume(0, name, server)))

    @property
    def ended(self) -> tuple[str, ...]:
        """That the process has ended by itself, in a sentence with its last words; () while it runs."""
        if self._child.process.poll() is None:
            return ()
        return (f"the process of {WHAT} has ended: {self._last_words()}",)

    async def stop(self) -> None:
        """End the process."""
        self._child.writer.close()
        await asyncio.to_thread(self._child.reap)

    async def _ask(self, message: ToProcess) -> tuple[str, ...]:
        async with self._turn:
            self._number += 1
            self._child.writer.write(encode(structs.replace(message, number=self._number)))
            while (done := await self._receiver.next()) is not None:
                if done.number == self._number:
                    failures: tuple[str, ...] = done.failures
                    return failures
        raise EngineError(f"the process of {WHAT} has ended: {self._last_words()}")

    def _last_words(self) -> str:
        words = self._log.read_text(errors="replace").strip().splitlines()[-1:]
        return words[0] if words else "without a word"


async def start(world: World, folder: Path, authority: Path) -> Servers:
    """Start the process, and have it answer for a world that stands.  Its log is in `folder`.

    `authority`: the folder of the CA whose certificates backends show (see `certificates`).  Raises EngineError.
    """
    log = folder / "servers.log"
    servers = Servers(await children.launch(MODULE, log, WHAT), log)
    await servers.begin(world, authority)
    return servers


def _raise(failures: tuple[str, ...]) -> None:
    if failures:
        raise EngineError(failures[0])


# --- the process --------------------------------------------------------------------------------


class Process:
    """Follows the channel as long as it is there."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._receiver = Receiver(reader, ToProcess)
        self._writer = writer
        self._echo: PlacedEcho | None = None
        self._names: NameServers | None = None
        self._known: dict[str, NameServer] = {}

    async def run(self) -> None:
        """Serve until the conductor is gone."""
        while (message := await self._receiver.next()) is not None:
            match message:
                case Begin():
                    failures = [*await self._begin_echoes(message), *await self._begin_names(message)]
                case Silence():
                    failures = await self._silence(message.name)
                case Resume():
                    if message.server is not None:
                        self._known[message.name] = message.server
                    failures = await self._resume(message.name)
            self._writer.write(encode(Done(message.number, tuple(failures))))
        if self._echo is not None:
            await self._echo.close()

    async def _begin_echoes(self, message: Begin) -> list[str]:
        self._echo = PlacedEcho(_issuing(Path(message.authority)))
        failures = []
        for echo in message.echoes:
            kind = socket.SOCK_DGRAM if echo.service.transport is Transport.UDP else socket.SOCK_STREAM
            try:
                listening = spaces.listener(echo.space, echo.address, echo.port, kind)
                await self._echo.answer(listening, _as_pod(echo))
            except EngineError as error:
                failures.append(f"the backend of {echo.service}: {error}")
        return failures

    async def _begin_names(self, message: Begin) -> list[str]:
        self._known = {server.name: server for server in message.name_servers}
        if not self._known:
            return []
        from gatewright.rehearsal.nameserver import NameServers

        self._names = NameServers()
        return [failure for name in self._known for failure in await self._resume(name)]

    async def _silence(self, name: str) -> list[str]:
        if self._names is None or name not in self._known:
            return [f"there is no name server {name}"]
        await self._names.stop(name)
        return []

    async def _resume(self, name: str) -> list[str]:
        if self._names is None or name not in self._known:
            return [f"there is no name server {name}"]
        try:
            await self._names.start(self._known[name])
        except EngineError as error:
            return [f"the name server {name}: {error}"]
        return []


def _as_pod(echo: Echo) -> EchoService:
    """Backends say in which pod they are."""
    if echo.service.pod_name or not echo.space.startswith(POD):
        return echo.service
    return structs.replace(echo.service, pod_name=echo.space.rpartition("/")[2])


def _issuing(folder: Path) -> Callable[[str], tuple[bytes, Sensitive]]:
    """Certificates for whatever name a client asks for."""
    from gatewright.engines.certificates.authority import PrivateAuthority

    authority = PrivateAuthority(folder)

    def issue(name: str) -> tuple[bytes, Sensitive]:
        issued = authority.issue((name or UNNAMED,))
        return issued.chain, issued.key

    return issue


def main() -> int:
    """Serve until the conductor is gone."""
    end = socket.socket(fileno=int(sys.argv[1]))

    async def run() -> None:
        reader, writer = await asyncio.open_connection(sock=end)
        with contextlib.suppress(ConnectionError):
            await Process(reader, writer).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
