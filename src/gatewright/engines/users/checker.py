"""Who is it?  Credentials against users, remembered for a while, so that a slow hash is paid for once.

What is remembered is a keyed digest of the credentials, never they themselves; the key is the process's own.  Right
ones and wrong ones are remembered apart: no flood of wrong ones drives out right ones, which are answered at once
whatever else is waiting.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import collections
import hmac
import os
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from msgspec import Struct

from gatewright.base import htpasswd
from gatewright.engines.users.content import Users
from gatewright.engines.users.passwords import matches

RIGHT_SECONDS: Final = 600.0
WRONG_SECONDS: Final = 60.0
MOST_KEPT: Final = 10_000
MOST_WAITING: Final = 256
MOST_OF_CLIENT: Final = 8
"""Checks that one client may have waiting: it cannot take all places."""


class Verdict(Struct, frozen=True):
    """The answer to a question: 200 with the user's name, 401, or 503 where it cannot be said."""

    status: int
    user: bytes = b""


class _Known(Struct, frozen=True):
    hashes: dict[bytes, bytes]


class _Memory:
    """Digests until a time, so many at most; the one that was used longest ago makes room."""

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self._seconds, self._now = seconds, now
        self._until: collections.OrderedDict[bytes, float] = collections.OrderedDict()

    def __contains__(self, digest: bytes) -> bool:
        until = self._until.get(digest)
        if until is None or until < self._now():
            return False
        self._until.move_to_end(digest)
        return True

    def add(self, digest: bytes) -> None:
        self._until[digest] = self._now() + self._seconds
        self._until.move_to_end(digest)
        while len(self._until) > MOST_KEPT:
            self._until.popitem(last=False)


class Checker:
    """Knows users by the digest that questions name.  `check` and `now` are what decides and a monotonic clock."""

    def __init__(
        self, check: Callable[[bytes, bytes], bool] = matches, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._check = check
        self._known: dict[str, _Known] = {}
        self._key = secrets.token_bytes(32)
        self._right, self._wrong = _Memory(RIGHT_SECONDS, now), _Memory(WRONG_SECONDS, now)
        self._pending: dict[bytes, asyncio.Future[bool]] = {}
        self._clients: collections.Counter[str] = collections.Counter()
        self._threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)), "check")

    def know(self, users: Mapping[str, Users]) -> None:
        """These are all users from now on."""
        before = self._known
        self._known = {digest: before.get(digest) or _Known(_hashes(one)) for digest, one in users.items()}

    async def ask(self, users: str, client: str, authorization: bytes) -> Verdict:
        """Whether these users have the one that an Authorization header (RFC 7617) names."""
        known = self._known.get(users)
        if known is None:
            return Verdict(503)
        credentials = _credentials(authorization)
        if credentials is None:
            return Verdict(401)
        name, password = credentials
        digest = hmac.digest(self._key, users.encode() + b"\0" + name + b":" + password, "sha256")
        if digest in self._right:
            return Verdict(200, name)
        if digest in self._wrong:
            return Verdict(401)
        is_right = await self._decide(digest, known, name, password, client)
        if is_right is None:
            return Verdict(503)
        return Verdict(200, name) if is_right else Verdict(401)

    async def _decide(self, digest: bytes, known: _Known, name: bytes, password: bytes, client: str) -> bool | None:
        """Check in a thread, once for all who ask the same; None when too many wait."""
        pending = self._pending.get(digest)
        if pending is None:
            if len(self._pending) >= MOST_WAITING or self._clients[client] >= MOST_OF_CLIENT:
                return None
            self._clients[client] += 1
            pending = asyncio.ensure_future(self._start(digest, known, name, password, client))
            self._pending[digest] = pending
        return await asyncio.shield(pending)  # whoever asked first may have gone

    async def _start(self, digest: bytes, known: _Known, name: bytes, password: bytes, client: str) -> bool:
        try:
            # Nobody learns from the time it takes who is a user.
            hashed = known.hashes.get(name) or next(iter(known.hashes.values()), b"")
            loop = asyncio.get_running_loop()
            is_right = await loop.run_in_executor(self._threads, self._check, hashed, password)
            is_right = is_right and name in known.hashes
            (self._right if is_right else self._wrong).add(digest)
            return is_right
        finally:
            del self._pending[digest]
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]


def _hashes(users: Users) -> dict[bytes, bytes]:
    """The hash of each user; of two lines for one name the first counts."""
    found: dict[bytes, bytes] = {}
    for line in htpasswd.lines(users.lines.reveal()):
        name, _, hashed = line.partition(b":")
        if htpasswd.usable(line):
            found.setdefault(name, hashed)
    return found


def _credentials(authorization: bytes) -> tuple[bytes, bytes] | None:
    scheme, _, encoded = authorization.strip().partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return (name, password) if colon else None
