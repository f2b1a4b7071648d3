"""Answers to HTTP-01 challenges (RFC 8555, 8.3), given by the gateways themselves.

    worker thread ── present ──► event loop: an own route is provided ──► graph ──► Envoy ── settled ──► returns

The rule for the challenge's one path goes before every rule of the manifests at that name, so that no redirect to
HTTPS, authentication, access list or catch-all can take the request; see `graph.resolve.placement.own_routes`.
Counterparts: `engines.certificates.challenge`, the contract; `pipeline.Model.provide`, by which
the routes come into the graph.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

from gatewright.base import hostnames
from gatewright.base.origin import made
from gatewright.engines.certificates.challenge import Challenge, SolverError
from gatewright.graph import lookup
from gatewright.graph.nodes import Family, Graph
from gatewright.graph.resolve.doors.controllers import gateway_id
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.doors import AtDoors, RouteIntent
from gatewright.kinds.intents.filters import Respond
from gatewright.kinds.intents.issuance import Solver
from gatewright.kinds.intents.routing import (
    Dialect,
    HostKind,
    HostMatch,
    Match,
    PathKind,
    PathMatch,
    Protocol,
    RuleIntent,
)

WELL_KNOWN = "/.well-known/acme-challenge/"
CONTENT_TYPE = "application/octet-stream"
SECONDS = 30.0
"""How long the gateways may take to answer as they should."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,256}")
_VALUE = re.compile(r"[A-Za-z0-9_.-]{1,512}")
_ORIGIN = made("an ACME challenge")

Provide = Callable[[Mapping[Key, Intent | None]], Awaitable[Graph]]
"""Takes intents into the model, applies what follows to Envoy, and gives the graph as it is then."""


class HttpChallenges:
    """The challenges that are up.  `solver` gives what worker threads call; everything else happens on `loop`.

    `settled` returns when Envoy has taken everything, False when it does not in time.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, provide: Provide, settled: Callable[[], Awaitable[bool]]
    ) -> None:
        self._loop = loop
        self._provide = provide
        self._settled = settled

    def solver(self, described: Solver) -> HttpSolver:
        """The ChallengeSolver for an issuer's http01 solver: its Gateways, its class, or every gateway."""
        gateways = tuple(gateway_id(key) for key in described.gateways)
        return HttpSolver(self, AtDoors(gateways, described.class_name))

    async def present(self, doors: AtDoors, challenges: Sequence[Challenge]) -> None:
        """Let these doors answer.  SolverError when a challenge is none, or nobody can answer it."""
        routes: dict[Key, Intent | None] = {_key(one): _route(one, doors) for one in challenges}
        graph = await self._provide(routes)
        unanswered = [one.name for one in challenges if not _is_answered(graph, one)]
        if unanswered:
            await self._provide(dict.fromkeys(routes))
            raise SolverError(f"no gateway {_named(doors)}answers plain HTTP for {', '.join(unanswered)}")
        if not await self._settled():
            raise SolverError(f"Envoy has not taken the answer for {', '.join(one.name for one in challenges)} in time")

    async def remove(self, challenges: Sequence[Challenge]) -> None:
        """Let nobody answer any more."""
        await self._provide({_key(one): None for one in challenges})

    def wait(self, work: Coroutine[None, None, None]) -> None:
        """Do it on the loop, and wait for it in the thread that calls, which must not be the loop's."""
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as error:
            work.close()
            raise SolverError("the gateways are ending") from error
        try:
            future.result(SECONDS)
        except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError) as error:
            future.cancel()
            raise SolverError(f"the gateways did not answer as they should within {SECONDS:g} s") from error


class HttpSolver:
    """A ChallengeSolver: both methods block, and may be called from any thread but the loop's."""

    def __init__(self, challenges: HttpChallenges, doors: AtDoors) -> None:
        self._challenges = challenges
        self._doors = doors

    def present(self, challenges: Sequence[Challenge]) -> None:
        """Return when Envoy answers; else SolverError."""
        self._challenges.wait(self._challenges.present(self._doors, challenges))

    def remove(self, challenges: Sequence[Challenge]) -> None:
        """Take them down; SolverError when the loop has ended."""
        self._challenges.wait(self._challenges.remove(challenges))


def _key(challenge: Challenge) -> Key:
    return Key("Challenge", "", f"{challenge.name}/{challenge.token}")


def _route(challenge: Challenge, doors: AtDoors) -> RouteIntent:
    """An exact path of one host, answered as the authority wants it.  What a strange authority sends is looked at."""
    name = hostnames.normalize(challenge.name)
    if not _TOKEN.fullmatch(challenge.token) or not _VALUE.fullmatch(challenge.value) or "*" in name or not name:
        raise SolverError(f"the authority's challenge for {challenge.name} is not one of HTTP-01")
    match = Match(
        hosts=(HostMatch(HostKind.EXACT, name),),
        paths=(PathMatch(PathKind.EXACT, WELL_KNOWN + challenge.token),),
    )
    answer = Respond(_ORIGIN, 200, challenge.value.encode(), CONTENT_TYPE)
    return RouteIntent(
        key=_key(challenge),
        origin=_ORIGIN,
        dialect=Dialect.GATEWAY_API,
        protocol=Protocol.HTTP,
        attach=(),
        rules=(RuleIntent(0, _ORIGIN, (match,), filters=(answer,)),),
        hostnames=(name,),
        doors=doors,
    )


def _is_answered(graph: Graph, challenge: Challenge) -> bool:
    """Does some gateway answer it where a request for the name on plain HTTP leads to?"""
    key, name = _key(challenge), hostnames.normalize(challenge.name)
    found = (
        lookup.virtual_host(graph, gateway, port.number, Family.HTTP, name)
        for gateway in graph.gateways.values()
        for port in gateway.ports
        if port.plain and port.http
    )
    return any(entry.rule.route == key for host in found if host is not None for entry in host.entries)


def _named(doors: AtDoors) -> str:
    words = [*doors.gateways, *([f"of class {doors.class_name}"] if doors.class_name else [])]
    return f"{' or '.join(words)} " if words else ""
