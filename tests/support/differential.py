"""Model against data plane: the same requests to `trace.walk` and to a real Envoy with the same graph.

A disagreement is a line that says what was asked, what the model says and what Envoy did.  Counterpart: the tests that
demand that there be none.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from random import Random
from typing import Any

import msgspec

from gatewright.base import hostnames
from gatewright.base.sensitive import Sensitive
from gatewright.engines.envoy.bindings import PortKey
from gatewright.engines.envoy.names import listener
from gatewright.engines.envoy.secrets import Issue, KeyPair
from gatewright.engines.envoy.types import LISTENER
from gatewright.graph.nodes import Family, Graph, RedirectTo, VirtualHostKey
from gatewright.kinds.intents.filters import HeaderEdit
from gatewright.trace import answer
from gatewright.trace.hops import HopKind, Outcome, OutcomeKind, Trace
from gatewright.trace.request import Request, request
from gatewright.trace.walk import walk
from support import compiled
from support.handmade import DEADLINE, eventually
from support.keys import pair
from support.modelled import Modelled
from support.random_challenges import asked_of_challenges, challenged
from support.random_filters import asked_of_filters, filtered
from support.random_routes import GATEWAYS, Asked, asked, installation
from support.random_streams import UDP, asked_to_connect, streaming
from support.random_tls import certified, pairs

CONNECTIONS = 8
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Seen:
    """What a client got.  `status` 0: no answer."""

    status: int
    location: str | None = None
    backend: str = ""
    host: str = ""
    path: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """Those of the answer that filters are about."""
    certificate: str = ""
    """Its fingerprint; "" without TLS, and when the handshake fails."""


@dataclass
class Connections:
    """Keep-alive connections by what tells them apart: socket, SNI, client address."""

    world: compiled.World
    idle: dict[tuple[str, int, str, str], list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = field(
        default_factory=dict
    )
    opened: list[asyncio.StreamWriter] = field(default_factory=list)

    async def ask(self, one: Asked) -> Seen:
        """Send one request; a handshake that fails or a connection that is closed is an answer, too."""
        key = (one.gateway, one.port, one.sni if one.secure else "-", one.client)
        certificate = ""
        if not self.world.listens(one.port, one.gateway):
            return Seen(0)
        try:
            async with asyncio.timeout(DEADLINE):
                reader, writer = await self._connection(one, key)
                certificate = _fingerprint(writer)
                writer.write(_wire(one))
                seen, keep = await _answer(reader, one.method)
        except (OSError, asyncio.IncompleteReadError):
            return Seen(0, certificate=certificate)
        if keep:
            self.idle.setdefault(key, []).append((reader, writer))
        return replace(seen, certificate=certificate)

    async def _connection(
        self, one: Asked, key: tuple[str, int, str, str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while idle := self.idle.get(key):
            reader, writer = idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
        tls: dict[str, Any] = {"ssl": _careless(), "server_hostname": one.sni} if one.secure else {}
        port = self.world.port(one.port, one.gateway)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(one.client, 0), **tls)
        self.opened.append(writer)
        return reader, writer

    async def close(self) -> None:
        for writer in self.opened:
            writer.transport.abort()
        await asyncio.sleep(0)


def _fingerprint(writer: asyncio.StreamWriter) -> str:
    tls = writer.get_extra_info("ssl_object")
    return sha256(tls.getpeercert(binary_form=True)).hexdigest() if tls else ""


def _careless() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _wire(one: Asked) -> bytes:
    lines = [f"{one.method} {one.target} HTTP/1.1", f"Host: {one.host}"]
    lines += [f"{name}: {value}" for name, value in one.headers]
    if one.method in ("POST", "PUT"):
        lines.append("Content-Length: 0")
    return "\r\n".join([*lines, "", ""]).encode()


async def _answer(reader: asyncio.StreamReader, method: str) -> tuple[Seen, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    status = int(first.split()[1])
    body = b"" if method == "HEAD" or status in (204, 304) else await _body(reader, headers)
    keep = headers.get("connection", "").lower() != "close"
    echo: dict[str, Any] = {}
    if status == 200 and body:
        with contextlib.suppress(ValueError):
            echo = json.loads(body)
    backend = f"{echo['namespace']}/{echo['service']}:{echo['httpPort']}" if "service" in echo else ""
    pairs = ((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    told = tuple(sorted(pair for pair in pairs if pair[0].startswith(("x-r-", "access-control-allow-origin"))))
    return Seen(status, headers.get("location"), backend, echo.get("host", ""), echo.get("path", ""), told), keep


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        body += await reader.readexactly(size)
        await reader.readline()
        if not size:
            return body


# --- comparison -----------------------------------------------------------------------------------


def as_traced(one: Asked) -> Request:
    """The request in the model's words."""
    scheme = "https" if one.secure else "http"
    headers = (f"host: {one.host}", *(f"{name}: {value}" for name, value in one.headers))
    url = f"{scheme}://gateway:{one.port}{one.target}"
    return request(url, one.method, headers, sni=one.sni, client=one.client)


def disagreement(one: Asked, graph: Graph, seen: Seen, local_port: int) -> str:
    """What differs between model and data plane; "" when nothing does."""
    trace = walk(graph, graph.gateways[one.gateway], as_traced(one))
    if _is_passed_on(trace):
        seen = replace(seen, host=hostnames.normalize(seen.host))
    why = (
        _differs(one, trace.outcome, seen, local_port)
        or _headers_differ(one, graph, trace.outcome, seen)
        or _certificate_differs(graph, trace, seen)
    )
    return f"{why}\n  asked: {one}\n  model: {trace.outcome}\n  envoy: {seen}" if why else ""


def _headers_differ(one: Asked, graph: Graph, told: Outcome, seen: Seen) -> str:
    """The headers of an answer that a rule gave: its own, and the permission for another origin."""
    family = Family.HTTPS if one.secure else Family.HTTP
    host = graph.virtual_hosts.get(VirtualHostKey(one.gateway, one.port, family, told.virtual_host or ""))
    rules = [entry.rule for entry in host.entries if entry.rule.id == told.rule] if host else []
    if not rules or told.kind is OutcomeKind.REFUSED or seen.status not in (200, *REDIRECTS):
        return ""
    # A redirect by pattern stands before the rule that it belongs to, under the same name.
    redirected = told.location is not None
    rule = next((rule for rule in rules if isinstance(rule.action, RedirectTo) == redirected), rules[0])
    asking = as_traced(one)
    origin = asking.header("origin")
    cors = rule.cors if answer.is_forwarded(rule.action) else None
    permitted = cors is not None and origin is not None and answer.origin_allowed(cors, origin)
    if permitted != any(name == "access-control-allow-origin" for name, _ in seen.headers):
        return f"another permission for {origin}: {cors}"
    if cors is not None and answer.is_preflight(asking):
        return ""
    expected = {} if not seen.backend else {"x-r-one": ["backend"], "x-r-two": ["backend"]}
    if asking.header("x-echo-set-header") is None:
        expected = {}
    for edit in rule.response_headers:
        expected = _edited(expected, edit)
    wanted = sorted((name, value) for name, values in expected.items() for value in values)
    got = [pair for pair in seen.headers if pair[0].startswith("x-r-")]
    return "" if one.method == "HEAD" or wanted == got else f"other headers than {wanted}"


def _edited(headers: dict[str, list[str]], edit: HeaderEdit) -> dict[str, list[str]]:
    gone = {name.lower() for name in (*edit.remove, *(name for name, _ in edit.set))}
    kept = {name: [*values] for name, values in headers.items() if name not in gone}
    for name, value in (*edit.set, *edit.add):
        kept.setdefault(name.lower(), []).append(value)
    return kept


def _is_passed_on(trace: Trace) -> bool:
    """Does the backend get the bytes as they were sent?"""
    untouched = any(hop.kind is HopKind.TLS and "passed through" in hop.summary for hop in trace.hops)
    return untouched or (trace.outcome.rule or "").startswith(("TLSRoute", "TCPRoute", "IngressRouteTCP"))


def _certificate_differs(graph: Graph, trace: Trace, seen: Seen) -> str:
    """The certificate that was served.  Where the connection is closed anyway, it may be so before the handshake."""
    hop = next((hop for hop in trace.hops if hop.kind is HopKind.TLS), None)
    if hop is None or "terminated with" not in hop.summary:
        own = bool(trace.outcome.backend or trace.outcome.shares)  # the backend's own
        return "a handshake where there is none" if seen.certificate and not own else ""
    if not seen.certificate:
        return "" if seen.status == 0 else "no handshake"
    found = next((c for c in graph.certificates.values() if c.facts.fingerprint == seen.certificate), None)
    served = found.key if found is not None else "a certificate of the private CA"
    return "" if hop.summary.partition("terminated with ")[2].startswith(str(served)) else f"served {served}: {hop}"


def _differs(one: Asked, told: Outcome, seen: Seen, local_port: int) -> str:
    if told.shares:
        expected = {f"{s.backend.namespace}/{s.backend.name}:{s.backend.port}" for s in told.shares if s.backend}
        statuses = {s.status for s in told.shares if not s.backend}
        if seen.status in statuses or (one.method == "HEAD" and seen.status == 200):
            return ""
        if seen.backend not in expected:
            return "another backend"
        return _request_differs(told, seen) if told.sent else ""
    if told.kind is not OutcomeKind.DELIVERED:
        if seen.status != told.status or seen.backend:
            return "another status"
        return "another location" if _described(seen.location, local_port) != told.location else ""
    if seen.status != 200:
        return "not delivered"
    if one.method == "HEAD":
        return ""
    assert told.backend is not None
    if seen.backend != f"{told.backend.namespace}/{told.backend.name}:{told.backend.port}":
        return "another backend"
    return _request_differs(told, seen)


def _described(location: str | None, local_port: int) -> str | None:
    """A Location as it would be at the described port, its host in lower case."""
    if location is None or "://" not in location:
        return location
    scheme, _, rest = location.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.lower().removesuffix(f':{local_port}')}{slash}{path}"


def _request_differs(told: Outcome, seen: Seen) -> str:
    assert told.sent is not None
    if seen.path != told.sent.path:
        return "another path at the backend"
    return "another Host at the backend" if seen.host.lower() != told.sent.host.lower() else ""


# --- runs -----------------------------------------------------------------------------------------


def graph(seed: int) -> Graph:
    """The graph of a random installation, its backends waiting for endpoints."""
    model = Modelled(certified(seed, filtered(seed, streaming(seed, installation(seed))), pairs()))
    model.apply(challenged(seed))
    built = model.graph
    backends = built.backends
    for key, backend in backends.items():
        backends = backends.set(key, msgspec.structs.replace(backend, reason=""))
    return msgspec.structs.replace(built, backends=backends)


def _common_names(seed: int) -> PortKey:
    """The port whose certificates go by SNI alone: another with every seed."""
    return PortKey(GATEWAYS[seed % len(GATEWAYS)], 443)


def _issuer() -> Issue:
    issued = pair("issued.test")
    return lambda gateway, port, hostname: KeyPair(issued.cert_pem, Sensitive(issued.key_pem))


async def _is_open(port: int) -> bool:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    return True


async def disagreements(seed: int, requests: int, most: int = 10) -> list[str]:
    """Ask one random installation so many random questions, in the model and for real."""
    random = Random(seed)
    kinds = random.choices([asked, asked_of_filters, asked_to_connect, asked_of_challenges], [4, 3, 3, 2], k=requests)
    questions = [kind(random) for kind in kinds]
    async with compiled.running(graph(seed), _issuer(), common_names=_common_names(seed)) as world:
        connections = Connections(world)
        for port in _open_ports(world):
            await eventually(partial(_is_open, port))
        try:
            return await _compare(world, connections, questions, most) + await _datagrams(world)
        finally:
            await connections.close()


async def _datagrams(world: compiled.World) -> list[str]:
    """Where the model sends a datagram to a backend, its echo comes back; where not, nothing listens."""
    assert world.graph is not None
    found = []
    for name in GATEWAYS:
        if not world.listens(UDP, name, udp=True):
            continue
        told = walk(world.graph, world.graph.gateways[name], request(f"udp://gateway:{UDP}")).outcome
        echoed = await _echo(world.port(UDP, name, udp=True))
        if echoed != (told.kind is OutcomeKind.DELIVERED):
            found.append(f"datagrams to {name}\n  model: {told}\n  envoy: {'an' if echoed else 'no'} echo")
    return found


async def _echo(port: int) -> bool:
    """Does a datagram come back?  Where nothing listens, the kernel says so."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.1", port))
        try:
            async with asyncio.timeout(DEADLINE):
                await loop.sock_sendall(client, b"ping")
                return await loop.sock_recv(client, 64) == b"ping"
        except ConnectionRefusedError:
            return False


def _open_ports(world: compiled.World) -> list[int]:
    """The TCP ports that something is served at."""
    assert world.plan is not None
    listeners = {change.name for change in world.plan.changes if change.type_url == LISTENER and change.value}
    return [
        sockets[0].port
        for key, sockets in world.bindings.sockets.items()
        if not key.udp and listener(key.gateway, key.port, udp=False) in listeners
    ]


def _refused(world: compiled.World, one: Asked) -> bool:
    """Did the compiler say that it cannot do what is described at this port, and closes its connections?"""
    assert world.plan is not None
    problems = world.plan.problems.get(listener(one.gateway, one.port, udp=False), ())
    return any(problem.id == "tcp-match" for problem in problems)


async def _compare(world: compiled.World, connections: Connections, questions: Sequence[Asked], most: int) -> list[str]:
    found: list[str] = []
    pending = iter(questions)
    assert world.graph is not None
    served = world.graph

    async def worker() -> None:
        for one in pending:
            if len(found) >= most:
                return
            seen = await connections.ask(one)
            if seen.status == 0 and _refused(world, one):
                continue
            local = world.port(one.port, one.gateway) if world.listens(one.port, one.gateway) else 0
            if why := disagreement(one, served, seen, local):
                found.append(why)

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return found
