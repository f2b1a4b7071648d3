"""Who is at either end of a connection, as network policies tell them apart.

A pod is its namespace and labels, a node its machine, an entity one of Cilium's fixed identities ("ingress", "world",
"host", ...), and everything else an address.  Counterpart: `policies`, which judges two of them; `nodes.Place`, which
says where a way starts, becomes one of these by `party_of`.
"""

from __future__ import annotations

import enum
from functools import lru_cache

from msgspec import Struct

from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Net, Place
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import ContainerPort, NamespaceIntent

NAMESPACE_NAME = "kubernetes.io/metadata.name"
CILIUM_NAMESPACE = "io.kubernetes.pod.namespace"
CILIUM_NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
RESERVED = "reserved:"

IN_CLUSTER = frozenset({"host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver"})
"""What Cilium's entity "cluster" holds besides all pods."""


class PartyKind(enum.StrEnum):
    """How a party is known.

    A pod on its node's network is a NODE: neither dialect can tell it from the node.  UNKNOWN: nobody says who it is;
    a permission for anybody at all may be for it, a denial is not held against it.
    """

    POD = "pod"
    NODE = "node"
    ENTITY = "entity"
    ADDRESS = "address"
    UNKNOWN = "unknown"


class Party(Struct, frozen=True, gc=False):
    """One end of a connection.  `name` is for messages.

    `addresses`: those that it may have, also as CIDRs when no single one is known (the pods of a cluster).  `ports`:
    a pod's container ports, None when nobody says.  `machine`: the node that it is or runs on, "" unknown.  `labels`
    of a node are the node's.  `names`: the names that a client looked up to get the address (Cilium's toFQDNs).
    `partial`: a pod may have further labels, of which the input does not tell.
    """

    kind: PartyKind
    name: str
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    addresses: tuple[str, ...] = ()
    ports: tuple[ContainerPort, ...] | None = None
    machine: str = ""
    entity: str = ""
    names: tuple[str, ...] = ()
    partial: bool = False

    def __str__(self) -> str:
        return self.name


def pod(
    namespace: str,
    labels: tuple[tuple[str, str], ...],
    *,
    addresses: tuple[str, ...] = (),
    ports: tuple[ContainerPort, ...] | None = None,
    machine: str = "",
    name: str = "",
) -> Party:
    """A pod of the pod network."""
    described = name or f"pods with {', '.join(f'{k}={v}' for k, v in labels) or 'no labels'} in {namespace}"
    return Party(PartyKind.POD, described, namespace, labels, addresses, ports, machine)


def node(machine: str, addresses: tuple[str, ...] = (), labels: tuple[tuple[str, str], ...] = ()) -> Party:
    """A node, or a pod on its network.  `machine` "": some node, nobody says which."""
    return Party(PartyKind.NODE, f"node {machine}" if machine else "a node", "", labels, addresses, None, machine)


def entity(name: str) -> Party:
    """One of Cilium's entities, such as "ingress" (its own gateways) or "world"."""
    return Party(PartyKind.ENTITY, f"the entity {name}", entity=name)


def outside(address: str, *names: str) -> Party:
    """An address of neither pod nor node, and the names that led to it."""
    described = f"{names[0]} ({address})" if names else address
    return Party(PartyKind.ADDRESS, described, addresses=(address,), names=names)


def unknown(name: str) -> Party:
    """Somebody of whom the input says nothing."""
    return Party(PartyKind.UNKNOWN, name)


def party_of(place: Place) -> Party:
    """The party that starts a way at a Place."""
    match place.kind:
        case "machine":
            return node(place.id, place.addresses)
        case "cluster":
            return pod(place.namespace, place.labels, addresses=place.addresses)
    return Party(PartyKind.ADDRESS, place.addresses[0] if place.addresses else place.id, addresses=place.addresses)


class Identity(Struct, frozen=True):
    """The labels of a pod as selectors see them.

    `cilium`: with those that Cilium derives from the namespace; `namespace_labels` as Kubernetes completes them.
    """

    labels: dict[str, str]
    cilium: dict[str, str]
    namespace_labels: dict[str, str]


def namespace_labels(sight: Sight, namespace: str) -> dict[str, str]:
    """The labels of a namespace, also of one that no document tells of (the API server sets the name's)."""
    intent = sight.get(Key("Namespace", "", namespace), NamespaceIntent)
    return {**dict(intent.labels if intent else ()), NAMESPACE_NAME: namespace}


def identity(sight: Sight, namespace: str, labels: tuple[tuple[str, str], ...]) -> Identity:
    """What selectors see of a pod."""
    own, around = dict(labels), sight.ask(namespace_labels, namespace)
    derived = {CILIUM_NAMESPACE_LABELS + key: value for key, value in around.items()}
    return Identity(own, {**own, **derived, CILIUM_NAMESPACE: namespace}, around)


def reserved(party: Party) -> dict[str, str]:
    """The labels of what is no pod, to Cilium."""
    return {RESERVED + party.entity: ""} if party.kind is PartyKind.ENTITY else {}


@lru_cache(maxsize=4096)
def nets(texts: tuple[str, ...]) -> tuple[Net, ...]:
    """Addresses and CIDRs as networks; what is neither (a name in an EndpointSlice) is left out."""
    return cidrs.networks(texts)
