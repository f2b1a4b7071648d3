"""The users whose passwords Envoy cannot check, kept in step with the graph.

They are known before Envoy asks about them, and as long as it may: the server hears of a change before Envoy does, and
forgets what is no longer asked about when Envoy has taken it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from gatewright.base import htpasswd
from gatewright.base.errors import EngineError
from gatewright.base.problem import Problem, Severity
from gatewright.engines.users.content import Users as Content
from gatewright.engines.users.server import UsersServer
from gatewright.graph.nodes import BasicAuthUsers, Change, Graph, VirtualHost, VirtualHostKey

KNOWN_SECONDS: Final = 30.0


class Users:
    """The server that checks passwords, of one run.  It has a process while some rule needs it.

    `settled` returns when Envoy has taken everything; `reach` tells it where the server listens; `noticed` is called
    when `problems` may have changed.
    """

    def __init__(
        self,
        folder: Path,
        settled: Callable[[], Awaitable[bool]],
        reach: Callable[[Path], None],
        noticed: Callable[[], None],
    ) -> None:
        self._settled, self._reach = settled, reach
        self.server = UsersServer(folder, noticed)
        self._by_host: dict[VirtualHostKey, dict[str, Content]] = {}
        self._count: Counter[str] = Counter()
        self._known: dict[str, Content] = {}
        self._forgetting: asyncio.Task[None] | None = None
        self._is_new = False
        self._is_late = False

    async def apply(self, graph: Graph, change: Change) -> None:
        """Follow the graph; O(change).  What is new is known when this returns, if the server can serve."""
        known = dict(self._known)
        for key in change.virtual_hosts:
            host = graph.virtual_hosts.get(key)
            before, now = self._by_host.pop(key, {}), dict(_asked_about(host)) if host is not None else {}
            if now:
                self._by_host[key] = now
            self._count.update(now.keys())
            self._count.subtract(before.keys())
            known.update(now)
        self._count = +self._count
        self._known = {digest: users for digest, users in known.items() if digest in self._count}
        if self._known:
            self._reach(self.server.socket)
        self.server.apply(known)
        self._is_new = True
        if self._forgetting is None or self._forgetting.done():
            self._forgetting = asyncio.get_running_loop().create_task(self._forget())
        await self._wait_known()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """That nobody who needs this server gets in."""
        late = "is not there yet" if self._is_late and not self.server.is_settled else ""
        reason = self.server.failure or late
        if not reason or not self._known:
            return ()
        message = f"the server that checks passwords {reason}: requests that need it get 503"
        hint = "it is tried again; passwords that are hashed with `htpasswd -s` do not need it"
        return (Problem("users-unchecked", message, severity=Severity.ERROR, hint=hint),)

    async def stop(self) -> None:
        """Check no more."""
        await self._cease()
        await self.server.stop()

    async def detach(self) -> None:
        """Leave the server to check whom it knows."""
        await self._cease()
        await self.server.detach()

    async def _cease(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
            await asyncio.gather(self._forgetting, return_exceptions=True)

    async def _wait_known(self) -> None:
        self._is_late = False
        with suppress(EngineError):  # `problems` tells it
            try:
                async with asyncio.timeout(KNOWN_SECONDS):
                    await self.server.settled()
            except TimeoutError:
                self._is_late = True

    async def _forget(self) -> None:
        """What nobody asks about any more, once that is so."""
        while self._is_new:
            self._is_new = False
            await self._wait_known()
            if await self._settled() and not self._is_new:
                self.server.apply(self._known)
                await self.server.retire()


def _asked_about(host: VirtualHost) -> Iterator[tuple[str, Content]]:
    """The users of a VirtualHost's rules whom Envoy cannot check, by the digest that it asks with."""
    for entry in host.entries:
        for step in entry.rule.steps:
            if isinstance(step, BasicAuthUsers):
                text = step.users.reveal()
                if htpasswd.asks(text):
                    digest = htpasswd.digest(text, step.realm, step.user_header)
                    yield digest, Content(step.users, step.realm, step.user_header)
