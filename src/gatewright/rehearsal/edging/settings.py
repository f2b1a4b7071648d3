"""What an edge and a connector are told, each in a file of JSON.  Paths are relative to the folder of the world."""

from __future__ import annotations

from msgspec import Struct

TUNNEL_PORT = 7844
"""Where connectors dial an edge, as cloudflared does."""

TRUSTED = ("authorities/public/ca.crt", "authorities/unsaid/ca.crt", "authorities/roots.pem")
"""The authorities that stand for public ones, for those that nobody judges, and those of ACME directories."""

AUTHORITY = "authorities/public"


class Name(Struct, frozen=True):
    """A proxied name, or a wildcard.  `origins`: addresses or names, or `tunnel` the id of what connects to it."""

    name: str
    origins: tuple[str, ...] = ()
    tunnel: str = ""


class Zone(Struct, frozen=True):
    """How an edge treats the names of a zone.  `mode`: off, flexible, full or strict.  `certificates`: the names that
    it has certificates for."""

    domain: str
    mode: str
    always_https: bool
    certificates: tuple[str, ...]
    names: tuple[Name, ...]


class EdgeSettings(Struct, frozen=True):
    """`addresses` it answers clients at, `sources` it connects to origins from; `body`: octets of the largest upload, 0
    for any.  `resolver`: whom it asks for names of origins."""

    addresses: tuple[str, ...]
    sources: tuple[str, ...]
    plain: tuple[int, ...]
    encrypted: tuple[int, ...]
    zones: tuple[Zone, ...]
    resolver: str
    body: int = 0


class Rule(Struct, frozen=True):
    """One ingress rule of cloudflared, as `kinds.intents.programs.TunnelRule`."""

    service: str
    hostname: str = ""
    path: str = ""
    server_name: str = ""
    match_sni: bool = False
    verify: bool = True
    host_header: str = ""


class ConnectorSettings(Struct, frozen=True):
    """`edge`: the addresses of the edge; `search`: the domains that short names are looked up in."""

    tunnel: str
    edge: tuple[str, ...]
    rules: tuple[Rule, ...]
    resolver: str
    search: tuple[str, ...] = ()
