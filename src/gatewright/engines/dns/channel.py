"""What the control plane and a worker say to each other, over a `system.channel`.

Counterparts: `workers`, the control plane's end; `worker`, the other.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.engines.dns.content import Listen, Push, RRsets, ViewConfig, ZoneConfig
from gatewright.engines.dns.responder import ViewStats
from gatewright.engines.dns.update import UpdateRequest

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
