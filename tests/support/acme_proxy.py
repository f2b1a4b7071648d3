"""An HTTPS proxy before an ACME server that does what authorities do on bad days, and knows renewalInfo (RFC 9773)."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from support.pebble import Pebble


@dataclass(slots=True)
class Answer:
    """What is answered in place of the authority; status 0: nothing, the connection is reset."""

    status: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    """The authority has got the request, and its answer is lost."""


def problem(code: str, status: int, detail: str, **headers: str) -> Answer:
    """A problem document; `headers` with _ for -."""
    body = json.dumps({"type": f"urn:ietf:params:acme:error:{code}", "detail": detail, "status": status}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, body, {"Content-Type": "application/problem+json", **named})


@dataclass(frozen=True, slots=True)
class Seen:
    """A request: its path and what was signed."""

    method: str
    path: str
    payload: dict[str, Any]


class AcmeProxy:
    """`directory` and `trust_file` as of Pebble; `down` resets every connection while it is True."""

    def __init__(self, behind: Pebble) -> None:
        self.trust_file: Path = behind.trust_file
        self.behind = behind
        self.seen: list[Seen] = []
        self.down = False
        self.renewal: Callable[[str], Answer] | None = None
        """Answers for a certificate's identity; set: the directory has renewalInfo."""
        self.profiles: dict[str, str] = {}
        self._faults: list[tuple[str, list[Answer]]] = []
        self._lock = threading.Lock()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = _Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        folder = behind.trust_file.parent
        context.load_cert_chain(folder / "pebble.crt", folder / "pebble.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self.directory = f"{self.url}/dir"

    def fault(self, path: str, *answers: Answer) -> None:
        """The next requests whose path begins with `path` get these answers, one each."""
        with self._lock:
            self._faults.append((path, list(answers)))

    def next_fault(self, path: str) -> Answer | None:
        with self._lock:
            for prefix, answers in self._faults:
                if path.startswith(prefix) and answers:
                    return answers.pop(0)
        return Answer() if self.down else None

    def paths(self, prefix: str) -> int:
        """How many requests came for paths that begin so."""
        return sum(one.path.startswith(prefix) for one in self.seen)

    def run(self) -> None:
        self._server.serve_forever(0.02)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients go away in the middle: that is what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: AcmeProxy

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.owner.seen.append(Seen(self.command, self.path, _payload(body)))
        fault = self.owner.next_fault(self.path)
        if fault is not None and not fault.after:
            self._answer(fault)
        elif self.path.startswith("/renewal/") and self.owner.renewal is not None:
            self._answer(self.owner.renewal(self.path.removeprefix("/renewal/")))
        else:
            self._answer(self._forwarded(body) if fault is None else (self._forwarded(body), fault)[1])

    def _forwarded(self, body: bytes) -> Answer:
        trust = ssl.create_default_context(cafile=str(self.owner.trust_file))
        with contextlib.closing(
            HTTPSConnection(urlsplit(self.owner.behind.directory).netloc, context=trust, timeout=30)
        ) as connection:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            # Host is passed on: the authority makes its URLs of it.
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            data = answer.read()
            if self.path == "/dir":
                data = self._directory(data)
            kept = {
                name: value
                for name, value in answer.getheaders()
                if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "link")
            }
            links = answer.headers.get_all("Link") or []
            return Answer(answer.status, data, {**kept, **({"Link": ", ".join(links)} if links else {})})

    def _directory(self, data: bytes) -> bytes:
        found = json.loads(data)
        if self.owner.renewal is not None:
            found["renewalInfo"] = f"{self.owner.url}/renewal"
        if self.owner.profiles:
            found["meta"]["profiles"] = self.owner.profiles
        return json.dumps(found).encode()

    def _answer(self, answer: Answer) -> None:
        if not answer.status:
            # A reset, not an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)


def _payload(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    encoded = json.loads(body)["payload"]
    text = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    found = json.loads(text or b"{}")
    return found if isinstance(found, dict) else {}


def suggested(start: datetime, end: datetime, **headers: str) -> Answer:
    """A renewalInfo document."""
    window = {"start": start.isoformat().replace("+00:00", "Z"), "end": end.isoformat().replace("+00:00", "Z")}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, json.dumps({"suggestedWindow": window}).encode(), {"Content-Type": "application/json", **named})


@contextlib.contextmanager
def acme_proxy(behind: Pebble) -> Iterator[AcmeProxy]:
    """The proxy until the block is left."""
    proxy = AcmeProxy(behind)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
