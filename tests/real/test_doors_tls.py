"""TLS as single hostnames want it, on a real Envoy: versions, client certificates, and who came by another name."""

from __future__ import annotations

import asyncio
import functools
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gatewright.base.hostnames import Depth
from gatewright.base.keypair import inspect
from gatewright.base.sensitive import Sensitive
from gatewright.engines.envoy.types import LISTENER
from gatewright.graph.nodes import Certificate, Family, Graph, SniScope, TlsSettings, VirtualHost
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.options import ClientAuth
from gatewright.kinds.intents.routing import Dialect, Protocol
from support import compiled as c
from support import keys, needs

pytestmark = pytest.mark.real

NOW = datetime.now(UTC)
CA = keys.pair(now=NOW, ca=True, subject="test CA")
CLIENTS = {
    "good": keys.pair("client", now=NOW, issuer=CA),
    "foreign": keys.pair("stranger", now=NOW, issuer=keys.pair(now=NOW, ca=True, subject="another CA")),
}
SERVER = Key("Secret", "apps", "server")
NEWEST = TlsSettings(min_version="1.3")


@pytest.fixture(autouse=True)
def _envoy() -> None:
    needs.package("envoy")
    needs.package("grpc")


@functools.cache
def certificates() -> dict[Key, Certificate]:
    names = ("*.test", "*.w.test", "*.v.test")
    pair = keys.pair(*names, now=NOW, issuer=CA)
    facts = inspect(pair.cert_pem, pair.key_pem, NOW)
    return {SERVER: Certificate(SERVER, c.ORIGIN, pair.cert_pem, Sensitive(pair.key_pem), facts)}


def https(name: str, backend: str, **more: Any) -> VirtualHost:
    entries = (c.entry(c.to(backend)),)
    return c.host(name, *entries, family=Family.HTTPS, port=443, certificates=(SERVER,), **more)


def served(*hosts: VirtualHost, port: TlsSettings | None = None) -> Graph:
    door = c.gateway(
        c.tls_port(settings=port or TlsSettings()),
        listeners=[c.tls_listener()],
        dialect=Dialect.TRAEFIK,
        depth=Depth.ONE,
    )
    return c.graph([door], hosts, [c.backend("one"), c.backend("two")], certificates())


def client(folder: Path, who: str = "", version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if version is not None:
        made.minimum_version = made.maximum_version = version
    if who:
        path = folder / f"{who}.pem"
        path.touch(mode=0o600)
        path.write_bytes(CLIENTS[who].cert_pem + CLIENTS[who].key_pem)
        made.load_cert_chain(path)
    return made


async def ask(world: c.World, host: str, tls: ssl.SSLContext, sni: str = "") -> str | int:
    """The backend that answers, else the status; 0: no answer, as after a handshake that failed."""
    try:
        reply = await world.get(host, port=443, tls=tls, sni=sni or host.lower())
    except (OSError, asyncio.IncompleteReadError):
        return 0
    return reply.backend or reply.status


def test_each_host_has_its_own_versions(tmp_path: Path) -> None:
    graph = served(https("new.test", "one", tls=NEWEST), https("old.test", "two"), https("*.w.test", "one", tls=NEWEST))

    async def scenario(world: c.World) -> None:
        older, newer = (client(tmp_path, version=v) for v in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3))
        for name, backend, by_older in (
            ("new.test", "one", 0),
            ("old.test", "two", "two"),
            ("x.w.test", "one", 0),
            ("NEW.test", "one", 0),
        ):
            assert await ask(world, name, newer) == backend, name
            assert await ask(world, name, older) == by_older, name

    c.serve(graph, scenario)


def test_requests_that_came_by_another_kind_of_tls_are_misdirected(tmp_path: Path) -> None:
    """Or else a name whose handshake asks for less would open every other."""
    graph = served(
        https("open.test", "one", tls=TlsSettings()),
        https("newest.test", "one", tls=NEWEST),
        https("also-newest.test", "two", tls=NEWEST),
        https("*.w.test", "one", tls=NEWEST),
        https("usual.w.test", "two"),
        https("secret.test", "two"),
        https("*.v.test", "two"),
        https("*", "two"),
        port=TlsSettings(client_ca=CA.cert_pem, client_mode="require"),
    )

    async def scenario(world: c.World) -> None:
        nobody, known = client(tmp_path), client(tmp_path, "good")
        assert await ask(world, "secret.test", nobody) == 0
        assert await ask(world, "secret.test", known) == "two"
        assert await ask(world, "open.test", nobody) == "one"
        for host in ("secret.test", "SECRET.test", "x.v.test", "other.test", "newest.test", "usual.w.test", "y.w.test"):
            assert await ask(world, host, nobody, sni="open.test") == 421, host
        for host in ("open.test", "Open.test", "newest.test", "x.w.test"):
            assert await ask(world, host, known, sni="secret.test") == 421, host
        assert await ask(world, "also-newest.test", nobody, sni="newest.test") == "two"
        assert await ask(world, "x.w.test", nobody, sni="newest.test") == "one"
        assert await ask(world, "usual.w.test", nobody, sni="x.w.test") == 421
        assert await ask(world, "usual.w.test", known) == "two"
        assert await ask(world, "x.v.test", known, sni="secret.test") == "two"
        # A Host that looks like the beginning of another kind's scopes leads nowhere.
        reply = await ask(world, "~0123|open.test", nobody, sni="open.test")
        assert reply in (400, 421)

    c.serve(graph, scenario)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("require", {"": 0, "good": "one", "foreign": 0}),
        ("verify", {"": "one", "good": "one", "foreign": 0}),
        ("request", {"": "one", "good": "one", "foreign": "one"}),
        ("answer", {"": 400, "good": "one", "foreign": 400}),
        ("optional", {"": "one", "good": "one", "foreign": 400}),
    ],
)
def test_client_certificates_of_one_host(tmp_path: Path, mode: str, expected: dict[str, str | int]) -> None:
    settings = TlsSettings(client_ca=CA.cert_pem, client_mode=mode, client_depth=1)
    asked = ClientAuth(c.ORIGIN, None, mode=mode) if mode in ("answer", "optional") else None
    graph = served(https("a.test", "one", tls=settings, client=asked), https("b.test", "two"))

    async def scenario(world: c.World) -> None:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for who, result in expected.items():
                for host in ("a.test", "A.test"):
                    assert await ask(world, host, client(tmp_path, who, version)) == result, (host, who, version)
            assert await ask(world, "b.test", client(tmp_path, "", version)) == "two"
            assert await ask(world, "b.test", client(tmp_path, "foreign", version)) == "two"

    c.serve(graph, scenario)


def test_a_page_for_clients_without_a_certificate(tmp_path: Path) -> None:
    settings = TlsSettings(client_ca=CA.cert_pem, client_mode="answer")
    asked = ClientAuth(c.ORIGIN, None, error_page="https://help.test:8443/why?a=b")
    graph = served(https("a.test", "one", tls=settings, client=asked))

    async def scenario(world: c.World) -> None:
        reply = await world.get("a.test", "/x?y=z", port=443, tls=client(tmp_path))
        assert (reply.status, reply.header("location")) == (302, "https://help.test:8443/why?a=b")

    c.serve(graph, scenario)


def test_ciphers_that_are_not_there_never_mean_the_usual_ones(tmp_path: Path) -> None:
    graph = served(https("a.test", "one", tls=TlsSettings(ciphers=("TLS_NO_SUCH",))), https("b.test", "two"))

    async def scenario(world: c.World) -> None:
        assert await ask(world, "a.test", client(tmp_path, version=ssl.TLSVersion.TLSv1_3)) == "one"
        assert await ask(world, "a.test", client(tmp_path, version=ssl.TLSVersion.TLSv1_2)) == 0
        assert world.plan is not None
        said = [p for found in world.plan.problems.values() for p in found]
        assert [p.id for p in said] == ["unknown-cipher"]
        assert "TLS 1.3 alone" in said[0].message

    c.serve(graph, scenario)


def test_strict_names_are_shown_no_default_certificate(tmp_path: Path) -> None:
    """sniStrict: the certificate is made out to the name, or the handshake fails."""
    graph = served(https("a.test", "one"), https("c.other", "two"), port=TlsSettings(sni_strict=True))

    async def scenario(world: c.World) -> None:
        assert await ask(world, "a.test", client(tmp_path)) == "one"
        assert await ask(world, "c.other", client(tmp_path)) == 0

    c.serve(graph, scenario)


def test_a_host_with_usual_tls_changes_no_listener(tmp_path: Path) -> None:
    hosts = [https("a.test", "one", tls=NEWEST), https("b.test", "one")]

    async def scenario(world: c.World) -> None:
        async def apply(*more: VirtualHost) -> bool:
            """Serve these, too; did the listener become another?"""
            nonlocal known
            made = await world.apply(served(*hosts, *more))
            now = next((change.value for change in made.changes if change.type_url == LISTENER), known)
            known, before = now, known
            return now != before

        async def arrives(sni: str) -> bool:
            return await ask(world, "d.test", client(tmp_path), sni=sni) == "two"

        assert world.plan is not None
        known = next(change.value for change in world.plan.changes if change.type_url == LISTENER)
        assert not await apply(https("c.test", "two"))
        assert await ask(world, "c.test", client(tmp_path)) == "two"
        assert await apply(https("c.test", "two"), https("d.test", "two", tls=NEWEST))
        await c.hm.eventually(lambda: arrives("a.test"))
        assert await apply(https("c.test", "two"), https("d.test", "two"))
        await c.hm.eventually(lambda: arrives("c.test"))

    c.serve(served(*hosts), scenario)


@pytest.mark.parametrize(("pattern", "expected"), [("CN=test", "one"), ("CN=somebody", 403)])
def test_the_subject_of_a_client_certificate(tmp_path: Path, pattern: str, expected: str | int) -> None:
    settings = TlsSettings(client_ca=CA.cert_pem, client_mode="optional")
    asked = ClientAuth(c.ORIGIN, None, mode="optional", common_name=pattern)
    graph = served(https("a.test", "one", tls=settings, client=asked))

    async def scenario(world: c.World) -> None:
        assert await ask(world, "a.test", client(tmp_path, "good")) == expected
        for who, status in (("", 403), ("foreign", 400)):
            made = client(tmp_path, who)
            reply = await world.get("a.test", headers={"x-gatewright-subject": "CN=test"}, port=443, tls=made)
            assert reply.status == status, who
        reply = await world.get("a.test", port=443, tls=client(tmp_path, "good"))
        assert "X-Gatewright-Subject" not in reply.echo.get("headers", {})

    c.serve(graph, scenario)


def test_bytes_behind_tls_of_their_own(tmp_path: Path) -> None:
    """A TCP route whose TLSOption asks for client certificates, beside one without."""
    settings = TlsSettings(client_ca=CA.cert_pem, client_mode="require")
    own = [
        c.host(
            name,
            c.entry(c.to("one")),
            family=Family.TERMINATED,
            port=443,
            certificates=(SERVER,),
            tls=tls,
        )
        for name, tls in (("a.test", settings), ("b.test", None))
    ]
    door = c.gateway(
        c.tls_port(), listeners=[c.tls_listener(protocol=Protocol.TLS)], dialect=Dialect.TRAEFIK, depth=Depth.ONE
    )
    graph = c.graph([door], own, [c.backend("one")], certificates())

    async def scenario(world: c.World) -> None:
        assert await ask(world, "a.test", client(tmp_path)) == 0
        assert await ask(world, "a.test", client(tmp_path, "good")) == "one"
        assert await ask(world, "b.test", client(tmp_path)) == "one"

    c.serve(graph, scenario)


def test_listeners_of_one_port_and_their_names(tmp_path: Path) -> None:
    """Gateway API: each listener with TLS of its own, and 421 as for every other listener of a port (GEP-3567)."""
    hosts = [
        https("a.test", "one", tls=NEWEST, sni=SniScope("a.test")),
        https("*.w.test", "two", sni=SniScope("*.w.test")),
    ]
    door = c.gateway(c.tls_port(), listeners=[c.tls_listener()])
    graph = c.graph([door], hosts, [c.backend("one"), c.backend("two")], certificates())

    async def scenario(world: c.World) -> None:
        older, newer = (client(tmp_path, version=v) for v in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3))
        assert await ask(world, "a.test", newer) == "one"
        assert await ask(world, "a.test", older) == 0
        assert await ask(world, "x.y.w.test", older) == "two"
        assert await ask(world, "a.test", older, sni="x.w.test") == 421
        assert await ask(world, "x.w.test", newer, sni="a.test") == 421

    c.serve(graph, scenario)
