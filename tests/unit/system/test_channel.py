"""Messages between a control plane and processes of its own."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gatewright.base.sensitive import Sensitive
from gatewright.system.channel import MOST_OCTETS, Receiver, decode_body, encode, encode_body


class Told(msgspec.Struct, frozen=True):
    """A message with a secret."""

    name: str
    key: Sensitive


class Odd(msgspec.Struct, frozen=True):
    """A message with what no channel carries."""

    what: object


TOLD = Told("one", Sensitive(b"secret"))


def received(octets: bytes) -> list[Told | None]:
    """What arrives of these octets, until the other end is gone."""

    async def run() -> list[Told | None]:
        reader = asyncio.StreamReader()
        reader.feed_data(octets)
        reader.feed_eof()
        receiver = Receiver(reader, Told)
        found = [await receiver.next()]
        while found[-1] is not None:
            found.append(await receiver.next())
        return found

    return asyncio.run(run())


def test_messages_arrive_with_their_secrets() -> None:
    found = received(encode(TOLD) + encode(msgspec.structs.replace(TOLD, name="two")))
    assert [one.name for one in found if one is not None] == ["one", "two"]
    assert found[0] is not None
    assert found[0].key.reveal() == b"secret"
    assert "secret" not in repr(found)


def test_a_frame_that_is_cut_off_or_too_large_ends_the_channel() -> None:
    assert received(encode(TOLD)[:-1]) == [None]
    assert received((MOST_OCTETS + 1).to_bytes(4) + encode_body(TOLD)) == [None]


def test_a_body_alone_is_what_a_file_holds() -> None:
    found = decode_body(encode_body(TOLD), Told)
    assert (found.name, found.key.reveal()) == ("one", b"secret")
    with pytest.raises(msgspec.DecodeError):
        decode_body(b"\xc1", Told)


def test_only_secrets_are_carried_beside_plain_values() -> None:
    with pytest.raises(NotImplementedError, match="complex"):
        encode_body(Odd(1j))
