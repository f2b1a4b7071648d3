"""The objects that a graph is built from, indexed, with every read recorded.

`Objects` holds the intents by Key and a few indices (which slices does this Service have?).  A `View` is what
one resolution sees of it: each look-up, also one that finds nothing, leaves a token in `View.reads`, so that the
builder knows exactly which nodes a later change concerns.  Counterpart: `builder`, which owns both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from gatewright.base import hostnames
from gatewright.graph.listeners import Listeners
from gatewright.graph.nodes import Certificate, Gateway, Listener, VirtualHostKey
from gatewright.kinds.annotations import names as annotationnames
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent, WorldIntent
from gatewright.kinds.intents.doors import (
    ClassRef,
    ControllerIntent,
    DoorFileIntent,
    GatewayClassIntent,
    GatewayIntent,
    IngressClassIntent,
    ListenerSetIntent,
    RouteIntent,
)
from gatewright.kinds.intents.issuance import CertificateIntent
from gatewright.kinds.intents.material import (
    BackendTlsIntent,
    EndpointsIntent,
    GrantIntent,
    SecretIntent,
    ServiceIntent,
    TlsOptionIntent,
    TlsStoreIntent,
    WorkloadIntent,
)
from gatewright.kinds.intents.options import OptionsPolicyIntent
from gatewright.kinds.intents.policies import PolicyIntent
from gatewright.kinds.intents.programs import HelmIntent
from gatewright.kinds.traefik.static import FILES as TRAEFIK_CONFIGURATIONS


class Placement(Struct, frozen=True, order=True, gc=False):
    """A route in a VirtualHost: by which listener it came."""

    route: Key
    listener: str


Token = Hashable
"""What a resolution read: a Key, ("index", name, value) or a node of an earlier stage."""

T = TypeVar("T")

ALL = ""
"""The value under which an index lists every object, whatever it refers to."""
CONFIGURED = "configured"
"""The index of the workloads whose command line names a ConfigMap, as controllers' do."""
TRAEFIKS = "traefiks"
"""The index of the workloads that may be a Traefik."""

DOOR_FILES = "door-files"
"""The index of the configuration files that are doors."""
TRAEFIK_FILES = "traefik-files"
"""The index of the ConfigMaps and Secrets with a Traefik's configuration file: by namespace."""

ISSUER_ANNOTATIONS = (("cert-manager.io/cluster-issuer", "ClusterIssuer"), ("cert-manager.io/issuer", "Issuer"))
"""By which annotations cert-manager makes the Secrets of an Ingress or a Gateway, and the kind of issuer each names."""
OWN_ROUTES = "own-routes"
"""The index of Gatewright's own routes: by each hostname pattern whose VirtualHost may answer for theirs."""
TLS_ACME = "kubernetes.io/tls-acme"
"""The annotation that leaves it to cert-manager which issuer that is."""
ANNOTATED_FOR = "annotated-for"
"""The index of the Ingresses and Gateways whose annotations ask for a Secret: by its Key."""
SERVICES = "services"
"""The index of all Services."""
OPTIONS_POLICIES = "options-policies"
"""The index of the policies that give options: by each Key that they target (with a selector: one without a name)."""
BALANCED_PORTS = "balanced-ports"
"""The index of Ingresses that say where their load balancer listens: by (class, port, "HTTP" or "HTTPS")."""
BALANCED_GROUPS = "balanced-groups"
"""The index of Ingresses that share a load balancer: by the name of their group."""
ISSUED_UNDER = "issued-under"
"""The index of what asks an issuer for certificates of single hosts: by (issuer, domain directly above the host)."""


def _issued_under(issuer: Key | None, names: Iterable[str]) -> Iterator[tuple[str, Hashable]]:
    found = list(names)
    if issuer is not None and not any(hostnames.is_wildcard(name) for name in found):
        for domain in {name.partition(".")[2] for name in found}:
            yield ISSUED_UNDER, (issuer, domain)


def annotated_issuer(annotations: tuple[tuple[str, str], ...], namespace: str) -> Key | None:
    """The issuer that cert-manager is told of by annotation."""
    for name, value in annotations:
        for annotation, kind in ISSUER_ANNOTATIONS:
            if name == annotation:
                return Key(kind, "" if kind == "ClusterIssuer" else namespace, value)
    return None


def _annotated_for(intent: RouteIntent | GatewayIntent) -> Iterator[tuple[str, Hashable]]:
    """The Secrets that cert-manager is asked to make by annotation."""
    notes = dict(intent.annotations)
    if not any(notes.get(name) for name, _ in ISSUER_ANNOTATIONS) and notes.get(TLS_ACME) != "true":
        return
    if isinstance(intent, GatewayIntent):
        secrets = [key for item in intent.listeners if item.tls is not None for key in item.tls.certificates]
    else:
        secrets = [use.secret for use in intent.tls if use.secret is not None]
    for secret in dict.fromkeys(secrets):
        yield ANNOTATED_FOR, secret


def _asked_by_annotation(intent: RouteIntent | GatewayIntent) -> Iterator[tuple[str, Hashable]]:
    if isinstance(intent, GatewayIntent):
        yield from _annotated_for(intent)
    elif intent.key.kind == "Ingress":
        yield from _annotated_for(intent)
        issuer = annotated_issuer(intent.annotations, intent.key.namespace)
        for use in intent.tls if issuer is not None else ():
            if use.secret is not None:
                yield from _issued_under(issuer, use.hosts)


def _of_route(intent: RouteIntent) -> Iterator[tuple[str, Hashable]]:
    if intent.annotations:
        # The names that a route asks external-dns for, although it has no rule for them.
        for name in annotationnames.of_external_dns(intent.annotations).get("hostname", "").split(","):
            if name.strip():
                yield "announces", name.strip().rstrip(".").lower()
    if isinstance(intent.attach, ClassRef):
        for _, said in intent.options:
            yield from ((BALANCED_PORTS, (intent.attach.name, *at)) for at in said.listen)
            if said.group:
                yield BALANCED_GROUPS, said.group
    if intent.doors is not None:
        for name in intent.hostnames:
            yield from ((OWN_ROUTES, pattern) for pattern in hostnames.parents(name, hostnames.Depth.MANY))


def _of_programs(intent: WorkloadIntent | HelmIntent | SecretIntent) -> Iterator[tuple[str, Hashable]]:
    match intent:
        case WorkloadIntent():
            for label in intent.labels:
                yield "workloads", (intent.key.namespace, label)
            yield "workloads-in", intent.key.namespace
            if any(arg.lstrip("-").startswith("configmap") for arg in intent.args):
                yield CONFIGURED, ALL
            if any("traefik" in image for image in intent.images):
                yield TRAEFIKS, ALL
        case HelmIntent():
            yield "charts", intent.chart
        case _ if any(name in TRAEFIK_CONFIGURATIONS for name, _ in intent.data):
            yield TRAEFIK_FILES, intent.key.namespace


def _entries(intent: Intent) -> Iterator[tuple[str, Hashable]]:
    """Under which (index, value) pairs an intent is found."""
    match intent:
        case EndpointsIntent():
            yield "endpoints", intent.service
        case GrantIntent():
            yield "grants", intent.key.namespace
        case BackendTlsIntent():
            for target, _ in intent.targets:
                yield "backend-tls", target
        case ListenerSetIntent():
            yield "listener-sets", intent.parent
        case ControllerIntent():
            yield "controllers", ALL
        case DoorFileIntent():
            yield DOOR_FILES, ALL
        case IngressClassIntent():
            yield "ingress-classes", ALL
        case TlsOptionIntent():
            yield "tls-options", ALL
        case TlsStoreIntent():
            yield "tls-stores", ALL
        case RouteIntent(attach=ClassRef(name=name, provider=provider)):
            yield "class-use", (name, provider)
        case ServiceIntent():
            yield SERVICES, ALL
            if intent.type == "LoadBalancer":
                yield "load-balancers", ALL
        case OptionsPolicyIntent():
            yield from ((OPTIONS_POLICIES, key) for key in dict.fromkeys(target.key for target in intent.targets))
        case PolicyIntent():
            yield "policies", intent.key.namespace
        case CertificateIntent():
            yield "certificates-for", intent.secret
            yield from (("certificates-naming", name) for name in intent.names)
            yield from _issued_under(intent.issuer, intent.names)
        case _:
            pass
    if isinstance(intent, WorkloadIntent | HelmIntent | SecretIntent):
        yield from _of_programs(intent)
    if isinstance(intent, RouteIntent | GatewayIntent) and intent.annotations:
        yield from _asked_by_annotation(intent)
    if isinstance(intent, RouteIntent):
        yield from _of_route(intent)
    if isinstance(intent, WorldIntent | GatewayClassIntent):
        yield "kind", intent.key.kind


class Objects:
    """Every intent by Key, with indices; `update` answers with the tokens that a change touches."""

    def __init__(self) -> None:
        self._intents: dict[Key, Intent] = {}
        self._indices: dict[tuple[str, Hashable], dict[Key, None]] = defaultdict(dict)
        self._values: dict[str, dict[Hashable, None]] = defaultdict(dict)

    def update(self, changes: Mapping[Key, Intent | None]) -> set[Token]:
        """Put or remove (None) intents; O(changes).  Returns every token whose value may differ now."""
        touched: set[Token] = set()
        for key, intent in changes.items():
            old = self._intents.get(key)
            if old == intent:
                continue
            touched.add(key)
            before = set(_entries(old)) if old is not None else set()
            after = set(_entries(intent)) if intent is not None else set()
            for entry in before - after:
                bucket = self._indices[entry]
                del bucket[key]
                if not bucket:
                    del self._indices[entry]
                    del self._values[entry[0]][entry[1]]
                    touched.add(("values", entry[0]))
                touched.add(("index", *entry))
            for entry in after - before:
                if entry not in self._indices:
                    self._values[entry[0]][entry[1]] = None
                    touched.add(("values", entry[0]))
                self._indices[entry][key] = None
                touched.add(("index", *entry))
            touched.update(("index", *entry) for entry in before & after)
            if intent is None:
                del self._intents[key]
            else:
                self._intents[key] = intent
        return touched

    def intent(self, key: Key) -> Intent | None:
        return self._intents.get(key)

    def keys_of(self, kinds: tuple[type[Any], ...]) -> list[Key]:
        """The keys of all intents of these types."""
        return [key for key, intent in self._intents.items() if isinstance(intent, kinds)]

    def listed(self, index: str, value: Hashable) -> Mapping[Key, None]:
        return self._indices.get((index, value), {})

    def values(self, index: str) -> list[Hashable]:
        return list(self._values[index])


class Nodes(Protocol):
    """The nodes of earlier stages, as the builder keeps them."""

    def certificate(self, key: Key) -> Certificate | None: ...
    def gateway(self, gateway_id: str) -> Gateway | None: ...
    def door(self, gateway_id: str) -> Gateway | None: ...
    def listeners(self, gateway_id: str) -> Listeners: ...
    def served(self) -> tuple[str, ...]: ...
    def placements(self, host: VirtualHostKey) -> tuple[Placement, ...]: ...
    def pooled(self, gateway_id: str, name: str) -> tuple[Key, ...]: ...


class View:
    """One resolution's sight of the objects and of the nodes of earlier stages; records what it read."""

    def __init__(self, objects: Objects, nodes: Nodes) -> None:
        self._objects = objects
        self._nodes = nodes
        self.reads: set[Token] = set()

    def certificate(self, key: Key) -> Certificate | None:
        """The usable certificate of a Secret, or None."""
        self.reads.add(("certificate", key))
        return self._nodes.certificate(key)

    def gateway(self, gateway_id: str) -> Gateway | None:
        self.reads.add(("gateway", gateway_id))
        return self._nodes.gateway(gateway_id)

    def door(self, gateway_id: str) -> Gateway | None:
        """The gateway without its listeners and ports: to be preferred, since those change most."""
        self.reads.add(("door", gateway_id))
        return self._nodes.door(gateway_id)

    def listener(self, gateway_id: str, name: str) -> Listener | None:
        self.reads.add(("listener", gateway_id, name))
        return self._nodes.listeners(gateway_id).named.get(name)

    def owner(self, door: Gateway, port: int, spoken: str, hostname: str) -> str | None:
        """The listener of that port that a hostname belongs to, if any."""
        self.reads.update(("owner", door.id, port, spoken, name) for name in hostnames.parents(hostname, door.depth))
        return self._nodes.listeners(door.id).owner(port, spoken, hostname, door.depth)

    def secured(self, gateway_id: str, port: int) -> tuple[str, ...]:
        """The hostnames of all TLS listeners of a port, sorted."""
        self.reads.add(("secured", gateway_id, port))
        return self._nodes.listeners(gateway_id).secured.get(port, ())

    def served(self) -> tuple[str, ...]:
        """The ids of the gateways that are not Gateway API: those that serve objects by class, sorted."""
        self.reads.add(("served",))
        return self._nodes.served()

    def placements(self, host: VirtualHostKey) -> tuple[Placement, ...]:
        """The routes that attached to this very (gateway, port, family, hostname), sorted by Key."""
        self.reads.add(("placements", host))
        return self._nodes.placements(host)

    def pooled(self, gateway_id: str, name: str) -> tuple[Key, ...]:
        """The certificates that attached routes brought to a gateway for this hostname pattern, sorted."""
        self.reads.add(("pooled", gateway_id, name))
        return self._nodes.pooled(gateway_id, name)

    def get(self, key: Key, kind: type[T]) -> T | None:
        """The intent of this Key when it is a `kind`, else None."""
        self.reads.add(key)
        intent = self._objects.intent(key)
        return intent if isinstance(intent, kind) else None

    def exists(self, key: Key) -> bool:
        self.reads.add(key)
        return self._objects.intent(key) is not None

    def listed(self, index: str, value: Hashable, kind: type[T]) -> list[T]:
        """The intents of an index, sorted by Key so that input order cannot show."""
        self.reads.add(("index", index, value))
        keys = self._objects.listed(index, value)
        if not keys:  # as nearly always: of what a host may have beside its routes
            return []
        found = (self._objects.intent(key) for key in sorted(keys))
        return [intent for intent in found if isinstance(intent, kind)]

    def any(self, index: str, value: Hashable) -> bool:
        """Does an index list anything under a value?"""
        self.reads.add(("index", index, value))
        return bool(self._objects.listed(index, value))

    def fewest(self, index: str, values: Iterable[Hashable], kind: type[T]) -> list[T]:
        """The intents of the one of several values that lists the fewest, sorted by Key."""
        chosen = list(values)
        if len(chosen) == 1:
            return self.listed(index, chosen[0], kind)
        self.reads.update(("index", index, value) for value in chosen)
        rarest = min(chosen, key=lambda value: (len(self._objects.listed(index, value)), repr(value)))
        return self.listed(index, rarest, kind)

    def values(self, index: str) -> list[Hashable]:
        """The values that an index has at least one object for (unsorted)."""
        self.reads.add(("values", index))
        return self._objects.values(index)
