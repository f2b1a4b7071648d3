"""Our own DNS engine in a space of a world: `python -m gatewright.rehearsal.own_dns FILE FOLDER`.

FILE is an encoded `Serving`, FOLDER where the engine keeps its state.  It serves until it is ended.  Counterparts:
`plan.names.ours`, which writes the file; `runtime.names`, which drives the same engine in a run.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from msgspec import Struct

from gatewright.engines.dns.content import Listen, Plan
from gatewright.engines.dns.server import DnsServer
from gatewright.rehearsal.readiness import SERVES
from gatewright.system.channel import decode_body, encode_body


class Serving(Struct, frozen=True):
    """What is served where."""

    listen: tuple[Listen, ...]
    plan: Plan


def encoded(serving: Serving) -> bytes:
    """For the file; there are keys in it."""
    return encode_body(serving)


async def _serve(serving: Serving, folder: Path) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = DnsServer(folder, serving.listen, workers=1)
    await server.start()
    try:
        server.apply(serving.plan)
        await server.settled()
        print(SERVES, flush=True)
        await ended.wait()
    finally:
        await server.stop()


def main() -> int:
    """Serve until SIGTERM."""
    file, folder = map(Path, sys.argv[1:3])
    asyncio.run(_serve(decode_body(file.read_bytes(), Serving), folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
