"""VirtualHosts: one hostname at one port of one gateway, the unit of everything, and how TLS is ended for it.

Counterparts: `gateways` (the door and its listeners), `rules` (what is done with requests).
"""

from __future__ import annotations

import enum

from msgspec import Struct

from gatewright.base.keypair import CertificateFacts
from gatewright.base.origin import Origin
from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes.rules import Entry
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.options import ClientAuth


class Family(enum.StrEnum):
    """What a VirtualHost does with a connection that selects it.

    HTTP (plain), HTTPS (HTTP after TLS termination), PASSTHROUGH (by SNI, TLS untouched), TERMINATED (TLS
    ended, bytes forwarded), TCP and UDP (the port decides).
    """

    HTTP = "http"
    HTTPS = "https"
    PASSTHROUGH = "passthrough"
    TERMINATED = "terminated"
    TCP = "tcp"
    UDP = "udp"


BY_TLS = frozenset({Family.HTTPS, Family.PASSTHROUGH, Family.TERMINATED})
"""The families that take part in TLS."""


class VirtualHostKey(Struct, frozen=True, order=True, gc=False):
    """(gateway, port, family, hostname): the unit of everything.  `gateway` is the Gateway's id, "namespace/name"."""

    gateway: str
    port: int
    family: Family
    hostname: str

    def __str__(self) -> str:
        return f"{self.hostname}:{self.port} on {self.gateway}"


class Certificate(Struct, frozen=True):
    """A usable certificate.  `key` is the Secret's Key; `chain` PEM; never printed: the private key."""

    key: Key
    origin: Origin
    chain: bytes
    private_key: Sensitive
    facts: CertificateFacts


class SniScope(Struct, frozen=True, gc=False):
    """Which SNIs may carry requests for this VirtualHost; others are answered 421 (Misdirected Request).

    Accepted: covered by `own` (the listener's hostname) and by none of `others` (more specific listeners of the
    same port).  A connection without SNI is accepted only when `own` is "*".
    """

    own: str
    others: tuple[str, ...] = ()


class TlsSettings(Struct, frozen=True):
    """How a port terminates TLS.  `client_ca` PEM; `client_depth`: the most certificates between one and a client's, 0
    for any number.

    `client_mode`: "" (not asked for), "require" (a handshake without a valid one fails), "request" (any is taken, and
    none), "verify" (none, or a valid one), "answer" (400 without a valid one), "any" (400 without any), "optional" (400
    for an invalid one only).
    """

    min_version: str = ""
    max_version: str = ""
    ciphers: tuple[str, ...] = ()
    alpn: tuple[str, ...] = ()
    client_ca: bytes = b""
    client_mode: str = ""
    sni_strict: bool = False
    client_depth: int = 0


class VirtualHost(Struct, frozen=True):
    """One hostname at one port of one gateway.

    `entries` in order of precedence, first match wins; nothing matches: 404 for HTTP, closed otherwise.
    `certificates` (families HTTPS and TERMINATED): candidates, best first (Keys into Graph.certificates);
    empty means: none usable, the certificate engine has to bring one.  `tls`: how TLS is ended for this hostname where
    that differs from its port's; requests for it by an SNI with other settings are answered 421.  `client`: what is
    asked of client certificates beyond the handshake, before any rule.
    """

    key: VirtualHostKey
    listener: str
    origin: Origin
    entries: tuple[Entry, ...] = ()
    certificates: tuple[Key, ...] = ()
    sni: SniScope | None = None
    tls: TlsSettings | None = None
    client: ClientAuth | None = None
