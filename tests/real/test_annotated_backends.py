"""What annotations of Ingresses say of their backends, behind a real Envoy: by HAProxy's controllers, nginx and ALB.

From manifests to what the endpoints see.  Counterpart: `test_backends_chosen`, everything that a backend can be.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import structs

from gatewright.graph.nodes import Endpoint, Graph
from gatewright.kinds.intents.routing import HealthCheck
from gatewright.pipeline import Model
from support import backends as b
from support import compiled as c
from support import keys
from support.handmade import DEADLINE, eventually

pytestmark = pytest.mark.real

HOST = "a.example.com"
ORG, COMMUNITY, ALB = "haproxy.org/", "haproxy-ingress.github.io/", "alb.ingress.kubernetes.io/"
NGINX = "nginx.ingress.kubernetes.io/"
_DOORS = {ORG: "haproxy", COMMUNITY: "haproxy-ingress", ALB: "alb", NGINX: "ingress-nginx"}


def described(
    folder: Path,
    prefix: str,
    annotations: Mapping[str, str],
    *ends: Endpoint,
    class_wide: Mapping[str, str] | None = None,
    secrets: Mapping[str, Mapping[str, bytes]] | None = None,
) -> Graph:
    """An Ingress with these annotations at the door that they are for, whose Service has these endpoints."""
    service = {"name": "app", "port": {"number": 80}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": {"service": service}}]
    notes = {prefix + name: value for name, value in annotations.items()}
    door: dict[str, Any] = {"implementation": _DOORS[prefix], "classes": ["door"]}
    door["settings"] = {"configuration": "infra/settings"}
    documents: list[dict[str, Any]] = [
        _object("gatewright.dev/v1alpha1", "IngressController", "infra", "edge", spec=door),
        _object("v1", "ConfigMap", "infra", "settings", data=dict(class_wide or {})),
        _object("v1", "Service", "apps", "app", spec={"ports": [{"port": 80}]}),
        _object(
            "networking.k8s.io/v1",
            "Ingress",
            "apps",
            "app",
            spec={"ingressClassName": "door", "rules": [{"host": HOST, "http": {"paths": paths}}]},
        ),
    ]
    documents[-1]["metadata"]["annotations"] = notes
    for name, data in (secrets or {}).items():
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        documents.append(_object("v1", "Secret", "apps", name, data=encoded))
    (folder / "manifests.yaml").write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    model = Model(lambda: datetime.now(UTC))
    graph = model.read([str(folder)]).graph
    told = [one for one in model.problems() if one.id not in ("annotation-differs", "missing-endpoints")]
    assert not [one for one in told if one.severity.value == "error"], told
    found = graph.backends
    for key, backend in found.items():
        found = found.set(key, structs.replace(backend, endpoints=ends, reason=""))
    return structs.replace(graph, backends=found)


def _object(version: str, kind: str, namespace: str, name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **more}


def the_backend(graph: Graph) -> Any:
    (backend,) = (one for one in graph.backends.values() if one.key.name == "app")
    return backend


@contextlib.asynccontextmanager
async def several(count: int, play: b.Play = b.answers) -> AsyncIterator[list[b.Backend]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(b.playing(play)) for _ in range(count)]


@contextlib.asynccontextmanager
async def serving(graph: Graph) -> AsyncIterator[c.World]:
    """An Envoy with the graph, when its port is open."""
    async with c.running(graph) as world:
        await eventually(lambda: _opens(world.port()))
        yield world


async def _opens(port: int) -> bool:
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False


async def _asked(world: c.World, backends: list[b.Backend], times: int = 12, **request: Any) -> set[int]:
    """Which of the backends saw one of so many equal requests, checks of their health apart."""

    def count() -> list[int]:
        return [sum(not one.target.startswith("/health") for one in backend.seen) for backend in backends]

    before = count()
    for _ in range(times):
        await world.get(HOST, **{"target": "/", **request})
    return {n for n, now in enumerate(count()) if now > before[n]}


# --- balance ------------------------------------------------------------------------------------

HASHES: list[tuple[str, str, Callable[[int], dict[str, Any]]]] = [
    (ORG, "source", lambda n: {"source": f"127.0.0.{n + 2}"}),
    (ORG, "hdr(x-user)", lambda n: {"headers": {"x-user": f"u{n}"}}),
    (COMMUNITY, "uri", lambda n: {"target": f"/p{n}"}),
    (COMMUNITY, "url_param user", lambda n: {"target": f"/?user=u{n}"}),
    (NGINX, "$binary_remote_addr", lambda n: {"source": f"127.0.0.{n + 2}"}),
    (NGINX, "$request_uri", lambda n: {"target": f"/p?q={n}"}),
    (NGINX, "${http_x_user}-$cookie_sid", lambda n: {"headers": {"x-user": f"u{n // 4}", "cookie": f"sid={n % 4}"}}),
]
_BALANCE = {ORG: "load-balance", COMMUNITY: "balance-algorithm", NGINX: "upstream-hash-by"}


@pytest.mark.parametrize(("prefix", "value", "request_"), HASHES, ids=[value for _, value, _ in HASHES])
def test_equal_requests_go_to_one_endpoint(
    tmp_path: Path, prefix: str, value: str, request_: Callable[[int], dict[str, Any]]
) -> None:
    async def scenario() -> None:
        async with several(4) as backends:
            graph = described(tmp_path, prefix, {_BALANCE[prefix]: value}, *(one.endpoint for one in backends))
            async with serving(graph) as world:
                met = [await _asked(world, backends, 4, **request_(n)) for n in range(16)]
        assert all(len(one) == 1 for one in met)
        assert len(set.union(*met)) > 1

    asyncio.run(scenario())


async def _truth(value: bool) -> bool:
    return value


# --- health -------------------------------------------------------------------------------------

CHECKS: list[tuple[str, dict[str, str], HealthCheck]] = [
    (
        ORG,
        {"check-http": "/health", "check-interval": "100", "timeout-check": "3s"},
        HealthCheck("/health", 0.1, 3.0, healthy=2, unhealthy=3),
    ),
    (
        COMMUNITY,
        {
            "health-check-uri": "/health",
            "health-check-interval": "100ms",
            "health-check-rise-count": "1",
            "health-check-fall-count": "2",
        },
        HealthCheck("/health", 0.1, 0.1, healthy=1, unhealthy=2),
    ),
    (
        COMMUNITY,
        {"health-check-uri": "/health", "backend-check-interval": "150ms"},
        HealthCheck("/health", 0.15, 0.15, healthy=2, unhealthy=3),
    ),
    (
        ALB,
        {
            "healthcheck-path": "/health",
            "healthcheck-interval-seconds": "5",
            "healthcheck-timeout-seconds": "2",
            "healthy-threshold-count": "3",
            "unhealthy-threshold-count": "4",
            "success-codes": "200-299",
        },
        HealthCheck("/health", 5, 2, healthy=3, unhealthy=4, statuses=((200, 299),), panic=1),
    ),
]


@pytest.mark.parametrize(("prefix", "annotations", "check"), CHECKS, ids=["org", "community", "older-name", "alb"])
def test_unwell_endpoints_get_no_requests(
    tmp_path: Path, prefix: str, annotations: dict[str, str], check: HealthCheck
) -> None:
    async def scenario() -> None:
        async with several(2) as well, b.playing(_unwell) as unwell:
            backends = [*well, unwell]
            graph = described(tmp_path, prefix, annotations, *(one.endpoint for one in backends))
            assert the_backend(graph).upstream.health == check
            async with serving(graph) as world:
                await eventually(lambda: _equals(_asked(world, backends), {0, 1}))

    asyncio.run(scenario())


async def _unwell(backend: b.Backend, seen: b.Seen, *streams: Any) -> None:
    if seen.target == "/health":
        streams[1].write(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n")
    else:
        await b.answers(backend, seen, *streams)


async def _equals(got: Any, wanted: Any) -> bool:
    return bool(await got == wanted)


def test_a_connection_is_check_enough(tmp_path: Path) -> None:
    async def statuses(world: c.World) -> set[int]:
        return {(await world.get(HOST)).status for _ in range(6)}

    async def scenario() -> None:
        with b.refusing() as refusing:
            async with b.playing(b.answers) as works:
                graph = described(tmp_path, ORG, {"check": "true", "check-interval": "100"}, refusing, works.endpoint)
                async with serving(graph) as world:
                    await eventually(lambda: _equals(statuses(world), {200}))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("prefix", "path", "port"),
    [(COMMUNITY, "health-check-uri", "health-check-port"), (ALB, "healthcheck-path", "healthcheck-port")],
)
def test_another_port_is_asked_for_health(tmp_path: Path, prefix: str, path: str, port: str) -> None:
    async def scenario() -> None:
        async with b.playing(b.answers) as works, b.playing(b.answers) as other:
            number = str(other.endpoint.port)
            graph = described(tmp_path, prefix, {path: "/health", port: number}, works.endpoint)
            async with serving(graph) as world:
                await eventually(lambda: _truth(any(one.target == "/health" for one in other.seen)))
                assert (await world.get(HOST)).status == 200
        assert {one.target for one in works.seen} == {"/"}

    asyncio.run(scenario())


# --- PROXY protocol -----------------------------------------------------------------------------

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


@contextlib.asynccontextmanager
async def told_by_proxy(seen: list[tuple[int, str]]) -> AsyncIterator[Endpoint]:
    """A backend that wants PROXY protocol; `seen` gets version and client of each connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, OSError):
            begin = await reader.readexactly(len(_SIGNATURE))
            if begin == _SIGNATURE:
                length = int.from_bytes((await reader.readexactly(4))[2:])
                addresses = await reader.readexactly(length)
                seen.append((2, str(ipaddress.ip_address(addresses[:4]))))
            elif begin.startswith(b"PROXY "):
                seen.append((1, (begin + await reader.readline()).decode().split()[2]))
            else:
                return
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b.ANSWER)
            await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])


@pytest.mark.parametrize(
    ("prefix", "name", "value", "version"),
    [
        (ORG, "send-proxy-protocol", "proxy", 1),
        (ORG, "send-proxy-protocol", "proxy-v2", 2),
        (COMMUNITY, "proxy-protocol", "v1", 1),
        (COMMUNITY, "proxy-protocol", "v2", 2),
    ],
)
def test_backends_are_told_who_connects(tmp_path: Path, prefix: str, name: str, value: str, version: int) -> None:
    seen: list[tuple[int, str]] = []

    async def scenario() -> None:
        async with told_by_proxy(seen) as end, serving(described(tmp_path, prefix, {name: value}, end)) as world:
            assert (await world.get(HOST, source="127.0.0.77")).status == 200

    asyncio.run(scenario())
    assert seen == [(version, "127.0.0.77")]


# --- TLS ----------------------------------------------------------------------------------------

TLS: list[tuple[str, dict[str, str], bool, int]] = [
    # annotations, does the backend want a certificate, and what clients get
    (ORG, {"server-ca": "ca"}, False, 200),
    (ORG, {"server-ca": "stranger"}, False, 503),
    (ORG, {"server-ca": "ca", "set-host": "other.example.com"}, False, 503),
    (ORG, {"server-crt": "client"}, True, 200),
    (ORG, {"server-ssl": "true"}, True, 503),
    (COMMUNITY, {"secure-verify-ca-secret": "ca"}, False, 200),
    (COMMUNITY, {"secure-verify-ca-secret": "stranger"}, False, 503),
    (COMMUNITY, {"secure-verify-ca-secret": "ca", "secure-verify-hostname": "b.example.com"}, False, 503),
    (
        COMMUNITY,
        {"secure-verify-ca-secret": "ca", "secure-sni": "b.example.com", "secure-verify-hostname": HOST},
        False,
        200,
    ),
    (COMMUNITY, {"secure-crt-secret": "client"}, True, 200),
    (COMMUNITY, {}, True, 503),
    (NGINX, {"proxy-ssl-secret": "apps/ca"}, False, 200),
    (NGINX, {"proxy-ssl-secret": "apps/ca", "proxy-ssl-verify": "on", "proxy-ssl-name": HOST}, False, 200),
    (NGINX, {"proxy-ssl-secret": "apps/ca", "proxy-ssl-verify": "on", "proxy-ssl-name": "b.example.com"}, False, 502),
    (NGINX, {"proxy-ssl-secret": "apps/stranger", "proxy-ssl-verify": "on", "proxy-ssl-name": HOST}, False, 502),
    (
        NGINX,
        {
            "proxy-ssl-secret": "apps/ca",
            "proxy-ssl-verify": "on",
            "proxy-ssl-server-name": "on",
            "proxy-ssl-name": HOST,
        },
        False,
        200,
    ),
    (NGINX, {"proxy-ssl-secret": "apps/client"}, True, 200),
    (NGINX, {}, True, 502),
]


@pytest.mark.parametrize(("prefix", "annotations", "asks", "status"), TLS)
def test_certificates_between_door_and_backend(
    tmp_path: Path, prefix: str, annotations: dict[str, str], asks: bool, status: int
) -> None:
    now = datetime.now(UTC)
    ca, stranger = (keys.pair(now=now, ca=True, subject=name) for name in ("ca", "stranger"))
    client = keys.pair("door", now=now, issuer=ca)
    secrets = {
        name: {"tls.crt": one.cert_pem, "ca.crt": one.cert_pem} for name, one in (("ca", ca), ("stranger", stranger))
    }
    secrets["client"] = {"tls.crt": client.cert_pem, "tls.key": client.key_pem}
    if prefix == NGINX:
        annotations = {"backend-protocol": "HTTPS", **annotations}
        secrets = {
            name: {key: value for key, value in data.items() if key != "tls.crt" or "tls.key" in data}
            for name, data in secrets.items()
        }
    if prefix == COMMUNITY:
        annotations = {"secure-backends": "true", **annotations}
    manifests, own = tmp_path / "manifests", tmp_path / "backend.pem"
    manifests.mkdir()
    own.touch(mode=0o600)
    pair = keys.pair(HOST, now=now, issuer=ca)
    own.write_bytes(pair.cert_pem + pair.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own)
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=ca.cert_pem.decode())

    async def scenario() -> None:
        async with b.playing(b.answers, tls=context) as backend:
            graph = described(manifests, prefix, annotations, backend.endpoint, secrets=secrets)
            async with serving(graph) as world:
                assert (await world.get(HOST)).status == status
            if annotations.get("proxy-ssl-server-name") == "on":
                assert backend.seen[-1].sni == annotations["proxy-ssl-name"]
            if "secure-sni" in annotations:
                assert backend.seen[-1].sni == annotations["secure-sni"]

    asyncio.run(scenario())


# --- times --------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", [ORG, COMMUNITY])
def test_who_cannot_be_connected_to_is_given_up(tmp_path: Path, prefix: str) -> None:
    class_wide = {"timeout-connect": "200ms"} if prefix == ORG else {}
    annotations = {"timeout-connect": "200ms"} if prefix == COMMUNITY else {}

    async def scenario() -> None:
        with b.unreachable() as end:
            graph = described(tmp_path, prefix, annotations, end, class_wide=class_wide)
            assert the_backend(graph).connect_timeout == 0.2
            async with serving(graph) as world:
                assert (await world.get(HOST)).status == 503

    asyncio.run(scenario())


def test_nginx_gives_up_connecting_with_504(tmp_path: Path) -> None:
    async def scenario() -> None:
        with b.unreachable() as end:
            annotations = {"proxy-connect-timeout": "1", "proxy-next-upstream": "off"}
            async with serving(described(tmp_path, NGINX, annotations, end)) as world:
                assert (await world.get(HOST)).status == 504

    asyncio.run(scenario())


TRIES: list[tuple[dict[str, str], dict[str, str], dict[str, int]]] = [
    # annotations, class-wide values, and how often a backend that hangs up sees a request of each method
    ({}, {}, {"GET": 3, "POST": 1}),
    ({"proxy-next-upstream-tries": "2"}, {}, {"GET": 2, "POST": 1}),
    ({"proxy-next-upstream": "error non_idempotent"}, {}, {"GET": 3, "POST": 3}),
    ({}, {"retry-non-idempotent": "true"}, {"GET": 3, "POST": 3}),
    ({"proxy-next-upstream": "off"}, {}, {"GET": 1, "POST": 1}),
]


@pytest.mark.parametrize(("annotations", "class_wide", "expected"), TRIES)
def test_how_often_nginx_tries(
    tmp_path: Path, annotations: dict[str, str], class_wide: dict[str, str], expected: dict[str, int]
) -> None:
    async def scenario() -> dict[str, int]:
        found = {}
        async with b.playing(b.hangs_up) as backend:
            graph = described(tmp_path, NGINX, annotations, backend.endpoint, class_wide=class_wide)
            async with serving(graph) as world:
                for method in expected:
                    before = len(backend.seen)
                    assert (await world.get(HOST, method=method)).status == 502
                    found[method] = len(backend.seen) - before
        return found

    assert asyncio.run(scenario()) == expected


def test_copies_go_where_nginx_sends_them(tmp_path: Path) -> None:
    """mirror-target: the backend is asked twice, and once about the copy's Host."""

    async def scenario() -> None:
        async with b.playing(b.answers) as backend:
            annotations = {"mirror-target": "http://app.apps.svc.cluster.local$request_uri"}
            async with serving(described(tmp_path, NGINX, annotations, backend.endpoint)) as world:
                assert (await world.get(HOST, target="/a?q=1")).status == 200
                await eventually(lambda: _truth(len(backend.seen) == 2))
            assert [one.target for one in backend.seen] == ["/a?q=1", "/a?q=1"]

    asyncio.run(scenario())


@pytest.mark.parametrize("prefix", [ORG, COMMUNITY])
def test_a_quiet_tunnel_ends(tmp_path: Path, prefix: str) -> None:
    """By itself it would stay for an hour."""
    class_wide = {"timeout-tunnel": "1s"} if prefix == ORG else {}
    annotations = {"timeout-tunnel": "1s"} if prefix == COMMUNITY else {}

    async def switches(_: b.Backend, __: b.Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n")
        await reader.read()
        writer.close()

    async def scenario() -> None:
        async with b.playing(switches) as backend:
            graph = described(tmp_path, prefix, annotations, backend.endpoint, class_wide=class_wide)
            async with serving(graph) as world, asyncio.timeout(DEADLINE):
                reader, writer = await asyncio.open_connection("127.0.0.1", world.port())
                with contextlib.closing(writer):
                    upgrade = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n"
                    writer.write(f"GET / HTTP/1.1\r\nhost: {HOST}\r\n{upgrade}\r\n".encode())
                    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
                    assert await reader.read() == b""

    asyncio.run(scenario())
