"""Zones and views as manifests, and clients of their DNS that say what they got: for tests of `run --dns`."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from support.session import documents

SECONDS = 20.0
PAUSE = 0.002
"""Between the queries of one client: a rate, not a wait."""

Where = tuple[str, int]


def view(name: str, *clients: str, **spec: Any) -> str:
    given = {"clients": list(clients)} if clients else {}
    return _ours("View", name, {**given, **spec})


def zone(name: str, domain: str, view: str = "public", provider: str = "Gatewright", **spec: Any) -> str:
    return _ours("Zone", name, {"domain": domain, "view": view, "provider": provider, **spec})


def _ours(kind: str, name: str, spec: dict[str, Any]) -> str:
    return documents({"apiVersion": "gatewright.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})


def record(name: str, *values: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "values": list(values), **more}


def query(where: Where, name: str, kind: str = "A", source: str | None = None) -> dns.message.Message:
    """One query without recursion, by UDP; over TCP when it does not fit."""
    asked = dns.message.make_query(name, kind)
    asked.flags &= ~dns.flags.RD
    return dns.query.udp_with_fallback(asked, where[0], SECONDS, where[1], source)[0]


def found(answer: dns.message.Message, kind: str = "A") -> list[str]:
    """The values of a type in an answer."""
    wanted = dns.rdatatype.from_text(kind)
    return sorted(item.to_text() for rrset in answer.answer if rrset.rdtype == wanted for item in rrset)


def values(where: Where, name: str, kind: str = "A", source: str | None = None) -> list[str] | str:
    """The values at a name, or the code of an answer that is none ("NXDOMAIN", "REFUSED"), [] for no data."""
    answer = query(where, name, kind, source)
    code = dns.rcode.to_text(answer.rcode())
    return found(answer, kind) if code == "NOERROR" else code


def serial(where: Where, domain: str) -> int:
    """The serial of a zone."""
    (soa,) = (item for rrset in query(where, domain, "SOA").answer for item in rrset)
    return int(soa.serial)


def is_silent(where: Where) -> bool:
    """Does nothing answer there, by UDP or TCP?"""
    family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(family, kind) as client:
            client.settimeout(SECONDS)
            try:
                client.connect(where)
                if kind is socket.SOCK_STREAM:
                    return False
                client.send(dns.message.make_query("example.com", "SOA").to_wire())
                client.recv(65535)
            except ConnectionRefusedError:
                continue
            return False
    return True


class Asking:
    """A client in a thread that asks all the time, from a new socket each time, and notes what it did not get.

    A query that is not answered within SECONDS failed: resolvers would ask again, this one does not.
    """

    def __init__(self, where: Where, name: str, expected: Sequence[str]) -> None:
        self._where, self._name, self._expected = where, name, list(expected)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answered = 0
        self.failures: list[str] = []

    def __enter__(self) -> Asking:
        self._thread.start()
        self.more(20)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._ending.set()
        self._thread.join()

    def more(self, count: int) -> None:
        """Wait for so many further answers."""
        target, deadline = self.answered + count, time.monotonic() + 60
        while self.answered < target:
            assert time.monotonic() < deadline, f"not answered: {self.failures[:3]}"
            time.sleep(0.01)

    def _ask(self) -> None:
        while not self._ending.wait(PAUSE):
            try:
                got = values(self._where, self._name)
            except (OSError, EOFError, dns.exception.DNSException) as error:
                got = repr(error)
            if got == self._expected:
                self.answered += 1
            else:
                self.failures.append(str(got))
