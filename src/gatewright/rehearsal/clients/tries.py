"""One try: a request to one address, whatever its protocol, and what came of it.

Over TLS the certificate is verified as the vantage's clients do; where it is refused, a client that trusts anybody goes
on, so that it shows what would have answered.
"""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec import Struct, structs

from gatewright.rehearsal.asking import EchoSeen, Ended
from gatewright.rehearsal.clients import answers, http, streams, tls
from gatewright.rehearsal.clients.connect import USUAL, Failure, Limits, Line, plain, reached
from gatewright.rehearsal.clients.http import BEGINNING, LARGEST_BODY, OBJECTION, Answer, Sending
from gatewright.rehearsal.clients.tls import Contexts
from gatewright.trace.branches import Trust
from gatewright.trace.request import STREAMS, Request, is_address

GRPC: Final = (("content-type", "application/grpc"), ("te", "trailers"))
EMPTY_MESSAGE: Final = bytes(5)
WEBSOCKETS: Final = frozenset({"ws", "wss"})
CALLS: Final = frozenset({"grpc", "grpcs"})


class Target(Struct, frozen=True):
    """Where a request goes: from a space to an address, and what it carries.

    `host`: the URL's, which a certificate has to be for when no SNI is sent.  `body` octets; `silence` seconds that a
    WebSocket is left alone.
    """

    space: str
    address: str
    host: str
    request: Request
    body: int = 0
    silence: float = 0.0
    limits: Limits = USUAL


class Tried(Struct, frozen=True):
    """What came of a try; the fields are those of an Observation."""

    ended: Ended
    status: int = 0
    grpc_status: int | None = None
    location: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    echo: EchoSeen | None = None
    certificate: tuple[str, ...] = ()
    alpn: str = ""
    detail: str = ""
    hops: tuple[str, ...] = ()
    distrust: str = ""
    beyond: Ended = Ended.NOT_TRIED
    silence: float = 0.0


async def attempt(target: Target, contexts: Contexts, turns: asyncio.Semaphore) -> Tried:
    """Send the request; nothing raises but our own mistakes.

    `turns`: how many may speak at the same time.  Who only waits for a connection takes none.
    """
    if target.request.scheme == "udp":
        return await _datagram(target)
    trying = _Attempt(target, contexts, turns)
    try:
        return await trying.run()
    finally:
        trying.done()


async def _datagram(target: Target) -> Tried:
    came = await streams.datagram(target.space, target.address, target.request.port, target.limits.answer)
    if isinstance(came, Failure):
        return _failed(came)
    said = f"{target.address} port {target.request.port} answers {len(came)} octets"
    return Tried(Ended.ANSWERED, echo=answers.echo(came), hops=(said,))


def _failed(failure: Failure) -> Tried:
    return Tried(failure.ended, detail=failure.detail, hops=(failure.detail,))


class _Attempt:
    """The connections of one try; all but the first are to find out more."""

    def __init__(self, target: Target, contexts: Contexts, turns: asyncio.Semaphore) -> None:
        self._turns = turns
        self._has_turn = False
        self._target = target
        self._contexts = contexts
        self._request = target.request
        self._trusting = False
        self._hops: list[str] = []

    async def run(self) -> Tried:
        tried = await self._once()
        if tried.ended is Ended.UNTRUSTED:
            return await self._look_again(tried)
        return structs.replace(tried, hops=tuple(self._hops))

    def done(self) -> None:
        """Let another one speak."""
        if self._has_turn:
            self._turns.release()

    async def _look_again(self, refused: Tried) -> Tried:
        """What a client that trusts anybody sees."""
        self._trusting = True
        self._hops.append(f"the certificate is refused: {refused.detail}")
        further = await self._once()
        return structs.replace(
            further,
            ended=Ended.UNTRUSTED,
            beyond=further.ended,
            detail=refused.detail,
            distrust=further.distrust or refused.distrust or Trust.UNTRUSTED.value,
            hops=tuple(self._hops),
        )

    async def _once(self) -> Tried:
        """Connect and ask."""
        line = await self._connect(self._request.alpn)
        if isinstance(line, Failure):
            if line.ended is not Ended.UNTRUSTED:
                self._hops.append(line.detail)
            return _failed(line)
        try:
            shown = tls.names(line)
            why = self._distrust(line, shown)
            if why and not self._trusting:
                return Tried(Ended.UNTRUSTED, certificate=shown, detail="the certificate is for other names")
            tried = await self._ask(line)
            return structs.replace(tried, certificate=shown, alpn=line.alpn, distrust=why)
        finally:
            line.close()

    def _distrust(self, line: Line, shown: tuple[str, ...]) -> str:
        """What the library did not look at: a name that was not sent; and after a refusal, why it was."""
        if not self._request.encrypted:
            return ""
        if self._trusting:
            return tls.distrust(line, self._name).value
        return "" if self._is_named or tls.covers(shown, self._name) else Trust.NAME_MISMATCH.value

    @property
    def _name(self) -> str:
        return self._request.sni or self._target.host

    @property
    def _is_named(self) -> bool:
        """Does the library know what the certificate has to be for?  Addresses are no SNI, but verified."""
        return bool(self._request.sni) or is_address(self._target.host)

    async def _connect(self, alpn: tuple[str, ...]) -> Line | Failure:
        target, port = self._target, self._request.port
        made = await reached(target.space, target.address, port, target.limits.connect)
        if isinstance(made, Failure):
            return made
        if not self._has_turn:
            await self._turns.acquire()
            self._has_turn = True
        if not self._request.encrypted:
            line: Line | Failure = await plain(made)
        else:
            named = self._name if self._is_named else ""
            context = self._contexts.context(alpn, named=self._is_named, verifies=not self._trusting)
            line = await tls.encrypted(made, context, named, target.limits.answer)
        if isinstance(line, Line):
            protocol = f", TLS{f' {line.alpn}' if line.alpn else ''}" if line.tls is not None else ""
            self._hops.append(f"connected to {target.address} port {port}{protocol}")
        return line

    async def _ask(self, line: Line) -> Tried:
        request = self._request
        if request.scheme in STREAMS:
            return await self._stream(line)
        if request.scheme in WEBSOCKETS:
            return await self._websocket(line)
        if request.scheme in CALLS:
            return await self._call(line)
        if self._target.body > LARGEST_BODY:
            objection = await self._declare(line)
            if objection is not None:
                return self._answered(objection)
            again = await self._connect(request.alpn)
            if isinstance(again, Failure):
                return _failed(again)
            try:
                return self._answered(await self._exchange(again, LARGEST_BODY, LARGEST_BODY))
            finally:
                again.close()
        return self._answered(await self._exchange(line, self._target.body, self._target.body))

    async def _exchange(self, line: Line, length: int, octets: int) -> Answer | Failure:
        sending = Sending(self._request, length, octets)
        return await http.exchange(line, sending, line.alpn == "h2", self._target.limits.answer)

    async def _declare(self, line: Line) -> Answer | Failure | None:
        """Say how long the body is, send the beginning; what somebody has to say to that, None nothing."""
        length = self._target.body
        sending = Sending(self._request, length, BEGINNING)
        said = await http.exchange(line, sending, line.alpn == "h2", OBJECTION)
        if isinstance(said, Failure) and said.ended is Ended.SILENT:
            self._hops.append(f"nobody objects to a body of {length} octets that is announced")
            return None
        return said

    def _answered(self, answer: Answer | Failure, *, grpc: bool = False) -> Tried:
        if isinstance(answer, Failure):
            self._hops.append(answer.detail)
            return _failed(answer)
        seen = (answers.grpc_echo if grpc else answers.echo)(answer.body)
        code = answer.last("grpc-status") if grpc else ""
        by = f" by {seen.namespace}/{seen.service}:{seen.port}, to which {seen.peer} connected" if seen else ""
        self._hops.append(f"answered {answer.status}{f' (grpc-status {code})' if code else ''}{by}")
        return Tried(
            Ended.ANSWERED,
            answer.status,
            int(code) if code.isdecimal() else None,
            answer.header("location"),
            answer.headers,
            seen,
        )

    async def _call(self, line: Line) -> Tried:
        """A unary gRPC call with an empty message; calls are POST, whatever the question says."""
        own = dict(self._request.headers)
        request = structs.replace(self._request, method="POST")
        extra = tuple(pair for pair in GRPC if pair[0] not in own)
        sending = Sending(request, message=EMPTY_MESSAGE, extra=extra)
        answer = await http.exchange(line, sending, True, self._target.limits.answer)
        return self._answered(answer, grpc=True)

    async def _stream(self, line: Line) -> Tried:
        """Have octets echoed; then, by a connection of its own, ask in HTTP who echoes them."""
        failure = await streams.echoed(line, self._target.limits.answer)
        if failure is not None:
            self._hops.append(failure.detail)
            return _failed(failure)
        self._hops.append("what is sent comes back")
        return Tried(Ended.ANSWERED, echo=await self._who(()))

    async def _websocket(self, line: Line) -> Tried:
        """Open a WebSocket; then ask by a plain request who is at its other end, which no message tells."""
        silence = self._target.silence
        answer = await streams.websocket(line, Sending(self._request), silence, self._target.limits.answer)
        tried = self._answered(answer)
        if tried.ended is Ended.ANSWERED and tried.status == 101:
            tried = structs.replace(tried, echo=await self._who(self._request.alpn))
        return structs.replace(tried, silence=silence)

    async def _who(self, alpn: tuple[str, ...]) -> EchoSeen | None:
        line = await self._connect(alpn)
        if isinstance(line, Failure):
            return None
        try:
            answer = await self._exchange(line, 0, 0)
            return answers.echo(answer.body) if isinstance(answer, Answer) else None
        finally:
            line.close()
