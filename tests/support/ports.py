"""Ports of 127.0.0.1 for servers that cannot take just any: free for TCP and UDP, and likely to stay so.

They are below the range from which the kernel takes ports for clients and for whoever asks for any: nobody else's
connection or query can take one before the server has it.  And whether somebody listens at one yet.
"""

from __future__ import annotations

import contextlib
import ipaddress
import random
import socket
import sys
from pathlib import Path

LEAST, MOST = 10_000, 32_000
LISTENS = "0A"
"""A state of sockets in /proc/net/tcp (include/net/tcp_states.h)."""


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


def listens(address: str, port: int) -> bool:
    """Does somebody listen at this address and port, as the kernel's table has it (proc(5))?"""
    packed = ipaddress.ip_address(address).packed
    words = (int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4))
    wanted = f"{''.join(f'{word:08X}' for word in words)}:{port:04X}"
    table = Path("/proc/net/tcp6" if ":" in address else "/proc/net/tcp")
    return any(line.split()[1:4:2] == [wanted, LISTENS] for line in table.read_text(encoding="ascii").splitlines()[1:])
