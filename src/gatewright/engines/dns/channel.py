"""What the control plane and a worker say to each other: msgpack behind four octets of length, over a socket pair.

Nothing of it goes over a command line or a file, since TSIG keys are among it.
Counterparts: `workers`, the control plane's end; `worker`, the other.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from msgspec import Struct

from gatewright.base.sensitive import Sensitive
from gatewright.engines.dns.content import Listen, Push, RRsets, ViewConfig, ZoneConfig
from gatewright.engines.dns.responder import ViewStats
from gatewright.engines.dns.update import UpdateRequest

MOST_OCTETS: Final = 1 << 30

# --- from the control plane ------------------------------------------------------------------------


class Configure(Struct, frozen=True, tag="configure"):
    """These views and zones are served; a zone that is new begins empty."""

    views: tuple[ViewConfig, ...]
    zones: tuple[ZoneConfig, ...]


class Content(Struct, frozen=True, tag="content"):
    """Pushes to apply in order, as (zone, serial, changes)."""

    pushes: list[tuple[str, int, dict[bytes, RRsets]]]


class Serve(Struct, frozen=True, tag="serve"):
    """Bind these and answer.  Told once."""

    listen: tuple[Listen, ...]


class Sync(Struct, frozen=True, tag="sync"):
    """Say when everything before this is done."""

    number: int


class Updated(Struct, frozen=True, tag="updated"):
    """The response code for an Update."""

    id: int
    rcode: int


# --- from the worker --------------------------------------------------------------------------------


class Synced(Struct, frozen=True, tag="synced"):
    """Everything before this Sync is in effect."""

    number: int


class Failed(Struct, frozen=True, tag="failed"):
    """The worker cannot serve, and ends."""

    reason: str


class Stats(Struct, frozen=True, tag="stats"):
    """What was answered so far, by view."""

    views: dict[str, ViewStats]


class Update(Struct, frozen=True, tag="update"):
    """A verified update to apply (RFC 2136)."""

    id: int
    request: UpdateRequest


ToWorker = Configure | Content | Serve | Sync | Updated
ToControl = Synced | Failed | Stats | Update


def content(pushes: list[Push]) -> Content:
    """Pushes as a message."""
    return Content([(push.zone, push.serial, push.changes) for push in pushes])


def _encode(value: Any) -> Any:
    if isinstance(value, Sensitive):
        return value.reveal()
    raise NotImplementedError(type(value).__name__)


def _decode(type: type, value: Any) -> Any:
    if type is Sensitive:
        return Sensitive(value)
    raise NotImplementedError(type.__name__)


def encode(message: ToWorker | ToControl) -> bytes:
    """One frame."""
    body = msgspec.msgpack.encode(message, enc_hook=_encode)
    return len(body).to_bytes(4) + body


class Receiver:
    """The messages that arrive on one end; `shape` is ToWorker or ToControl."""

    def __init__(self, reader: asyncio.StreamReader, shape: Any) -> None:
        self._reader = reader
        self._decoder = msgspec.msgpack.Decoder(shape, dec_hook=_decode)

    async def next(self) -> Any:
        """The next message; None when the other end is gone."""
        try:
            size = int.from_bytes(await self._reader.readexactly(4))
            if size > MOST_OCTETS:
                return None
            return self._decoder.decode(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, OSError):
            return None
