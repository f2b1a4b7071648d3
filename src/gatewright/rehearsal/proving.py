"""How control over names is shown to the ACME server of a world.

HTTP-01 by the gateways, to whom the server comes over the world's own networks as public DNS leads it: what does not
reach them from the internet gets no certificate.  DNS-01 by a name server beside it, which knows the challenges and
sends everything else to public DNS, since the APIs of providers are no part of a rehearsal.  Counterparts: `acme`,
which orders; `runtime.http_challenges`, how gateways answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, cast

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from gatewright.engines.certificates.challenge import HTTP, Challenge, ChallengeSolver, SolverError
from gatewright.engines.certificates.solvers.choose import select
from gatewright.graph.issuing import Issuer, Wanted
from gatewright.graph.nodes import Graph
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.pipeline import Model
from gatewright.rehearsal.gateways import Gateways
from gatewright.rehearsal.spaces import listener, make_socket
from gatewright.runtime.http_challenges import HttpChallenges

ADDRESS: Final = "127.0.0.1"
"""Where the name server is, in the space of the ACME server."""

PORT: Final = 53
TTL: Final = 0
FORWARD_SECONDS: Final = 2.0
MOST_OCTETS: Final = 65_535
CHALLENGES: Final = "_acme-challenge."


class Proving:
    """The challenges of one world that are up.  `resolver`: the address of public DNS."""

    def __init__(self, space: str, resolver: str, model: Model, gateways: Gateways) -> None:
        self._space, self._resolver = space, resolver
        self._model, self._gateways = model, gateways
        self._records: dict[str, list[str]] = {}
        self._turn = asyncio.Lock()
        self._transport: asyncio.DatagramTransport | None = None
        self._http = HttpChallenges(asyncio.get_running_loop(), self._provide, gateways.settled)

    async def start(self) -> None:
        """Answer for names.  EngineError when nobody can listen there."""
        bound = listener(self._space, ADDRESS, PORT, socket.SOCK_DGRAM)
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(self._answer), sock=bound
        )

    def stop(self) -> None:
        """Answer no more."""
        if self._transport is not None:
            self._transport.close()

    def solver(self, issuer: Issuer, wanted: Wanted, name: str, kind: str) -> ChallengeSolver:
        """Who meets a challenge for a name, as the issuer describes it; called in threads.  SolverError for nobody."""
        described = select(issuer.intent.solvers, name, wanted.labels, (kind,))
        if described is None:
            raise SolverError(f"no solver of {issuer.intent.key} is for {name} by {kind}")
        return self._http.solver(described) if kind == HTTP else _Records(self._records)

    async def _provide(self, intents: Mapping[Key, Intent | None]) -> Graph:
        async with self._turn:
            state = self._model.provide(intents)
            await self._gateways.apply(state.graph, state.change)
            return state.graph

    async def _answer(self, octets: bytes) -> bytes:
        try:
            query = dns.message.from_wire(octets)
        except dns.exception.DNSException:
            return b""
        question = query.question[0] if query.question else None
        name = question.name.to_text(omit_final_dot=True).lower() if question is not None else ""
        if question is None or not name.startswith(CHALLENGES):
            return await self._forwarded(octets)
        response = dns.message.make_response(query, recursion_available=True)
        values = self._records.get(name, [])
        if values and question.rdtype == dns.rdatatype.TXT:
            quoted = [f'"{value}"' for value in values]
            response.answer.append(dns.rrset.from_text_list(question.name, TTL, "IN", "TXT", quoted))
        elif not values:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()

    async def _forwarded(self, octets: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self._resolver else socket.AF_INET
        with contextlib.suppress(OSError, TimeoutError), make_socket(self._space, family, socket.SOCK_DGRAM) as wire:
            wire.connect((self._resolver, PORT))
            async with asyncio.timeout(FORWARD_SECONDS):
                await loop.sock_sendall(wire, octets)
                return await loop.sock_recv(wire, MOST_OCTETS)
        return b""


class _Records:
    """A ChallengeSolver that puts TXT records up; called in threads, read on the loop."""

    def __init__(self, records: dict[str, list[str]]) -> None:
        self._records = records

    def present(self, challenges: Sequence[Challenge]) -> None:
        """As ChallengeSolver."""
        for one in challenges:
            self._records[one.record] = [*self._records.get(one.record, []), one.value]

    def remove(self, challenges: Sequence[Challenge]) -> None:
        """As ChallengeSolver."""
        for one in challenges:
            self._records[one.record] = [value for value in self._records.get(one.record, []) if value != one.value]


class _Datagrams(asyncio.DatagramProtocol):
    """Answers each datagram in a task of its own."""

    def __init__(self, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._reply(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reply(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = await self._answer(data)
        if answer and not self._transport.is_closing():
            self._transport.sendto(answer, addr)
