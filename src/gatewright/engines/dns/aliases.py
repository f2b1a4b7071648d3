"""Looks up the names that an ALIAS stands for and that no zone of ours knows: a cloud's load balancer, say.

One task for each, which asks again when the answer's TTL ends.  Whoever cannot be asked, or says that there is nothing,
changes nothing: the last good addresses stay.  Counterpart: `plan`, which says which names, and takes the addresses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.resolver

from gatewright.engines.dns.content import Plan

TYPES = ("A", "AAAA")
MIN_SECONDS = 30.0
MAX_SECONDS = 3600.0
PATIENCE = 5.0
"""Seconds for one question."""

Addresses = tuple[str, ...]


class Standing(Protocol):
    """The Planner, as far as it matters here."""

    @property
    def aliases(self) -> Mapping[str, Collection[object]]: ...
    def resolved(self, target: str, addresses: Addresses) -> Plan | None: ...


class Aliases:
    """The tasks.  `apply` is given every plan that comes of an answer; `nameservers` are addresses, those of the system
    when there are none."""

    def __init__(
        self,
        planner: Standing,
        apply: Callable[[Plan], object],
        nameservers: Iterable[str] = (),
        port: int = 53,
    ) -> None:
        self._planner = planner
        self._apply = apply
        self._nameservers = tuple(nameservers)
        self._port = port
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def update(self) -> None:
        """Follow the planner's aliases; O(aliases)."""
        wanted = self._planner.aliases
        for target in self._tasks.keys() - wanted.keys():
            self._tasks.pop(target).cancel()
        for target in wanted.keys() - self._tasks.keys():
            self._tasks[target] = asyncio.create_task(self._follow(target))

    async def close(self) -> None:
        """Ask no more."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, target: str) -> None:
        last: dict[str, Addresses] = {}
        while True:
            found = await asyncio.gather(*(self._ask(target, kind) for kind in TYPES))
            last.update({kind: answer[0] for kind, answer in zip(TYPES, found, strict=True) if answer is not None})
            if last:
                plan = self._planner.resolved(target, tuple(a for kind in TYPES for a in last.get(kind, ())))
                if plan is not None:
                    self._apply(plan)
            seconds = min((answer[1] for answer in found if answer is not None), default=MIN_SECONDS)
            await asyncio.sleep(min(max(seconds, MIN_SECONDS), MAX_SECONDS))

    async def _ask(self, target: str, kind: str) -> tuple[Addresses, float] | None:
        """The addresses of one family and their TTL in seconds; None when nobody could say."""
        try:
            answer = await self._resolver().resolve(f"{target}.", kind, search=False)
        except dns.resolver.NoAnswer:
            return (), MIN_SECONDS
        except (dns.exception.DNSException, OSError, ValueError):
            return None
        return tuple(sorted(str(item) for item in answer)), float(answer.rrset.ttl if answer.rrset is not None else 0)

    def _resolver(self) -> dns.asyncresolver.Resolver:
        resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
        resolver.lifetime = PATIENCE
        if self._nameservers:
            resolver.nameservers = list(self._nameservers)
            resolver.port = self._port
        return resolver
