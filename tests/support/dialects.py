"""Cases of dialects: manifests and requests, asked of the model, of a real Envoy, and of the original server.

A suite is a folder of tests/features/dialects with a `door.yaml` (controller, namespaces, Services) and cases, each a
YAML file with `title`, `features` (by their names on the compatibility page), `manifests`, `problems` (all ids) and
`asks`.  One Envoy serves a suite, so every case has hostnames of its own.  A case with `nginx` or `haproxy` says by
hand, in that server's own words, what the manifests amount to; the same asks go there, and must be answered the same
but for what `differs` says.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml

from gatewright.base.sensitive import Sensitive
from gatewright.engines.envoy.secrets import Issue, KeyPair
from gatewright.graph.nodes import Graph
from gatewright.pipeline import Model
from gatewright.trace.request import Request, request
from gatewright.trace.walk import gateways_for, walk
from support import compiled
from support.golden import with_pairs
from support.handmade import DEADLINE, eventually
from support.keys import NOW, Pair, pair

FEATURES = Path(__file__).resolve().parents[1] / "features" / "dialects"
PORTS = {"http": 80, "https": 443}
ORIGINALS = ("nginx", "nginx-http", "haproxy", "haproxy-backend", "haproxy-bind")
CLIENTS = "@CLIENTS@"
"""In manifests: the authority of client certificates, as a Secret has it."""


@dataclass(frozen=True)
class Ask:
    """One request (or `times` the same), and what is expected of its answer."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: int
    chunked: bool
    client: str
    times: int
    together: bool
    """All of them at the same time."""
    expect: Mapping[str, Any]
    certificate: str
    """Of the client: "good" (of the authority CLIENTS), "other" (of another), "" for none."""
    traced: Mapping[str, Any] | None
    """What the model says where that is something else (it never counts, and asks no server); None: nothing."""

    @property
    def target(self) -> str:
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def secure(self) -> bool:
        return self.url.startswith("https:")

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or PORTS[urlsplit(self.url).scheme]


@dataclass(frozen=True)
class Case:
    """One file."""

    path: Path
    title: str
    manifests: str
    problems: tuple[str, ...]
    features: tuple[str, ...]
    """What it shows, by the names that the compatibility page has."""
    asks: tuple[Ask, ...]
    originals: Mapping[str, str] = field(default_factory=dict)
    """Configuration by the key that holds it: nginx, nginx-http, haproxy, haproxy-backend, haproxy-bind."""

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"


@dataclass(frozen=True)
class Got:
    """What a client got: `status` 0 for a connection that was closed or refused."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    seconds: float = 0.0

    @property
    def echo(self) -> dict[str, Any]:
        with contextlib.suppress(msgspec.DecodeError):
            found = msgspec.json.decode(self.body)
            return found if isinstance(found, dict) else {}
        return {}


def suites() -> list[Path]:
    """The folders that hold cases."""
    return sorted(path.parent for path in FEATURES.glob("*/door.yaml"))


def cases(suite: Path) -> list[Case]:
    """The cases of a suite by name."""
    return [read(path) for path in sorted(suite.glob("*.yaml")) if path.name != "door.yaml"]


def elsewhere() -> dict[str, str]:
    """Features that no request alone can show, by name, and the test that shows them (a path in the repository)."""
    path = FEATURES / "elsewhere.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def read(path: Path) -> Case:
    """A case from its file; an unknown key is a mistake of its author."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    originals = {key: data.pop(key) for key in ORIGINALS if key in data}
    known = {"title", "manifests", "problems", "features", "asks"}
    assert set(data) <= known, f"{path}: unknown {sorted(set(data) - known)}"
    asks = tuple(_ask(one, path) for one in data.get("asks", ()))
    problems = tuple(sorted(data.get("problems", ())))
    features = tuple(data.get("features", ()))
    return Case(path, data["title"], data["manifests"], problems, features, asks, originals)


def _ask(data: dict[str, Any], path: Path) -> Ask:
    known = {"ask", "headers", "body", "chunked", "client", "times", "together", "expect", "traced", "certificate"}
    assert set(data) <= known, f"{path}: unknown {sorted(set(data) - known)}"
    words = {"status", "headers", "sent", "body", "seconds", "statuses", "differs"}
    assert set(data["expect"]) <= words, f"{path}: unknown {sorted(set(data['expect']) - words)}"
    method, _, url = data["ask"].partition(" ")
    headers = [
        (name, str(one))
        for name, value in data.get("headers", {}).items()
        for one in (value if isinstance(value, list) else [value])
    ]
    traced = data.get("traced", {})
    return Ask(
        method,
        url,
        tuple(headers),
        data.get("body", 0),
        data.get("chunked", False),
        data.get("client", "127.0.0.1"),
        data.get("times", 1),
        data.get("together", False),
        data["expect"],
        data.get("certificate", ""),
        traced if isinstance(traced, dict) else None,
    )


# --- what is wrong with an answer ---------------------------------------------------------------


def wrong(ask: Ask, got: list[Got], server: str = "") -> list[str]:
    """What differs from what is expected (of `server`); empty when all is well."""
    expected = {**ask.expect, **ask.expect.get("differs", {}).get(server, {})}
    found = []
    if "statuses" in expected:
        counts = Counter(one.status for one in got)
        for status, (least, most) in expected["statuses"].items():
            if not least <= counts[status] <= most:
                found.append(f"{counts[status]} answers {status}, expected {least} to {most} (all: {dict(counts)})")
        return found
    for one in got:
        found += _one(expected, one)
    return [f"{ask.method} {ask.url}: {line}" for line in found]


def _one(expected: Mapping[str, Any], got: Got) -> Iterator[str]:
    if "status" in expected and got.status != expected["status"]:
        yield f"status {got.status}, expected {expected['status']} ({got.body[:200]!r})"
    for name, value in expected.get("headers", {}).items():
        values = [v for n, v in got.headers if n == name.lower()]
        yield from _value(f"header {name}", values, value)
    sent = expected.get("sent", {})
    for name in ("path", "host", "method", "service"):
        if name in sent:
            yield from _value(f"sent {name}", [got.echo[name]] if name in got.echo else [], sent[name])
    seen = {name.lower(): values for name, values in got.echo.get("headers", {}).items()}
    for name, value in sent.get("headers", {}).items():
        yield from _value(f"sent header {name}", seen.get(name.lower(), []), value)
    if "body" in expected:
        yield from _value("body", [got.body.decode(errors="replace")], expected["body"])
    if "seconds" in expected:
        least, most = expected["seconds"]
        if not least <= got.seconds <= most:
            yield f"took {got.seconds:.2f} s, expected {least} to {most}"


def _value(what: str, values: list[str], expected: Any) -> Iterator[str]:
    """None: not there; a list: all of them; ~text: one that the expression matches in full; else the one value."""
    if expected is None:
        if values:
            yield f"{what} is {values}, expected none"
    elif isinstance(expected, list):
        if values != [str(one) for one in expected]:
            yield f"{what} is {values}, expected {expected}"
    elif str(expected).startswith("~"):
        if len(values) != 1 or not re.fullmatch(str(expected)[1:], values[0], re.DOTALL):
            yield f"{what} is {values}, expected {expected}"
    elif values != [str(expected)]:
        yield f"{what} is {values}, expected {expected!r}"


# --- the client ---------------------------------------------------------------------------------


@cache
def certificates() -> dict[str, Pair]:
    """Of clients, by what cases call them, and "authority", which made the good one."""
    now = datetime.now(UTC)  # servers look at their own clock
    authority, stranger = (pair(now=now, ca=True, subject=name) for name in ("authority", "stranger"))
    return {
        "authority": authority,
        "good": pair("client.test", now=now, issuer=authority, subject="client"),
        "other": pair("client.test", now=now, issuer=stranger, subject="client"),
    }


async def send(ask: Ask, address: str, port: int) -> Got:
    """One request on a connection of its own; the time counts from when it is sent."""
    tls: dict[str, Any] = {"ssl": _context(ask), "server_hostname": ask.host.partition(":")[0]} if ask.secure else {}
    try:
        reader, writer = await asyncio.open_connection(address, port, local_addr=(ask.client, 0), **tls)
    except OSError:
        return Got(0)
    started = time.monotonic()
    try:
        async with asyncio.timeout(DEADLINE):
            with contextlib.suppress(ConnectionError):  # who has answered may close before the whole body is there
                writer.write(_wire(ask))
                await writer.drain()
            got = await _answer(reader, ask.method)
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        return Got(0, seconds=time.monotonic() - started)
    finally:
        writer.transport.abort()
    return Got(got.status, got.headers, got.body, time.monotonic() - started)


def _context(ask: Ask) -> ssl.SSLContext:
    """Whoever answers is believed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if ask.certificate:
        own = certificates()[ask.certificate]
        with NamedTemporaryFile() as file:  # of mode 0600
            file.write(own.cert_pem + own.key_pem)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _wire(ask: Ask) -> bytes:
    lines = [f"{ask.method} {ask.target} HTTP/1.1"]
    given = {name.lower() for name, _ in ask.headers}
    if "host" not in given:
        lines.append(f"Host: {ask.host}")
    if "connection" not in given:
        lines.append("Connection: close")
    lines += [f"{name}: {value}" for name, value in ask.headers]
    body = b"x" * ask.body
    if ask.chunked:
        lines.append("Transfer-Encoding: chunked")
        pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)]
        body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) + b"0\r\n\r\n"
    elif ask.body or ask.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {ask.body}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _answer(reader: asyncio.StreamReader, method: str) -> Got:
    status = 100
    while status == 100:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
        status = int(first.split()[1])
    headers = tuple((n.lower(), v.strip()) for n, _, v in (line.partition(":") for line in lines))
    if method == "HEAD" or status in (101, 204, 304):
        return Got(status, headers)
    named = dict(headers)
    if named.get("transfer-encoding") == "chunked":
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readline()
    elif "content-length" in named:
        body = await reader.readexactly(int(named["content-length"]))
    else:
        body = await reader.read()
    return Got(status, headers, body)


# --- the model and Envoy ------------------------------------------------------------------------


@dataclass
class Built:
    """A suite as the product understands it: one graph of door and cases, Problems by file."""

    graph: Graph
    problems: Mapping[str, list[str]]


def build(suite: Path, folder: Path) -> Built:
    """Read a suite's manifests from files in `folder`, which is empty."""
    texts = {"door": (suite / "door.yaml").read_text(encoding="utf-8")}
    texts |= {case.path.stem: case.manifests for case in cases(suite)}
    clients = base64.b64encode(certificates()["authority"].cert_pem).decode()
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(with_pairs(text.replace(CLIENTS, clients)), encoding="utf-8")
    model = Model(lambda: NOW)
    state = model.read([str(folder)])
    problems: dict[str, list[str]] = {name: [] for name in texts}
    for problem in model.problems():
        problems.setdefault(Path(problem.origin.file).stem, []).append(problem.id)
    backends = state.graph.backends
    for key, backend in backends.items():  # every backend that may be asked at all is the echo server
        if backend.usable and not backend.dns_name:
            backends = backends.set(key, msgspec.structs.replace(backend, endpoints=(), reason="", pods="echo"))
    return Built(msgspec.structs.replace(state.graph, backends=backends), problems)


def as_traced(ask: Ask) -> Request:
    """The request in the model's words."""
    headers = [f"{name}: {value}" for name, value in ask.headers]
    if ask.body and not ask.chunked:
        headers.append(f"content-length: {ask.body}")
    return request(ask.url, ask.method, tuple(headers), client=ask.client)


def modelled(ask: Ask, graph: Graph) -> str:
    """What the model says other than what is expected; "" when they agree."""
    if ask.traced is None:
        return ""
    expected = {**{k: v for k, v in ask.expect.items() if k in ("status",)}, **ask.traced}
    location = ask.expect.get("headers", {}).get("location")
    if location and not str(location).startswith("~") and "location" not in expected and not ask.traced:
        expected["location"] = location
    asked = as_traced(ask)
    gateways = gateways_for(graph, asked)
    assert gateways, f"no gateway for {ask.url}"
    told = walk(graph, gateways[0], asked).outcome
    sent = ask.expect.get("sent", {}) if told.sent is not None and told.status == 200 else {}
    for name, value, said in (
        ("status", expected.get("status"), told.status),
        ("location", expected.get("location"), told.location),
        ("path", sent.get("path"), told.sent.path if told.sent else ""),
    ):
        if value is not None and not str(value).startswith("~") and value != said:
            return f"{ask.method} {ask.url}: the model says {name} {said!r}, expected {value!r} ({told.reason})"
    return ""


def issue() -> Issue:
    """A certificate of ours for every name."""
    issued = pair("issued.test")
    return lambda gateway, port, hostname: KeyPair(issued.cert_pem, Sensitive(issued.key_pem))


@contextlib.asynccontextmanager
async def served(built: Built) -> AsyncIterator[compiled.World]:
    """The suite on a real Envoy."""
    async with compiled.running(built.graph, issue()) as world:
        for one in world.bindings.sockets.values():
            for local in one:
                await eventually(lambda port=local.port: _is_open(port))
        yield world


async def _is_open(port: int) -> bool:
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False


async def through_envoy(case: Case, built: Built, world: compiled.World) -> list[str]:
    """What is wrong with a case's answers from Envoy."""
    found = []
    for ask in case.asks:
        gateways = gateways_for(built.graph, as_traced(ask))
        if not gateways or not world.listens(ask.port, gateways[0].id):
            got = [Got(0)]
        else:
            port = world.port(ask.port, gateways[0].id)
            if ask.together:
                got = await asyncio.gather(*(send(ask, "127.0.0.1", port) for _ in range(ask.times)))
            else:
                got = [await send(ask, "127.0.0.1", port) for _ in range(ask.times)]
            got = [_at_described_port(one, port) for one in got]
        found += wrong(ask, got)
    return found


def _at_described_port(got: Got, local: int) -> Got:
    """Redirects name the socket that the listener has here: described, it is the usual one."""
    headers = tuple((n, v.replace(f":{local}", "") if n == "location" else v) for n, v in got.headers)
    return Got(got.status, headers, got.body, got.seconds)
