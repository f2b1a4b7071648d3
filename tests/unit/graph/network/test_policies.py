"""Network policies against their specification: the API reference of NetworkPolicy and Cilium's manual, by case."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from msgspec import structs

from gatewright.base.origin import Origin
from gatewright.graph.network.nodes import Place
from gatewright.graph.network.parties import Party, entity, node, outside, party_of, pod, unknown
from gatewright.graph.network.policies import Verdict, admitted, passes
from gatewright.graph.nodes import Change
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.material import ContainerPort, EndpointAddress, EndpointsIntent, ServiceIntent
from gatewright.kinds.intents.places import ClusterSpec
from gatewright.kinds.intents.policies import HttpAllow
from support.policed import ANYBODY, AT, analysis, labels, namespace, peer, policy, port, rule, sel, site

NAMED = (ContainerPort("http", 8080), ContainerPort("dns", 5353, "UDP"))

WEB = pod("apps", labels(app="web"), ports=NAMED, addresses=("10.42.0.7",), machine="home/n1")
BACK = pod("apps", labels(app="back"), addresses=("10.42.0.8",))
DOOR = pod("doors", labels(app="traefik"), addresses=("10.42.1.9",))
OTHER = pod("else", labels(app="web"))
NEAR = node("home/n1", ("192.168.1.11",), labels(role="worker"))
FAR = node("home/n2", ("192.168.1.12",), labels(role="edge"))
WORLD = outside("203.0.113.9")
WORLD6 = outside("2001:db8::9")
GITHUB = outside("140.82.112.3", "api.github.com")
CILIUM_GATEWAY = entity("ingress")

NAMESPACES = (namespace("apps", team="a"), namespace("doors", edge="yes"))
CNP, CCNP = "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"


class Row(NamedTuple):
    sentence: str
    policies: tuple[Intent, ...]
    source: Party
    target: Party
    allowed: bool
    port: int | str = 8080
    protocol: str = "TCP"


def net(**kw: object) -> tuple[Intent, ...]:
    return (policy(**kw),)  # type: ignore[arg-type]


def cnp(**kw: object) -> tuple[Intent, ...]:
    return (policy(kind=CNP, **kw),)  # type: ignore[arg-type]


def ccnp(**kw: object) -> tuple[Intent, ...]:
    return (policy(kind=CCNP, namespace="", **kw),)  # type: ignore[arg-type]


FROM_BACK = rule(peer(sel(app="back")))
FROM_DOORS = rule(peer(namespaces=sel(edge="yes")))
GET = HttpAllow("GET", "/public/.*")

KUBERNETES = [
    Row("By default a pod is non-isolated for ingress: all inbound connections are allowed", (), DOOR, WEB, True),
    Row("By default a pod is non-isolated for egress: all outbound connections are allowed", (), WEB, WORLD, True),
    Row(
        "A pod is isolated for ingress when a policy selects it with Ingress in policyTypes",
        net(ingress=()),
        DOOR,
        WEB,
        False,
    ),
    Row(
        "A pod is isolated for egress when a policy selects it with Egress in policyTypes",
        net(egress=()),
        WEB,
        WORLD,
        False,
    ),
    Row("Isolation is per direction: an Ingress policy does not restrict egress", net(ingress=()), WEB, WORLD, True),
    Row("Isolation is per direction: an Egress policy does not restrict ingress", net(egress=()), DOOR, WEB, True),
    Row("An empty podSelector selects all pods in the namespace", net(pods=sel(), ingress=()), DOOR, BACK, False),
    Row(
        "podSelector selects the pods to which the policy applies, and no others",
        net(pods=sel(app="web"), ingress=()),
        DOOR,
        BACK,
        True,
    ),
    Row(
        "podSelector: matchExpressions are ANDed with matchLabels",
        net(pods=sel(("app", "NotIn", ("web",))), ingress=()),
        DOOR,
        WEB,
        True,
    ),
    Row("A policy applies to pods of its own namespace only", net(ingress=()), DOOR, OTHER, True),
    Row(
        "Ingress rules: traffic is allowed if it matches at least one rule",
        net(ingress=(FROM_BACK, FROM_DOORS)),
        DOOR,
        WEB,
        True,
    ),
    Row(
        "If ingress is empty, the policy allows no traffic and serves to isolate",
        net(pods=sel(app="web"), ingress=()),
        BACK,
        WEB,
        False,
    ),
    Row("from: if empty or missing, the rule matches all sources", net(ingress=(ANYBODY,)), WORLD, WEB, True),
    Row("to: if empty or missing, the rule matches all destinations", net(egress=(ANYBODY,)), WEB, WORLD, True),
    Row(
        "from: if present and not empty, the rule allows traffic only if it matches an item",
        net(ingress=(FROM_BACK,)),
        DOOR,
        WEB,
        False,
    ),
    Row(
        "from: items are combined with a logical OR",
        net(ingress=(rule(peer(sel(app="x")), peer(sel(app="back"))),)),
        BACK,
        WEB,
        True,
    ),
    Row(
        "podSelector alone selects pods in the policy's own namespace",
        net(ingress=(rule(peer(sel(app="traefik"))),)),
        DOOR,
        WEB,
        False,
    ),
    Row(
        "podSelector alone: an empty one selects all pods of the policy's namespace",
        net(ingress=(rule(peer(sel())),)),
        BACK,
        WEB,
        True,
    ),
    Row(
        "podSelector alone: an empty one selects no pods of other namespaces",
        net(ingress=(rule(peer(sel())),)),
        DOOR,
        WEB,
        False,
    ),
    Row(
        "namespaceSelector alone selects all pods in the namespaces it selects",
        net(ingress=(FROM_DOORS,)),
        DOOR,
        WEB,
        True,
    ),
    Row(
        "namespaceSelector alone selects no pods of namespaces without these labels",
        net(ingress=(FROM_DOORS,)),
        OTHER,
        WEB,
        False,
    ),
    Row(
        "namespaceSelector: present but empty, it selects all namespaces",
        net(ingress=(rule(peer(namespaces=sel())),)),
        OTHER,
        WEB,
        True,
    ),
    Row(
        "namespaceSelector and podSelector in one item: pods matching both",
        net(ingress=(rule(peer(sel(app="traefik"), sel(edge="yes"))),)),
        DOOR,
        WEB,
        True,
    ),
    Row(
        "namespaceSelector and podSelector in one item: the namespace alone is not enough",
        net(ingress=(rule(peer(sel(app="nginx"), sel(edge="yes"))),)),
        DOOR,
        WEB,
        False,
    ),
    Row(
        "namespaceSelector and podSelector in one item: the labels alone are not enough",
        net(ingress=(rule(peer(sel(app="web"), sel(edge="yes"))),)),
        OTHER,
        WEB,
        False,
    ),
    Row(
        "the control plane sets kubernetes.io/metadata.name on all namespaces",
        net(
            ingress=(
                rule(
                    peer(namespaces=sel(("kubernetes.io/metadata.name", "In", ("else",)))),
                ),
            )
        ),
        OTHER,
        WEB,
        True,
    ),
    Row(
        "a namespaceSelector does not mean what is outside of the cluster",
        net(ingress=(rule(peer(namespaces=sel())),)),
        WORLD,
        WEB,
        False,
    ),
    Row(
        "ipBlock: an address inside of the CIDR matches",
        net(ingress=(rule(peer(cidr="203.0.113.0/24")),)),
        WORLD,
        WEB,
        True,
    ),
    Row(
        "ipBlock: an address outside of the CIDR does not match",
        net(ingress=(rule(peer(cidr="198.51.100.0/24")),)),
        WORLD,
        WEB,
        False,
    ),
    Row(
        "ipBlock.except: values that are not included in the rule",
        net(ingress=(rule(peer(cidr="203.0.113.0/24", excepts=("203.0.113.8/29",))),)),
        WORLD,
        WEB,
        False,
    ),
    Row(
        "ipBlock.except: what is beside it stays included",
        net(ingress=(rule(peer(cidr="203.0.113.0/24", excepts=("203.0.113.0/29",))),)),
        WORLD,
        WEB,
        True,
    ),
    Row("ipBlock: 0.0.0.0/0 says nothing of IPv6", net(ingress=(rule(peer(cidr="0.0.0.0/0")),)), WORLD6, WEB, False),
    Row("ipBlock: IPv6 CIDRs are CIDRs", net(ingress=(rule(peer(cidr="2001:db8::/32")),)), WORLD6, WEB, True),
    Row(
        "ipBlock is about addresses: it holds a pod's too where the plugin goes by them",
        net(ingress=(rule(peer(cidr="10.42.0.0/16")),)),
        DOOR,
        WEB,
        True,
    ),
    Row(
        "ports: if empty or missing, the rule matches all ports",
        net(ingress=(FROM_BACK,)),
        BACK,
        WEB,
        True,
        9999,
        "UDP",
    ),
    Row(
        "ports: if present, the rule allows traffic only on a port of the list",
        net(ingress=(rule(peer(sel()), ports=[port(80)]),)),
        BACK,
        WEB,
        False,
    ),
    Row(
        "ports: items are combined with a logical OR",
        net(ingress=(rule(peer(sel()), ports=[port(80), port(8080)]),)),
        BACK,
        WEB,
        True,
    ),
    Row(
        "a rule matches what matches both ports and from",
        net(ingress=(rule(peer(sel(app="x")), ports=[port(8080)]),)),
        BACK,
        WEB,
        False,
    ),
    Row(
        "protocol: if not specified, it defaults to TCP",
        net(ingress=(rule(peer(sel()), ports=[port(8080)]),)),
        BACK,
        WEB,
        False,
        8080,
        "UDP",
    ),
    Row(
        "protocol: UDP matches UDP",
        net(ingress=(rule(peer(sel()), ports=[port(5353, "UDP")]),)),
        BACK,
        WEB,
        True,
        5353,
        "UDP",
    ),
    Row("protocol: SCTP matches SCTP", net(ingress=(rule(peer(sel()), ports=[port(8080, "SCTP")]),)), BACK, WEB, False),
    Row(
        "port: if not provided, it matches all port names and numbers",
        net(ingress=(rule(peer(sel()), ports=[port()]),)),
        BACK,
        WEB,
        True,
        1234,
    ),
    Row(
        "port: without a number the protocol still counts",
        net(ingress=(rule(peer(sel()), ports=[port()]),)),
        BACK,
        WEB,
        False,
        1234,
        "UDP",
    ),
    Row(
        "port: a name is a named port on a pod",
        net(ingress=(rule(peer(sel()), ports=[port("http")]),)),
        BACK,
        WEB,
        True,
    ),
    Row(
        "port: a name matches only the number that the pod gives it",
        net(ingress=(rule(peer(sel()), ports=[port("http")]),)),
        BACK,
        WEB,
        False,
        8081,
    ),
    Row(
        "port: a name matches only with its protocol",
        net(ingress=(rule(peer(sel()), ports=[port("dns")]),)),
        BACK,
        WEB,
        False,
        5353,
        "TCP",
    ),
    Row(
        "port: a name in egress is one of the destination pod",
        net(pods=sel(app="back"), egress=(rule(peer(sel()), ports=[port("http")]),)),
        BACK,
        WEB,
        True,
    ),
    Row(
        "port: a name means nothing at an address without pod",
        net(egress=(rule(peer(cidr="0.0.0.0/0"), ports=[port("http")]),)),
        WEB,
        WORLD,
        False,
    ),
    Row(
        "endPort: the range from port to endPort, inclusive, is allowed",
        net(ingress=(rule(peer(sel()), ports=[port(8000, end=8080)]),)),
        BACK,
        WEB,
        True,
    ),
    Row(
        "endPort: what is past it is not",
        net(ingress=(rule(peer(sel()), ports=[port(8000, end=8079)]),)),
        BACK,
        WEB,
        False,
    ),
    Row(
        "Policies do not conflict; they are additive",
        net(ingress=()) + net(name="q", ingress=(FROM_DOORS,)),
        DOOR,
        WEB,
        True,
    ),
    Row(
        "Policies are additive: what none allows is not allowed",
        net(ingress=(FROM_BACK,)) + net(name="q", ingress=(FROM_BACK,)),
        DOOR,
        WEB,
        False,
    ),
    Row(
        "Both the egress policy of the source and the ingress policy of the destination have to allow",
        net(pods=sel(app="back"), egress=(rule(peer(sel(app="web"))),))
        + net(name="q", pods=sel(app="web"), ingress=()),
        BACK,
        WEB,
        False,
    ),
    Row(
        "Both sides allow: the connection is",
        net(pods=sel(app="back"), egress=(rule(peer(sel(app="web"))),))
        + net(name="q", pods=sel(app="web"), ingress=(FROM_BACK,)),
        BACK,
        WEB,
        True,
    ),
    Row(
        "If either side does not allow the connection, it will not happen",
        net(pods=sel(app="back"), egress=()) + net(name="q", pods=sel(app="web"), ingress=(ANYBODY,)),
        BACK,
        WEB,
        False,
    ),
    Row(
        "Egress to a namespace goes by the destination's labels",
        net(namespace="doors", egress=(rule(peer(namespaces=sel(team="a"))),)),
        DOOR,
        WEB,
        True,
    ),
    Row("A pod cannot block access to itself", net(ingress=(), egress=()), WEB, WEB, True),
    Row("Traffic from the node where a pod is running is always allowed", net(ingress=()), NEAR, WEB, True),
    Row("Traffic to the node where a pod is running is always allowed", net(egress=()), WEB, NEAR, True),
    Row("Another node has no such right", net(ingress=()), FAR, WEB, False),
    Row(
        "Pods on the host's network are the node: selectors ignore them",
        net(ingress=(rule(peer(namespaces=sel())),)),
        FAR,
        WEB,
        False,
    ),
    Row(
        "Pods on the host's network are the node: an ipBlock with its address matches",
        net(ingress=(rule(peer(cidr="192.168.1.0/24")),)),
        FAR,
        WEB,
        True,
    ),
    Row("Pods on the host's network are the node: policies do not select them", net(ingress=()), DOOR, FAR, True),
]

CILIUM = [
    Row("An endpoint that no policy selects allows everything", cnp(pods=sel(app="x"), ingress=()), DOOR, WEB, True),
    Row("An endpoint that a policy with ingress rules selects is in default deny", cnp(ingress=()), DOOR, WEB, False),
    Row("A policy without rules for a direction does not put it in default deny", cnp(ingress=()), WEB, WORLD, True),
    Row(
        "enableDefaultDeny false: what no rule allows still passes",
        cnp(ingress=(FROM_BACK,), deny_by_default=False),
        DOOR,
        WEB,
        True,
    ),
    Row(
        "enableDefaultDeny false does not lift the default deny of another policy",
        cnp(ingress=(FROM_BACK,), deny_by_default=False) + cnp(name="q", ingress=()),
        DOOR,
        WEB,
        False,
    ),
    Row(
        "fromEndpoints without a namespace label means the policy's namespace",
        cnp(ingress=(rule(peer(sel(app="traefik"))),)),
        DOOR,
        WEB,
        False,
    ),
    Row(
        "fromEndpoints with a namespace label means that namespace",
        cnp(
            ingress=(rule(peer(sel(("io.kubernetes.pod.namespace", "In", ("doors",)), app="traefik"), anywhere=True)),)
        ),
        DOOR,
        WEB,
        True,
    ),
    Row(
        "labels of the namespace are labels of the endpoint",
        cnp(ingress=(rule(peer(sel(("io.cilium.k8s.namespace.labels.edge", "In", ("yes",))), anywhere=True)),)),
        DOOR,
        WEB,
        True,
    ),
    Row(
        "Deny policies take precedence over allow policies",
        cnp(ingress=(ANYBODY, rule(peer(sel(app="back")), deny=True))),
        BACK,
        WEB,
        False,
    ),
    Row(
        "Deny policies concern only what they match",
        cnp(ingress=(ANYBODY, rule(peer(sel(app="back")), deny=True))),
        DOOR,
        WEB,
        True,
    ),
    Row(
        "A denial in one policy beats a permission in another",
        cnp(ingress=(ANYBODY,)) + ccnp(name="q", ingress=(rule(peer(entity="all"), deny=True),)),
        DOOR,
        WEB,
        False,
    ),
    Row(
        "A denial also beats what a NetworkPolicy allows",
        net(ingress=(ANYBODY,)) + cnp(name="q", ingress=(rule(anybody=True, deny=True),)),
        DOOR,
        WEB,
        False,
    ),
    Row("NetworkPolicies and Cilium's add up", net(ingress=()) + cnp(name="q", ingress=(FROM_BACK,)), BACK, WEB, True),
    Row(
        "fromCIDR does not apply to pods of the cluster",
        cnp(ingress=(rule(peer(cidr="10.0.0.0/8")),)),
        DOOR,
        WEB,
        False,
    ),
    Row(
        "fromCIDR does not apply to nodes of the cluster",
        cnp(ingress=(rule(peer(cidr="192.168.0.0/16")),)),
        FAR,
        WEB,
        False,
    ),
    Row("fromCIDR applies to what is outside", cnp(ingress=(rule(peer(cidr="203.0.113.0/24")),)), WORLD, WEB, True),
    Row(
        "fromCIDRSet: except subtracts",
        cnp(ingress=(rule(peer(cidr="0.0.0.0/0", excepts=("203.0.113.0/24",))),)),
        WORLD,
        WEB,
        False,
    ),
    Row(
        "Cilium goes by identity also for the ipBlock of a NetworkPolicy",
        net(ingress=(rule(peer(cidr="0.0.0.0/0")),)) + cnp(name="q", pods=sel(app="x"), ingress=()),
        DOOR,
        WEB,
        False,
    ),
    Row(
        "entity world: all endpoints outside of the cluster",
        cnp(ingress=(rule(peer(entity="world")),)),
        WORLD,
        WEB,
        True,
    ),
    Row("entity world: both families", cnp(ingress=(rule(peer(entity="world")),)), WORLD6, WEB, True),
    Row("entity world-ipv4: one family", cnp(ingress=(rule(peer(entity="world-ipv4")),)), WORLD6, WEB, False),
    Row("entity world is not the pods of the cluster", cnp(ingress=(rule(peer(entity="world")),)), DOOR, WEB, False),
    Row(
        "entity world is not Cilium's own gateway",
        cnp(ingress=(rule(peer(entity="world")),)),
        CILIUM_GATEWAY,
        WEB,
        False,
    ),
    Row("entity cluster: all endpoints of the cluster", cnp(ingress=(rule(peer(entity="cluster")),)), DOOR, WEB, True),
    Row("entity cluster includes remote nodes", cnp(ingress=(rule(peer(entity="cluster")),)), FAR, WEB, True),
    Row("entity cluster includes the gateway", cnp(ingress=(rule(peer(entity="cluster")),)), CILIUM_GATEWAY, WEB, True),
    Row("entity cluster is nothing outside", cnp(ingress=(rule(peer(entity="cluster")),)), WORLD, WEB, False),
    Row(
        "entity ingress: Cilium's Envoy that handles ingress",
        cnp(ingress=(rule(peer(entity="ingress")),)),
        CILIUM_GATEWAY,
        WEB,
        True,
    ),
    Row(
        "entity ingress is not somebody else's gateway", cnp(ingress=(rule(peer(entity="ingress")),)), DOOR, WEB, False
    ),
    Row("a policy that forgets the gateway does not let it in", cnp(ingress=(FROM_BACK,)), CILIUM_GATEWAY, WEB, False),
    Row("entity host: the local host; it is always let in", cnp(ingress=()), NEAR, WEB, True),
    Row(
        "entity host is denied where a deny rule says so",
        cnp(ingress=(rule(peer(entity="host"), deny=True),)),
        NEAR,
        WEB,
        False,
    ),
    Row(
        "entity remote-node: any node but the local one, with its host-network pods",
        cnp(ingress=(rule(peer(entity="remote-node")),)),
        FAR,
        WEB,
        True,
    ),
    Row("entity host is not a remote node", cnp(ingress=(rule(peer(entity="host")),)), FAR, WEB, False),
    Row("egress to the local host needs a rule", cnp(egress=(rule(peer(entity="remote-node")),)), WEB, NEAR, False),
    Row("egress to the local host with one", cnp(egress=(rule(peer(entity="host")),)), WEB, NEAR, True),
    Row("entity all: everything", cnp(ingress=(rule(peer(entity="all")),)), WORLD, WEB, True),
    Row("entity none: nothing", cnp(ingress=(rule(peer(entity="none")),)), DOOR, WEB, False),
    Row("entity kube-apiserver is not any node", cnp(ingress=(rule(peer(entity="kube-apiserver")),)), FAR, WEB, False),
    Row(
        "entity kube-apiserver",
        cnp(ingress=(rule(peer(entity="kube-apiserver")),)),
        entity("kube-apiserver"),
        WEB,
        True,
    ),
    Row("fromNodes: nodes by their labels", cnp(ingress=(rule(peer(nodes=sel(role="edge"))),)), FAR, WEB, True),
    Row("fromNodes: other nodes are not", cnp(ingress=(rule(peer(nodes=sel(role="db"))),)), FAR, WEB, False),
    Row(
        "protocol ANY matches every protocol",
        cnp(ingress=(rule(anybody=True, ports=[port(8080, "ANY")]),)),
        DOOR,
        WEB,
        True,
        8080,
        "UDP",
    ),
    Row("toFQDNs matchName: the very name", cnp(egress=(rule(peer(fqdn="api.github.com")),)), WEB, GITHUB, True),
    Row("toFQDNs matchName: no other name", cnp(egress=(rule(peer(fqdn="github.com")),)), WEB, GITHUB, False),
    Row(
        "toFQDNs: an address that no name led to does not match", cnp(egress=(rule(peer(fqdn="*")),)), WEB, WORLD, False
    ),
    Row(
        "toFQDNs matchPattern: a star stays within its label",
        cnp(egress=(rule(peer(fqdn="*.github.com")),)),
        WEB,
        GITHUB,
        True,
    ),
    Row(
        "toFQDNs matchPattern: a star does not span labels", cnp(egress=(rule(peer(fqdn="*.com")),)), WEB, GITHUB, False
    ),
    Row(
        "toFQDNs matchPattern: a star without a dot is part of a label",
        cnp(egress=(rule(peer(fqdn="ap*.github.com")),)),
        WEB,
        GITHUB,
        True,
    ),
    Row("toFQDNs matchPattern: a sole star is every name", cnp(egress=(rule(peer(fqdn="*")),)), WEB, GITHUB, True),
    Row(
        "toFQDNs matchPattern: two stars and a dot span labels",
        cnp(egress=(rule(peer(fqdn="**.com")),)),
        WEB,
        GITHUB,
        True,
    ),
    Row("toServices: the pods of the Service", cnp(egress=(rule(peer(service=("doors", "proxy"))),)), WEB, DOOR, True),
    Row("toServices: no other pods", cnp(egress=(rule(peer(service=("doors", "proxy"))),)), WEB, BACK, False),
    Row(
        "toServices: the addresses of a Service without selector",
        cnp(egress=(rule(peer(service=("doors", "legacy"))),)),
        WEB,
        WORLD,
        True,
    ),
    Row(
        "Clusterwide policies select pods of all namespaces", ccnp(pods=sel(app="web"), ingress=()), DOOR, OTHER, False
    ),
    Row(
        "Clusterwide policies select by the namespace too",
        ccnp(pods=sel(("io.kubernetes.pod.namespace", "In", ("apps",))), ingress=()),
        DOOR,
        OTHER,
        True,
    ),
    Row(
        "Clusterwide: namespaces by their labels",
        ccnp(pods=sel(), namespaces=sel(team="a"), ingress=()),
        DOOR,
        WEB,
        False,
    ),
    Row(
        "Clusterwide: peers of every namespace",
        ccnp(ingress=(rule(peer(sel(app="traefik"), anywhere=True)),)),
        DOOR,
        WEB,
        True,
    ),
    Row(
        "Clusterwide: an empty peer selector means pods, not the world",
        ccnp(ingress=(rule(peer(sel(), anywhere=True)),)),
        WORLD,
        WEB,
        False,
    ),
    Row(
        "Clusterwide policies with an empty selector also concern the gateway",
        ccnp(ingress=(rule(peer(entity="cluster")),)),
        WORLD,
        CILIUM_GATEWAY,
        False,
    ),
    Row(
        "The gateway may be selected by its reserved label",
        ccnp(pods=sel(("reserved:ingress", "Exists", ())), egress=()),
        CILIUM_GATEWAY,
        WEB,
        False,
    ),
    Row(
        "Pods are not selected by the gateway's reserved label",
        ccnp(pods=sel(("reserved:ingress", "Exists", ())), egress=()),
        DOOR,
        WEB,
        True,
    ),
    Row(
        "fromEndpoints may name a reserved identity",
        cnp(ingress=(rule(peer(sel(("reserved:ingress", "Exists", ())), anywhere=True)),)),
        CILIUM_GATEWAY,
        WEB,
        True,
    ),
    Row("nodeSelector: host policies select nodes", ccnp(nodes=sel(role="edge"), ingress=()), WORLD, FAR, False),
    Row(
        "nodeSelector: nodes without the labels are not concerned",
        ccnp(nodes=sel(role="edge"), ingress=()),
        WORLD,
        NEAR,
        True,
    ),
    Row("nodeSelector: host policies do not concern pods", ccnp(nodes=sel(), ingress=()), DOOR, WEB, True),
    Row(
        "L7 rules let the connection in",
        cnp(ingress=(rule(anybody=True, ports=[port(8080)], http=[GET]),)),
        DOOR,
        WEB,
        True,
    ),
    Row(
        "L7 rules concern their port only; others are denied",
        cnp(ingress=(rule(anybody=True, ports=[port(8080)], http=[GET]),)),
        DOOR,
        WEB,
        False,
        9090,
    ),
]

PROXY = ServiceIntent(Key("Service", "doors", "proxy"), AT, selector=labels(app="traefik"))
LEGACY = ServiceIntent(Key("Service", "doors", "legacy"), AT)
LISTED = EndpointsIntent(Key("EndpointSlice", "doors", "legacy-1"), AT, LEGACY.key, (EndpointAddress("203.0.113.9"),))


def judge(objects: tuple[Intent, ...], source: Party, target: Party, at: int | str, protocol: str) -> Verdict:
    return analysis(*NAMESPACES, PROXY, LEGACY, LISTED, *objects).answer(admitted, source, target, at, protocol)


@pytest.mark.parametrize("row", [*KUBERNETES, *CILIUM], ids=lambda row: row.sentence)
def test_specification(row: Row) -> None:
    verdict = judge(row.policies, row.source, row.target, row.port, row.protocol)
    assert verdict.allowed == row.allowed, verdict.reason
    assert bool(verdict.reason and verdict.origins) or verdict.allowed


def test_the_policies_that_isolate_are_named() -> None:
    objects = (
        net(name="one", ingress=()) + net(name="two", ingress=(FROM_BACK,)) + net(name="far", namespace="x", ingress=())
    )
    verdict = judge(objects, DOOR, WEB, 8080, "TCP")
    assert {origin.document for origin in verdict.origins} == {"one", "two"}
    assert "NetworkPolicy apps/one and NetworkPolicy apps/two do not admit" in verdict.reason
    assert "TCP port 8080" in verdict.reason


def test_what_limits_requests_is_lifted_by_a_rule_that_does_not() -> None:
    limited = rule(anybody=True, ports=[port(8080)], http=[GET])
    assert judge(cnp(ingress=(limited,)), DOOR, WEB, 8080, "TCP").http == ((GET,),)
    assert judge(cnp(ingress=(limited, FROM_BACK)), DOOR, WEB, 8080, "TCP").http == ((GET,),)
    assert judge(cnp(ingress=(limited, FROM_BACK)), BACK, WEB, 8080, "TCP").http == ()


def test_limits_of_both_directions_hold() -> None:
    head = HttpAllow("HEAD")
    egress = policy(
        namespace="doors", kind=CNP, name="q", egress=(rule(anybody=True, ports=[port(8080)], http=[head]),)
    )
    verdict = judge(
        (*cnp(ingress=(rule(anybody=True, ports=[port(8080)], http=[GET]),)), egress), DOOR, WEB, 8080, "TCP"
    )
    assert verdict.http == ((head,), (GET,))
    assert not passes(verdict.http, "GET", "/public/x", "a.test", {})


@pytest.mark.parametrize(
    ("allow", "passed"),
    [
        (HttpAllow(), True),
        (HttpAllow("GET"), True),
        (HttpAllow("GET|HEAD", "/a/[0-9]+"), True),
        (HttpAllow("POST"), False),
        (HttpAllow("", "/a"), False),  # the whole path has to match
        (HttpAllow("", "", "a[.]test"), True),
        (HttpAllow("", "", "b[.]test"), False),
        (HttpAllow(headers=("X-Token: abc",)), True),
        (HttpAllow(headers=("X-Token abc",)), True),
        (HttpAllow(headers=("X-Token",)), True),
        (HttpAllow(headers=("X-Token: xyz",)), False),
        (HttpAllow(headers=("X-Other",)), False),
        (HttpAllow("("), False),
    ],
)
def test_requests(allow: HttpAllow, passed: bool) -> None:
    assert passes(((allow,),), "GET", "/a/1", "a.test", {"x-token": "abc"}) == passed


def test_a_cluster_that_enforces_nothing_says_so() -> None:
    lax = site(ClusterSpec("k3s", Origin("site.yaml", "1"), enforces_policies=False))
    verdict = judge((*net(ingress=()), lax), DOOR, WEB, 8080, "TCP")
    assert verdict == Verdict(True, "cluster k3s enforces no network policies", (Origin("site.yaml", "1"),))


def test_another_cluster_that_enforces_nothing_changes_nothing() -> None:
    lax = ClusterSpec("lab", AT, namespaces=("lab",), enforces_policies=False)
    assert not judge((*net(ingress=()), site(ClusterSpec("k3s", AT), lax)), DOOR, WEB, 8080, "TCP").allowed


def test_a_port_whose_name_nobody_knows() -> None:
    unknown = pod("apps", labels(app="web"))
    objects = net(ingress=(rule(anybody=True, ports=[port("http")]),))
    assert judge(objects, DOOR, unknown, "http", "TCP").allowed
    assert judge(objects, DOOR, unknown, 8080, "TCP").allowed
    assert not judge(objects, DOOR, WEB, "metrics", "TCP").allowed


def test_places_become_parties() -> None:
    assert party_of(Place("machine", "home/n1", ("192.168.1.11",))).machine == "home/n1"
    assert party_of(Place("cluster", "home/k3s", (), "apps", labels(app="web"))).namespace == "apps"
    assert party_of(Place("network", "internet", ("203.0.113.9",))).addresses == ("203.0.113.9",)


def test_policies_of_another_namespace_are_not_read() -> None:
    world = analysis(*NAMESPACES, *net(ingress=()))
    world.keep(admitted, DOOR, WEB, 8080, "TCP")
    for namespace_, concerned in (("far", 0), ("apps", 1)):
        new = policy(namespace=namespace_, name="new", ingress=())
        change = Change(objects=frozenset(world.objects.update({new.key: new})))
        assert len(world.update(world.graph, change)) == concerned


def test_labels_that_are_not_known_are_not_held_against_anybody() -> None:
    partial = structs.replace(DOOR, partial=True)
    more = rule(peer(sel(app="traefik", release="x"), sel(edge="yes")))
    other = rule(peer(sel(app="nginx", release="x"), sel(edge="yes")))
    assert judge(net(ingress=(more,)), partial, WEB, 8080, "TCP").allowed
    assert not judge(net(ingress=(more,)), DOOR, WEB, 8080, "TCP").allowed
    assert not judge(net(ingress=(other,)), partial, WEB, 8080, "TCP").allowed
    denying = structs.replace(more, deny=True)
    assert judge(cnp(ingress=(ANYBODY, denying)), partial, WEB, 8080, "TCP").allowed


def test_somebody_unknown_is_let_in_by_whoever_lets_anybody_in() -> None:
    somebody = unknown("gateway x")
    assert judge(net(ingress=(FROM_BACK,)), somebody, WEB, 8080, "TCP").allowed
    assert not judge(net(ingress=()), somebody, WEB, 8080, "TCP").allowed
    assert judge(cnp(ingress=(ANYBODY, rule(peer(entity="world"), deny=True))), somebody, WEB, 8080, "TCP").allowed


def test_policies_that_may_select_a_pod_let_in_but_keep_nobody_out() -> None:
    partial = structs.replace(WEB, partial=True)
    may = policy(sel(release="x"), name="may", ingress=(FROM_DOORS,))
    assert judge((may,), BACK, partial, 8080, "TCP").allowed
    assert judge((*net(ingress=()), may), DOOR, partial, 8080, "TCP").allowed
    assert not judge((*net(ingress=()), may), DOOR, WEB, 8080, "TCP").allowed
    assert not judge((*net(ingress=()), may), BACK, partial, 8080, "TCP").allowed


@pytest.mark.parametrize(("source", "allowed"), [(BACK, True), (DOOR, True), (OTHER, False)])
def test_every_policy_of_one_object_counts(source: Party, allowed: bool) -> None:
    """A CiliumNetworkPolicy may hold several: what the first does not admit, the second may."""
    first = policy(sel(app="web"), kind=CNP, ingress=(FROM_BACK,))
    second = policy(sel(app="web"), kind=CNP, ingress=(rule(peer(sel(app="traefik"), anywhere=True)),))
    objects = (*NAMESPACES, structs.replace(first, more=(second,)))
    assert analysis(*objects).answer(admitted, source, WEB, 8080).allowed is allowed


def test_a_further_policy_isolates_pods_of_its_own() -> None:
    nobody = policy(sel(app="nobody"), kind=CNP, ingress=())
    closed = structs.replace(nobody, more=(policy(sel(app="web"), kind=CNP, ingress=()),))
    assert not analysis(*NAMESPACES, closed).answer(admitted, BACK, WEB, 8080).allowed
