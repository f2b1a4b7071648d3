"""The place that rules are resolved for: what their filters and options may depend on."""

from __future__ import annotations

from msgspec import Struct

from gatewright.base import hostnames
from gatewright.graph.nodes import Family, Gateway


class Where(Struct, frozen=True):
    """A VirtualHost.  `secured`: does somebody bring TLS for its hostname?"""

    gateway: Gateway
    family: Family
    port: int
    hostname: str = hostnames.ANY
    secured: bool = False
