"""DNS-01 challenges in zones that this run serves: TXT records beside those of the graph, while they are needed.

A value is put into every view's zone that holds the name: the authority asks from outside, but what a client inside
sees must not differ for it.  Where the public zone of a name is another provider's, nothing is put into ours: a private
view of the same domain is not what the authority sees.  Solvers run in threads; the zones belong to the loop.
Counterparts: `http_challenges`, `provider_challenges`, `engines.certificates.challenge`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import msgspec

from gatewright.base.errors import EngineError
from gatewright.engines.certificates.challenge import SolverError
from gatewright.engines.certificates.solvers.callbacks import OwnDns
from gatewright.engines.dns.content import Listen
from gatewright.engines.dns.server import DnsServer
from gatewright.engines.dns.zone import Zone
from gatewright.graph.names.zones import PUBLIC_VIEW
from gatewright.runtime import folder
from gatewright.system import files

T = TypeVar("T")

TXT = dns.rdatatype.TXT
TTL = 1
"""Seconds that an answer may be remembered: the next value of the same name may come at once."""
SECONDS = 30.0
"""How long the workers may take to have what they were told."""
ASKED_SECONDS = 2.0
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (where to ask who listens everywhere)


class DnsChallenges:
    """The challenges in `server`'s zones; `solver` may be called from any thread but that of `loop`.

    `theirs` gives the domains (on the wire) whose public zones are somebody else's, also from any thread.  `file` names
    the values that are up, which a run that was killed has left there.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        server: DnsServer,
        file: Path,
        theirs: Callable[[], Iterable[bytes]] = tuple,
    ) -> None:
        self._loop = loop
        self._server = server
        self._theirs = theirs
        self._file = file
        self._up: set[tuple[str, str]] = set()
        self._left = _read(file)

    async def tidy(self) -> None:
        """Take away what an earlier run has left, once no order that it began can need it any more."""
        left, self._left = self._left, set()
        for record, value in sorted(left):
            with suppress(EngineError, SolverError):  # what cannot be taken away does no harm
                await self._change(record, value, present=False)

    def solver(self, record: str) -> OwnDns | None:
        """What puts challenges at this name; None when it is in no zone of ours, or the world asks others for it."""
        name = _wire(record)
        zones = self._zones(name)
        ours = max((len(zone.config.domain) for zone in zones if zone.config.view == PUBLIC_VIEW), default=0)
        if not zones or any(len(domain) >= ours and _is_below(name, domain) for domain in self._theirs()):
            return None
        return OwnDns(self._put, self._take, self._see)

    def _put(self, record: str, value: str) -> None:
        self._wait(self._change(record, value, present=True))

    def _take(self, record: str, value: str) -> None:
        self._wait(self._change(record, value, present=False))

    async def _change(self, record: str, value: str, *, present: bool) -> None:
        name, data = _wire(record), _text(value)
        self._left.discard((record, value))
        if present:
            self._note(self._up | {(record, value)})
        for zone in self._zones(name):
            if present:
                self._server.put(zone.config.id, name, TXT, data, TTL)
            else:
                self._server.take_away(zone.config.id, name, TXT, data)
        if not present:
            self._note(self._up - {(record, value)})
        await self._server.settled()

    def _note(self, up: set[tuple[str, str]]) -> None:
        self._up = up
        with suppress(OSError):  # a full disk: what is left after a kill then stays, and does no harm
            files.write(self._file, msgspec.json.encode(sorted({*self._up, *self._left})))

    def _see(self, record: str) -> Collection[str]:
        """The values that every address of ours gives which answers for the name at all.

        Where none of them answers us, who are no client of its view, those that it gives to others.
        """
        found: set[str] | None = None
        for listen in self._server.bound:
            values = _ask(listen, record)
            if values is not None:
                found = values if found is None else found & values
        return self._told(_wire(record)) if found is None else found

    def _told(self, name: bytes) -> set[str]:
        """The values that the workers have been told of in every view."""
        values = [
            {_string(data) for one in zone.names.get(name, ()) if one.type == TXT for data in one.rdata}
            for zone in self._zones(name)
        ]
        return set.intersection(*values) if values else set()

    def _zones(self, name: bytes) -> Sequence[Zone]:
        """The zones that hold a name: in each view the one with the longest domain."""
        best: dict[str, Zone] = {}
        for zone in list(self._server.primary.zones.values()):
            before = best.get(zone.config.view)
            is_longer = before is None or len(zone.config.domain) > len(before.config.domain)
            if is_longer and _is_below(name, zone.config.domain):
                best[zone.config.view] = zone
        return tuple(best.values())

    def _wait(self, work: Coroutine[None, None, T]) -> T:
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as error:
            work.close()
            raise SolverError("the DNS server is ending") from error
        try:
            return future.result(SECONDS)
        except EngineError as error:
            raise SolverError(str(error)) from error
        except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError) as error:
            future.cancel()
            raise SolverError(f"our DNS server does not have the record after {SECONDS:g} s") from error


def _read(file: Path) -> set[tuple[str, str]]:
    try:
        return folder.read(file, set[tuple[str, str]]) or set()
    except EngineError:
        return set()


def _ask(listen: Listen, record: str) -> set[str] | None:
    """The TXT values that our server at an address gives; None when it is not for us there, or there is no answer."""
    query = dns.message.make_query(record, TXT)
    query.flags &= ~dns.flags.RD
    where = ANYWHERE.get(listen.address, listen.address)
    ask = partial(dns.query.udp_with_fallback, query, where, ASKED_SECONDS, listen.port)
    try:
        answer, _ = ask()
    except (dns.exception.DNSException, OSError, EOFError):
        return set()
    if answer.rcode() == dns.rcode.REFUSED:
        return None
    name = dns.name.from_text(record)
    return {
        b"".join(data.strings).decode("ascii", "replace")
        for rrset in answer.answer
        if rrset.rdtype == TXT and rrset.name == name
        for data in rrset
    }


def _wire(name: str) -> bytes:
    try:
        return dns.name.from_text(name.lower()).to_wire() or b""
    except dns.exception.DNSException as error:
        raise SolverError(f"{name[:100]} is not a name that DNS can have") from error


def _text(value: str) -> bytes:
    """The data of a TXT record of one string (RFC 1035, 3.3.14)."""
    data = value.encode("ascii", "replace")[:255]
    return bytes([len(data)]) + data


def _string(data: bytes) -> str:
    """The first string of a TXT record's data; a challenge has no other."""
    return data[1 : 1 + data[0]].decode("ascii", "replace")


def _is_below(name: bytes, domain: bytes) -> bool:
    """Is a wire name at or below another one, label by label?"""
    while len(name) > len(domain):
        name = name[name[0] + 1 :]
    return name == domain
