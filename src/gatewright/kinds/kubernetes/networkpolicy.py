"""NetworkPolicy (networking.k8s.io/v1): who may reach pods, and whom they may reach.

Absent and empty differ here and there, as the API says it: without `policyTypes` (or with an empty list) a policy is of
type Ingress, and of type Egress only if it has egress rules; a direction of its type without rules allows nothing; a
rule without `from`/`to` (or with an empty one) allows everybody, one without `ports` every port.  A peer with both
selectors means pods that both fit, one with only `podSelector` pods of the policy's own namespace.  Rules of a
direction that the policy does not have are without effect.  Counterpart: `ciliumpolicy`, whose rules are others.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds import addressing, labelselector
from gatewright.kinds.decode import Object, Path, Report, Schema, decode, has_variable, key_of
from gatewright.kinds.identity import Selector
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.policies import Peer, PolicyIntent, PolicyRule, PortRange
from gatewright.kinds.kind import Kind
from gatewright.kinds.labelselector import LabelSelector


class _Port(Schema, frozen=True):
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    port: int | str | None = None
    end_port: Annotated[int, Meta(ge=1, le=65535)] | None = None


class _Block(Schema, frozen=True):
    cidr: str
    except_: tuple[str, ...] | None = field(default=(), name="except")


class _Peer(Schema, frozen=True):
    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: _Block | None = None


class _Ingress(Schema, frozen=True):
    from_: tuple[_Peer, ...] | None = field(default=(), name="from")
    ports: tuple[_Port, ...] | None = ()


class _Egress(Schema, frozen=True):
    to: tuple[_Peer, ...] | None = ()
    ports: tuple[_Port, ...] | None = ()


class _Spec(Schema, frozen=True):
    pod_selector: LabelSelector | None = None
    policy_types: tuple[Literal["Ingress", "Egress"], ...] | None = ()
    ingress: tuple[_Ingress, ...] | None = ()
    egress: tuple[_Egress, ...] | None = ()


class NetworkPolicy(Object, frozen=True):
    spec: _Spec | None = None


def lower(document: Document) -> Lowered:
    """Lower a NetworkPolicy."""
    policy, problems = decode(document, NetworkPolicy)
    report = Report(document, problems)
    if policy is None:
        return report.lowered(None)
    spec = policy.spec or _Spec()
    types: tuple[str, ...] = spec.policy_types or (("Ingress", "Egress") if spec.egress else ("Ingress",))
    for name, rules in (("Ingress", spec.ingress), ("Egress", spec.egress)):
        if rules and name not in types:
            message = f"these rules have no effect, since policyTypes does not list {name}"
            report.warning("rules-without-effect", message, "spec", name.lower(), hint=f"add {name} to policyTypes")
    selected = spec.pod_selector or LabelSelector()
    intent = PolicyIntent(
        key=key_of(document),
        origin=document.origin,
        dialect="kubernetes",
        pods=labelselector.checked(selected, report, ("spec", "podSelector")),
        ingress=_rules([(rule.from_, rule.ports) for rule in spec.ingress or ()], "ingress", report)
        if "Ingress" in types
        else None,
        egress=_rules([(rule.to, rule.ports) for rule in spec.egress or ()], "egress", report)
        if "Egress" in types
        else None,
    )
    return report.lowered(intent)


def _rules(
    rules: list[tuple[tuple[_Peer, ...] | None, tuple[_Port, ...] | None]], name: str, report: Report
) -> tuple[PolicyRule, ...]:
    lowered = []
    for index, (peers, ports) in enumerate(rules):
        path: Path = ("spec", name, index)
        side = "from" if name == "ingress" else "to"
        lowered.append(
            PolicyRule(
                report.origin.at(*path),
                _peers(peers, (*path, side), report) if peers else None,
                tuple(_port(port, (*path, "ports", number), report) for number, port in enumerate(ports or ())),
            )
        )
    return tuple(lowered)


def _peers(peers: tuple[_Peer, ...], path: Path, report: Report) -> tuple[Peer, ...]:
    lowered = (_peer(peer, (*path, index), report) for index, peer in enumerate(peers))
    return tuple(peer for peer in lowered if peer is not None)


def _peer(peer: _Peer, path: Path, report: Report) -> Peer | None:
    origin = report.origin.at(*path)
    if peer.ip_block is not None:
        if peer.pod_selector is not None or peer.namespace_selector is not None:
            report.invalid("a peer is either an ipBlock or selectors", *path, hint="make two peers of it")
        return _block(peer.ip_block, path, report)
    if peer.pod_selector is None and peer.namespace_selector is None:
        hint = "to allow everybody leave the whole list out"
        report.invalid("a peer has a podSelector, a namespaceSelector or an ipBlock", *path, hint=hint)
    return Peer(
        origin,
        pods=_selector(peer.pod_selector, (*path, "podSelector"), report),
        namespaces=_selector(peer.namespace_selector, (*path, "namespaceSelector"), report),
    )


def _selector(wanted: LabelSelector | None, path: Path, report: Report) -> Selector | None:
    return None if wanted is None else labelselector.checked(wanted, report, path)


def _block(block: _Block, path: Path, report: Report) -> Peer | None:
    """The addresses of a block; None, which is nobody, while a `${VAR}` stands for them."""
    cidr = _cidr(block.cidr, (*path, "ipBlock", "cidr"), report)
    excepts = []
    for index, text in enumerate(block.except_ or ()):
        where = (*path, "ipBlock", "except", index)
        without = _cidr(text, where, report)
        if cidr and without and (without == cidr or not addressing.contains(cidr, without)):
            report.invalid(f"{text} is not a part of {block.cidr}", *where)
        excepts.append(without)
    if not cidr:
        return None
    return Peer(report.origin.at(*path), cidr=cidr, excepts=tuple(one for one in excepts if one))


def _cidr(text: str, path: Path, report: Report) -> str:
    found = addressing.cidr(text)
    if found is None and not has_variable(text):
        report.invalid(f"{text[:60]!r} is not a CIDR", *path, hint="for one address add /32 or /128")
    return found or ""


def _port(port: _Port, path: Path, report: Report) -> PortRange:
    number = port.port
    if isinstance(number, str) and number.isdigit():
        hint = f"write {number} without quotes"
        report.invalid("a port number in quotes would be looked up as a name", *path, "port", hint=hint)
    elif isinstance(number, int) and not 1 <= number <= 65535:
        report.invalid(f"{number} is not a port number", *path, "port")
    if port.end_port is not None:
        if not isinstance(number, int):
            report.invalid("a range of ports needs a number as its first port", *path, "endPort")
        elif port.end_port < number:
            report.invalid(f"the range ends at {port.end_port}, before it starts at {number}", *path, "endPort")
    return PortRange(port.protocol, number, port.end_port or 0)


KIND = Kind("NetworkPolicy", ("networking.k8s.io/v1", "extensions/v1beta1"), lower)
