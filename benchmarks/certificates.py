"""N hosts with a certificate each on one listener: handshakes, Envoy's memory, and how soon a renewed one is shown.

The Secrets enter as issued ones do.  A keep-alive connection to a host that is renewed has to stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec import Struct

from benchmarks import envoys, manifests, support
from benchmarks.inprocess import ADDRESS, Gatewright, gatewright
from benchmarks.support import Figures, Row
from gatewright.base.document import Document
from gatewright.base.origin import Origin

SAMPLE = 500
CLIENTS = 2
SECONDS = 20.0
"""How long a client waits for one handshake or for a renewed certificate."""

_DOOR = """\
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata:
  name: public
  namespace: edge
spec:
  implementation: ingress-nginx
  classes: [web]
"""


class Pair(Struct, frozen=True):
    """A chain and a key, and what a client is shown of it."""

    chain: str
    key: str
    der: bytes


class Served(Struct, frozen=True):
    """What was measured; Envoy's memory in MB, before the first handshake and after each name had one."""

    first: Figures
    before: int
    memory: int
    more: Figures
    renewed: Figures
    kept: bool
    wrong: int


def measure(sizes: list[int], times: int) -> Iterator[Row]:
    """Three rows for each size."""
    for size in sizes:
        with support.folder() as folder, envoys.backends(folder) as backends:
            found = uvloop.run(_at(size, times, folder, backends))
        wrong = f"{found.wrong} wrong certificates"
        memory = f"Envoy {found.before} MB, {found.memory} MB afterwards"
        yield Row("first handshake of each name", size, f"{found.first}; {wrong}; {memory}")
        ratio = found.more.p50 / found.first.p50
        yield Row("a handshake of a random name", size, str(found.more), ratio, "p50 of the first")
        kept = "the open connection stayed" if found.kept else "AN OPEN CONNECTION WAS CLOSED"
        figure = f"{found.renewed}; {kept}"
        yield Row("certificate renewed → first handshake that shows it", size, figure)


async def _at(size: int, times: int, folder: Path, backends: envoys.Backends) -> Served:
    random.seed(size)
    pairs = [_pair(manifests.hostname(number)) for number in range(size)]
    async with gatewright(folder, documents(pairs, backends)) as made:
        where = (ADDRESS, made.port(manifests.HTTPS))
        with ThreadPoolExecutor(CLIENTS) as clients:
            work = asyncio.get_running_loop().run_in_executor

            async def shown(numbers: Sequence[int]) -> tuple[Figures, int]:
                seen = await asyncio.gather(*(work(clients, _timed, where, manifests.hostname(n)) for n in numbers))
                wrong = sum(der != pairs[number].der for number, (_, der) in zip(numbers, seen, strict=True))
                return support.figures([seconds for seconds, _ in seen]), wrong

            before = support.memory(made.envoy)
            first, wrong = await shown(range(size))
            memory = support.memory(made.envoy)
            more, also = await shown(random.sample(range(size), min(size, SAMPLE)))
            chosen = random.sample(range(size), min(size, times))
            kept = await work(clients, _open, where, manifests.hostname(chosen[0]))
            with contextlib.closing(kept):
                took = [await _renewal(made, where, number) for number in chosen]
                stayed = await work(clients, _answers, kept, manifests.hostname(chosen[0]))
    return Served(first, before, memory, more, support.figures(took), stayed, wrong + also)


async def _renewal(made: Gatewright, where: tuple[str, int], number: int) -> float:
    """Seconds from a new Secret to the first handshake that shows it."""
    pair = _pair(manifests.hostname(number))
    secret = [_secret(number, pair)]
    asked = asyncio.create_task(asyncio.to_thread(_until, where, manifests.hostname(number), lambda d: d == pair.der))
    await asyncio.sleep(0)
    started = time.monotonic()
    made.put(secret)
    return await asked - started


def documents(pairs: Sequence[Pair], backends: envoys.Backends) -> Iterator[Document]:
    """The door, one Service, and for each host an Ingress with its Secret."""
    yield from manifests.documents(_DOOR)
    yield from manifests.documents(manifests.service("web", ADDRESS, backends.a))
    for number, pair in enumerate(pairs):
        yield _secret(number, pair)
        host = manifests.hostname(number)
        backend = {"service": {"name": "web", "port": {"number": 80}}}
        path = {"path": "/", "pathType": "Prefix", "backend": backend}
        spec = {
            "ingressClassName": "web",
            "tls": [{"hosts": [host], "secretName": f"tls-{number}"}],
            "rules": [{"host": host, "http": {"paths": [path]}}],
        }
        yield _document("networking.k8s.io/v1", "Ingress", f"host-{number}", spec=spec)


def _secret(number: int, pair: Pair) -> Document:
    data = {"tls.crt": pair.chain, "tls.key": pair.key}
    return _document("v1", "Secret", f"tls-{number}", type="kubernetes.io/tls", stringData=data)


def _document(version: str, kind: str, name: str, **more: object) -> Document:
    data = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "apps"}, **more}
    return Document(Origin("bench.yaml", f"{kind}/{name}"), version, kind, "apps", name, data)


def _pair(host: str) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = made.public_bytes(serialization.Encoding.PEM).decode()
    return Pair(chain, private.decode(), made.public_bytes(serialization.Encoding.DER))


# --- clients, in threads ------------------------------------------------------------------------


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _open(where: tuple[str, int], host: str) -> ssl.SSLSocket:
    """A connection that has answered once."""
    made = _context().wrap_socket(socket.create_connection(where, SECONDS), server_hostname=host)
    if not _answers(made, host):
        raise RuntimeError(f"{host} does not answer")
    return made


def _answers(connection: ssl.SSLSocket, host: str) -> bool:
    try:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return b" 200 OK" in connection.recv(65536)
    except OSError:
        return False


def _timed(where: tuple[str, int], host: str) -> tuple[float, bytes | None]:
    """One connection: how long until it is encrypted, and the certificate that was shown."""
    started = time.monotonic()
    with (
        socket.create_connection(where, SECONDS) as plain,
        _context().wrap_socket(plain, server_hostname=host) as secured,
    ):
        return time.monotonic() - started, secured.getpeercert(binary_form=True)


def _until(where: tuple[str, int], host: str, is_it: Callable[[bytes | None], bool]) -> float:
    """When the first handshake that shows it was complete."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if is_it(_timed(where, host)[1]):
            return time.monotonic()
    raise RuntimeError(f"{host} does not show its new certificate")
