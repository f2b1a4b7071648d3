"""What is live, as values: the ready file, `gatewright status`, and the table that `run` prints.

`Listening` is one described port of one gateway with its local sockets; the JSON of `Live` is a stable interface:
fields are added, never renamed or removed, within one `version`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from gatewright.base import hostnames
from gatewright.base.observed import Nack
from gatewright.base.origin import Locator
from gatewright.base.problem import Problem
from gatewright.engines.envoy.bindings import Bindings, PortKey, Socket
from gatewright.graph.nodes import Family, Gateway, Graph, Listener, VirtualHost
from gatewright.kinds.intents import PathKind

VERSION = 1


class Described(Struct, frozen=True):
    """The listener as its manifest describes it."""

    addresses: tuple[str, ...]
    port: int


class Listening(Struct, frozen=True, rename="camel"):
    """A listener that is served here.  `local` are the sockets that stand for it on this machine.

    `example` is a path (of the first hostname) that a plain GET may be tried with.
    """

    gateway: str
    listener: str
    protocol: str
    described: Described
    local: tuple[Socket, ...]
    hostnames: tuple[str, ...]
    tls: str  # "", "terminate" or "passthrough"
    ca_file: str
    example: str = "/"


class Fault(Struct, frozen=True):
    """A Problem as it is printed."""

    id: str
    severity: str
    message: str
    file: str
    line: int
    hint: str


class Refused(Struct, frozen=True):
    """Something that Envoy refused; its last good version is served instead, or nothing where there is none."""

    name: str
    message: str


class Live(Struct, frozen=True, rename="camel"):
    """Everything that is served, everything held back and why."""

    version: int
    pid: int
    ca_file: str
    listeners: tuple[Listening, ...]
    virtual_hosts: int = 0
    backends: int = 0
    stand_ins: int = 0
    problems: tuple[Fault, ...] = ()
    held_back: tuple[Refused, ...] = ()


def listening(graph: Graph, bindings: Bindings, ca_file: str) -> tuple[Listening, ...]:
    """The listeners of every bound port, in order of gateway and name."""
    served = _served(graph)
    found = []
    for gateway in sorted(graph.gateways.values(), key=lambda item: item.id):
        for item in gateway.listeners:
            key = PortKey(gateway.id, item.port, item.protocol.value == "UDP")
            sockets = bindings.sockets.get(key)
            if sockets and not item.conflict:
                found.append(_listening(gateway, item, sockets, served, ca_file))
    return tuple(found)


def _served(graph: Graph) -> Mapping[tuple[str, str], list[VirtualHost]]:
    """The VirtualHosts with rules by (gateway, listener)."""
    found: dict[tuple[str, str], list[VirtualHost]] = {}
    for host in graph.virtual_hosts.values():
        if host.entries:
            found.setdefault((host.key.gateway, host.listener), []).append(host)
    return found


def _listening(
    gateway: Gateway,
    item: Listener,
    sockets: tuple[Socket, ...],
    served: Mapping[tuple[str, str], list[VirtualHost]],
    ca_file: str,
) -> Listening:
    hosts = served.get((gateway.id, item.name), [])
    by_name = {host.key.hostname: host for host in hosts}
    names = sorted(by_name, key=lambda name: (-hostnames.specificity(name)[0], name))
    passthrough = item.passthrough or any(host.key.family is Family.PASSTHROUGH for host in hosts)
    return Listening(
        gateway=gateway.id,
        listener=item.name,
        protocol=item.protocol.value,
        described=Described(gateway.addresses, item.port),
        local=sockets,
        hostnames=tuple(names),
        tls="" if not item.tls else "passthrough" if passthrough else "terminate",
        ca_file=ca_file,
        example=_example(by_name[names[0]]) if names else "/",
    )


def _example(host: VirtualHost) -> str:
    """A path that some rule of the host takes from a plain GET, as far as that can be told from its first condition."""
    for entry in host.entries:
        match = entry.match
        if match.methods or match.headers or match.query or match.sources or len(match.paths) > 1:
            continue
        path = match.paths[0] if match.paths else None
        if path is None:
            return "/"
        if path.kind is not PathKind.REGEX and not path.negate:
            return path.value or "/"
    return "/"


def faults(problems: Iterable[Problem], locator: Locator) -> tuple[Fault, ...]:
    """Problems with their lines found."""
    return tuple(fault(problem, locator) for problem in problems)


def fault(problem: Problem, locator: Locator) -> Fault:
    """A Problem with its line found."""
    place = locator.locate(problem.origin) if problem.origin else None
    file, line = (place.file, place.line) if place else ("", 0)
    return Fault(problem.id, problem.severity.value, problem.message, file, line, problem.hint)


def refusals(nacks: Mapping[tuple[str, str], Nack]) -> tuple[Refused, ...]:
    """What Envoy refused, by name."""
    return tuple(Refused(nack.name, nack.message) for _, nack in sorted(nacks.items()))


def curl(item: Listening) -> str | None:
    """A curl command for a listener's first hostname that works as pasted, or None for what curl does not speak."""
    if item.protocol not in ("HTTP", "HTTPS") or item.tls == "passthrough" or not item.hostnames:
        return None
    host = item.hostnames[0]
    name = "any" + host[1:] if hostnames.is_wildcard(host) else "localhost" if host == hostnames.ANY else host
    where = item.local[0]
    secure = item.protocol == "HTTPS"
    scheme, usual = ("https", 443) if secure else ("http", 80)
    port = "" if item.described.port == usual else f":{item.described.port}"
    address = f"[{where.address}]" if ":" in where.address else where.address
    trust = f"--cacert {item.ca_file} " if secure else ""
    return f"curl {trust}--connect-to ::{address}:{where.port} {scheme}://{name}{port}{item.example}"
