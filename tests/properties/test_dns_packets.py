"""Whatever arrives, the DNS server does not fail, sends nothing unasked, and amplifies no more than it may.

The long run is `make fuzz`; the short one runs always.
"""

import random
import struct

import dns.edns
import dns.message
import pytest

from gatewright.engines.dns.content import Listen, ViewConfig
from gatewright.engines.dns.responder import SPECIAL, Client, Responder
from gatewright.engines.dns.wire import UDP_PAYLOAD, UDP_PLAIN, Query, parse
from support.dnszones import plan, responder

LISTEN = Listen("127.0.0.1", 53)
VIEWS = (ViewConfig("lan", ("127.0.0.0/8",), client_subnet=True), ViewConfig("public", ("0.0.0.0/0", "::/0")))
TEXT = "\n".join(f"many A 192.0.2.{n}" for n in range(1, 200)) + "\n*.wild TXT x\nalias CNAME many\nsub NS ns.sub\n"


def seeds() -> list[bytes]:
    """Valid queries of every sort."""
    made = []
    for name in (
        "many.example.com",
        "a.b.wild.example.com",
        "alias.example.com",
        "x.sub.example.com",
        "nowhere.test",
        ".",
    ):
        for kind in ("A", "ANY", "TXT", "AXFR"):
            made.append(dns.message.make_query(name, kind).to_wire())
            options = [dns.edns.ECSOption("127.0.0.0", 24, 0), dns.edns.CookieOption(b"12345678", b"")]
            made.append(dns.message.make_query(name, kind, use_edns=0, payload=4096, options=options).to_wire())
    return made


def mutated(chance: random.Random, valid: list[bytes]) -> bytes:
    data = bytearray(chance.choice(valid))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data)) if data else 0
        match chance.randrange(6):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at:]
            case 2:
                data[at:at] = chance.randbytes(chance.randint(1, 20))
            case 3:
                data[at : at + 2] = struct.pack("!H", chance.choice((0, 1, 2, 0xC00C, 0xFFFF)))
            case 4:
                data += chance.choice(valid)[12:]
            case _:
                data[4:12] = struct.pack("!HHHH", *(chance.choice((0, 1, 1, 2, 65535)) for _ in range(4)))
    return bytes(data)


def judge(made: Responder, client: Client, message: bytes) -> None:
    query = parse(message)
    reply = made.respond(message, client, LISTEN)
    if len(message) < 12 or message[2] & 0x80:
        assert reply is None
        return
    assert reply is not None, message.hex()
    if reply == SPECIAL:
        return
    assert reply[:2] == message[:2]
    assert reply[2] & 0x80
    assert len(reply) <= (UDP_PAYLOAD if isinstance(query, Query) and query.edns is not None else UDP_PLAIN)
    dns.message.from_wire(reply)  # what we send can be read
    if reply[3] & 0xF not in (0, 3):  # nothing is made larger by refusing it, but for an OPT record
        assert len(reply) <= len(message)


def run(seed: int, count: int) -> None:
    chance, made, valid = random.Random(seed), responder(plan({"example.com/lan": TEXT}, VIEWS)), seeds()
    clients = [made.client(LISTEN, "127.0.0.1"), made.client(LISTEN, "9.9.9.9")]
    for message in valid:
        judge(made, clients[0], message)
    for _ in range(count):
        junk = chance.random() < 0.2
        message = chance.randbytes(chance.randint(0, 80)) if junk else mutated(chance, valid)
        judge(made, chance.choice(clients), message)


def test_hostile_packets() -> None:
    run(1, 5_000)


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", range(20))
def test_many_hostile_packets(seed: int) -> None:
    run(seed, 100_000)
