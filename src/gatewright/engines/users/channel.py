"""What the control plane and the server's process say to each other, over a `system.channel`.

Counterparts: `server`, the control plane's end; `worker`, the other.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.engines.users.content import Users


class Know(Struct, frozen=True, tag="know"):
    """These are all users from now on, by the digest that questions name."""

    users: dict[str, Users]


class Serve(Struct, frozen=True, tag="serve"):
    """Listen on these Unix sockets, in the place of whoever does.

    `socket`: for Envoy.  `heirs`: whoever connects is sent what we were told to `Know`, for the next control plane.
    """

    socket: str
    heirs: str


class Sync(Struct, frozen=True, tag="sync"):
    """Say when everything before this is done."""

    number: int


class Synced(Struct, frozen=True, tag="synced"):
    """Everything before this Sync is in effect."""

    number: int


class Failed(Struct, frozen=True, tag="failed"):
    """The process cannot serve, and ends."""

    reason: str


ToWorker = Know | Serve | Sync
ToControl = Synced | Failed
