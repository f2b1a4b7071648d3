"""`gatewright run` as a process, and real requests to the gateways that it opens.

Clients connect to the local socket that stands for a gateway's described port and say everything else (Host, SNI,
method, path) as a client on the described network would.  Used by the tests of the examples and by scripts/demo.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import dns.message
import dns.query
import dns.rdatatype
import httpx
from websockets.sync.client import connect

READY_SECONDS = 120.0
STOP_SECONDS = 60.0
ANSWER_SECONDS = 60.0
PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443, "tls": 443}
ENCRYPTED = ("https", "wss", "tls")


@dataclass(frozen=True)
class Answer:
    """What a client got.  `status` 0: no HTTP answer came, `error` says why.  `echo`: who answered, and what it saw."""

    status: int = 0
    location: str | None = None
    echo: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def backend(self) -> str:
        """namespace/name:port of the Service that the echo backend stood in for; "" when none answered."""
        if not self.echo:
            return ""
        return f"{self.echo['namespace']}/{self.echo['service']}:{self.echo['httpPort']}"


class Live:
    """The gateways of one run, by its ready file.  Clients trust what is in `trust` (a file), else the private CA."""

    def __init__(self, ready: Mapping[str, object], trust: Path | None = None) -> None:
        self.ready = ready
        self._trust = str(trust or ready["caFile"])
        self._sockets: dict[tuple[str, int], tuple[str, int]] = {}
        self._here: dict[tuple[str, int], tuple[str, int]] = {}
        for item in ready["listeners"]:  # type: ignore[attr-defined]
            local = item["local"][0] if isinstance(item["local"], list) else item["local"]
            where = self._sockets[item["gateway"], item["described"]["port"]] = (local["address"], local["port"])
            self._here[local["address"], item["described"]["port"]] = where
        self._dns: dict[str, tuple[str, int]] = {}
        for view in ready.get("dns", ()):  # type: ignore[attr-defined]
            for local in view["listening"][:1]:
                self._dns[view["view"]] = (local["address"], local["port"])

    @property
    def state(self) -> str:
        """The state folder of the run."""
        return str(Path(str(self.ready["caFile"])).parents[1])

    def trusting(self, trust: Path) -> Live:
        """The same for clients that trust the certificates in this file and no others."""
        return Live(self.ready, trust)

    def dns(self, view: str) -> tuple[str, int]:
        """Where everybody sees a view; "" where the client's address decides."""
        return self._dns[view]

    def resolve(self, host: str, view: str, kind: str = "A") -> list[str]:
        """The addresses (or other values) that our DNS server has for a name; [] for none."""
        query = dns.message.make_query(host, kind)
        address, port = self._dns[view]
        answer, _ = dns.query.udp_with_fallback(query, address, ANSWER_SECONDS, port)
        wanted = dns.rdatatype.from_text(kind)
        return sorted(item.to_text() for rrset in answer.answer if rrset.rdtype == wanted for item in rrset)

    def _context(self, *, unverified: bool = False) -> ssl.SSLContext:
        """A client's TLS settings; new ones each time, for clients write their ALPN into them."""
        context = ssl.create_default_context(cafile=self._trust)
        if unverified:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def socket_of(self, gateway: str, port: int) -> tuple[str, int] | None:
        """The local socket that stands for a port of a gateway."""
        return self._sockets.get((gateway, port))

    def address_of(self, gateway: str) -> str:
        """The local address of a gateway."""
        return next(address for (name, _), (address, _) in sorted(self._sockets.items()) if name == gateway)

    @property
    def gateways(self) -> list[str]:
        """The gateways, in the order in which a first run gives them addresses."""
        return sorted({gateway for gateway, _ in self._sockets})

    def ask(
        self,
        gateway: str,
        url: str,
        method: str = "GET",
        headers: tuple[str, ...] = (),
        *,
        sni: str | None = None,
        unverified: bool = False,
        grpc: bool = False,
        view: str = "",
    ) -> Answer:
        """One HTTP request.  `unverified`: whatever certificate is shown; `grpc`: an empty unary call; `view`: goes
        where our DNS server says that the name is, whichever gateway that is.
        """
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
        where = self._destination(gateway, parts.hostname or "", port, view)
        if where is None:
            return Answer(error=f"no address for {parts.hostname}" if view else "nothing listens there")
        scheme = "https" if parts.scheme in ENCRYPTED else "http"
        pairs = [("host", parts.netloc), *(split_header(line) for line in headers)]
        content = b""
        if grpc:
            method, content = "POST", b"\x00\x00\x00\x00\x00"
            pairs += [("content-type", "application/grpc"), ("te", "trailers")]
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        context = self._context(unverified=unverified)
        try:
            with httpx.Client(verify=context, http1=not grpc, http2=grpc, trust_env=False, timeout=ANSWER_SECONDS) as c:
                response = c.request(
                    method,
                    f"{scheme}://{where[0]}:{where[1]}{target}",
                    headers=pairs,
                    content=content,
                    extensions={"sni_hostname": parts.hostname if sni is None else sni},
                )
        except httpx.TransportError as error:
            return Answer(error=f"{type(error).__name__}: {error}")
        echo = _echoed(response.content) if response.status_code == httpx.codes.OK else {}
        location = _as_described(response.headers.get("location"), where[1], port)
        return Answer(response.status_code, location, echo, response.headers)

    def _destination(self, gateway: str, host: str, port: int, view: str) -> tuple[str, int] | None:
        if not view:
            return self.socket_of(gateway, port)
        return next((self._here.get((address, port)) for address in self.resolve(host, view)), None)

    def chat(self, gateway: str, url: str, messages: tuple[str, ...], view: str = "") -> tuple[str, ...]:
        """What a WebSocket gives back for each message, after the echo backend's own greeting, if any."""
        parts = urlsplit(url)
        where = self._destination(gateway, parts.hostname or "", parts.port or PORTS[parts.scheme], view)
        assert where is not None, f"{gateway} does not listen for {url}"
        secure = parts.scheme in ENCRYPTED
        with (
            socket.create_connection(where, ANSWER_SECONDS) as raw,
            connect(
                url,
                sock=raw,
                ssl=self._context() if secure else None,
                server_hostname=parts.hostname if secure else None,
                open_timeout=ANSWER_SECONDS,
                close_timeout=ANSWER_SECONDS,
                proxy=None,
            ) as chat,
        ):
            answers = []
            for message in messages:
                chat.send(message)
                answers.append(str(chat.recv(timeout=ANSWER_SECONDS)))
            return tuple(answers)


def _as_described(location: str | None, local: int, port: int) -> str | None:
    """A redirect to the port that the client came to: its number here (8443 for who may not bind 443), as described."""
    parts = urlsplit(location or "")
    if not location or local == port or parts.port != local:
        return location
    described = "" if PORTS.get(parts.scheme) == port else f":{port}"
    return parts._replace(netloc=parts.netloc.removesuffix(f":{local}") + described).geturl()


def split_header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _echoed(content: bytes) -> Mapping[str, object]:
    """The echo backend's JSON, also out of a gRPC message; nothing when something else answered."""
    try:
        found = json.loads(content[max(content.find(b"{"), 0) :])
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "service" in found else {}


def program() -> list[str]:
    """How to start gatewright: the script of the environment that runs this."""
    script = Path(sys.executable).with_name("gatewright")
    return [str(script)] if script.exists() else [sys.executable, "-m", "gatewright"]


@contextlib.contextmanager
def running(*arguments: str, home: Path | None = None, cwd: Path | None = None) -> Iterator[Live]:
    """`gatewright run` with these arguments until the block ends; its state is thrown away afterwards.

    With `home`, that folder is the user's home and the state is where it is by default.  `cwd`: where it is started.
    """
    # Not the test's own folder: its path may be longer than a Unix socket's may be.
    folder = Path(tempfile.mkdtemp(prefix="gatewright-"))
    ready = folder / "ready.json"
    command = [*program(), "run", *arguments, "--ready-file", str(ready)]
    environment = dict(os.environ)
    if home is None:
        command += ["--state", str(folder / "state")]
    else:
        environment = {**environment, "HOME": str(home)}
        environment.pop("XDG_STATE_HOME", None)
    with (folder / "output").open("w+b") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=cwd
        )
        try:
            _await(ready, process, folder / "output")
            yield Live(json.loads(ready.read_bytes()))
        finally:
            stop(process)
            shutil.rmtree(folder, ignore_errors=True)


def issued(live: Live) -> list[dict[str, object]]:
    """The certificates that issuers have given, once all that can be had are there."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        asked = subprocess.run(
            [*program(), "status", "-o", "json", "--state", live.state], stdin=subprocess.DEVNULL, capture_output=True
        )
        lines = json.loads(asked.stdout)["certificates"] if asked.stdout else None
        if lines is not None and all(line["state"] in ("ready", "unusable") for line in lines):
            return [line for line in lines if line["state"] == "ready"]
        if time.monotonic() > deadline:
            raise AssertionError(f"certificates are missing: {lines}")
        time.sleep(0.05)


def stop(process: subprocess.Popen[bytes]) -> int:
    """End a process that we started: politely, and when that takes too long not politely."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(STOP_SECONDS)


def _await(ready: Path, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready.exists():
        said = output.read_text(errors="replace")[-4000:]
        if process.poll() is not None:
            raise AssertionError(f"gatewright run ended with {process.returncode}:\n{said}")
        if time.monotonic() > deadline:
            raise AssertionError(f"gatewright run is not ready after {READY_SECONDS:g} s:\n{said}")
        time.sleep(0.02)
