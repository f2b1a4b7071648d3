"""Intents of who asks and what must hold: vantages and expectations."""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.places import Spot


class VantageIntent(Struct, frozen=True):
    """Where requests start.  `at` a network, node or cluster; `addresses` of the client (else some of the network).

    `resolvers`: Resolver names or addresses, in the order in which the client has them; empty: the public DNS.
    `families` of "4" and "6" that it has, in its order of preference.  `trust`: "public" and Keys of Secrets or
    ConfigMaps with ca.crt as "kind:namespace/name".  `namespace`/`labels`: a pod, for policies.
    """

    key: Key
    origin: Origin
    at: Spot
    addresses: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    families: tuple[str, ...] = ("4", "6")
    trust: tuple[str, ...] = ("public",)
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()


class ExpectationIntent(Struct, frozen=True):
    """What a user says must hold.  `vantages` empty: every one; `families` empty: those of the vantage.

    `outcome` "delivered" | "answered" | "refused" | "unreachable" | "absent" | "" (any); `status` 0: any; `gateway` and
    `backend` ("namespace/name[:port]") "" any; `location` of a redirect; `via`: names of links and resolvers that must
    be passed; `not_via`: that must not.  `idle_timeout` seconds and `body` octets that the path has to bear;
    `resolves_to` the addresses that may be answered.  Every branch has to hold.
    """

    key: Key
    origin: Origin
    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    sni: str | None = None
    body: int = 0
    vantages: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    outcome: str = ""
    status: int = 0
    gateway: str = ""
    backend: str = ""
    location: str = ""
    via: tuple[str, ...] = ()
    not_via: tuple[str, ...] = ()
    idle_timeout: float = 0.0
    resolves_to: tuple[str, ...] = ()
