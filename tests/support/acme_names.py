"""A name server that knows TXT records only: what a test's challenges are put into, and pebble asks."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Collection, Iterator, Sequence

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from gatewright.engines.certificates.challenge import Challenge


class TxtServer:
    """Answers on a UDP port of 127.0.0.1, and is a ChallengeSolver.  `address`: "127.0.0.1:port".

    A records of every name are 127.0.0.1, so that HTTP challenges come here as well.
    """

    def __init__(self) -> None:
        self.records: dict[str, list[str]] = {}
        self.put_up: list[Challenge] = []
        """Every challenge that was ever presented."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._lock = threading.Lock()

    def present(self, challenges: Sequence[Challenge]) -> None:
        for challenge in challenges:
            self.put_up.append(challenge)
            self.put(challenge.record, challenge.value)

    def remove(self, challenges: Sequence[Challenge]) -> None:
        for challenge in challenges:
            self.take(challenge.record, challenge.value)

    def put(self, record: str, value: str) -> None:
        with self._lock:
            values = self.records.setdefault(record, [])
            if value not in values:
                values.append(value)

    def take(self, record: str, value: str) -> None:
        with self._lock:
            values = self.records.get(record, [])
            if value in values:
                values.remove(value)
            if not values:
                self.records.pop(record, None)

    def see(self, record: str) -> Collection[str]:
        with self._lock:
            return tuple(self.records.get(record, ()))

    def serve(self) -> None:
        while True:
            try:
                data, client = self._socket.recvfrom(4096)
            except OSError:
                return
            if not data:
                return
            with contextlib.suppress(OSError):
                self._socket.sendto(self._answer(data), client)

    def _answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        if question.rdtype == dns.rdatatype.TXT and (values := self.see(name)):
            answer.answer.append(dns.rrset.from_text(question.name, 0, "IN", "TXT", *(f'"{one}"' for one in values)))
        elif question.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(question.name, 0, "IN", "A", "127.0.0.1"))
        return answer.to_wire()

    def close(self) -> None:
        # An empty datagram wakes the loop up, which closing does not.
        host, _, port = self.address.rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", (host, int(port)))


@contextlib.contextmanager
def txt_server() -> Iterator[TxtServer]:
    server = TxtServer()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
        server._socket.close()
