"""The input and output of every pod that some policy selects.

Counterpart: `matches`, which says who and what the rules of a policy mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from gatewright.graph.network.nodes import Cluster
from gatewright.graph.network.parties import RESERVED, identity
from gatewright.graph.network.policies import runs_cilium
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.naming import ResolverIntent
from gatewright.kinds.intents.policies import PolicyIntent
from gatewright.rehearsal.plan.policies.matches import KUBERNETES, Asked, Matcher, addresses, known
from gatewright.rehearsal.plan.policies.members import Member, Members, members
from gatewright.rehearsal.world import Chain, Draft

REFUSE = "reject with icmpx type admin-prohibited"

EXEMPT, DENIED, LOCAL, ADMITTED, ISOLATED = 5, 10, 15, 20, 80
"""The ranks of rules, in the order in which policies decide."""


class Selecting(Struct, frozen=True):
    """A policy that selects a pod; not `sure`: by labels that it may have, so that only its permissions count."""

    policy: PolicyIntent
    sure: bool


def plan(draft: Draft, sight: Sight) -> None:
    """The policies of all clusters that enforce them."""
    every = [one for value in sight.values("policies") for one in sight.listed("policies", value, PolicyIntent)]
    policies = [one for intent in sorted(every, key=lambda one: one.key) for one in (intent, *intent.more)]
    for policy in policies:
        if policy.nodes is not None:
            draft.note(f"{policy.key} protects nodes, which is not rehearsed", policy.origin)
    for cluster in sight.ask(topology).clusters.values():
        if cluster.enforces_policies and policies:
            _cluster(draft, sight, cluster, policies)


def _cluster(draft: Draft, sight: Sight, cluster: Cluster, policies: list[PolicyIntent]) -> None:
    there = members(draft, sight, cluster)
    cilium = sight.ask(runs_cilium)
    matcher = Matcher(draft, sight, there, cilium=cilium)
    chains = _Chains(draft, sight, there, matcher, cilium=cilium)
    for member in there.pods:
        if member.own_space:
            chosen = list(_selecting(sight, policies, member))
            chains.direction(member, chosen, ingress=True)
            chains.direction(member, chosen, ingress=False)


def _selecting(sight: Sight, policies: Iterable[PolicyIntent], member: Member) -> Iterator[Selecting]:
    own = sight.ask(identity, member.namespace, member.labels)
    for policy in policies:
        if policy.pods is None or policy.nodes is not None:
            continue
        if policy.key.namespace not in ("", member.namespace):
            continue
        if member.cilium:  # an endpoint that only clusterwide policies select, by its reserved label
            if (
                policy.namespaces is None
                and not policy.key.namespace
                and policy.pods.matches({f"{RESERVED}ingress": ""})
            ):
                yield Selecting(policy, True)
            continue
        if policy.namespaces is not None and not policy.namespaces.matches(own.namespace_labels):
            continue
        labels = own.labels if policy.key.kind == KUBERNETES else own.cilium
        if policy.pods.matches(labels):
            yield Selecting(policy, True)
        elif member.partial and known(policy.pods, labels).matches(labels):
            yield Selecting(policy, False)


class _Chains:
    """Writes the chains of the pods of one cluster."""

    def __init__(self, draft: Draft, sight: Sight, there: Members, matcher: Matcher, *, cilium: bool) -> None:
        self._draft = draft
        self._sight = sight
        self._members = there
        self._matcher = matcher
        self._cilium = cilium

    def direction(self, member: Member, chosen: list[Selecting], *, ingress: bool) -> None:
        """All policies that say something of one direction."""
        mine = [one for one in chosen if (one.policy.ingress if ingress else one.policy.egress) is not None]
        if not mine:
            return
        space, chain = self._draft.spaces[member.space], Chain.INPUT if ingress else Chain.OUTPUT
        for text in self._exempt(member, ingress=ingress):
            space.rule(chain, f"{text} accept", EXEMPT)
        for one in mine:
            for rule in (one.policy.ingress if ingress else one.policy.egress) or ():
                if rule.deny and not one.sure:
                    continue
                if rule.http:
                    text = f"{one.policy.key} lets some HTTP requests in only: here all get through"
                    self._draft.note(text, rule.origin)
                for match in self._matcher.lines(Asked(one.policy, rule, member, ingress)):
                    space.rule(chain, f"{match} {REFUSE if rule.deny else 'accept'}".strip(), _rank(deny=rule.deny))
        if ingress and len(member.handed) == 1:  # everybody comes as the node that the pod is on
            space.rule(chain, "accept", LOCAL)
        if self._cilium and ingress:  # the kubelet has to get through, unless it is denied
            for match in addresses(self._members.nodes.get(member.machine, ()), "saddr"):
                space.rule(chain, f"{match} accept", LOCAL)
        if any(one.sure and _isolates(one.policy, ingress=ingress) for one in mine):
            space.rule(chain, REFUSE, ISOLATED)

    def _exempt(self, member: Member, *, ingress: bool) -> Iterator[str]:
        """What no policy forbids: the node that it is on (Kubernetes), itself, the ports of a gateway of which nobody
        says what the pod calls them; and names are looked up by everybody."""
        word = "saddr" if ingress else "daddr"
        if not self._cilium:
            yield from addresses(self._members.nodes.get(member.machine, ()), word)
        yield from addresses(member.addresses, word)
        if ingress and member.doors is not None:
            told = {(door, protocol) for _, door, protocol in member.doors}
            yield from (
                f"{protocol.lower()} dport {number}"
                for number, protocol in self._listening(member)
                if (number, protocol) not in told
            )
        if not ingress:
            servers = {a for server in self._draft.name_servers for a in server.addresses}
            servers.update(a for one in self._sight.all("Resolver", ResolverIntent) for a in one.addresses)
            for match in addresses(sorted(servers), word):
                yield from (f"{match} {protocol} dport 53" for protocol in ("udp", "tcp"))

    def _listening(self, member: Member) -> Iterator[tuple[int, str]]:
        for spot in self._draft.gateways:
            gateway = self._sight.gateway(spot.gateway) if spot.space == member.space else None
            for port in gateway.ports if gateway is not None else ():
                yield port.number, "UDP" if port.udp else "TCP"


def _rank(*, deny: bool) -> int:
    return DENIED if deny else ADMITTED


def _isolates(policy: PolicyIntent, *, ingress: bool) -> bool:
    return policy.default_deny_ingress if ingress else policy.default_deny_egress
