"""The transport against the real Envoy, with resources written by hand."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gatewright.base.errors import EngineError
from gatewright.base.observed import Nack
from gatewright.engines.envoy.process import EnvoyOptions, EnvoyProcess, StateFolder, find_running
from gatewright.engines.envoy.resources import Change
from gatewright.engines.envoy.types import CLUSTER, ENDPOINTS, LISTENER, SCOPE, SECRET
from support import handmade as hm
from support.ports import free_port

pytestmark = pytest.mark.real


@pytest.fixture
def root() -> Iterator[Path]:
    with hm.state_folder() as folder:
        yield folder / "state"


def key_pair(name: str) -> tuple[str, str]:
    """A self-signed certificate and its key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM).decode(), pem.decode()


def der(chain: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(chain)


def test_requests_go_through_and_changes_show(root: Path) -> None:
    async def scenario() -> None:
        port = free_port()
        async with hm.backend("one") as one, hm.backend("two") as two, hm.Transport(root).running() as t:
            first = [hm.cluster("c"), hm.endpoints("c", one), hm.scope("web", "a.test", hm.to("c"))]
            t.xds.apply([hm.http_listener("web", port), *first])
            await hm.eventually(lambda: answers(port, "a.test", (200, "one")))
            t.xds.apply([hm.endpoints("c", two)])
            await hm.eventually(lambda: answers(port, "a.test", (200, "two")))
            t.xds.apply([Change(SCOPE, "web|a.test")])
            await hm.eventually(lambda: answers(port, "a.test", (404, "")))
            stats = await asyncio.to_thread(t.envoy.admin.stats, "^listener_manager")
            assert stats["listener_manager.listener_modified"] == 0

    asyncio.run(scenario())


def test_moving_a_host_between_clusters_under_load_fails_no_request(root: Path) -> None:
    async def scenario() -> None:
        port = free_port()
        async with hm.backend("one") as one, hm.Transport(root).running() as t:
            t.xds.apply([hm.http_listener("web", port), *chain("c0", one)])
            await hm.eventually(lambda: answers(port, "a.test", (200, "one")))
            failures: list[tuple[int, str]] = []
            done = asyncio.Event()
            load = asyncio.create_task(ask_until(done, port, failures))
            for number in range(30):
                old, new = f"c{number}", f"c{number + 1}"
                t.xds.apply([*chain(new, one), Change(CLUSTER, old), Change(ENDPOINTS, old)])
                await hm.eventually(lambda new=new: accepted(t, ENDPOINTS, new))
            done.set()
            await load
            assert failures == []

    asyncio.run(scenario())


def test_a_refused_resource_is_held_back_and_stops_no_other(root: Path) -> None:
    async def scenario() -> None:
        port = free_port()
        async with hm.Transport(root).running() as t:
            good = hm.scope("web", "bad.test", hm.direct("good"))
            t.xds.apply([hm.http_listener("web", port), good])
            await hm.eventually(lambda: answers(port, "bad.test", (200, "good")))
            bad = hm.scope("web", "bad.test", hm.direct("never", status=99))
            others = [hm.scope("web", f"h{number}.test", hm.direct(f"{number}")) for number in range(20)]
            t.xds.apply([*others[:7], bad, *others[7:]])
            for number in (0, 7, 19):
                await hm.eventually(lambda n=number: answers(port, f"h{n}.test", (200, f"{n}")))
            await hm.eventually(lambda: held(t, "web|bad.test"))
            assert await hm.get(port, "bad.test") == (200, "good")
            assert [seen.name for seen in t.observed if isinstance(seen, Nack)] == ["web|bad.test"]
            t.xds.apply([hm.scope("web", "bad.test", hm.direct("fixed"))])
            await hm.eventually(lambda: answers(port, "bad.test", (200, "fixed")))
            assert t.xds.held() == []

    asyncio.run(scenario())


def test_envoy_survives_kill_9_of_the_control_plane_and_is_taken_over(root: Path) -> None:
    port = free_port()

    def start(body: str) -> tuple[subprocess.Popen[str], list[str]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "support.control_plane", str(root), str(port), body],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        assert process.stdout is not None
        return process, process.stdout.readline().split()

    async def scenario() -> None:
        first, (state, envoy) = start("one")
        assert state == "started"
        await hm.eventually(lambda: answers(port, "a.test", (200, "one")))
        async with hm.Client.connected(port) as client:
            assert await client.get("a.test") == (200, "one")
            kill(first)
            assert await client.get("a.test") == (200, "one")
            second, (*_, same) = start("two")
            assert same == envoy
            await hm.eventually(lambda: on(client, "a.test", (200, "two")))
            # The very connection of before the crash is still served, so no listener was drained.
            admin = EnvoyProcess(StateFolder(root), EnvoyOptions()).admin
            stats = await asyncio.to_thread(admin.stats, "^listener_manager")
            assert stats["listener_manager.listener_create_success"] == 1
            assert stats["listener_manager.listener_modified"] == 0
            kill(second)
        await end_envoy(root)

    try:
        asyncio.run(scenario())
    finally:
        if (left := find_running(StateFolder(root))) is not None:
            os.kill(left.pid, signal.SIGKILL)


def test_an_envoy_that_is_killed_is_started_again(root: Path) -> None:
    async def scenario() -> None:
        port = free_port()
        async with hm.Transport(root).running() as t:
            t.xds.apply([hm.http_listener("web", port), hm.scope("web", "a.test", hm.direct("one"))])
            await hm.eventually(lambda: answers(port, "a.test", (200, "one")))
            assert t.envoy.id is not None
            before = t.envoy.id
            os.kill(before.pid, signal.SIGKILL)
            await hm.eventually(lambda: answers(port, "a.test", (200, "one")))
            assert t.envoy.id != before
            assert t.registry.get_sample_value("gatewright_envoy_restarts_total") == 1

    asyncio.run(scenario())


def test_one_state_folder_has_one_control_plane_and_is_private(root: Path) -> None:
    async def scenario() -> None:
        async with hm.Transport(root).running() as t:
            with pytest.raises(EngineError, match="in use by another"):
                await EnvoyProcess(t.folder, EnvoyOptions()).start()
            t.xds.apply([])
            await t.envoy.wait_ready(hm.DEADLINE)
            assert open_to_others(root) == []

    asyncio.run(scenario())


def test_stopping_waits_for_open_connections(root: Path) -> None:
    async def scenario() -> None:
        port = free_port()
        async with hm.Transport(root).running() as t:
            t.xds.apply([hm.http_listener("web", port), hm.scope("web", "a.test", hm.direct("one"))])
            await hm.eventually(lambda: answers(port, "a.test", (200, "one")))
            async with hm.Client.connected(port) as client:
                assert await client.get("a.test") == (200, "one")
                stopping = asyncio.create_task(t.envoy.stop(hm.DEADLINE))
                await hm.eventually(lambda: refused(port))
                assert await client.get("a.test") == (200, "one")
                assert not stopping.done()
            await stopping
            assert find_running(t.folder) is None

    asyncio.run(scenario())


def test_certificates_come_on_demand_by_sni(root: Path) -> None:
    async def scenario() -> None:
        port = free_port()
        own, wildcard, default = key_pair("own.test"), key_pair("*.wild.test"), key_pair("default.test")

        def resolve(type_url: str, name: str) -> bytes | None:
            covered = type_url == SECRET and name.endswith(".wild.test")
            return hm.secret(name, *wildcard).value if covered else None

        async with hm.Transport(root, resolve).running() as t:
            secrets = [hm.secret("own.test", *own), hm.secret("default", *default)]
            t.xds.apply([hm.tls_listener("tls", port, "default"), *secrets])
            await hm.eventually(lambda: accepted(t, LISTENER, "tls"))
            assert await hm.certificate_of(port, "own.test") == der(own[0])
            assert await hm.certificate_of(port, "any.wild.test") == der(wildcard[0])
            assert await hm.certificate_of(port, None) == der(default[0])
            for _ in range(2):
                with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
                    await hm.certificate_of(port, "unknown.test")
            later, mismatched = key_pair("unknown.test"), (key_pair("broken.test")[0], own[1])
            t.xds.apply([hm.secret("unknown.test", *later), hm.secret("broken.test", *mismatched)])
            assert await hm.certificate_of(port, "unknown.test") == der(later[0])
            with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
                await hm.certificate_of(port, "broken.test")
            assert [held.name for held in t.xds.held()] == ["broken.test"]
            wildcard = key_pair("*.wild.test")
            t.xds.refresh(SECRET)
            await hm.eventually(lambda: shows(port, "any.wild.test", wildcard[0]))

    asyncio.run(scenario())


def test_refusals_and_logs_never_quote_a_key(root: Path) -> None:
    """Envoy dumps what fails its validation, and a secret holds a private key."""

    async def scenario() -> None:
        port = free_port()
        chain_pem, key = key_pair("a.test")
        pair = {
            "certificate_chain": {"inline_string": chain_pem},
            "private_key": {"inline_string": key},
            "private_key_provider": {"provider_name": ""},
        }
        bad = hm.resource(SECRET, "a.test", {"name": "a.test", "tls_certificate": pair})
        async with hm.Transport(root).running() as t:
            t.xds.apply([hm.tls_listener("tls", port, "default"), bad])
            await hm.eventually(lambda: accepted(t, LISTENER, "tls"))
            with pytest.raises(ssl.SSLError):
                await hm.certificate_of(port, "a.test")
            (refusal,) = (seen for seen in t.observed if isinstance(seen, Nack))
            line = key.splitlines()[1]
            assert "ProviderName" in refusal.message
            assert line not in refusal.message
            assert line not in t.folder.log.read_text()

    asyncio.run(scenario())


def test_passthrough_clusters_come_on_demand_by_sni(root: Path) -> None:
    async def scenario() -> None:
        port = free_port()
        pair = key_pair("tenant.test")
        async with hm.tls_backend(root.parent, *pair) as tenant, hm.Transport(root).running() as t:
            inside = [hm.cluster("internal"), hm.endpoints("internal", tenant)]
            known = [hm.cluster("tls|a.test", on_demand=True), hm.endpoints("tls|a.test", tenant)]
            t.xds.apply([hm.passthrough_listener("tls", port, "tls|"), *inside, *known])
            await hm.eventually(lambda: accepted(t, LISTENER, "tls"))
            assert not t.has(CLUSTER, "tls|a.test")
            assert await hm.certificate_of(port, "a.test") == der(pair[0])
            for unknown in ("unknown.test", "internal"):
                with pytest.raises(OSError, match=r"reset|EOF|closed"):
                    await hm.certificate_of(port, unknown)
            later = [hm.cluster("tls|unknown.test", on_demand=True), hm.endpoints("tls|unknown.test", tenant)]
            t.xds.apply(later)
            await hm.eventually(lambda: shows(port, "unknown.test", pair[0]))
            t.xds.apply([Change(CLUSTER, "tls|a.test"), Change(ENDPOINTS, "tls|a.test")])
            await hm.eventually(lambda: refused(port, "a.test"))

    asyncio.run(scenario())


# --- conditions -------------------------------------------------------------------------------


async def answers(port: int, host: str, expected: tuple[int, str]) -> bool:
    return await hm.get(port, host) == expected


async def on(client: hm.Client, host: str, expected: tuple[int, str]) -> bool:
    return await client.get(host) == expected


async def accepted(transport: hm.Transport, type_url: str, name: str) -> bool:
    return transport.has(type_url, name)


async def held(transport: hm.Transport, name: str) -> bool:
    return name in [held.name for held in transport.xds.held()]


async def shows(port: int, sni: str, chain_pem: str) -> bool:
    return await hm.certificate_of(port, sni) == der(chain_pem)


async def refused(port: int, sni: str | None = None) -> bool:
    try:
        if sni is not None:
            await hm.certificate_of(port, sni)
        else:
            async with hm.Client.connected(port):
                pass
    except OSError:
        return True
    return False


async def ask_until(done: asyncio.Event, port: int, failures: list[tuple[int, str]]) -> None:
    async with hm.Client.connected(port) as client:
        while not done.is_set():
            if (answer := await client.get("a.test")) != (200, "one"):
                failures.append(answer)


def chain(name: str, port: int) -> list[Change]:
    """A host, the cluster it goes to, and the endpoints of that."""
    return [hm.scope("web", "a.test", hm.to(name)), hm.endpoints(name, port), hm.cluster(name)]


def open_to_others(folder: Path) -> list[Path]:
    return [path for path in (folder, *folder.iterdir()) if path.stat().st_mode & 0o077]


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


async def end_envoy(root: Path) -> None:
    envoy = EnvoyProcess(StateFolder(root), EnvoyOptions())
    assert await envoy.start()
    with contextlib.suppress(EngineError):
        await envoy.stop(0)
