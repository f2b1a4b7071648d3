"""Compiled TLS, TCP and UDP ports on a real Envoy."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from gatewright.base.hostnames import Depth
from gatewright.base.keypair import inspect
from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import (
    Access,
    BackendTls,
    Certificate,
    Family,
    Port,
    SniScope,
    TlsSettings,
    UpstreamProtocol,
    VirtualHost,
)
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.routing import Dialect, Protocol
from support import compiled as c
from support import keys
from support.compiled import serve

pytestmark = pytest.mark.real

HTTPS, PASSTHROUGH, TERMINATED = Family.HTTPS, Family.PASSTHROUGH, Family.TERMINATED


class Pki:
    """An authority, and certificates of it made at test time."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.ca = keys.pair(now=self.now, ca=True, subject="test CA")
        self.pairs: dict[Key, keys.Pair] = {}
        self.certificates: dict[Key, Certificate] = {}

    def add(self, name: str, *hosts: str) -> Key:
        key = Key("Secret", "apps", name)
        pair = keys.pair(*hosts, now=self.now, issuer=self.ca)
        facts = inspect(pair.cert_pem, pair.key_pem, self.now)
        self.pairs[key] = pair
        self.certificates[key] = Certificate(key, c.ORIGIN, pair.cert_pem, Sensitive(pair.key_pem), facts)
        return key

    def trusted(self) -> ssl.SSLContext:
        """What a client that trusts the authority uses."""
        return ssl.create_default_context(cadata=self.ca.cert_pem.decode())

    def blind(self, *alpn: str) -> ssl.SSLContext:
        """What a client that trusts everybody uses."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


def https(name: str, *entries: Any, certificates: tuple[Key, ...] = (), **more: Any) -> VirtualHost:
    return c.host(name, *entries, family=HTTPS, port=443, certificates=certificates, **more)


def by_sni(name: str, family: Family, *entries: Any, **more: Any) -> VirtualHost:
    return c.host(name, *entries, family=family, port=443, **more)


async def shown(world: c.World, sni: str | None, pki: Pki) -> tuple[str, ...]:
    """The names of the certificate that a client is shown."""
    der = await c.hm.certificate_of(world.port(443), sni)
    pem = ssl.DER_cert_to_PEM_cert(der).encode()
    return inspect(pem, b"", pki.now).names


async def refused(world: c.World, sni: str | None, pki: Pki) -> bool:
    """Does the handshake (or what is behind it) end without an answer?"""
    try:
        await shown(world, sni, pki)
    except (OSError, ssl.SSLError, asyncio.IncompleteReadError):
        return True
    return False


# --- termination --------------------------------------------------------------------------------


def test_the_certificate_is_chosen_by_sni(pki: Pki) -> None:
    exact, wild = pki.add("exact", "a.example.com"), pki.add("wild", "*.example.com")
    graph = c.graph(
        [c.gateway(c.tls_port(), listeners=[c.tls_listener()])],
        [
            https("a.example.com", c.entry(c.to("one")), certificates=(exact,)),
            https("*.example.com", c.entry(c.to("two")), certificates=(wild,)),
        ],
        [c.backend("one"), c.backend("two")],
        pki.certificates,
    )

    async def scenario(world: c.World) -> None:
        assert await shown(world, "a.example.com", pki) == ("a.example.com",)
        assert await shown(world, "b.example.com", pki) == ("*.example.com",)
        assert await shown(world, "A.Example.com", pki) == ("a.example.com",)
        assert await refused(world, "unknown.test", pki)
        assert await refused(world, None, pki)
        reply = await world.get("a.example.com", port=443, tls=pki.trusted())
        assert (reply.status, reply.backend) == (200, "one")
        assert (await world.get("b.example.com", port=443, tls=pki.trusted())).backend == "two"
        alpn = pki.blind("h2", "http/1.1")
        _, writer = await asyncio.open_connection(
            "127.0.0.1", world.port(443), ssl=alpn, server_hostname="a.example.com"
        )
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        writer.close()
        dump = await asyncio.to_thread(world.transport.envoy.admin.get, "/config_dump")
        assert b"PRIVATE KEY" not in dump

    serve(graph, scenario)


def test_http2_requests_arrive(pki: Pki) -> None:
    key = pki.add("h2", "a.example.com")
    graph = c.graph(
        [c.gateway(c.tls_port(), listeners=[c.tls_listener()])],
        [https("a.example.com", c.entry(c.to("one")), certificates=(key,))],
        [c.backend("one")],
        pki.certificates,
    )

    async def scenario(world: c.World) -> None:
        async with httpx.AsyncClient(http2=True, verify=pki.trusted()) as client:
            reply = await client.get(
                f"https://127.0.0.1:{world.port(443)}/x",
                headers={"host": "a.example.com"},
                extensions={"sni_hostname": "a.example.com"},
            )
        assert (reply.http_version, reply.status_code) == ("HTTP/2", 200)
        assert reply.json()["service"] == "one"
        assert reply.json()["path"] == "/x"

    serve(graph, scenario)


def test_a_new_certificate_is_served_after_a_refresh(pki: Pki) -> None:
    first = pki.add("first", "a.example.com")

    def graph() -> Any:
        return c.graph(
            [c.gateway(c.tls_port(), listeners=[c.tls_listener()])],
            [https("a.example.com", c.entry(c.to("one")), certificates=(first,))],
            [c.backend("one")],
            pki.certificates,
        )

    async def scenario(world: c.World) -> None:
        before = await c.hm.certificate_of(world.port(443), "a.example.com")
        pki.add("first", "a.example.com")
        await world.apply(graph())

        async def renewed() -> bool:
            return await c.hm.certificate_of(world.port(443), "a.example.com") != before

        await c.hm.eventually(renewed)

    serve(graph(), scenario)


def test_a_host_that_the_connection_was_not_made_for_is_misdirected(pki: Pki) -> None:
    key = pki.add("many", "a.example.com", "b.example.com", "*.example.com")
    graph = c.graph(
        [c.gateway(c.tls_port(), listeners=[c.tls_listener()])],
        [
            https("a.example.com", c.entry(c.to("one")), certificates=(key,), sni=SniScope("a.example.com")),
            https(
                "*.example.com",
                c.entry(c.to("two"), c.path("/ok")),
                certificates=(key,),
                sni=SniScope("*.example.com", ("a.example.com",)),
            ),
            https(
                "*", c.entry(c.to("any")), certificates=(key,), sni=SniScope("*", ("*.example.com", "a.example.com"))
            ),
        ],
        [c.backend("one"), c.backend("two"), c.backend("any")],
        pki.certificates,
    )

    async def scenario(world: c.World) -> None:
        async def ask(host: str, sni: str, target: str = "/ok") -> int | str:
            reply = await world.get(host, target, port=443, tls=pki.blind(), sni=sni)
            return reply.backend or reply.status

        assert await ask("a.example.com", "a.example.com") == "one"
        assert await ask("b.example.com", "a.example.com") == 421
        assert await ask("a.example.com", "b.example.com") == 421
        assert await ask("b.example.com", "c.example.com") == "two"
        assert await ask("b.example.com", "c.example.com", "/other") == 404
        assert await ask("b.example.com", "a.example.com", "/other") == 421
        assert await ask("x.test", "y.test") == "any"
        assert await ask("x.test", "a.example.com") == 421
        assert await ask("a.example.com", "y.test") == 421

    serve(graph, scenario)


def test_versions_and_client_certificates(pki: Pki, tmp_path: Path) -> None:
    key = pki.add("server", "a.example.com")
    client = keys.pair("client", now=pki.now, issuer=pki.ca)
    stranger = keys.pair("stranger", now=pki.now)
    settings = TlsSettings(
        min_version="1.2",
        max_version="1.2",
        ciphers=("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_NO_SUCH"),
        client_ca=pki.ca.cert_pem,
        client_mode="require",
    )
    graph = c.graph(
        [c.gateway(c.tls_port(settings=settings), listeners=[c.tls_listener()])],
        [https("a.example.com", c.entry(c.to("one")), certificates=(key,))],
        [c.backend("one")],
        pki.certificates,
    )

    def context(pair: keys.Pair | None) -> ssl.SSLContext:
        made = pki.trusted()
        if pair is not None:
            path = tmp_path / "pair.pem"
            path.touch(mode=0o600)
            path.write_bytes(pair.cert_pem + pair.key_pem)
            made.load_cert_chain(path)
        return made

    async def scenario(world: c.World) -> None:
        reply = await world.get("a.example.com", port=443, tls=context(client))
        assert reply.backend == "one"
        assert "X-Forwarded-Client-Cert" in {name.title() for name in reply.echo["headers"]}
        for pair in (None, stranger):
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await world.get("a.example.com", port=443, tls=context(pair))
        newer = context(client)
        newer.minimum_version = ssl.TLSVersion.TLSv1_3
        with pytest.raises(OSError):  # noqa: PT011 - every way in which a handshake fails
            await world.get("a.example.com", port=443, tls=newer)
        assert world.plan is not None
        assert [p.id for found in world.plan.problems.values() for p in found] == ["unknown-cipher"]

    serve(graph, scenario)


# --- passthrough and bytes ----------------------------------------------------------------------


@contextlib.asynccontextmanager
async def tls_server(pki: Pki, key: Key, folder: Path) -> Any:
    pair = pki.pairs[key]
    async with c.hm.tls_backend(folder, pair.cert_pem.decode(), pair.key_pem.decode()) as port:
        yield port


def denying(*cidrs: str) -> Access:
    return Access(cidrs, c.ORIGIN, deny=True)


@pytest.mark.parametrize(("depth", "deep"), [(Depth.ONE, False), (Depth.MANY, True)])
def test_passthrough(pki: Pki, tmp_path: Path, depth: Depth, deep: bool) -> None:
    key = pki.add("backend", "backend.test")
    hosts = [
        by_sni("a.test", PASSTHROUGH, c.entry(c.to("tls"))),
        by_sni("*.wild.test", PASSTHROUGH, c.entry(c.to("tls"))),
        by_sni("shared.test", PASSTHROUGH, c.entry(c.to(c.share("tls", 1), c.share("gone", 1)))),
        by_sni("near.test", PASSTHROUGH, c.entry(c.to("tls"), access=(Access(("127.0.0.1/32",), c.ORIGIN),))),
        by_sni("far.test", PASSTHROUGH, c.entry(c.to("tls"), access=(Access(("10.0.0.0/8",), c.ORIGIN),))),
        by_sni("denied.test", PASSTHROUGH, c.entry(c.to("tls"), access=(denying("127.0.0.0/16"),))),
        by_sni("spared.test", PASSTHROUGH, c.entry(c.to("tls"), access=(denying("127.1.0.0/16", "10.0.0.0/8"),))),
    ]
    gateway = c.gateway(
        c.tls_port(http=False), listeners=[c.tls_listener(protocol=Protocol.TLS, passthrough=True)], depth=depth
    )

    async def scenario() -> None:
        async with tls_server(pki, key, tmp_path) as port:
            endpoint = c.Endpoint("127.0.0.1", port)
            backends = [
                c.backend("tls", protocol=UpstreamProtocol.TCP, endpoints=(endpoint,)),
                c.backend("gone", protocol=UpstreamProtocol.TCP, reason="none"),
            ]
            async with c.running(c.graph([gateway], hosts, backends)) as world:
                for name in ("a.test", "x.wild.test", "A.Test", "near.test", "spared.test"):
                    assert await shown(world, name, pki) == ("backend.test",), name
                for name in ("b.test", "wild.test", "apps/tls:80", "far.test", "denied.test", None):
                    assert await refused(world, name, pki), name
                assert await refused(world, "x.y.wild.test", pki) != deep
                counted = Counter([await refused(world, "shared.test", pki) for _ in range(60)])
                assert min(counted[True], counted[False]) > 10
                more = [*hosts, by_sni("b.test", PASSTHROUGH, c.entry(c.to("tls")))]
                await world.apply(c.graph([gateway], more, backends))

                async def added() -> bool:
                    return not await refused(world, "b.test", pki)

                await c.hm.eventually(added)
                stats = await asyncio.to_thread(world.transport.envoy.admin.stats, "^listener_manager")
                assert stats["listener_manager.listener_modified"] == 0

    asyncio.run(scenario())


def test_one_port_ends_tls_for_some_names_and_passes_others_through(pki: Pki, tmp_path: Path) -> None:
    key, own = pki.add("backend", "backend.test"), pki.add("own", "a.test", "*.x.test", "t.x.test")
    hosts = [
        https("a.test", c.entry(c.to("one")), certificates=(own,)),
        https("h.x.test", c.entry(c.to("one")), certificates=(own,)),
        https("p.test", c.entry(c.to("one")), certificates=(own,)),  # passthrough has it too, and keeps it
        by_sni("*.x.test", PASSTHROUGH, c.entry(c.to("tls"))),
        by_sni("p.test", PASSTHROUGH, c.entry(c.to("tls"))),
        by_sni("t.x.test", TERMINATED, c.entry(c.to("one-tcp")), certificates=(own,)),
    ]
    listeners = [
        c.tls_listener(),
        c.tls_listener(protocol=Protocol.TLS, passthrough=True),
        c.tls_listener(protocol=Protocol.TLS),
    ]
    gateway = c.gateway(c.tls_port(), listeners=listeners)

    async def scenario() -> None:
        async with tls_server(pki, key, tmp_path) as port:
            endpoint = c.Endpoint("127.0.0.1", port)
            backends = [
                c.backend("tls", protocol=UpstreamProtocol.TCP, endpoints=(endpoint,)),
                c.backend("one"),
                c.backend("one-tcp", protocol=UpstreamProtocol.TCP),
            ]
            async with c.running(c.graph([gateway], hosts, backends, pki.certificates)) as world:
                assert await shown(world, "p.test", pki) == ("backend.test",)
                assert await shown(world, "z.x.test", pki) == ("backend.test",)
                for name in ("a.test", "h.x.test"):
                    assert (await world.get(name, port=443, tls=pki.trusted())).backend == "one"
                # Bytes after TLS: the echo backend speaks HTTP to whoever does.
                assert (await world.get("t.x.test", port=443, tls=pki.trusted())).backend == "one-tcp"
                assert await refused(world, "q.test", pki)
                more = [*hosts, by_sni("q.test", PASSTHROUGH, c.entry(c.to("tls")))]
                async with contextlib.AsyncExitStack() as stack:
                    reader, writer = await asyncio.open_connection(
                        "127.0.0.1", world.port(443), ssl=pki.trusted(), server_hostname="a.test"
                    )
                    stack.callback(writer.close)
                    await world.apply(c.graph([gateway], more, backends, pki.certificates))

                    async def added() -> bool:
                        return not await refused(world, "q.test", pki)

                    await c.hm.eventually(added)
                    writer.write(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
                    head = await reader.readuntil(b"\r\n\r\n")
                    assert b" 200 " in head
                    assert b"connection: close" not in head.lower()

    asyncio.run(scenario())


def test_a_port_that_sniffs_speaks_plain_and_tls(pki: Pki) -> None:
    own = pki.add("own", "a.test")
    port = c.tls_port(plain=True)
    graph = c.graph(
        [c.gateway(port, listeners=[c.tls_listener()], dialect=Dialect.TRAEFIK, depth=Depth.ONE)],
        [
            https("a.test", c.entry(c.to("one")), certificates=(own,)),
            c.host("a.test", c.entry(c.to("two")), port=443),
        ],
        [c.backend("one"), c.backend("two")],
        pki.certificates,
    )

    async def scenario(world: c.World) -> None:
        assert (await world.get("a.test", port=443, tls=pki.trusted())).backend == "one"
        assert (await world.get("a.test", port=443)).backend == "two"

    serve(graph, scenario)


def test_tcp_and_udp_ports() -> None:
    tcp = Port(5432, udp=False, tls=False, plain=True, http=False, listeners=("listener",))
    udp = Port(5353, udp=True, tls=False, plain=True, http=False, listeners=("listener",))
    near = Access(("127.0.0.1/32",), c.ORIGIN)
    graph = c.graph(
        [c.gateway(tcp, udp)],
        [
            c.host(
                "*", c.entry(c.to(c.share("one", 1), c.share("two", 1)), access=(near,)), family=Family.TCP, port=5432
            ),
            c.host("*", c.entry(c.to("udp")), family=Family.UDP, port=5353),
        ],
        [
            c.backend("one", protocol=UpstreamProtocol.TCP),
            c.backend("two", protocol=UpstreamProtocol.TCP),
            c.backend("udp", protocol=UpstreamProtocol.UDP),
        ],
    )

    async def scenario(world: c.World) -> None:
        counted = Counter([(await world.get("x", port=5432)).backend for _ in range(40)])
        assert set(counted) == {"one", "two"}
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await world.get("x", port=5432, source="127.0.0.2")
        answered = asyncio.get_running_loop().create_future()

        class Client(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                answered.set_result(data)

        bound = world.bindings.sockets[c.PortKey(c.GATEWAY, 5353, True)][0]
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            Client, remote_addr=(bound.address, bound.port)
        )
        transport.sendto(b"hello")
        async with asyncio.timeout(c.hm.DEADLINE):
            assert await answered
        transport.close()

    serve(graph, scenario)


# --- upstream -----------------------------------------------------------------------------------


def test_how_backends_are_spoken_to(pki: Pki, tmp_path: Path) -> None:
    hosts = [
        c.host("h2c.test", c.entry(c.to("h2c"))),
        c.host("good.test", c.entry(c.to("good"))),
        c.host("wrong-name.test", c.entry(c.to("wrong-name"))),
        c.host("wrong-ca.test", c.entry(c.to("wrong-ca"))),
        c.host("unverified.test", c.entry(c.to("unverified"))),
    ]
    other = keys.pair(now=pki.now, ca=True, subject="other")
    client = keys.pair("gateway", now=pki.now, issuer=pki.ca)
    own = pki.add("upstream", "svc.test")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=pki.ca.cert_pem.decode())
    server.verify_mode = ssl.CERT_REQUIRED
    path = tmp_path / "server.pem"
    path.touch(mode=0o600)
    path.write_bytes(pki.pairs[own].cert_pem + pki.pairs[own].key_pem)
    server.load_cert_chain(path)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n" + b'{"service":"tls"}')

    def tls(**more: Any) -> BackendTls:
        defaults: dict[str, Any] = {
            "server_name": "svc.test",
            "ca": pki.ca.cert_pem,
            "client_certificate": client.cert_pem,
            "client_key": Sensitive(client.key_pem),
        }
        return BackendTls(**{**defaults, **more})

    async def run() -> None:
        listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server)
        port = listening.sockets[0].getsockname()[1]
        at = (c.Endpoint("127.0.0.1", port),)
        backends = [
            c.backend("h2c", protocol=UpstreamProtocol.H2),
            c.backend("good", endpoints=at, tls=tls()),
            c.backend("wrong-name", endpoints=at, tls=tls(verify_names=(("Hostname", "else.test"),))),
            c.backend("wrong-ca", endpoints=at, tls=tls(ca=other.cert_pem)),
            c.backend("unverified", endpoints=at, tls=tls(ca=b"", verify=False)),
            c.backend("dns", port=port, dns_name="localhost", tls=tls()),
        ]
        by_name = c.host("dns.test", c.entry(c.to(c.share("dns", port=port))))
        async with listening, c.running(c.graph([c.gateway(c.http_port())], [*hosts, by_name], backends)) as world:
            reply = await world.get("h2c.test")
            assert (reply.backend, reply.echo["proto"]) == ("h2c", "HTTP/2.0")
            for name in ("good.test", "unverified.test", "dns.test"):

                async def works(name: str = name) -> bool:
                    return (await world.get(name)).backend == "tls"

                await c.hm.eventually(works)
            assert [(await world.get(n)).status for n in ("wrong-name.test", "wrong-ca.test")] == [503, 503]
            dump = await asyncio.to_thread(world.transport.envoy.admin.get, "/config_dump")
            assert b"PRIVATE KEY" not in dump

    asyncio.run(run())


def test_websockets_and_who_may_not() -> None:
    graph = c.graph(
        [c.gateway(c.http_port())],
        [c.host("a.test", c.entry(c.to("one"))), c.host("b.test", c.entry(c.to("one"), websocket=False))],
        [c.backend("one")],
    )
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }

    async def scenario(world: c.World) -> None:
        async def switched(host: str) -> int:
            lines = [f"GET /ws HTTP/1.1\r\nHost: {host}\r\n", *(f"{n}: {v}\r\n" for n, v in upgrade.items()), "\r\n"]
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port())
            writer.write("".join(lines).encode())
            head = await reader.readuntil(b"\r\n\r\n")
            writer.close()
            return int(head.split()[1])

        assert await switched("a.test") == 101
        assert await switched("b.test") == 403

    serve(graph, scenario)
