"""A control plane to be killed: `python -m support.control_plane STATE PORT BODY`.

Runs an Envoy with one host and prints a line when it has taken one over, or started one.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from support.handmade import Transport, direct, http_listener, scope


async def serve(root: Path, port: int, body: str) -> None:
    transport = Transport(root)
    taken_over = await transport.start()
    transport.xds.apply([http_listener("web", port), scope("web", "a.test", direct(body))])
    assert transport.envoy.id is not None
    print("taken over" if taken_over else "started", transport.envoy.id.pid, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
