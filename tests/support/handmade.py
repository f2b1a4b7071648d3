"""Hand-written Envoy resources and clients for tests of the transport: no compiled graph is involved.

The listener shapes are those that the engine relies on: scoped routes, certificates on demand by SNI,
and passthrough to clusters on demand.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext
from google.protobuf import descriptor_pool, json_format, message_factory
from prometheus_client import CollectorRegistry

from gatewright.base.observed import Ack, Observed
from gatewright.engines.envoy.delta import Resolver, resolve_nothing
from gatewright.engines.envoy.metrics import TransportMetrics
from gatewright.engines.envoy.on_demand_secret import certificate_selector
from gatewright.engines.envoy.process import EnvoyOptions, EnvoyProcess, StateFolder
from gatewright.engines.envoy.resources import Change, Resources
from gatewright.engines.envoy.types import CLUSTER, ENDPOINTS, LISTENER, PREFIX, SCOPE, SECRET
from gatewright.engines.envoy.xds import XdsServer

for _module in (
    "config.cluster.v3.cluster",
    "config.endpoint.v3.endpoint",
    "config.route.v3.scoped_route",
    "extensions.filters.http.router.v3.router",
    "extensions.filters.listener.tls_inspector.v3.tls_inspector",
    "extensions.filters.network.http_connection_manager.v3.http_connection_manager",
    "extensions.filters.network.set_filter_state.v3.set_filter_state",
    "extensions.filters.network.tcp_proxy.v3.tcp_proxy",
    "extensions.http.early_header_mutation.header_mutation.v3.header_mutation",
):
    importlib.import_module(f"envoy.{_module}_pb2")

ADS = {"ads": {}, "resource_api_version": "V3"}
DEADLINE = 60.0


def resource(type_url: str, name: str, value: dict[str, Any], *, on_demand: bool = False) -> Change:
    """A resource from its JSON form."""
    descriptor = descriptor_pool.Default().FindMessageTypeByName(type_url.removeprefix(PREFIX))
    message = json_format.ParseDict(value, message_factory.GetMessageClass(descriptor)())
    return Change(type_url, name, message.SerializeToString(deterministic=True), on_demand)


def extension(name: str, kind: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": PREFIX + kind, **config}}


def address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def http_manager(listener: str) -> dict[str, Any]:
    """An HTTP connection manager whose scope is the listener's name and the request's host."""
    mutation = {
        "append": {
            "header": {"key": "x-test-scope", "value": f"{listener}|%REQ(:AUTHORITY)%"},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }
    }
    fragment = {"header_value_extractor": {"name": "x-test-scope", "index": 0}}
    return extension(
        "http",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=listener,
        strip_any_host_port=True,
        early_header_mutation_extensions=[
            extension(
                "scope",
                "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                mutations=[mutation],
            )
        ],
        scoped_routes={
            "name": "scopes",
            "scope_key_builder": {"fragments": [fragment]},
            "rds_config_source": ADS,
            "scoped_rds": {"scoped_rds_config_source": ADS},
        },
        http_filters=[extension("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router")],
    )


def http_listener(name: str, port: int) -> Change:
    chains = [{"filters": [http_manager(name)]}]
    return resource(LISTENER, name, {"name": name, "address": address(port), "filter_chains": chains})


TLS_INSPECTOR = extension("tls_inspector", "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector")


def tls_listener(name: str, port: int, default_secret: str) -> Change:
    """One filter chain that terminates TLS with the Secret named as the SNI."""
    tls = extension(
        "tls",
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
    )
    listener = resource(
        LISTENER,
        name,
        {
            "name": name,
            "address": address(port),
            "listener_filters": [TLS_INSPECTOR],
            "filter_chains": [{"filters": [http_manager(name)], "transport_socket": tls}],
        },
    )
    # The selector's message is unknown to xds-protos, so JSON cannot carry it.
    message = Listener.FromString(listener.value)
    typed = message.filter_chains[0].transport_socket.typed_config
    context = DownstreamTlsContext.FromString(typed.value)
    context.common_tls_context.custom_tls_certificate_selector.CopyFrom(certificate_selector(default_secret))
    typed.Pack(context)
    return Change(LISTENER, name, message.SerializeToString(deterministic=True))


def passthrough_listener(name: str, port: int, prefix: str) -> Change:
    """One filter chain that sends each SNI to the cluster `prefix` + SNI, fetched on demand."""
    cluster_name = {"text_format_source": {"inline_string": f"{prefix}%REQUESTED_SERVER_NAME%"}}
    filters = [
        extension(
            "cluster",
            "envoy.extensions.filters.network.set_filter_state.v3.Config",
            on_new_connection=[{"object_key": "envoy.tcp_proxy.cluster", "format_string": cluster_name}],
        ),
        extension(
            "tcp",
            "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            stat_prefix=name,
            cluster=f"{prefix}none",
            on_demand={"odcds_config": ADS, "timeout": "0.5s"},
        ),
    ]
    return resource(
        LISTENER,
        name,
        {
            "name": name,
            "address": address(port),
            "listener_filters": [TLS_INSPECTOR],
            "filter_chains": [{"filters": filters}],
        },
    )


def scope(listener: str, host: str, action: dict[str, Any]) -> Change:
    """One virtual host: `action` is `direct(...)`, `to(...)` or something wrong."""
    name = f"{listener}|{host}"
    routes = [{"match": {"prefix": "/"}, **action}]
    inline = {"name": name, "virtual_hosts": [{"name": name, "domains": ["*"], "routes": routes}]}
    key = {"fragments": [{"string_key": name}]}
    return resource(SCOPE, name, {"name": name, "key": key, "route_configuration": inline})


def direct(body: str, status: int = 200) -> dict[str, Any]:
    return {"direct_response": {"status": status, "body": {"inline_string": body}}}


def to(cluster_name: str) -> dict[str, Any]:
    return {"route": {"cluster": cluster_name}}


def cluster(name: str, *, on_demand: bool = False, connect_timeout: str = "1s") -> Change:
    """A cluster whose endpoints come over EDS under its own name."""
    value = {
        "name": name,
        "type": "EDS",
        "connect_timeout": connect_timeout,
        "eds_cluster_config": {"eds_config": ADS},
    }
    return resource(CLUSTER, name, value, on_demand=on_demand)


def endpoints(name: str, *ports: int) -> Change:
    ends = [{"endpoint": {"address": address(port)}} for port in ports]
    return resource(ENDPOINTS, name, {"cluster_name": name, "endpoints": [{"lb_endpoints": ends}]})


def secret(name: str, chain: str, key: str) -> Change:
    pair = {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}
    return resource(SECRET, name, {"name": name, "tls_certificate": pair})


# --- the transport, wired ---------------------------------------------------------------------


class Transport:
    """A cache, its xDS server and an Envoy, in one state folder."""

    def __init__(
        self,
        root: Path,
        resolve: Resolver = resolve_nothing,
        resolve_at: Callable[[str], Resolver] = lambda _: resolve_nothing,
    ) -> None:
        self.folder = StateFolder(root)
        self.observed: list[Observed] = []
        self.registry = CollectorRegistry()
        metrics = TransportMetrics(self.registry)
        self.xds = XdsServer(Resources(), metrics, self.observed.append, resolve=resolve, resolve_at=resolve_at)
        self.envoy = EnvoyProcess(self.folder, EnvoyOptions(concurrency=1), metrics.restarts.inc)

    async def start(self) -> bool:
        self.folder.prepare()
        await self.xds.start(self.folder.xds_socket)
        return await self.envoy.start()

    def has(self, type_url: str, name: str) -> bool:
        """Has Envoy accepted a version of this resource?"""
        return any(
            isinstance(seen, Ack) and seen.type_url == type_url and name in seen.versions for seen in self.observed
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Transport]:
        await self.start()
        try:
            yield self
        finally:
            await self.envoy.stop(0)
            await self.xds.stop()


@contextlib.contextmanager
def state_folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets, which pytest's is not always."""
    with tempfile.TemporaryDirectory(prefix="gatewright-") as folder:
        yield Path(folder)


# --- clients and servers ----------------------------------------------------------------------


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a check holds; a refused or reset connection counts as "not yet"."""
    deadline = time.monotonic() + DEADLINE
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if await check():
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{check} did not come true")
        await asyncio.sleep(0.005)


class Client:
    """One keep-alive HTTP/1.1 connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @staticmethod
    @contextlib.asynccontextmanager
    async def connected(port: int) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def get(self, host: str) -> tuple[int, str]:
        self._writer.write(f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        async with asyncio.timeout(DEADLINE):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0] or 0)
            return int(head.split()[1]), (await self._reader.readexactly(length)).decode()


async def get(port: int, host: str) -> tuple[int, str]:
    """One request on a connection of its own."""
    async with Client.connected(port) as client:
        return await client.get(host)


@contextlib.asynccontextmanager
async def backend(name: str) -> AsyncIterator[int]:
    """An HTTP server that answers its name; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(name)}\r\n\r\n{name}".encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def tls_backend(folder: Path, chain: str, key: str) -> AsyncIterator[int]:
    """A TLS server that shows a certificate; its port."""
    path = folder / "backend.pem"
    path.touch(mode=0o600)
    path.write_text(chain + key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def certificate_of(port: int, sni: str | None) -> bytes:
    """The certificate (DER) that a TLS client of this SNI is shown."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with asyncio.timeout(DEADLINE):
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=sni)
    try:
        shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return shown
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
