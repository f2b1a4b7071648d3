"""The names that the compiled resources have for each other, and the headers that carry a request's scope.

Every name is stable (the same node has the same name in every run) and, but for scopes as resources,
readable in Envoy's admin output.  The parts are joined by `|`, which no Kubernetes name and no hostname may
contain; a name that a client influences (its Host, its SNI) always stands behind a prefix that it does not.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import Final

import msgspec

from gatewright.graph.nodes import BackendKey, Family, TlsSettings, VirtualHost, VirtualHostKey
from gatewright.kinds.intents.routing import Dialect

SCOPE_HEADER: Final = "x-gatewright-scope"
"""Set on arrival from the listener and the Host; selects the scope.  Never reaches a backend."""
HOST_HEADER: Final = "x-gatewright-host"
"""The normalised host, set only by the fallback filter, for rules that choose between hosts themselves."""
PATH_HEADER: Final = "x-gatewright-path"
"""The path without query, set on arrival, for rules with several conditions on it."""

SUBJECT_HEADER: Final = "x-gatewright-subject"
"""The subject of the client's certificate (RFC 2253), set on arrival where clients are asked for one."""

SNI_STATE: Final = "gatewright.sni"
"""Filter state: the SNI of the connection; absent without one."""
PEER_STATE: Final = "gatewright.peer"
"""Filter state: the address of the direct peer."""

FALLBACK: Final = "gatewright.fallback"
"""The filter that looks for another scope when there is none for the host as it was written."""

REFUSED: Final = "refused"
"""A cluster that never exists: what is sent there gets the route's `cluster_not_found` status."""


def arrival_notes(dialect: Dialect) -> tuple[str, ...]:
    """The headers that a listener of this dialect sets or clears on arrival beside the scope.

    Only where rules may ask for them: each costs every request up to 1 us.
    """
    return (HOST_HEADER, PATH_HEADER) if dialect in (Dialect.TRAEFIK, Dialect.INGRESS) else ()


def scope_prefix(gateway: str, port: int, family: Family, apart: TlsSettings | None = None) -> str:
    """What every scope of one listener starts with; the host follows.

    `apart`: of the hosts whose TLS is ended by these settings instead of the port's.  No other connection leads there,
    whatever Host it is asked for.
    """
    own = f"{SETTINGS_MARK}{settings(apart)}" if apart is not None else ""
    return f"{gateway}|{port}|{family.value}{own}|"


SETTINGS_MARK: Final = "~"


def settings(tls: TlsSettings) -> str:
    """Equal settings have one name."""
    return blake2b(msgspec.json.encode(tls), digest_size=8).hexdigest()


def scope_key(host: VirtualHost) -> str:
    """What a connection's header has to be for a request to reach an HTTP or HTTPS VirtualHost."""
    return scope_prefix(host.key.gateway, host.key.port, host.key.family, host.tls) + host.key.hostname


def scope(key: VirtualHostKey) -> str:
    """A VirtualHost's scope: its key and its route configuration.  Passthrough: its on-demand cluster."""
    return scope_prefix(key.gateway, key.port, key.family) + key.hostname


def scope_resource(key: VirtualHostKey) -> str:
    """A VirtualHost's scope as a resource: 22 characters.

    Envoy copies the names of all scopes whenever one changes.  Up to 22 characters fit into a C++ string without
    an allocation: at 50,000 scopes a change costs Envoy 2 ms instead of 10.
    """
    digest = blake2b(scope(key).encode(), digest_size=16).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def listener(gateway: str, port: int, *, udp: bool) -> str:
    """The listener of one port of a gateway."""
    return f"{gateway}|{port}|{'udp' if udp else 'tcp'}"


def fallback(gateway: str, port: int, family: Family) -> str:
    """The fallback filter's configuration (ECDS) for one listener and family."""
    return f"{FALLBACK}|{gateway}|{port}|{family.value}"


def place(gateway: str, port: int) -> str:
    """A port whose certificates have names of their own."""
    return f"{gateway}|{port}"


def cluster(key: BackendKey) -> str:
    """A backend's cluster and load assignment."""
    return str(key)
