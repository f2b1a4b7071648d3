"""What a control plane and a process of its own say to each other: msgpack behind four octets of length.

Over a socket pair: nothing of it is on a command line or in a file, since keys and password hashes are among it.
What the messages are is the engines' business.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeVar

import msgspec

from gatewright.base.sensitive import Sensitive

T = TypeVar("T")

MOST_OCTETS: Final = 1 << 30


def encode(message: msgspec.Struct) -> bytes:
    """One frame."""
    body = encode_body(message)
    return len(body).to_bytes(4) + body


def encode_body(message: msgspec.Struct) -> bytes:
    """What is in a frame; with the secrets that are in the message."""
    return msgspec.msgpack.encode(message, enc_hook=_encode)


def decode_body(body: bytes, shape: type[T]) -> T:
    """The message in a frame.  msgspec.DecodeError where there is none of that shape."""
    return msgspec.msgpack.decode(body, type=shape, dec_hook=_decode)


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
