"""Whoever takes over an address tells its segment: a gratuitous ARP (RFC 5227) or an unsolicited neighbour
advertisement (RFC 4861, 7.2.6), so that nobody goes on sending to who had it before."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv6Address, ip_address
from typing import Final

from gatewright.rehearsal.spaces import inside

BROADCAST: Final = b"\xff" * 6
ALL_NODES: Final = b"\x33\x33\x00\x00\x00\x01"
ARP, IPV6 = 0x0806, 0x86DD
EVERYBODY: Final = IPv6Address("ff02::1")
ADVERTISEMENT: Final = 136
OVERRIDE: Final = 0x20000000
ICMPV6: Final = 58
HOPS: Final = 255


def tell(space: str, device: str, address: str) -> None:
    """Say once on a device's segment that an address is there now.  OSError when it cannot be sent."""
    value = ip_address(address)
    with inside(space):
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with sender:
        sender.bind((device, 0))
        mac: bytes = sender.getsockname()[4]
        if isinstance(value, IPv6Address):
            sender.send(ALL_NODES + mac + struct.pack("!H", IPV6) + advertisement(mac, value))
        else:
            sender.send(BROADCAST + mac + struct.pack("!H", ARP) + announcement(mac, value.packed))


def announcement(mac: bytes, address: bytes) -> bytes:
    """An ARP request for one's own address."""
    return struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + address + bytes(6) + address


def advertisement(mac: bytes, address: IPv6Address) -> bytes:
    """An IPv6 packet with a neighbour advertisement that overrides what others know."""
    body = struct.pack("!I", OVERRIDE) + address.packed + b"\x02\x01" + mac
    length = len(body) + 4
    pseudo = address.packed + EVERYBODY.packed + struct.pack("!II", length, ICMPV6)
    checksum = _checksum(pseudo + struct.pack("!BBH", ADVERTISEMENT, 0, 0) + body)
    header = struct.pack("!IHBB", 6 << 28, length, ICMPV6, HOPS) + address.packed + EVERYBODY.packed
    return header + struct.pack("!BBH", ADVERTISEMENT, 0, checksum) + body


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of octets."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
