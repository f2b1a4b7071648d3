"""Network policies between a gateway and its backends: who is not let in, and the rule that would let it in.

Counterparts: `graph.network.policies`, which judges; `path_blocked`, which tells.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from gatewright.graph.network import cidrs
from gatewright.graph.network.parties import Party, PartyKind
from gatewright.graph.network.policies import KUBERNETES, Verdict, admitted, concerning
from gatewright.graph.network.starts import starts
from gatewright.graph.nodes import BackendKey
from gatewright.graph.reach import Target, targets
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.policies import PolicyIntent


class Denial(Struct, frozen=True):
    """A gateway that policies keep from pods.

    `isolating`: the policies of the pods that do not admit it; none when its own egress, or a denial, is in the way.
    `by_service_port`: they would admit it to the port of the Service, of which policies know nothing.
    """

    verdict: Verdict
    gateway: Party
    target: Target
    isolating: tuple[PolicyIntent, ...] = ()
    by_service_port: int = 0


def denials(sight: Sight, gateway_id: str, key: BackendKey) -> Iterator[Denial]:
    """A gateway's backend as policies see it: one Denial for each pair of starts and targets that may not meet."""
    for start in sight.ask(starts, gateway_id):
        for target in targets(sight, key):
            verdict = admitted(sight, start.party, target.party, target.port, target.protocol)
            if verdict.allowed:
                continue
            entering = concerning(sight, target.party).ingress
            isolating = tuple(test.intent for test in entering if test.intent.origin in verdict.origins)
            other = 0
            if isolating and target.port != key.port:
                there = admitted(sight, start.party, target.party, key.port, target.protocol)
                other = key.port if there.allowed else 0
            yield Denial(verdict, start.party, target, isolating, other)


def rule_for(denial: Denial) -> str:
    """The ingress rule to add to the policy, "" where nobody can say who the gateway is."""
    if not denial.isolating:
        return ""
    policy, party, port = denial.isolating[0], denial.gateway, denial.target.port
    if policy.key.kind == KUBERNETES:
        return _kubernetes(denial) if party.kind is not PartyKind.ENTITY else _for_entity(denial)
    peer = _cilium_peer(party)
    if not peer:
        return ""
    ports = f'\n    toPorts: [{{ports: [{{port: "{port}", protocol: {denial.target.protocol}}}]}}]'
    return f"ingress:\n  - {peer}{ports}\n"


def _kubernetes(denial: Denial) -> str:
    party = denial.gateway
    if party.kind is PartyKind.POD and party.labels:
        peer = (
            f"      - namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {party.namespace}}}}}\n"
            f"        podSelector: {{matchLabels: {{{_labels(party)}}}}}\n"
        )
    elif party.kind is PartyKind.NODE and party.addresses:
        hosts = (cidrs.host(value) for value in map(cidrs.address, party.addresses) if value is not None)
        peer = "".join(f"      - ipBlock: {{cidr: {net}}}\n" for net in hosts)
    else:
        return ""
    target = denial.target
    return f"ingress:\n  - from:\n{peer}    ports: [{{port: {target.port}, protocol: {target.protocol}}}]\n"


def _for_entity(denial: Denial) -> str:
    """No NetworkPolicy can name Cilium's own gateways: a CiliumNetworkPolicy beside it has to."""
    party, target = denial.target.party, denial.target
    return (
        "apiVersion: cilium.io/v2\n"
        "kind: CiliumNetworkPolicy\n"
        f"metadata: {{name: {denial.isolating[0].key.name}-gateway, namespace: {party.namespace}}}\n"
        "spec:\n"
        f"  endpointSelector: {{matchLabels: {{{_labels(party)}}}}}\n"
        "  ingress:\n"
        f"    - {_cilium_peer(denial.gateway)}\n"
        f'      toPorts: [{{ports: [{{port: "{target.port}", protocol: {target.protocol}}}]}}]\n'
    )


def _cilium_peer(party: Party) -> str:
    match party.kind:
        case PartyKind.ENTITY:
            return f"fromEntities: [{party.entity}]"
        case PartyKind.NODE:
            return "fromEntities: [host, remote-node]"
        case PartyKind.POD if party.labels:
            labels = f"k8s:io.kubernetes.pod.namespace: {party.namespace}, {_labels(party)}"
            return f"fromEndpoints: [{{matchLabels: {{{labels}}}}}]"
    return ""


def _labels(party: Party) -> str:
    return ", ".join(f"{key}: {value}" for key, value in party.labels)
