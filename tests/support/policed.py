"""Network policies by hand: short words for selectors, peers, rules and policies, and who may talk to whom."""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.origin import Origin
from gatewright.graph.analysis import Analysis
from gatewright.graph.builder import Builder
from gatewright.kinds.identity import Key, Selector
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.material import NamespaceIntent
from gatewright.kinds.intents.places import ClusterSpec, SiteIntent
from gatewright.kinds.intents.policies import HttpAllow, Peer, PolicyIntent, PolicyRule, PortRange
from support.keys import NOW

AT = Origin("policies.yaml", "1")


def analysis(*objects: Intent) -> Analysis:
    """Questions about these objects."""
    builder = Builder(lambda: NOW)
    graph, _ = builder.apply({intent.key: intent for intent in objects})
    return Analysis(builder.objects, graph, NOW.date())


def labels(**wanted: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(wanted.items()))


def sel(*expressions: tuple[str, str, tuple[str, ...]], **wanted: str) -> Selector:
    return Selector(labels(**wanted), expressions)


def peer(
    pods: Selector | None = None,
    namespaces: Selector | None = None,
    *,
    anywhere: bool = False,
    cidr: str = "",
    excepts: tuple[str, ...] = (),
    entity: str = "",
    fqdn: str = "",
    service: tuple[str, str] | None = None,
    nodes: Selector | None = None,
) -> Peer:
    return Peer(AT, pods, namespaces, anywhere, cidr, excepts, entity, fqdn, service, nodes)


def port(number: int | str | None = None, protocol: str = "TCP", end: int = 0) -> PortRange:
    return PortRange(protocol, number, end)


def rule(
    *peers: Peer,
    ports: Iterable[PortRange] = (),
    http: Iterable[HttpAllow] = (),
    deny: bool = False,
    anybody: bool = False,
) -> PolicyRule:
    return PolicyRule(AT, None if anybody else peers, tuple(ports), tuple(http), deny)


ANYBODY = rule(anybody=True)


def policy(
    pods: Selector | None = None,
    *,
    ingress: Iterable[PolicyRule] | None = None,
    egress: Iterable[PolicyRule] | None = None,
    kind: str = "NetworkPolicy",
    namespace: str = "apps",
    name: str = "p",
    namespaces: Selector | None = None,
    nodes: Selector | None = None,
    deny_by_default: bool = True,
) -> PolicyIntent:
    """A policy; its origin names it, so that verdicts can be told apart."""
    return PolicyIntent(
        Key(kind, namespace, name),
        Origin("policies.yaml", name),
        "kubernetes" if kind == "NetworkPolicy" else "cilium",
        Selector() if pods is None and nodes is None else pods,
        namespaces,
        nodes,
        None if ingress is None else tuple(ingress),
        None if egress is None else tuple(egress),
        deny_by_default,
        deny_by_default,
    )


def namespace(name: str, **wanted: str) -> NamespaceIntent:
    return NamespaceIntent(Key("Namespace", "", name), AT, labels(**wanted))


def site(*clusters: ClusterSpec) -> SiteIntent:
    return SiteIntent(Key("Site", "", "home"), AT, clusters=clusters)
