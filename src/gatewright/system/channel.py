"""What a control plane and a process of its own say to each other: msgpack behind four octets of length.

Over a socket pair: nothing of it is on a command line or in a file, since keys and password hashes are among it.
What the messages are is the engines' business.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from gatewright.base.sensitive import Sensitive

MOST_OCTETS: Final = 1 << 30


def encode(message: msgspec.Struct) -> bytes:
    """One frame."""
    body = msgspec.msgpack.encode(message, enc_hook=_encode)
    return len(body).to_bytes(4) + body


class Receiver:
    """The messages that arrive on one end; `shape` is the type of them, a union of tagged structs."""

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


def _encode(value: Any) -> Any:
    if isinstance(value, Sensitive):
        return value.reveal()
    raise NotImplementedError(type(value).__name__)


def _decode(type: type, value: Any) -> Any:
    if type is Sensitive:
        return Sensitive(value)
    raise NotImplementedError(type.__name__)
