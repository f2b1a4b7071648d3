"""What a file of this folder says of its provider: its names, its settings, what it can do, how octoDNS talks to it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec import Struct

from gatewright.engines.publish.settings import Setting

Client: TypeAlias = Any
"""An octoDNS provider (`octodns.provider.base.BaseProvider`); the library ships no types."""

Values = Mapping[str, Any]

TEXT_TTL_SECONDS = 60


class Alias(enum.Enum):
    """Where a provider can put a name that it looks up itself (ALIAS, ANAME, a flattened CNAME)."""

    NOWHERE = "nowhere"
    APEX = "apex"
    ANYWHERE = "anywhere"


class Provider(Struct, frozen=True):
    """A provider that we can write to.  `open` makes its octoDNS client of resolved settings, without connecting.

    `patient` clients wait when they are told that they ask too often, others fail.  `proxies`: it has a proxied flag.
    `text(client, domain, name, value, present)` puts one value of a TXT record up, for TEXT_TTL_SECONDS, or takes it
    down; others at the name stay, however large the zone is.
    """

    name: str
    settings: tuple[Setting, ...]
    open: Callable[[str, Values, bool], Client]
    text: Callable[[Client, str, str, str, bool], None]
    aliases: tuple[str, ...] = ()
    alias: Alias = Alias.NOWHERE
    proxies: bool = False
