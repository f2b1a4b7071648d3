"""Ports of 127.0.0.1 for servers that cannot take just any: free for TCP and UDP, and likely to stay so.

They are below the range from which the kernel takes ports for clients and for whoever asks for any: nobody else's
connection or query can take one before the server has it.
"""

from __future__ import annotations

import contextlib
import random
import socket

LEAST, MOST = 10_000, 32_000


def free_port() -> int:
    """One that was free a moment ago."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many different ones: all are held until the last is known."""
    with contextlib.ExitStack() as held:
        found: list[int] = []
        while len(found) < count:
            port = random.SystemRandom().randrange(LEAST, MOST)
            with contextlib.suppress(OSError):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    held.enter_context(socket.socket(type=kind)).bind(("127.0.0.1", port))
                found.append(port)
        return found
