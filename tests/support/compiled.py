"""Small graphs, made by hand, on a real Envoy with echo backends: what tests of the compiler send requests to."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import immutables
import msgspec
from msgspec import Struct

from gatewright.base.hostnames import Depth
from gatewright.base.observed import Nack
from gatewright.base.origin import Origin
from gatewright.engines.echo.server import EchoServer
from gatewright.engines.echo.service import EchoService
from gatewright.engines.echo.service import Transport as EchoTransport
from gatewright.engines.envoy import names
from gatewright.engines.envoy.bindings import Bindings, PortKey, Socket
from gatewright.engines.envoy.delta import Resolver
from gatewright.engines.envoy.plan import Plan, State, plan, resolver
from gatewright.engines.envoy.secrets import Issue, nothing_issued
from gatewright.engines.envoy.types import LISTENER, SCOPE
from gatewright.graph.nodes import (
    Action,
    Backend,
    BackendKey,
    Certificate,
    Change,
    Endpoint,
    Entry,
    Family,
    Forward,
    Gateway,
    Graph,
    Listener,
    Port,
    Rule,
    UpstreamProtocol,
    VirtualHost,
    VirtualHostKey,
    WeightedBackend,
)
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.routing import (
    Dialect,
    Match,
    PathKind,
    PathMatch,
    Protocol,
)
from support import handmade as hm
from support.ports import free_ports, listens

ORIGIN = Origin("graph.yaml")
GATEWAY = "infra/edge"
ROUTE = Key("HTTPRoute", "apps", "r")


def backend(name: str, port: int = 80, protocol: UpstreamProtocol = UpstreamProtocol.HTTP1, **more: Any) -> Backend:
    """A backend of namespace `apps`; its endpoints come when it is served."""
    return Backend(BackendKey("apps", name, port), protocol, (ORIGIN,), **more)


def share(name: str | None, weight: int = 1, port: int = 80, **more: Any) -> WeightedBackend:
    """A share of a rule's requests; None: a reference that leads nowhere."""
    key = BackendKey("apps", name, port) if name is not None else None
    return WeightedBackend(weight, key, ORIGIN, **more)


def to(*names: str | WeightedBackend, **more: Any) -> Forward:
    return Forward(tuple(n if isinstance(n, WeightedBackend) else share(n) for n in names), **more)


def entry(action: Action, match: Match | None = None, **rule: Any) -> Entry:
    return Entry(match or Match(), Rule(rule.pop("id", "rule"), ROUTE, ORIGIN, action, **rule), ORIGIN)


def path(value: str, kind: PathKind = PathKind.PREFIX, **more: Any) -> Match:
    return Match(paths=(PathMatch(kind, value, **more),))


def host(name: str, *entries: Entry, family: Family = Family.HTTP, port: int = 80, **more: Any) -> VirtualHost:
    key = VirtualHostKey(more.pop("gateway", GATEWAY), port, family, name)
    return VirtualHost(key, "listener", ORIGIN, entries, **more)


def gateway(
    *ports: Port,
    listeners: Sequence[Listener] = (),
    depth: Depth = Depth.MANY,
    identity: str = GATEWAY,
    **more: Any,
) -> Gateway:
    namespace, _, name = identity.partition("/")
    key = Key("Gateway", namespace, name)
    dialect = more.pop("dialect", Dialect.GATEWAY_API)
    return Gateway(identity, key, dialect, "envoy", ORIGIN, depth, tuple(listeners), ports, **more)


def http_port(number: int = 80) -> Port:
    return Port(number, udp=False, tls=False, plain=True, http=True, listeners=("listener",))


def tls_port(number: int = 443, **more: Any) -> Port:
    defaults: dict[str, Any] = {"plain": False, "http": True, **more}
    return Port(number, udp=False, tls=True, listeners=("listener",), **defaults)


def tls_listener(port: int = 443, protocol: Protocol = Protocol.HTTPS, **more: Any) -> Listener:
    return Listener("listener", port, protocol, "*", ORIGIN, tls=True, **more)


def graph(
    gateways: Sequence[Gateway],
    hosts: Sequence[VirtualHost],
    backends: Sequence[Backend] = (),
    certificates: Mapping[Key, Certificate] | None = None,
) -> Graph:
    return Graph(
        gateways=immutables.Map({g.id: g for g in gateways}),
        virtual_hosts=immutables.Map({h.key: h for h in hosts}),
        backends=immutables.Map({b.key: b for b in backends}),
        certificates=immutables.Map(certificates or {}),
        certificate_names=immutables.Map(),
        attachments=immutables.Map(),
        problems=immutables.Map(),
    )


def everything(of: Graph, before: Graph | None = None) -> Change:
    """The change from nothing (or from `before`) to a graph."""
    old = before or graph((), ())
    return Change(
        gateways=_differing(old.gateways, of.gateways),
        virtual_hosts=_differing(old.virtual_hosts, of.virtual_hosts),
        backends=_differing(old.backends, of.backends),
        certificates=_differing(old.certificates, of.certificates),
    )


def _differing(a: Mapping[Any, Any], b: Mapping[Any, Any]) -> frozenset[Any]:
    return frozenset(k for k in {*a, *b} if a.get(k) != b.get(k))


def bound(of: Graph, **options: Any) -> Bindings:
    """Every port of every gateway on a free port of 127.0.0.1."""
    keys = [PortKey(g.id, p.number, p.udp) for g in of.gateways.values() for p in g.ports]
    sockets = {key: (Socket("127.0.0.1", port),) for key, port in zip(keys, free_ports(len(keys)), strict=True)}
    return Bindings(sockets, **{"access_log": "", **options})


# --- a gateway that runs ------------------------------------------------------------------------


class Reply(Struct, frozen=True):
    """An HTTP answer; `echo` is what the echo backend saw (empty when it was not reached)."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def echo(self) -> dict[str, Any]:
        with contextlib.suppress(msgspec.DecodeError):
            found = msgspec.json.decode(self.body)
            return found if isinstance(found, dict) else {}
        return {}

    @property
    def backend(self) -> str:
        return str(self.echo.get("service", ""))

    def header(self, name: str) -> str | None:
        return next((v for n, v in self.headers if n == name), None)

    def all(self, name: str) -> list[str]:
        return [v for n, v in self.headers if n == name]


class World:
    """An Envoy that was given a graph, with an echo backend behind every Service of it."""

    transport: hm.Transport

    def __init__(self, echo: EchoServer, bindings: Bindings, issue: Issue) -> None:
        self.echo, self.bindings, self.issue = echo, bindings, issue
        self.graph: Graph | None = None
        self.state = State()
        self.plan: Plan | None = None

    def port(self, number: int = 80, identity: str = GATEWAY, *, udp: bool = False) -> int:
        return self.bindings.sockets[PortKey(identity, number, udp)][0].port

    def listens(self, number: int, identity: str, *, udp: bool = False) -> bool:
        return PortKey(identity, number, udp) in self.bindings.sockets

    def resolve_at(self, place: str) -> Resolver:
        """What Envoy gets for the names of one port; "" for those that go by themselves."""

        def resolve(type_url: str, name: str) -> bytes | None:
            if self.graph is None:
                return None
            return resolver(self.graph, self.bindings, self.issue, place)(type_url, name)

        return resolve

    async def apply(self, wanted: Graph) -> Plan:
        """Serve this graph instead, and wait until Envoy has taken it."""
        wanted = self._with_endpoints(wanted)
        made = plan(wanted, everything(wanted, self.graph), self.bindings, self.state)
        self.graph, self.state, self.plan = wanted, made.state, made
        self.transport.xds.apply(made.changes)
        for type_url in made.refresh:
            self.transport.xds.refresh(type_url)
        for change in made.changes:
            if change.value is not None and not change.on_demand and change.type_url == SCOPE:
                await hm.eventually(lambda c=change: self._took(c.type_url, c.name))
        for change in made.changes:
            if change.value is not None and change.type_url == LISTENER:
                await hm.eventually(lambda c=change: self._took(c.type_url, c.name))
                await hm.eventually(lambda c=change: self._listens(c.name))
        return made

    async def _took(self, type_url: str, name: str) -> bool:
        nacks = [n for n in self.transport.observed if isinstance(n, Nack)]
        assert not nacks, nacks
        return self.transport.has(type_url, name)

    async def _listens(self, name: str) -> bool:
        """Is there somebody at each address of a listener?  Envoy takes a listener a moment before its workers have it.

        The kernel is asked: a connection would be one that the listener counts.
        """
        return all(
            listens(one.address, one.port)
            for key, at in self.bindings.sockets.items()
            if not key.udp and names.listener(key.gateway, key.port, udp=False) == name
            for one in at
        )

    def _with_endpoints(self, wanted: Graph) -> Graph:
        backends = wanted.backends
        for key, one in wanted.backends.items():
            if one.endpoints or one.dns_name or one.reason:
                continue
            kind = EchoTransport.UDP if one.protocol is UpstreamProtocol.UDP else EchoTransport.TCP
            address = self.echo.addresses[EchoService(key.namespace, key.name, key.port, kind)]
            served = msgspec.structs.replace(one, endpoints=(Endpoint(address.host, address.port),))
            backends = backends.set(key, served)
        return msgspec.structs.replace(wanted, backends=backends)

    async def get(
        self,
        url_host: str,
        target: str = "/",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        port: int = 80,
        version: str = "1.1",
        tls: ssl.SSLContext | None = None,
        sni: str | None = None,
        source: str = "127.0.0.1",
        body: bytes = b"",
    ) -> Reply:
        """One HTTP/1 request on a connection of its own; `body` as it goes over the wire."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.port(port),
            ssl=tls,
            server_hostname=(sni or url_host) if tls else None,
            local_addr=(source, 0),
        )
        pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        lines = [f"{method} {target} HTTP/{version}", *([f"Host: {url_host}"] if url_host else [])]
        closing = [] if any(n.lower() == "connection" for n, _ in pairs) else ["Connection: close"]
        lines += [f"{n}: {v}" for n, v in pairs] + [*closing, "", ""]
        try:
            writer.write("\r\n".join(lines).encode() + body)
            async with asyncio.timeout(hm.DEADLINE):
                return await _read(reader, head_only=method == "HEAD")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader, *, head_only: bool) -> Reply:
    """One answer; not up to the end of the connection, which Envoy keeps for a second."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = tuple((n.lower(), v.strip()) for n, _, v in (line.partition(":") for line in lines))
    status = int(first.split()[1])
    length = next((int(v) for n, v in headers if n == "content-length"), 0)
    if head_only or status in (101, 204, 304):
        body = b""
    elif ("transfer-encoding", "chunked") in headers:
        body = b"".join([chunk async for chunk in _chunks(reader)])
    else:
        body = await reader.readexactly(length)
    return Reply(status, headers, body)


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readuntil(b"\r\n"), 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)


@contextlib.asynccontextmanager
async def running(first: Graph, issue: Issue = nothing_issued, **options: Any) -> AsyncIterator[World]:
    """A world that serves `first`; more graphs by `apply`."""
    echo = EchoServer(_services(first))
    await echo.start()
    with hm.state_folder() as folder:
        bindings = bound(first, **options)
        world = World(echo, bindings, issue)
        world.transport = hm.Transport(folder / "state", world.resolve_at(""), world.resolve_at)
        async with world.transport.running():
            try:
                await world.apply(first)
                yield world
            finally:
                await echo.close()


def _services(of: Graph) -> list[EchoService]:
    return [
        EchoService(
            key.namespace,
            key.name,
            key.port,
            EchoTransport.UDP if one.protocol is UpstreamProtocol.UDP else EchoTransport.TCP,
        )
        for key, one in of.backends.items()
    ]


def serve(first: Graph, scenario: Callable[[World], Awaitable[None]], **options: Any) -> None:
    """Run the scenario against an Envoy that has the graph."""

    async def run() -> None:
        async with running(first, **options) as world:
            await scenario(world)

    asyncio.run(run())
