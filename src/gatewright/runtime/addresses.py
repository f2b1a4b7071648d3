"""Where each gateway listens on this machine.

On loopback every gateway has an address of its own, 127.20.0.1 and up, kept from run to run, and its described ports
where this user may bind them, else the nearest that are free (80 becomes 8080, 443 becomes 8443).  With `--bind site`
a gateway listens on those of its described addresses that this machine has.

What our own Envoy holds is never probed again and never moves: listeners stay where they are while they live.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from msgspec import Struct, field

from gatewright.base.errors import EngineError, UsageError
from gatewright.base.problem import Problem, Severity
from gatewright.engines.envoy.bindings import PortKey, Socket
from gatewright.graph.nodes import Gateway, Port

FIRST = ipaddress.IPv4Address("127.20.0.1")
MOST = 60_000
SHIFT = 8000  # 80 → 8080, 443 → 8443
PRIVILEGED = 1024
ATTEMPTS = 64
TAKEN = "is taken by another process"
RESERVED_AS = "\0gatewright-"


class Assignment(Struct):
    """What earlier runs and passes decided: each gateway's address and each port's socket."""

    addresses: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)  # "gateway|port|tcp" → local port


class Placed(Struct, frozen=True):
    """Sockets for described ports, and what could not be had."""

    sockets: Mapping[PortKey, tuple[Socket, ...]]
    problems: tuple[Problem, ...] = ()


class Placing(Protocol):
    """Decides where gateways listen; `assignment` is what to keep for the next run, if anything is."""

    @property
    def assignment(self) -> Assignment | None: ...

    def place(self, gateways: Mapping[str, Gateway]) -> Placed: ...


Probe = Callable[[Socket, bool], str]
"""(socket, udp) → "" when it can be bound, else why not."""

Held = set[tuple[Socket, bool]]


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
            reasons = {errno.EACCES: "needs privileges", errno.EADDRINUSE: TAKEN}
            return reasons.get(error.errno or 0, error.strerror or str(error))
    return ""


class Reservations:
    """Loopback addresses that are this run's alone, so that runs beside each other never meet at a port.

    An address is reserved by the name of an abstract Unix socket, which the kernel frees when the process ends.
    """

    def __init__(self) -> None:
        self._sockets: dict[str, socket.socket] = {}

    def take(self, address: str) -> bool:
        """Reserve an address; False when another run has it."""
        if address in self._sockets:
            return True
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(RESERVED_AS + address)
        except OSError:
            name.close()
            return False
        self._sockets[address] = name
        return True

    def close(self) -> None:
        """Give all of them back."""
        for name in self._sockets.values():
            name.close()
        self._sockets.clear()


class Loopback:
    """Gives every gateway a loopback address.  `taken_over`: an Envoy of an earlier run holds the assigned sockets."""

    def __init__(
        self, assignment: Assignment, reserve: Callable[[str], bool], *, taken_over: bool = False, test: Probe = probe
    ) -> None:
        self.assignment = assignment
        self._reserve = reserve
        self._test = test
        self._moved: dict[str, Problem] = {}
        free = {gateway: address for gateway, address in assignment.addresses.items() if reserve(address)}
        self._held: Held = _assigned(assignment) if taken_over else set()
        if not taken_over:
            assignment.addresses = free

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

    def _address(self, gateway: str) -> str:
        known = self.assignment.addresses
        if gateway not in known:
            taken = set(known.values())
            candidates = (str(FIRST + number) for number in range(MOST))
            free = next((one for one in candidates if one not in taken and self._reserve(one)), None)
            if free is None:
                raise EngineError(f"there is no loopback address left for {gateway}")
            known[gateway] = free
        return known[gateway]

    def _socket(self, gateway: Gateway, port: Port, address: str, problems: list[Problem]) -> Socket | None:
        name = _name(gateway.id, port)
        before = self.assignment.ports.get(name)
        if before is not None and (Socket(address, before), port.udp) in self._held:
            if name in self._moved:
                problems.append(self._moved[name])
            return Socket(address, before)
        reason = ""
        for number in _candidates(port.number, before):
            where = Socket(address, number)
            if (where, port.udp) in self._held:
                continue  # it stands for another port of this gateway
            why = self._test(where, port.udp)
            if not why:
                self._held.add((where, port.udp))
                self.assignment.ports[name] = number
                if reason == TAKEN:
                    self._moved[name] = _moved(gateway, port, where)
                    problems.append(self._moved[name])
                return where
            reason = reason or why
        problems.append(_unavailable(gateway, port, address, reason))
        return None


def _name(gateway: str, port: Port) -> str:
    return f"{gateway}|{port.number}|{'udp' if port.udp else 'tcp'}"


def _assigned(assignment: Assignment) -> Held:
    held: Held = set()
    for name, number in assignment.ports.items():
        gateway, _, kind = name.rsplit("|", 2)
        if address := assignment.addresses.get(gateway):
            held.add((Socket(address, number), kind == "udp"))
    return held


def _candidates(port: int, before: int | None) -> Iterator[int]:
    """The described port, the one of last time, the usual stand-in, then higher ones."""
    seen = set()
    usual = port + SHIFT if port < PRIVILEGED else port + 10_000
    higher = (10_000 + (port + step) % 50_000 for step in range(ATTEMPTS))
    for number in (port, before, usual, *higher):
        if number is not None and number < 65_536 and number not in seen:
            seen.add(number)
            yield number


def _moved(gateway: Gateway, port: Port, where: Socket) -> Problem:
    message = f"port {port.number} of {gateway.id} {TAKEN}; {where.address}:{where.port} stands for it here"
    return Problem("port-moved", message, gateway.origin, Severity.INFO, "free it before the next start to have it")


class OnSite:
    """The described addresses that this machine has.  UsageError when at the start nothing at all can be bound."""

    assignment = None

    def __init__(self, *, taken_over: bool = False, test: Probe = probe) -> None:
        self._test = test
        self._taken_over = taken_over
        self._held: Held = set()
        self._started = False

    def place(self, gateways: Mapping[str, Gateway]) -> Placed:
        """Sockets for all ports of these gateways, as described."""
        sockets: dict[PortKey, tuple[Socket, ...]] = {}
        problems: list[Problem] = []
        owners: dict[tuple[Socket, bool], str] = {}
        for gateway in sorted(gateways.values(), key=lambda item: item.id):
            here = [one for one in gateway.addresses if _is_address(one) and not self._test(Socket(one, 0), True)]
            if not here:
                problems.append(_elsewhere(gateway))
            for port in gateway.ports if here else ():
                found = []
                for address in here:
                    where = Socket(address, port.number)
                    owner = owners.setdefault((where, port.udp), gateway.id)
                    why = self._refusal(where, port.udp) if owner == gateway.id else f"belongs to {owner} already"
                    if why:
                        problems.append(_unavailable(gateway, port, address, why))
                    else:
                        found.append(where)
                if found:
                    sockets[PortKey(gateway.id, port.number, port.udp)] = tuple(found)
        if gateways and not sockets and not self._started:
            raise UsageError(f"nothing can be bound with --bind site: {problems[0].message}; {problems[0].hint}")
        self._started = True
        return Placed(sockets, tuple(problems))

    def _refusal(self, where: Socket, udp: bool) -> str:
        """Why a socket cannot be had, "" when it can.

        One that an Envoy of ours may hold is left to Envoy to bind: what it refuses is told as held back.
        """
        ours = (where, udp) in self._held or (self._taken_over and not self._started)
        why = "" if ours else self._test(where, udp)
        if not why:
            self._held.add((where, udp))
        return why


def _unavailable(gateway: Gateway, port: Port, address: str, why: str) -> Problem:
    message = f"port {port.number} of {gateway.id} cannot be bound at {address}: it {why}"
    hint = "stop what holds it, or run as a user who may bind it; then save any file or send SIGHUP"
    return Problem("port-unavailable", message, gateway.origin, Severity.ERROR, hint)


def _elsewhere(gateway: Gateway) -> Problem:
    described = ", ".join(gateway.addresses) or "none described"
    message = f"{gateway.id} has no address on this machine ({described})"
    hint = "run it where its address is, or use --bind loopback"
    return Problem("address-elsewhere", message, gateway.origin, Severity.WARNING, hint)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
