"""Where each gateway listens on this machine.

On loopback every gateway has an address of its own, 127.20.0.1 and up, kept from run to run, and its described ports
where this user may bind them, else the nearest that are free (80 becomes 8080, 443 becomes 8443).  With `--bind site`
a gateway listens on those of its described addresses that this machine has.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct, field

from gatewright.base.errors import UsageError
from gatewright.base.problem import Problem, Severity
from gatewright.engines.envoy.bindings import PortKey, Socket
from gatewright.graph.nodes import Gateway, Port

FIRST = ipaddress.IPv4Address("127.20.0.1")
SHIFT = 8000  # 80 → 8080, 443 → 8443
PRIVILEGED = 1024
ATTEMPTS = 64


class Assignment(Struct):
    """What earlier runs and passes decided: each gateway's address and each port's socket."""

    addresses: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)  # "gateway|port|tcp" → local port


class Placed(Struct, frozen=True):
    """Sockets for described ports, and what could not be had."""

    sockets: Mapping[PortKey, tuple[Socket, ...]]
    problems: tuple[Problem, ...] = ()


Probe = Callable[[Socket, bool], str]
"""(socket, udp) → "" when it can be bound, else why not."""


def probe(where: Socket, udp: bool) -> str:
    """Try to bind a socket for a moment."""
    family = socket.AF_INET6 if ":" in where.address else socket.AF_INET
    kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
    with socket.socket(family, kind) as candidate:
        if not udp:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((where.address, where.port))
            if not udp:
                candidate.listen(1)
        except OSError as error:
            reasons = {errno.EACCES: "needs privileges", errno.EADDRINUSE: "is taken by another process"}
            return reasons.get(error.errno or 0, error.strerror or str(error))
    return ""


class Loopback:
    """Gives every gateway a loopback address; `ours` are sockets that our own Envoy already holds."""

    def __init__(self, assignment: Assignment, test: Probe = probe) -> None:
        self._assignment = assignment
        self._test = test
        self._held: set[tuple[str, int, bool]] = set()

    def take_over(self) -> None:
        """An Envoy of an earlier run still holds its sockets: they are not to be probed."""
        for name, local in self._assignment.ports.items():
            gateway, _, kind = name.rsplit("|", 2)
            address = self._assignment.addresses.get(gateway)
            if address:
                self._held.add((address, local, kind == "udp"))

    def place(self, gateways: Mapping[str, Gateway]) -> Placed:
        """Sockets for all ports of these gateways; what is already placed stays where it is."""
        sockets: dict[PortKey, tuple[Socket, ...]] = {}
        problems: list[Problem] = []
        for gateway in sorted(gateways.values(), key=lambda item: item.id):
            address = self._address(gateway.id)
            for port in gateway.ports:
                found = self._socket(gateway, port, address, problems)
                if found is not None:
                    sockets[PortKey(gateway.id, port.number, port.udp)] = (found,)
        return Placed(sockets, tuple(problems))

    @property
    def assignment(self) -> Assignment:
        """What to keep for the next run."""
        return self._assignment

    def _address(self, gateway: str) -> str:
        known = self._assignment.addresses
        if gateway not in known:
            taken = set(known.values())
            known[gateway] = next(str(FIRST + n) for n in range(60_000) if str(FIRST + n) not in taken)
        return known[gateway]

    def _socket(self, gateway: Gateway, port: Port, address: str, problems: list[Problem]) -> Socket | None:
        name = f"{gateway.id}|{port.number}|{'udp' if port.udp else 'tcp'}"
        reason = ""
        for number in self._candidates(port.number, self._assignment.ports.get(name)):
            where = Socket(address, number)
            if (address, number, port.udp) in self._held or not (why := self._test(where, port.udp)):
                self._held.add((address, number, port.udp))
                self._assignment.ports[name] = number
                return where
            reason = reason or why
        message = f"port {port.number} of {gateway.id} cannot be bound at {address}: it {reason}"
        problems.append(
            Problem("port-unavailable", message, gateway.origin, Severity.ERROR, "free it, then save a file")
        )
        return None

    @staticmethod
    def _candidates(port: int, before: int | None) -> Iterator[int]:
        """The port of last time, the described one, its usual stand-in, then higher ones."""
        seen = set()
        usual = port + SHIFT if port < PRIVILEGED else port + 10_000
        higher = (10_000 + (port + step) % 50_000 for step in range(ATTEMPTS))
        for number in (port, before, usual, *higher):
            if number is not None and number < 65_536 and number not in seen:
                seen.add(number)
                yield number


def on_site(gateways: Mapping[str, Gateway], test: Probe = probe) -> Placed:
    """Sockets at the described addresses that this machine has.  UsageError when no gateway has any."""
    sockets: dict[PortKey, tuple[Socket, ...]] = {}
    problems: list[Problem] = []
    for gateway in sorted(gateways.values(), key=lambda item: item.id):
        here = [address for address in gateway.addresses if _is_address(address) and not test(Socket(address, 0), True)]
        if not here:
            described = ", ".join(gateway.addresses) or "none described"
            message = f"{gateway.id} has no address on this machine ({described})"
            hint = "run it where its address is, or use --bind loopback"
            problems.append(Problem("address-elsewhere", message, gateway.origin, Severity.WARNING, hint))
            continue
        for port in gateway.ports:
            found = []
            for address in here:
                where = Socket(address, port.number)
                if why := test(where, port.udp):
                    message = f"port {port.number} of {gateway.id} cannot be bound at {address}: it {why}"
                    hint = "stop what holds it, or run as a user who may bind it"
                    problems.append(Problem("port-unavailable", message, gateway.origin, Severity.ERROR, hint))
                else:
                    found.append(where)
            if found:
                sockets[PortKey(gateway.id, port.number, port.udp)] = tuple(found)
    if not sockets:
        reason = problems[0].message if problems else "no gateways are described"
        raise UsageError(f"nothing can be bound with --bind site: {reason}")
    return Placed(sockets, tuple(problems))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
