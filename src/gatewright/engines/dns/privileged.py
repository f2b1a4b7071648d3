"""What a worker answers beside plain queries: signed ones, transfers, updates, and what nobody may ask of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from gatewright.engines.dns.content import ViewConfig
from gatewright.engines.dns.update import UpdateRequest
from gatewright.engines.dns.zone import Zone


class Privileged:
    """`zones` by id and `views` by name are read as they are at each request.  `send_update` has the control plane
    apply a request and answers with the response code."""

    def __init__(
        self,
        zones: Mapping[str, Zone],
        views: Mapping[str, ViewConfig],
        send_update: Callable[[UpdateRequest], Awaitable[int]],
    ) -> None:
        self._zones = zones
        self._views = views
        self._send_update = send_update

    async def answer(
        self,
        message: bytes,
        client: str,
        view: ViewConfig | None,
        tcp: bool,
        plain: Callable[[bytes, ViewConfig], bytes],
    ) -> AsyncIterator[bytes]:
        """The messages to send back, in order: several for a transfer, none where silence is the answer.

        `view` is that of the client's address; `plain` answers a query without its signature as that view sees it.
        """
        yield b""
