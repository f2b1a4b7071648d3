"""`gatewright run` as a process that a test may kill, start again and edit under, and clients that count what fails.

Manifests are written as files, as users write them; backends live in the test's own process, so that they outlive the
control plane.  `live` is the counterpart for runs that are only asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect

from gatewright.engines.dns import workers as dns_workers
from gatewright.engines.echo.server import EchoServer
from gatewright.engines.echo.service import EchoService
from gatewright.engines.envoy.process import StateFolder, find_running
from gatewright.engines.users import server as users_server
from gatewright.system import children
from gatewright.system.processes import is_alive
from support.live import READY_SECONDS, Live, program

T = TypeVar("T")

DEADLINE = 60.0
GATEWAY = "infra/edge"
PAUSE = 0.01
"""Between the requests of one client: a rate, not a wait."""


# --- manifests ----------------------------------------------------------------------------------


def listener(name: str, port: int, protocol: str = "HTTP", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "port": port,
        "protocol": protocol,
        "allowedRoutes": {"namespaces": {"from": "All"}},
        **more,
    }


def https(name: str = "https", port: int = 443, secret: str = "tls") -> dict[str, Any]:
    return listener(name, port, "HTTPS", tls={"certificateRefs": [{"name": secret}]})


def gateway(*listeners: dict[str, Any], name: str = "edge", addresses: tuple[str, ...] = ()) -> str:
    api = "gateway.networking.k8s.io/v1"
    given = {"addresses": [{"type": "IPAddress", "value": one} for one in addresses]} if addresses else {}
    spec = {"gatewayClassName": "any", "listeners": list(listeners), **given}
    return documents(
        {"apiVersion": api, "kind": "GatewayClass", "metadata": {"name": "any"}, "spec": {"controllerName": "a.b/c"}},
        {"apiVersion": api, "kind": "Gateway", "metadata": {"name": name, "namespace": "infra"}, "spec": spec},
    )


def route(
    name: str, service: str = "web", *, host: str = "", rule: Mapping[str, Any] | None = None, gateway: str = "edge"
) -> str:
    """An HTTPRoute for NAME.example.com."""
    spec = {
        "parentRefs": [{"name": gateway, "namespace": "infra"}],
        "hostnames": [host or f"{name}.example.com"],
        "rules": [{"backendRefs": [{"name": service, "port": 80}], **(rule or {})}],
    }
    metadata = {"name": name, "namespace": "apps"}
    api = "gateway.networking.k8s.io/v1"
    return documents({"apiVersion": api, "kind": "HTTPRoute", "metadata": metadata, "spec": spec})


def service(name: str, address: tuple[str, int] | None = None) -> str:
    """A Service, with an EndpointSlice when it has an address."""
    metadata = {"name": name, "namespace": "apps"}
    made: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"name": "http", "port": 80}]}}
    ]
    if address is not None:
        made.append(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**metadata, "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": address[1]}],
                "endpoints": [{"addresses": [address[0]]}],
            }
        )
    return documents(*made)


def secret(name: str, chain: bytes, key: bytes) -> str:
    """A TLS Secret in the gateway's namespace."""
    data = {"tls.crt": chain.decode(), "tls.key": key.decode()}
    metadata = {"name": name, "namespace": "infra"}
    return documents(
        {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "stringData": data}
    )


def documents(*made: dict[str, Any]) -> str:
    """JSON is YAML, and what a test writes need not be read."""
    return "".join(f"---\n{json.dumps(one, indent=1)}\n" for one in made)


# --- the process --------------------------------------------------------------------------------


class Session:
    """A folder of manifests, a state folder, and the run that connects them."""

    def __init__(self, root: Path) -> None:
        self.manifests = root / "manifests"
        self.manifests.mkdir()
        self.state = root / "state"
        self.ready_file = root / "ready.json"
        self.errors_file = root / "errors"
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, name: str, *texts: str) -> Path:
        """Save a file as editors do: write another and rename it."""
        path = self.manifests / name
        draft = path.with_name(f".{name}.draft")
        draft.write_text("".join(texts))
        return draft.replace(path)

    def spawn(
        self, *arguments: str, stdin: bytes | None = None, paths: tuple[str, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Start `gatewright run` and do not wait."""
        command = [*program(), "run", *(paths or (str(self.manifests),)), "--state", str(self.state)]
        command += ["--ready-file", str(self.ready_file), *arguments]
        with self.errors_file.open("ab") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        if stdin is not None:
            assert self.process.stdin is not None
            self.process.stdin.write(stdin)
            self.process.stdin.close()
        return self.process

    def start(self, *arguments: str, stdin: bytes | None = None, paths: tuple[str, ...] = ()) -> Live:
        """Start `gatewright run` and wait until it is live."""
        self.ready_file.unlink(missing_ok=True)
        process = self.spawn(*arguments, stdin=stdin, paths=paths)
        wait(lambda: self.ready_file.exists() or process.poll() is not None, READY_SECONDS)
        assert process.poll() is None, f"ended with {process.returncode}:\n{self.errors()}"
        return self.live()

    def live(self) -> Live:
        return Live(json.loads(self.ready_file.read_bytes()))

    def errors(self) -> str:
        """Everything on stderr so far."""
        return self.errors_file.read_text() if self.errors_file.exists() else ""

    def lines(self, *words: str) -> list[str]:
        """The lines on stderr with all of these words."""
        return [line for line in self.errors().splitlines() if all(word in line for word in words)]

    def status(self) -> tuple[int, dict[str, Any]]:
        """The exit code and the JSON of `gatewright status`."""
        done = self.command("status", "--state", str(self.state), "-o", "json")
        return done.returncode, json.loads(done.stdout) if done.stdout else {}

    @staticmethod
    def command(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """A short command, run to its end."""
        return subprocess.run([*program(), *arguments], input=stdin, capture_output=True, timeout=DEADLINE)

    def kill(self) -> None:
        """kill -9 of the control plane."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(DEADLINE)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def envoy(self) -> int | None:
        """The process id of the session's Envoy."""
        found = find_running(StateFolder(self.state / "envoy"))
        return found.pid if found else None

    def answering(self) -> tuple[int, ...]:
        """The process ids of the session's DNS workers, whoever started them."""
        return tuple(found.pid for found in dns_workers.running(self.state / "dns"))

    def checking(self) -> tuple[int, ...]:
        """The process ids of what checks the session's passwords, whoever started them."""
        return tuple(
            found.pid for found in children.running(self.state / "users" / "process.json", users_server.MODULE)
        )

    def clear(self) -> None:
        """End what still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(DEADLINE)
            self.process.kill()
            self.process.wait(DEADLINE)
        found = find_running(StateFolder(self.state / "envoy"))
        if found is not None:
            os.kill(found.pid, signal.SIGKILL)
            wait(lambda: not is_alive(found))
        for worker in (*self.answering(), *self.checking()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


@contextlib.contextmanager
def session() -> Iterator[Session]:
    """A session in folders of its own, short enough for Unix sockets, of which nothing is left."""
    root = Path(tempfile.mkdtemp(prefix="gatewright-"))
    made = Session(root)
    try:
        yield made
    finally:
        made.clear()
        shutil.rmtree(root, ignore_errors=True)


def wait(condition: Callable[[], object], seconds: float = DEADLINE) -> None:
    """Until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.01)


async def until(condition: Callable[[], Awaitable[object]], seconds: float = DEADLINE) -> None:
    """Until it holds, while clients and backends of this process go on."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        await asyncio.sleep(0.01)


async def beside(work: Callable[..., T], *arguments: Any) -> T:
    """Do something blocking while clients and backends of this process go on."""
    return await asyncio.to_thread(work, *arguments)


# --- backends and clients -----------------------------------------------------------------------


@contextlib.asynccontextmanager
async def backends(*names: str) -> AsyncIterator[dict[str, tuple[str, int]]]:
    """Echo backends in this process, as if they were pods; their addresses by Service."""
    services = {name: EchoService("apps", name, 80) for name in names}
    server = EchoServer(services.values())
    await server.start()
    try:
        yield {name: (server.addresses[one].host, server.addresses[one].port) for name, one in services.items()}
    finally:
        await server.close()


async def ask(where: tuple[str, int], host: str, path: str = "/", *, seconds: float = DEADLINE) -> tuple[int, str]:
    """One request over a connection of its own: the status, and the Service that answered ("" for none)."""
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(*where)
        try:
            return await exchange(reader, writer, host, path)
        finally:
            writer.close()


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, path: str = "/"
) -> tuple[int, str]:
    """One request and its answer over an open connection."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    status = int(head.split(maxsplit=2)[1])
    length = next((line for line in head.split("\r\n") if line.startswith("content-length:")), None)
    body = b""
    if length is not None:
        body = await reader.readexactly(int(length.partition(":")[2]))
    elif "transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    answered = json.loads(body)["service"] if status == 200 and body.startswith(b"{") else ""
    return status, answered


class Load:
    """Clients that ask all the time: some keep their connection, some open one for each request."""

    def __init__(self, where: tuple[str, int], hosts: tuple[str, ...]) -> None:
        self._where = where
        self._hosts = hosts
        self._tasks: list[asyncio.Task[None]] = []
        self.answered = 0
        self.failures: list[str] = []

    async def __aenter__(self) -> Load:
        self._tasks = [asyncio.create_task(self._keep(host)) for host in self._hosts for _ in range(2)]
        self._tasks += [asyncio.create_task(self._anew(host)) for host in self._hosts]
        await self.more(20)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def more(self, count: int) -> None:
        """Wait for so many further answers."""
        target = self.answered + count

        async def enough() -> bool:
            return self.answered >= target

        await until(enough)

    def _note(self, host: str, what: object) -> None:
        if what == 200:
            self.answered += 1
        else:
            self.failures.append(f"{host}: {what!r}")

    async def _keep(self, host: str) -> None:
        reader, writer = await asyncio.open_connection(*self._where)
        try:
            while True:
                status, _ = await exchange(reader, writer, host)
                self._note(host, status)
                await asyncio.sleep(PAUSE)
        except (OSError, EOFError) as error:
            self._note(host, error)
        finally:
            writer.close()

    async def _anew(self, host: str) -> None:
        while True:
            try:
                status, _ = await ask(self._where, host)
                self._note(host, status)
            except (OSError, EOFError) as error:
                self._note(host, error)
            await asyncio.sleep(PAUSE)


@contextlib.asynccontextmanager
async def websocket(where: tuple[str, int], host: str) -> AsyncIterator[ClientConnection]:
    """An open WebSocket."""
    async with connect(f"ws://{host}/", host=where[0], port=where[1], proxy=None, ping_interval=None) as chat:
        await echoes(chat)
        yield chat


async def echoes(chat: ClientConnection) -> None:
    """What is sent comes back: the WebSocket is still the same."""
    await chat.send("still there?")
    async with asyncio.timeout(DEADLINE):
        assert await chat.recv() == "still there?"
