"""A client in a process of its own that asks one host again and again, and says when the answer became right.

It shares no interpreter with what it measures; both read the same monotonic clock.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import ssl
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

from msgspec import Struct

PAUSE = 0.0002
"""Seconds between two requests: less would take the processor from what is measured."""
GIVE_UP = 20.0
AFTERWARDS = 3
"""How often it asks again once the answer was right."""


class Watch(Struct, frozen=True):
    """Ask `host` until the answer is `wanted`; `other` must go on answering `others` meanwhile."""

    host: str
    wanted: str
    other: str = ""
    others: str = ""
    tls: bool = False
    eager: bool = True
    """Ask from the beginning on; else only when told to go."""


class Seen(Struct, frozen=True):
    """When (on the monotonic clock) the first right answer was in, and how many wrong ones followed; 0: never."""

    at: float
    wrong: int
    requests: int


class Client:
    """The parent's end."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def begin(self, watch: Watch) -> None:
        """Start asking; returns once the first answer, still the old one, is in, or else once the client is ready."""
        self._pipe.send(watch)
        self._pipe.recv()

    def go(self) -> None:
        """Let a client that is not eager ask."""
        self._pipe.send(True)

    def end(self) -> Seen:
        """Wait for the right answer."""
        seen: Seen = self._pipe.recv()
        if not seen.at:
            raise RuntimeError(f"no right answer within {GIVE_UP:g} s ({seen.requests} requests)")
        return seen


@contextlib.contextmanager
def client(address: str, port: int) -> Iterator[Client]:
    """A client of one socket."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, address, port), daemon=True)
    process.start()
    try:
        yield Client(ours)
        ours.send(None)
        process.join(5)
    finally:
        process.kill()
        process.join()


def _serve(pipe: Connection, address: str, port: int) -> None:
    asker = Asker(address, port)
    while (watch := pipe.recv()) is not None:
        pipe.send(_watch(watch, asker, pipe))


def _watch(watch: Watch, asker: Asker, pipe: Connection) -> Seen:
    ask = asker.ask_tls if watch.tls else asker.ask
    requests = wrong = 0
    if watch.eager:
        ask(watch.host)
    pipe.send(True)
    if not watch.eager:
        pipe.recv()
    deadline = time.monotonic() + GIVE_UP
    while True:
        answer = ask(watch.host)
        now = time.monotonic()
        requests += 1
        if answer == watch.wanted:
            break
        if now > deadline:
            return Seen(0.0, wrong, requests)
        time.sleep(PAUSE)
        if watch.other and requests % 8 == 0:
            wrong += ask(watch.other) != watch.others
    for _ in range(AFTERWARDS):
        wrong += ask(watch.host) != watch.wanted
        if watch.other:
            wrong += ask(watch.other) != watch.others
    return Seen(now, wrong, requests)


class Asker:
    """Requests on one connection, opened again whenever the server closed it."""

    def __init__(self, address: str, port: int) -> None:
        self._where = (address, port)
        self._socket: socket.socket | None = None
        self._tls = ssl.create_default_context()
        self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE

    def ask(self, host: str) -> str:
        """The body of an answer with status 200, else the status."""
        for _ in range(2):
            reused = self._socket is not None
            try:
                if self._socket is None:
                    self._socket = _connect(self._where)
                return self._exchange(self._socket, host)
            except OSError as error:
                if self._socket is not None:
                    self._socket.close()
                    self._socket = None
                if not reused:  # an idle connection may be closed under us; a new one may not
                    return type(error).__name__
        return "closed"

    def ask_tls(self, host: str) -> str:
        """The same on a TLS connection of its own."""
        try:
            with (
                _connect(self._where) as plain,
                self._tls.wrap_socket(plain, server_hostname=host) as secured,
            ):
                return self._exchange(secured, host)
        except OSError as error:
            return type(error).__name__

    def _exchange(self, connection: socket.socket, host: str) -> str:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive(connection)
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").lower().split("\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
        while len(body) < length:
            body += self._receive(connection)
        if "connection: close" in lines and connection is self._socket:
            connection.close()
            self._socket = None
        status = lines[0].split()[1]
        return body.decode() if status == "200" else status

    @staticmethod
    def _receive(connection: socket.socket) -> bytes:
        received = connection.recv(65536)
        if not received:
            raise ConnectionResetError
        return received


def _connect(where: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(where, 5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
