"""What the server serves, as values: names with their record sets on the wire, zones, views, keys, and changes of them.

Names are bytes: uncompressed wire format, lower-case, ending in the root's zero (RFC 1035, 3.1).  A wildcard is a name
whose first label is "*".  Record data is uncompressed wire format too (RFC 3597, 4).  These values pass between the
control plane and its workers as msgpack.  Counterparts: `plan`, which makes them of the graph; `zone`, which holds one.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from gatewright.base.sensitive import Sensitive


class RRset(Struct, frozen=True, gc=False, array_like=True):
    """A record set of class IN: its type number, its TTL in seconds, its data sorted and without repetitions.

    Without data it only says that its name exists (RFC 4592, 2.2.2), and is neither answered nor transferred.
    """

    type: int
    ttl: int
    rdata: tuple[bytes, ...]


RRsets = tuple[RRset, ...]
"""Everything at one name, sorted by type; nothing: the name does not exist (or only by names below it)."""

Names = Mapping[bytes, RRsets]


class SoaConfig(Struct, frozen=True):
    """The SOA without its serial; names on the wire, times in seconds."""

    primary: bytes
    mailbox: bytes
    refresh: int
    retry: int
    expire: int
    negative_ttl: int


class ZoneConfig(Struct, frozen=True):
    """A zone without its names.  `id` "domain/view" is unique; `ttl` is that of the SOA and of dynamic records."""

    id: str
    domain: bytes
    view: str
    soa: SoaConfig
    ttl: int


class KeyConfig(Struct, frozen=True):
    """A TSIG key: `name` on the wire, `algorithm` such as "hmac-sha256"."""

    name: bytes
    algorithm: str
    secret: Sensitive


class SecondaryConfig(Struct, frozen=True):
    """A server to notify; `key` is the wire name of its TSIG key, b"" for none."""

    address: str
    port: int
    key: bytes = b""


class GrantConfig(Struct, frozen=True):
    """Who signs with `key` may change these `types` (empty: all but SOA and NS of the apex, and NS and DNAME only where
    the grant is for all names below, too) at these `names` (exact, or a wildcard for all below its parent; empty:
    everywhere)."""

    key: bytes
    names: tuple[bytes, ...] = ()
    types: tuple[int, ...] = ()


class RateConfig(Struct, frozen=True):
    """Equal answers per second to one client network, and which of those above are answered truncated."""

    per_second: int
    slip: int
    exempt: tuple[str, ...] = ()


class ViewConfig(Struct, frozen=True):
    """See `kinds.intents.naming.ViewIntent`; `clients`, `listen` and `transfer_to` are CIDRs or addresses as text."""

    name: str
    clients: tuple[str, ...]
    listen: tuple[str, ...] = ()
    client_subnet: bool = False
    keys: tuple[KeyConfig, ...] = ()
    transfer_to: tuple[str, ...] = ()
    secondaries: tuple[SecondaryConfig, ...] = ()
    grants: tuple[GrantConfig, ...] = ()
    rate: RateConfig | None = None


class Plan(Struct, frozen=True):
    """What is to be served: all views and zones (without names), and what changed of the names, by zone id.

    A name in `changes` has exactly these record sets from now on.  Zones that are no longer listed are dropped, with
    `whole` those in `changes` have no other names than the ones given.
    """

    views: tuple[ViewConfig, ...]
    zones: tuple[ZoneConfig, ...]
    changes: Mapping[str, Names]
    whole: bool = False


class Push(Struct, frozen=True):
    """The next state of a zone: these names have these record sets, and the serial is this."""

    zone: str
    serial: int
    changes: dict[bytes, RRsets]


class Listen(Struct, frozen=True):
    """Where to answer.  `view`: everything that comes here sees this view; "" by the client's address.  Port 0: any."""

    address: str
    port: int
    view: str = ""
