"""Gateways: doors with their listeners and ports, and which routes attached to them.

What is served there is in `hosts`.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.hostnames import Depth
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.graph.nodes.hosts import TlsSettings, VirtualHostKey
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import DoorSettings, EntrySettings, Redirection
from gatewright.kinds.intents.options import NOTHING, Options
from gatewright.kinds.intents.routing import Dialect, Protocol


class Listener(Struct, frozen=True):
    """A listener as it stands after resolution.  `conflict` (a reason) means: not programmed.

    `name` is unique in its gateway (a ListenerSet's are "namespace/set/name").  `problems` of its references.  `own`:
    what its entry point says where the door as a whole says something else; `options` and `redirection` as there.
    `apart`: its `settings` are not those of its port.  `tls_options`: the TLSOption of routes that say nothing of TLS
    (Traefik).
    """

    name: str
    port: int
    protocol: Protocol
    hostname: str
    origin: Origin
    tls: bool = False
    passthrough: bool = False
    certificates: tuple[Key, ...] = ()
    settings: TlsSettings = TlsSettings()
    conflict: str = ""
    problems: tuple[Problem, ...] = ()
    own: EntrySettings = EntrySettings()
    apart: bool = False
    tls_options: Key | None = None
    options: Options = NOTHING
    redirection: Redirection | None = None


class Port(Struct, frozen=True):
    """One socket of a gateway: what its listeners amount to.  `udp` separates 53/UDP from 53/TCP.

    `tls`: TLS is expected (HTTPS, TLS listeners, TLS entry points).  A port never mixes plain and TLS HTTP
    except in dialect Traefik, where every port sniffs: `tls` and `plain` may both be true.
    """

    number: int
    udp: bool
    tls: bool
    plain: bool
    http: bool
    listeners: tuple[str, ...]
    settings: TlsSettings = TlsSettings()


class Gateway(Struct, frozen=True):
    """Any door.  `id` is "namespace/name".  `depth`: how many labels its wildcards span.

    `pools_certificates`: any certificate that a route brought may serve any name that it covers (Traefik);
    `default_certificate` serves names without one.  `default_entry_points` are those of routes that name none,
    `tls_entry_points` those that put TLS on every route; `allow_external_name` the providers ("ingress", "crd")
    whose ExternalName Services are followed.  `classes` are the class names that it serves, None standing
    for objects without a class; `namespaces` whose objects it watches, empty: all.  `settings` is what else decides the
    way to it; `service` the Service in front of it; `options` what holds for all of its rules.  `strict_prefixes`:
    a Prefix path of an Ingress goes by segments in Traefik, too.
    """

    id: str
    key: Key
    dialect: Dialect
    implementation: str
    origin: Origin
    depth: Depth
    listeners: tuple[Listener, ...]
    ports: tuple[Port, ...]
    addresses: tuple[str, ...] = ()
    classes: tuple[str | None, ...] = ()
    default_entry_points: tuple[str, ...] = ()
    tls_entry_points: tuple[str, ...] = ()
    allow_external_name: tuple[str, ...] = ()
    allow_cross_namespace: bool = True
    pools_certificates: bool = False
    default_certificate: Key | None = None
    allow_no_sni: bool = True
    settings: DoorSettings = DoorSettings()
    service: Key | None = None
    namespaces: tuple[str, ...] = ()
    options: Options = NOTHING
    strict_prefixes: bool = False


class Refusal(Struct, frozen=True, gc=False):
    """Why a route did not attach somewhere.  `reason` is Gateway API's condition reason where one exists
    (NotAllowedByListeners, NoMatchingListenerHostname, NoMatchingParent, RefNotPermitted, ...).

    `hint` says what to do about it.  `absent`: the parent is not among the input, which may be on purpose.
    """

    parent: str
    reason: str
    message: str
    origin: Origin
    hint: str = ""
    absent: bool = False


class Attachment(Struct, frozen=True):
    """Where one route attached and where it did not, and why."""

    route: Key
    origin: Origin
    virtual_hosts: tuple[VirtualHostKey, ...] = ()
    refusals: tuple[Refusal, ...] = ()
