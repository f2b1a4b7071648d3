"""The delta ADS server: a thin asyncio shell around one `DeltaStream` per connected Envoy.

It moves bytes between a Unix socket and the protocol objects, times answers, and hands what Envoys
said to an observer.  Every decision about what to send is in `delta`; this is its only counterpart.
All methods must be called on the event loop that started the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Final

import grpc
from grpc import aio

from gatewright.base.errors import EngineError
from gatewright.base.observed import Nack, Observed
from gatewright.engines.envoy.concerned import AskedNames
from gatewright.engines.envoy.delta import NO_MORE_THAN, DeltaStream, Limits, Resolver, resolve_nothing
from gatewright.engines.envoy.messages import Output, Request, Response
from gatewright.engines.envoy.metrics import TransportMetrics
from gatewright.engines.envoy.on_demand_secret import PLACE_METADATA
from gatewright.engines.envoy.resources import Change, Held, Resources
from gatewright.engines.envoy.types import SECRET, short_name

SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
METHOD: Final = "DeltaAggregatedResources"
SDS_SERVICE: Final = "envoy.service.secret.v3.SecretDiscoveryService"
SDS_METHOD: Final = "DeltaSecrets"
WARMING_SECONDS: Final = 5.0
"""How long routes wait for the endpoints of a new cluster before they are sent without."""

ASKED_SPARE: Final = 1000
"""How many names that nobody asks for any more may be remembered, besides as many as are asked for."""

MAX_SOCKET_PATH: Final = 107
"""Linux: the length of sockaddr_un.sun_path without its final zero."""

_OPTIONS: Final = (
    # A reconnecting Envoy lists every version that it has: some 100 bytes for each resource.
    ("grpc.max_receive_message_length", 256 * 1024 * 1024),
    ("grpc.max_send_message_length", -1),
    # Envoy's keepalive pings are ours (see bootstrap) and must not count as abuse.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
)


class _Connection:
    """One Envoy's stream: its protocol state, and the messages on their way out."""

    def __init__(self, stream: DeltaStream, place: str) -> None:
        self.stream = stream
        self.place = place
        self.secrets: set[str] = set()
        """The Secrets that a stream of one place follows."""
        self.outbox: asyncio.Queue[Response | None] = asyncio.Queue()
        self.sent_at: dict[tuple[str, str], float] = {}
        self.release: asyncio.TimerHandle | None = None


class XdsServer:
    """Serves a `Resources` cache to any number of Envoys, and keeps it in step with what they refuse."""

    def __init__(
        self,
        resources: Resources,
        metrics: TransportMetrics,
        observe: Callable[[Observed], None],
        *,
        resolve: Resolver = resolve_nothing,
        resolve_at: Callable[[str], Resolver] = lambda _: resolve_nothing,
        limits: Limits = NO_MORE_THAN,
    ) -> None:
        self._resources = resources
        self._metrics = metrics
        self._observe = observe
        self._resolve = resolve
        self._resolve_at = resolve_at
        self._limits = limits
        self._connections: set[_Connection] = set()
        self._placed: set[_Connection] = set()
        """Streams for the Secrets of one place: many, so nothing may go through all of them for a change."""
        self._by_secret: dict[str, set[_Connection]] = {}
        self._asked = AskedNames()
        self._asked_bound = ASKED_SPARE
        self._server: aio.Server | None = None

    async def start(self, socket: Path) -> None:
        """Listen on a Unix socket, in a folder that only we may enter."""
        server = aio.server(options=_OPTIONS)
        handler = grpc.stream_stream_rpc_method_handler(
            self._serve, request_deserializer=Request.decode, response_serializer=Response.encode
        )
        services = ((SERVICE, METHOD), (SDS_SERVICE, SDS_METHOD))
        server.add_generic_rpc_handlers(
            tuple(grpc.method_handlers_generic_handler(service, {method: handler}) for service, method in services)
        )
        _bind(server, socket)
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Close every stream.  Envoys keep what they have and reconnect to whoever listens next."""
        server, self._server = self._server, None
        for connection in (*self._connections, *self._placed):
            connection.outbox.put_nowait(None)
        if server is not None:
            await server.stop(grace=1.0)

    def apply(self, changes: Iterable[Change]) -> None:
        """Change resources, and tell the Envoys.  The first call, even without changes, opens the cache."""
        self._spread(self._resources.apply(changes))

    def refresh(self, type_url: str, names: Iterable[str] | None = None) -> None:
        """The resolver would answer differently now: for these names, or for any (None)."""
        chosen = None if names is None else list(names)
        for connection in list(self._connections):
            some = connection.stream.on_demand_names(type_url) if chosen is None else chosen
            self._emit(connection, connection.stream.changed({type_url: some}))
        if type_url == SECRET:
            for name in list(self._by_secret) if chosen is None else chosen:
                for connection in list(self._by_secret.get(name, ())):
                    self._emit(connection, connection.stream.changed({type_url: [name]}))

    def retry(self, type_url: str, name: str) -> None:
        """Send a held-back resource again: what made Envoy refuse it was outside of it, and may be gone."""
        if self._resources.forgive(type_url, name):
            for connection in self._connections:
                connection.stream.forgive(type_url, name)
            self._spread({type_url: [name]})

    def held(self) -> list[Held]:
        """What is held back because an Envoy refused it."""
        return self._resources.held()

    def refresh_secrets(self, patterns: Iterable[str]) -> None:
        """The resolver would answer differently now for names that these hostname patterns cover; O(those names)."""
        names = self._asked.under(patterns)
        if names:
            self.refresh(SECRET, names)

    def on_demand_names(self, type_url: str) -> set[str]:
        """The names that Envoys asked the resolver for."""
        asked = {name for connection in self._connections for name in connection.stream.on_demand_names(type_url)}
        return asked | self._by_secret.keys() if type_url == SECRET else asked

    @property
    def is_settled(self) -> bool:
        """Is an Envoy connected, and has each answered for everything that it was sent?"""
        return bool(self._connections) and all(connection.stream.is_settled for connection in self._connections)

    @property
    def connected(self) -> int:
        """How many Envoys have a stream open."""
        return len(self._connections)

    # --- one stream ---------------------------------------------------------------------------

    async def _serve(self, requests: AsyncIterator[Request], context: aio.ServicerContext[Request, Response]) -> None:
        place = next((str(v) for k, v in context.invocation_metadata() or () if k == PLACE_METADATA), "")
        resolve = self._resolve_at(place) if place else self._resolve
        stream = DeltaStream(self._resources, resolve, self._limits, aggregated=not place)
        connection = _Connection(stream, place)
        kept = self._placed if place else self._connections
        kept.add(connection)
        self._metrics.streams.set(len(self._connections))
        reader = asyncio.create_task(self._read(connection, requests))
        try:
            while (response := await connection.outbox.get()) is not None:
                connection.sent_at[response.type_url, response.nonce] = time.monotonic()
                self._metrics.pushes.labels(short_name(response.type_url)).inc()
                await context.write(response)
        finally:
            if connection.release is not None:
                connection.release.cancel()
            kept.discard(connection)
            for name in connection.secrets:
                self._unfollow(connection, name)
            self._metrics.streams.set(len(self._connections))
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    async def _read(self, connection: _Connection, requests: AsyncIterator[Request]) -> None:
        try:
            async for request in requests:
                self._time(connection, request)
                self._emit(connection, connection.stream.receive(request))
                if connection.place:
                    self._follow(connection)
                if request.type_url == SECRET:
                    self._note_asked(request)
        finally:
            connection.outbox.put_nowait(None)

    def _note_asked(self, request: Request) -> None:
        """Remember who may have to hear of a certificate.  Names that a stream forgot are swept up now and then."""
        for name in request.subscribe:
            self._asked.add(name)
        for name in request.unsubscribe:
            if name not in self._by_secret and not any(c.stream.follows(SECRET, name) for c in self._connections):
                self._asked.discard(name)
        if len(self._asked) > self._asked_bound:
            self._asked = AskedNames(self.on_demand_names(SECRET))
            self._asked_bound = 2 * len(self._asked) + ASKED_SPARE

    def _follow(self, connection: _Connection) -> None:
        """Note which Secrets a stream of one place follows now."""
        asked = set(connection.stream.on_demand_names(SECRET))
        for name in connection.secrets - asked:
            self._unfollow(connection, name)
        for name in asked - connection.secrets:
            self._by_secret.setdefault(name, set()).add(connection)
        connection.secrets = asked

    def _unfollow(self, connection: _Connection, name: str) -> None:
        followers = self._by_secret[name]
        followers.discard(connection)
        if not followers:
            del self._by_secret[name]

    def _time(self, connection: _Connection, request: Request) -> None:
        sent_at = connection.sent_at.pop((request.type_url, request.nonce), None)
        if sent_at is None:
            return
        kind = short_name(request.type_url)
        self._metrics.push_seconds.labels(kind).observe(time.monotonic() - sent_at)
        (self._metrics.acks if request.error is None else self._metrics.nacks).labels(kind).inc()

    # --- what the protocol wants done ---------------------------------------------------------

    def _spread(self, names: dict[str, list[str]]) -> None:
        for connection in list(self._connections):
            self._emit(connection, connection.stream.changed(names))
        self._metrics.held.set(self._resources.held_count)

    def _emit(self, connection: _Connection, outputs: list[Output]) -> None:
        refused: dict[str, list[str]] = {}
        for output in outputs:
            if isinstance(output, Response):
                connection.outbox.put_nowait(output)
                continue
            if isinstance(output, Nack):
                if self._resources.refuse(output.type_url, output.name, output.version):
                    refused.setdefault(output.type_url, []).append(output.name)
            else:
                self._resources.accept(output.type_url, output.versions)
            self._observe(output)
        self._limit_warming(connection)
        if refused:
            self._spread(refused)

    def _limit_warming(self, connection: _Connection) -> None:
        if not connection.stream.is_warming:
            if connection.release is not None:
                connection.release.cancel()
                connection.release = None
        elif connection.release is None:
            loop = asyncio.get_running_loop()
            connection.release = loop.call_later(WARMING_SECONDS, self._release, connection)

    def _release(self, connection: _Connection) -> None:
        connection.release = None
        self._emit(connection, connection.stream.release())


def _bind(server: aio.Server, socket: Path) -> None:
    check_socket_path(socket)
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket.parent.chmod(0o700)
    try:
        server.add_insecure_port(f"unix:{socket.absolute()}")
    except RuntimeError as error:
        raise EngineError(f"cannot listen on {socket}: {error}") from error
    socket.chmod(stat.S_IRUSR | stat.S_IWUSR)


def check_socket_path(path: Path) -> None:
    """Say early and plainly that a socket's path is too long for the system."""
    length = len(str(path.absolute()).encode())
    if length > MAX_SOCKET_PATH:
        raise EngineError(
            f"{path.absolute()}: {length} bytes, and a socket's path may have {MAX_SOCKET_PATH}:"
            " choose a shorter state folder"
        )
