"""How it is known that a daemon serves: conditions of which each has to hold, as `world.Daemon.ready` has them.

    device:NAME            its space has this device
    route:DEVICE:NETWORK   its space has a route (IPv4) to exactly this network by this device, which so is up
    tcp:ADDRESS:PORT       something listens there, or at all addresses
    udp:ADDRESS:PORT       something is bound there, or at all addresses
    unix:PATH              a socket listens there; that its file is there says less
    says:PATTERN           a line of what it has said since it was started has this in it, a regular expression

Nothing is asked of the daemons themselves: the kernel's own tables tell (proc(5)), and what they log.  Counterpart:
`daemons`, which waits.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

from gatewright.rehearsal.spaces import inside

LISTENS, UNCONNECTED = "0A", "07"
"""States of sockets in /proc/net (include/net/tcp_states.h)."""
ACCEPTS: Final = 1 << 16
"""The flag of Unix sockets that listen (include/uapi/linux/net.h, __SO_ACCEPTCON)."""
SERVES: Final = "serves"
OURS: Final = f"says:^{SERVES}$"
"""What programs of our own print once they serve, and the condition that they have."""
NET: Final = Path("/proc/thread-self/net")


def holds(condition: str, space: str, said: str) -> bool:
    """Does a condition hold of a daemon in a space that has said this?  ValueError for what is no condition."""
    kind, _, rest = condition.partition(":")
    if kind == "says":
        return re.search(rest, said, re.MULTILINE) is not None
    with inside(space):
        match kind:
            case "device":
                return any(line.partition(":")[0].strip() == rest for line in _lines("dev"))
            case "route":
                device, _, network = rest.partition(":")
                return (device, IPv4Network(network)) in map(_route, _lines("route")[1:])
            case "tcp" | "udp":
                address, _, port = rest.rpartition(":")
                return _has_socket(kind, address, int(port))
            case "unix":
                return _listens_at(Path(rest))
    raise ValueError(f"{condition} is no condition")


def _lines(table: str) -> list[str]:
    """Of a table of the namespace that this thread is in; none where the kernel has no such protocol."""
    with contextlib.suppress(FileNotFoundError):
        return (NET / table).read_text(encoding="utf-8", errors="replace").splitlines()
    return []


def _route(line: str) -> tuple[str, IPv4Network]:
    """Device and destination of a route: both the network and its mask are words in the order of the host's octets."""
    fields = line.split()
    network, mask = (int.from_bytes(bytes.fromhex(fields[at]), "little") for at in (1, 7))
    return fields[0], IPv4Network((network, mask.bit_count()))


def _has_socket(kind: str, address: str, port: int) -> bool:
    state = LISTENS if kind == "tcp" else UNCONNECTED
    wanted = ipaddress.ip_address(address)
    table = kind if isinstance(wanted, IPv4Address) else f"{kind}6"
    for line in _lines(table)[1:]:
        fields = line.split()
        there, _, number = fields[1].partition(":")
        if fields[3] == state and int(number, 16) == port:
            octets = bytes.fromhex(there)
            words = (octets[at : at + 4][::-1] for at in range(0, len(octets), 4))
            found = ipaddress.ip_address(b"".join(words))
            if found == wanted or found.is_unspecified:
                return True
    return False


def _listens_at(path: Path) -> bool:
    for line in _lines("unix")[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and int(fields[3], 16) & ACCEPTS and Path(fields[7]).resolve() == path.resolve():
            return True
    return False
