"""Intents of network policies, in the words of Kubernetes and Cilium."""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key, Selector


class PortRange(Struct, frozen=True, gc=False):
    """Ports of a policy: `protocol` "TCP" | "UDP" | "SCTP" | "ANY"; `port` a number, a container port's name, or None
    (all); `end` the last of a range, 0 for none."""

    protocol: str = "TCP"
    port: int | str | None = None
    end: int = 0


class HttpAllow(Struct, frozen=True, gc=False):
    """What a Cilium L7 rule lets through: full-match regular expressions; "" anything."""

    method: str = ""
    path: str = ""
    host: str = ""
    headers: tuple[str, ...] = ()


class Peer(Struct, frozen=True, gc=False):
    """One peer of a policy rule; exactly one way of naming it is used.

    Pods: `pods` and/or `namespaces` selectors; with only `pods` those of the policy's namespace, with only
    `namespaces` all pods of these.  `any_namespace`: pods of every namespace (CiliumClusterwideNetworkPolicy, or an
    explicit namespace label).  `cidr` with `excepts`.  `entity`: Cilium's "world", "cluster", "host", "remote-node",
    "all", "ingress", "kube-apiserver", "none", ... `fqdn`: a name or pattern (egress).  `service`: (namespace, name).
    """

    origin: Origin
    pods: Selector | None = None
    namespaces: Selector | None = None
    any_namespace: bool = False
    cidr: str = ""
    excepts: tuple[str, ...] = ()
    entity: str = ""
    fqdn: str = ""
    service: tuple[str, str] | None = None
    nodes: Selector | None = None


class PolicyRule(Struct, frozen=True, gc=False):
    """Allowed (or with `deny` denied) traffic: any of `peers` (None: everybody; empty: nobody) on any of `ports`
    (empty: all).  `http`: on these ports only such requests pass, others are answered 403 (Cilium L7)."""

    origin: Origin
    peers: tuple[Peer, ...] | None
    ports: tuple[PortRange, ...] = ()
    http: tuple[HttpAllow, ...] = ()
    deny: bool = False


class PolicyIntent(Struct, frozen=True):
    """A NetworkPolicy, CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy.

    Selects `pods` of its own namespace (of all that `namespaces` selects when clusterwide; `nodes` instead of pods for
    host policies).  `ingress`/`egress` None: this direction stays as it is; a tuple, also an empty one: what no rule of
    any policy that selects the pod allows is dropped (unless `default_deny_*` is False, Cilium 1.14+).
    `more` are the further `specs` of the same object.  A label `reserved:x` in `pods` is one that only Cilium's own
    endpoints have (`reserved:ingress`: its Gateway API and Ingress proxies).
    """

    key: Key
    origin: Origin
    dialect: str
    pods: Selector | None
    namespaces: Selector | None = None
    nodes: Selector | None = None
    ingress: tuple[PolicyRule, ...] | None = None
    egress: tuple[PolicyRule, ...] | None = None
    default_deny_ingress: bool = True
    default_deny_egress: bool = True
    more: tuple[PolicyIntent, ...] = ()
