"""What a worker answers beside plain queries: signed ones, transfers, updates, and what nobody may ask of it.

A signature is verified first; its key decides the view, as in BIND.  Nothing of an unsigned request is read beyond its
outline, except of transfers for clients that may have them.  Counterparts: `tsig`, `transfer`, `intake`.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from gatewright.base.errors import EngineError
from gatewright.engines.dns import records
from gatewright.engines.dns.content import KeyConfig, ViewConfig
from gatewright.engines.dns.records import MalformedError, Survey, reply
from gatewright.engines.dns.update import UpdateRequest
from gatewright.engines.dns.wire import (
    AA,
    AXFR,
    FORMERR,
    HEADER,
    IN,
    IXFR,
    NOTIMP,
    QUERY,
    REFUSED,
    SERVFAIL,
    SOA,
    TC,
    Edns,
    limit,
)
from gatewright.engines.dns.zone import Zone

if TYPE_CHECKING:
    from gatewright.engines.dns.tsig import Signer

NOTIFY: Final = 4
UPDATE: Final = 5
NOTAUTH: Final = 9

TRANSFERS: Final = 8
"""So many copies are made at a time, each with a list of all names; others wait for their turn."""

UPDATE_SECONDS: Final = 10.0
"""Who waited so long for the control plane is told SERVFAIL, and asks again."""

Plain = Callable[[bytes, ViewConfig], bytes]


class _Request:
    """A request that may be looked at: without signature, with the view that it is for and the key that vouched."""

    def __init__(
        self, message: bytes, outline: Survey, view: ViewConfig | None, key: KeyConfig | None, tcp: bool
    ) -> None:
        self.message = message
        self.outline = outline
        self.view = view
        self.key = key
        self.tcp = tcp

    def reply(self, rcode: int) -> bytes:
        return reply(self.message, self.outline, rcode)

    @property
    def question(self) -> tuple[bytes, int, int]:
        """Name, type, class; the root's name when there is none."""
        end = self.outline.question_end
        if end == HEADER:
            return b"\0", 0, 0
        return (self.message[HEADER : end - 4].lower(), *struct.unpack_from("!HH", self.message, end - 4))


class Privileged:
    """`zones` by id and `views` by name are read as they are at each request.

    `send_update` has the control plane apply a request, returns its response code when it is being served, and raises
    OSError, TimeoutError or EngineError when the control plane is not there (SERVFAIL).
    """

    def __init__(
        self,
        zones: Mapping[str, Zone],
        views: Mapping[str, ViewConfig],
        send_update: Callable[[UpdateRequest], Awaitable[int]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._zones = zones
        self._views = views
        self._send_update = send_update
        self._clock = clock
        self._turns = asyncio.Semaphore(TRANSFERS)

    async def answer(
        self, message: bytes, client: str, view: ViewConfig | None, tcp: bool, plain: Plain
    ) -> AsyncIterator[bytes]:
        """The messages to send back, in order: several for a transfer, none where silence is the answer.
        Close it (`aclosing`) when the client goes away.

        `client` is its address, `view` what it sees by that (None: nothing), `plain` answers a query without its
        signature as a view sees it.  Never raises, whatever the message.
        """
        if len(message) < HEADER or message[2] & 0x80:
            return
        try:
            outline = records.survey(message)
        except MalformedError:
            yield reply(message, Survey(HEADER), FORMERR)
            return
        signer: Signer | None = None
        key: KeyConfig | None = None
        bare = message
        if outline.signature:
            from gatewright.engines.dns import tsig

            try:
                verified = tsig.verify(message, outline, self._order(view), self._clock)
            except MalformedError:
                yield reply(message, outline, FORMERR)
                return
            if isinstance(verified, bytes):
                yield verified
                return
            bare, view, key, signer = verified.message, verified.view, verified.key, verified.signer
        request = _Request(bare, outline, view, key, tcp)
        async for part in self._parts(request, client, plain):
            yield part if signer is None else _signed(request, part, signer)

    def _order(self, view: ViewConfig | None) -> Iterator[ViewConfig]:
        """Two views may have keys of one name: the client's own counts first."""
        if view is not None:
            yield view
        yield from (other for other in self._views.values() if other is not view)

    async def _parts(self, request: _Request, client: str, plain: Plain) -> AsyncIterator[bytes]:
        opcode = (request.message[2] >> 3) & 0xF
        if opcode == NOTIFY:
            yield request.reply(REFUSED if self._zone(request) else NOTAUTH)  # we copy from nobody
        elif opcode == UPDATE:
            yield request.reply(await self._update(request))
        elif opcode != QUERY:
            yield request.reply(NOTIMP)
        elif request.view is None:
            yield request.reply(REFUSED)
        elif request.question[1] in (AXFR, IXFR):
            async for part in self._transfer(request, request.view, client):
                yield part
        else:
            yield plain(request.message, request.view)

    async def _transfer(self, request: _Request, view: ViewConfig, client: str) -> AsyncIterator[bytes]:
        from gatewright.engines.dns import transfer

        zone = self._zone(request)
        if not transfer.is_allowed(view, client, request.key):
            yield request.reply(REFUSED)
        elif zone is None:
            yield request.reply(NOTAUTH)
        elif request.question[1] == AXFR and not request.tcp:
            yield request.reply(FORMERR)  # there is none over UDP (RFC 5936, 4.2)
        else:
            async with self._turns:
                try:
                    for part in transfer.messages(records.read(request.message), zone, request.tcp):
                        yield part
                        await asyncio.sleep(0)  # queries of others in between
                except MalformedError:
                    yield request.reply(FORMERR)

    async def _update(self, request: _Request) -> int:
        """The response code.  What is not signed is refused, whatever it is."""
        from gatewright.engines.dns import intake

        if request.key is None or request.view is None:
            return REFUSED
        _, type, rclass = request.question
        if type != SOA:
            return FORMERR
        zone = self._zone(request)
        if zone is None or rclass != IN:
            return NOTAUTH
        try:
            message = records.read(request.message)
        except MalformedError:
            return FORMERR
        taken = intake.take(message, zone, request.key, request.view.grants)
        if isinstance(taken, int):
            return taken
        try:
            async with asyncio.timeout(UPDATE_SECONDS):
                return await self._send_update(taken)
        except (OSError, EngineError):  # TimeoutError is an OSError
            return SERVFAIL

    def _zone(self, request: _Request) -> Zone | None:
        """The zone that is exactly the question's name, in the request's view."""
        if request.view is None:
            return None
        name, view = request.question[0], request.view.name
        found = (zone for zone in self._zones.values() if zone.config.domain == name and zone.config.view == view)
        return next(found, None)


def _signed(request: _Request, part: bytes, signer: Signer) -> bytes:
    """The answer with its signature; over UDP truncated where that is what it takes (RFC 8945, 5.3)."""
    payload = request.outline.payload
    if not request.tcp and len(part) + signer.octets > limit(Edns(0, payload, False) if payload else None):
        part = reply(request.message, request.outline, part[3] & 0xF, TC | (int.from_bytes(part[2:4]) & AA))
    return signer.sign(part)
