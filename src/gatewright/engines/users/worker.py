"""The server's process: `python -m gatewright.engines.users.worker DESCRIPTOR`, its end of a channel.

It listens only when it has been told everything, and answers on when the control plane is gone.  SIGTERM ends it when
what it was asked is answered.  Counterpart: `server`, which starts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvloop

from gatewright.engines.users import channel
from gatewright.engines.users.checker import Checker
from gatewright.engines.users.http1 import Connection, Service
from gatewright.system.channel import Receiver, encode

DRAIN_SECONDS: Final = 20.0
SWITCH_SECONDS: Final = 0.001
"""How long a thread computes before others get a turn: hashes that Python computes must not hold up what is known."""


class Worker:
    """The process: its service, its listener, and its end of the channel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._receiver = Receiver(reader, channel.ToWorker)
        self._writer = writer
        self._service = Service(Checker())
        self._servers: list[asyncio.Server] = []
        self._ended = asyncio.Event()
        self._failed = False

    async def run(self) -> bool:
        """Follow the channel as long as it is there, and serve until told to end.  True for a good end."""
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._ended.set)
        following = loop.create_task(self._follow())
        await self._ended.wait()
        following.cancel()
        for server in self._servers:
            server.close()
        if self._service.connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._service.empty.wait(), DRAIN_SECONDS)
        return not self._failed

    async def _follow(self) -> None:
        while (message := await self._receiver.next()) is not None:
            match message:
                case channel.Know():
                    self._service.know(message.users)
                case channel.Serve():
                    await self._serve(message)
                case channel.Sync():
                    self._tell(channel.Synced(message.number))
        self._writer.close()
        if not self._servers:
            self._ended.set()  # nobody will ever tell us what to serve

    async def _serve(self, message: channel.Serve) -> None:
        loop = asyncio.get_running_loop()
        try:
            with _placed(message.heirs) as ours:
                self._servers.append(await asyncio.start_unix_server(self._inherit, sock=ours))
            with _placed(message.socket) as envoys:
                self._servers.append(await loop.create_unix_server(lambda: Connection(self._service), sock=envoys))
        except OSError as error:
            self._tell(channel.Failed(f"cannot listen on {message.socket}: {error.strerror or error}"))
            self._failed = True
            self._ended.set()

    async def _inherit(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Tell the next control plane whom we know: until Envoy has its routes, it asks about them."""
        writer.write(encode(channel.Know(self._service.users)))
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    def _tell(self, message: channel.ToControl) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode(message))


@contextlib.contextmanager
def _placed(path: str) -> Iterator[socket.socket]:
    """Bound beside its place, which it takes in one step when it listens: there is no moment without a server."""
    new = Path(f"{path}.new")
    new.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(new))
    yield listening
    new.replace(path)


def main() -> int:
    """Serve until SIGTERM."""
    end = socket.socket(fileno=int(sys.argv[1]))
    sys.setswitchinterval(SWITCH_SECONDS)

    async def run() -> bool:
        reader, writer = await asyncio.open_connection(sock=end)
        return await Worker(reader, writer).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return 0 if runner.run(run()) else 1


if __name__ == "__main__":
    sys.exit(main())
