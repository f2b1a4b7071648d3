"""The clients of a world: each question asked in every way that its vantage's clients could go.

Every resolver is asked, every address of its answer is tried, and redirects are followed as the model follows them, the
names asked anew of the resolver that had answered.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final
from urllib.parse import urljoin, urlsplit

from msgspec import Struct, structs

from gatewright.base import hostnames
from gatewright.base.errors import UsageError
from gatewright.rehearsal.asking import Ended, Named, Observation, Question
from gatewright.rehearsal.clients import counters, tries
from gatewright.rehearsal.clients.connect import PATIENT, USUAL, Limits
from gatewright.rehearsal.clients.counters import Devices
from gatewright.rehearsal.clients.names import Names, Told
from gatewright.rehearsal.clients.tls import Contexts
from gatewright.rehearsal.clients.tries import Target, Tried
from gatewright.rehearsal.world import VantageSpot
from gatewright.trace.request import Request, is_address
from gatewright.trace.request import request as make_request

MOST_REDIRECTS: Final = 5
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
AT_ONCE: Final = 250
SPEAKING: Final = 48
"""Questions that are under way at the same time, most of them waiting; and tries that really speak, so that none waits
long for the others where there are few processors."""

Progress = Callable[[int, int], None]
"""Told (done, all)."""

Met = Callable[[int, tuple[Observation, ...]], None]
"""Told the place of a question, and what it has met."""


class Leg(Struct, frozen=True):
    """A request on its way: the resolver that answers ("" any), and what was met so far.  `seen`: what was asked for
    already."""

    request: Request
    resolver: str = ""
    redirects: tuple[tuple[int, str], ...] = ()
    seen: frozenset[str] = frozenset()
    hops: tuple[str, ...] = ()
    links: frozenset[str] = frozenset()
    seconds: float = 0.0


class Clients:
    """`vantages` of a world; `trust`: by vantage the authorities that its clients trust, PEM; `links`: the devices that
    lead into links; `patience`: for how many seconds at most a WebSocket is left alone where an Expectation wants to
    know; `limits`: how long they wait for anything."""

    def __init__(
        self,
        vantages: Iterable[VantageSpot],
        trust: Mapping[str, bytes],
        links: Devices | None = None,
        patience: float = 0.0,
        limits: Limits = USUAL,
    ) -> None:
        self._limits = limits
        self._spots = {spot.vantage: spot for spot in vantages}
        self._contexts = {name: Contexts(trust.get(name, b"")) for name in self._spots}
        self._links = links or {}
        self._patience = patience
        self._names = Names(self._limits)
        self._turns = asyncio.Semaphore(SPEAKING)

    async def ask(self, question: Question) -> tuple[Observation, ...]:
        """Everything that this question's clients meet; never nothing.

        Which links were passed is looked at for Expectations that demand some; such questions are to be asked one
        after the other, as `ask_all` does.  Raises UsageError for a vantage that the world does not have.
        """
        spot = self._spots.get(question.vantage)
        if spot is None:
            raise UsageError(f"nobody is at the vantage {question.vantage}")
        contexts, silence = self._contexts[question.vantage], self._silence(question)
        errand = _Errand(self._names, contexts, self._turns, spot, question, silence)
        if not self._is_measured(question):
            return await errand.run()
        return _steady(await errand.run(self._links), await errand.run(self._links))

    async def ask_all(
        self, questions: Iterable[Question], progress: Progress | None = None, met: Met | None = None
    ) -> list[tuple[Observation, ...]]:
        """What each question meets, in their order.  Many are asked at once; those whose links are counted alone."""
        wanted = list(questions)
        found: dict[int, tuple[Observation, ...]] = {}
        room = asyncio.Semaphore(AT_ONCE)

        async def one(place: int) -> None:
            async with room:
                found[place] = await self.ask(wanted[place])
            if met is not None:
                met(place, found[place])
            if progress is not None:
                progress(len(found), len(wanted))

        measured = [place for place, question in enumerate(wanted) if self._is_measured(question)]
        try:
            async with asyncio.TaskGroup() as group:
                for place in sorted(set(range(len(wanted))).difference(measured)):
                    group.create_task(one(place))
        except ExceptionGroup as failed:  # the first tells enough: all others were ended because of it
            raise failed.exceptions[0] from None
        for place in measured:
            await one(place)
        return [found[place] for place in range(len(wanted))]

    def patient(self) -> Clients:
        """The same ones with far more time, and with nothing in memory."""
        made = copy.copy(self)
        made._limits = PATIENT
        made.forget()
        return made

    def forget(self) -> None:
        """Ask for all names anew: something in the world has changed."""
        self._names = Names(self._limits)

    def _is_measured(self, question: Question) -> bool:
        wanted = question.expectation
        return wanted is not None and not self._links.keys().isdisjoint((*wanted.via, *wanted.not_via))

    def _silence(self, question: Question) -> float:
        return min(question.expectation.idle_timeout, self._patience) if question.expectation is not None else 0.0


class _Errand:
    """One question on its ways."""

    def __init__(
        self,
        names: Names,
        contexts: Contexts,
        turns: asyncio.Semaphore,
        spot: VantageSpot,
        question: Question,
        silence: float,
    ) -> None:
        self._turns = turns
        self._names = names
        self._contexts = contexts
        self._spot = spot
        self._question = question
        self._silence = silence
        self._links: Devices | None = None

    async def run(self, links: Devices | None = None) -> tuple[Observation, ...]:
        """Go all ways: at once, or one after the other where the counters of `links` are to tell of each."""
        self._links = links
        request = self._question.request
        met = await self._go(Leg(request, seen=frozenset({_identity(request)})))
        return tuple(dict.fromkeys(met))

    async def _each(self, ways: Iterable[Awaitable[list[Observation]]]) -> list[Observation]:
        met = await asyncio.gather(*ways) if self._links is None else [await way for way in ways]
        return [observation for some in met for observation in some]

    async def _go(self, leg: Leg) -> list[Observation]:
        """Ask for the URL's host."""
        written = urlsplit(leg.request.url).hostname or leg.request.host
        if is_address(written):
            told = Told(Named.LITERAL, (written,))
            if (":" in written) == (self._question.family == "6"):
                return await self._try(leg, told, written, written)
            return [self._untried(leg, told, f"{written} is no IPv{self._question.family} address")]
        host = hostnames.normalize(written)
        addresses: dict[str, list[str]] = {}
        for resolver, address in self._spot.resolvers:
            addresses.setdefault(resolver, []).append(address)
        chosen = [resolver for resolver in addresses if leg.resolver in ("", resolver)]
        if not chosen:
            return [self._untried(leg, Told(Named.SILENT), "the vantage has no resolver to ask")]
        return await self._each(self._ask(leg, name, tuple(addresses[name]), host) for name in chosen)

    async def _ask(self, leg: Leg, resolver: str, addresses: tuple[str, ...], host: str) -> list[Observation]:
        """One resolver, and every address of its answer."""
        before = self._reading()
        anew = self._links is not None
        told = await self._names.ask(self._spot.space, addresses, host, self._question.family, anew=anew)
        said = ", ".join(told.addresses) or f"{told.named}{f' ({told.detail})' if told.detail else ''}"
        onward = structs.replace(
            leg,
            resolver=resolver,
            hops=(*leg.hops, f"{resolver} at {addresses[0]} says of {host}: {said}"),
            links=leg.links | self._moved(before),
            seconds=leg.seconds + told.seconds,
        )
        if not told.addresses:
            return [self._untried(onward, told, told.detail)]
        return await self._each(self._try(onward, told, address, host) for address in told.addresses)

    async def _try(self, leg: Leg, told: Told, address: str, host: str) -> list[Observation]:
        before = self._reading()
        begun = asyncio.get_running_loop().time()
        body = self._question.body if leg.request.method not in ("GET", "HEAD") or not leg.redirects else 0
        target = Target(self._spot.space, address, host, leg.request, body, self._silence, self._names.limits)
        tried = await tries.attempt(target, self._contexts, self._turns)
        leg = structs.replace(
            leg,
            hops=(*leg.hops, *tried.hops),
            links=leg.links | self._moved(before),
            seconds=leg.seconds + asyncio.get_running_loop().time() - begun,
        )
        return await self._redirected(leg, told, address, tried)

    async def _redirected(self, leg: Leg, told: Told, address: str, tried: Tried) -> list[Observation]:
        """Where a redirect leads, as a browser follows it; else what was met."""
        met = self._met(leg, told, address, tried)
        if tried.ended is not Ended.ANSWERED or tried.status not in REDIRECTS or not tried.location:
            return [met]
        location, target = _followed(leg.request, tried.location, tried.status)
        if target is None:
            return [met]
        redirects = (*leg.redirects, (tried.status, location))
        if _identity(target) in leg.seen or len(leg.redirects) >= MOST_REDIRECTS:
            return [structs.replace(met, redirects=redirects, detail=f"{location} is not asked for again and again")]
        onward = structs.replace(
            leg, request=target, redirects=redirects, seen=leg.seen | {_identity(target)}, resolver=leg.resolver
        )
        return await self._go(onward)

    def _untried(self, leg: Leg, told: Told, detail: str) -> Observation:
        return structs.replace(
            self._met(leg, told, "", Tried(Ended.NOT_TRIED, detail=detail)),
            hops=(*leg.hops, detail) if detail else leg.hops,
        )

    def _met(self, leg: Leg, told: Told, address: str, tried: Tried) -> Observation:
        return Observation(
            question=self._question.number,
            resolver=leg.resolver,
            named=told.named,
            addresses=told.addresses,
            address=address,
            ended=tried.ended,
            status=tried.status,
            grpc_status=tried.grpc_status,
            location=tried.location,
            headers=tried.headers,
            echo=tried.echo,
            certificate=tried.certificate,
            alpn=tried.alpn,
            detail=tried.detail,
            seconds=leg.seconds,
            links=tuple(sorted(leg.links)) if self._links is not None else None,
            hops=leg.hops,
            redirects=leg.redirects,
            distrust=tried.distrust,
            beyond=tried.beyond,
            silence=tried.silence,
        )

    def _reading(self) -> counters.Reading:
        return counters.read(self._links) if self._links is not None else {}

    def _moved(self, before: counters.Reading) -> frozenset[str]:
        return counters.moved(before, counters.read(self._links)) if self._links is not None else frozenset()


def _steady(first: Iterable[Observation], second: Iterable[Observation]) -> tuple[Observation, ...]:
    """The second of two times, with the links that were passed both times: what neighbours and tunnels have to say to
    each other now and then is no part of the request."""
    before = {(seen.resolver, seen.redirects, seen.address): seen.links or () for seen in first}
    return tuple(
        structs.replace(seen, links=tuple(link for link in seen.links or () if link in known))
        for seen in second
        for known in [before.get((seen.resolver, seen.redirects, seen.address), ())]
    )


def _followed(request: Request, location: str, status: int) -> tuple[str, Request | None]:
    """The absolute location, and the request that a browser makes of it (Fetch, clause 4.4), None for none."""
    method = "GET" if status == 303 or (status in (301, 302) and request.method == "POST") else request.method
    try:
        location = urljoin(request.url, location)
        made = make_request(location, method)
    except (ValueError, UsageError):
        return location, None
    return location, structs.replace(made, headers=request.headers) if made.scheme in ("http", "https") else None


def _identity(request: Request) -> str:
    return f"{request.scheme}://{request.host}:{request.port}{request.target}"
