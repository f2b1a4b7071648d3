"""What every step is compiled with, and what comes of one that cannot be."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.graph.nodes import Family, Gateway, VirtualHost


class Context(Struct, frozen=True):
    """Where a rule stands: the VirtualHost, and the gateway that it is one of."""

    gateway: Gateway
    host: VirtualHost

    @property
    def hostname(self) -> str:
        return self.host.key.hostname

    @property
    def scheme(self) -> str:
        return "https" if self.host.key.family is Family.HTTPS else "http"


class Refused(Struct, frozen=True):
    """The step cannot be built, so the rule answers 503: nothing is ever left out that may be a protection.

    `identity`: the Problem's id.
    """

    reason: str
    origin: Origin
    identity: str = "step-unusable"


def is_header_name(name: str) -> bool:
    """A token (RFC 9110, 5.1).  Envoy refuses a whole scope for any other."""
    return _TOKEN.fullmatch(name) is not None


_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
