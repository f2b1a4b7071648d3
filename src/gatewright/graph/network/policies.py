"""Network policies: NetworkPolicy, CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy, judged as they are enforced.

`admitted` asks both sides: the source's egress and the target's ingress.  Kubernetes policies only add permissions to
pods that some policy isolates; Cilium has denials too, which win, tells parties apart by identity (a CIDR never means a
pod or node of the cluster) and may let only some HTTP requests through.  Where both kinds select one pod, Cilium is the
plugin that enforces both.  Counterpart: `ways`, which asks firewalls and links.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import re2
from msgspec import Struct, structs

from gatewright.base.origin import Origin
from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Net
from gatewright.graph.network.parties import (
    IN_CLUSTER,
    RESERVED,
    Identity,
    Party,
    PartyKind,
    identity,
    nets,
    reserved,
)
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key, Selector
from gatewright.kinds.intents.material import EndpointsIntent, ServiceIntent
from gatewright.kinds.intents.places import ClusterSpec, SiteIntent
from gatewright.kinds.intents.policies import HttpAllow, Peer, PolicyIntent, PolicyRule, PortRange

KUBERNETES = "NetworkPolicy"
CILIUM_KINDS = (
    "CiliumNetworkPolicy",
    "CiliumClusterwideNetworkPolicy",
    "CiliumLoadBalancerIPPool",
    "CiliumL2AnnouncementPolicy",
)
EVERYWHERE = cidrs.networks(("0.0.0.0/0", "::/0"))


class Verdict(Struct, frozen=True):
    """Do policies let a connection through?

    `origins`: the rules that admit it, the rule that denies it, or the policies that isolate a pod and do not admit
    it.  `http`: only requests that fit one of each group pass, others are answered 403 (see `passes`).
    """

    allowed: bool
    reason: str = ""
    origins: tuple[Origin, ...] = ()
    http: tuple[tuple[HttpAllow, ...], ...] = ()


OPEN = Verdict(True)


class Block(Struct, frozen=True):
    """A peer's CIDR, parsed."""

    within: Net
    excepts: tuple[Net, ...]

    def holds(self, inner: Net) -> bool:
        return cidrs.within(inner, self.within) and not any(cidrs.within(inner, out) for out in self.excepts)


class PeerTest(Struct, frozen=True):
    """A Peer with what is costly to read read already.  `name` is a regular expression."""

    peer: Peer
    block: Block | None
    name: str


class RuleTest(Struct, frozen=True):
    """A PolicyRule, prepared."""

    rule: PolicyRule
    peers: tuple[PeerTest, ...] | None


class PolicyTest(Struct, frozen=True):
    """A PolicyIntent, prepared.  `sure` False: it may select the pod, by labels of which nobody tells.

    Then its permissions count, but neither its denials nor that it isolates.
    """

    intent: PolicyIntent
    ingress: tuple[RuleTest, ...] | None
    egress: tuple[RuleTest, ...] | None
    sure: bool = True

    @property
    def cilium(self) -> bool:
        return self.intent.key.kind != KUBERNETES


class Selected(Struct, frozen=True):
    """The policies that concern one party, by direction."""

    ingress: tuple[PolicyTest, ...] = ()
    egress: tuple[PolicyTest, ...] = ()


UNSELECTED = Selected()


# --- which policies there are -------------------------------------------------------------------


def clusterwide(sight: Sight) -> tuple[PolicyTest, ...]:
    """All policies without a namespace."""
    return tuple(_prepared(sight.listed("policies", "", PolicyIntent)))


def table(sight: Sight, namespace: str) -> tuple[PolicyTest, ...]:
    """The policies that may select pods of a namespace."""
    everywhere = sight.ask(clusterwide)
    if namespace:
        return everywhere + tuple(_prepared(sight.listed("policies", namespace, PolicyIntent)))
    return everywhere


def selecting(sight: Sight, namespace: str, labels: tuple[tuple[str, str], ...], partial: bool) -> Selected:
    """The policies that select pods with these labels in a namespace; with `partial` those that may."""
    own = sight.ask(identity, namespace, labels)
    tests = sight.ask(table, namespace)
    chosen = [test for test in tests if _selects(test, own)]
    if partial:
        others = (test for test in tests if test not in chosen and _selects(test, own, doubt=True))
        chosen += [structs.replace(test, sure=False) for test in others]
    return _by_direction(chosen)


def runs_cilium(sight: Sight) -> bool:
    """Is Cilium the network plugin, as far as its kinds among the input tell?"""
    return any(sight.all(kind, object) for kind in CILIUM_KINDS)


def unenforced(sight: Sight, namespace: str) -> ClusterSpec | None:
    """The cluster of a namespace when its network plugin enforces no policies."""
    clusters = [cluster for site in sight.all("Site", SiteIntent) for cluster in site.clusters]
    named = [cluster for cluster in clusters if namespace in cluster.namespaces]
    mine = named or [cluster for cluster in clusters if not cluster.namespaces]
    return mine[0] if mine and not any(cluster.enforces_policies for cluster in mine) else None


def _prepared(intents: Iterable[PolicyIntent]) -> Iterator[PolicyTest]:
    """Each policy, and the further ones that its object holds."""
    for intent in intents:
        for one in (intent, *intent.more):
            yield PolicyTest(one, _rules(one.ingress), _rules(one.egress))


def _rules(rules: tuple[PolicyRule, ...] | None) -> tuple[RuleTest, ...] | None:
    if rules is None:
        return None
    return tuple(RuleTest(rule, None if rule.peers is None else tuple(map(_peer, rule.peers))) for rule in rules)


def _peer(peer: Peer) -> PeerTest:
    found = cidrs.networks((peer.cidr,))
    block = Block(found[0], cidrs.networks(peer.excepts)) if found else None
    return PeerTest(peer, block, _name_pattern(peer.fqdn))


def _name_pattern(fqdn: str) -> str:
    """The names that a toFQDNs pattern means: `*` stays within a label, alone it means every name, `**.` any depth."""
    if fqdn == "*":
        return ".+"
    prefix, rest = ("([-a-z0-9_]+[.])+", fqdn[3:]) if fqdn.startswith("**.") else ("", fqdn)
    return prefix + "[-a-z0-9_]*".join(re.escape(part) for part in rest.lower().rstrip(".").split("*"))


def _selects(test: PolicyTest, own: Identity, *, doubt: bool = False) -> bool:
    intent = test.intent
    if intent.pods is None or intent.nodes is not None:
        return False
    if intent.namespaces is not None and not intent.namespaces.matches(own.namespace_labels):
        return False
    labels = own.cilium if test.cilium else own.labels
    return (_about(intent.pods, labels) if doubt else intent.pods).matches(labels)


def _by_direction(tests: Iterable[PolicyTest]) -> Selected:
    chosen = tuple(tests)
    ingress = tuple(test for test in chosen if test.ingress is not None)
    egress = tuple(test for test in chosen if test.egress is not None)
    return Selected(ingress, egress) if ingress or egress else UNSELECTED


def concerning(sight: Sight, party: Party) -> Selected:
    """The policies that judge what enters and leaves a party."""
    if party.kind is PartyKind.POD:
        if not sight.ask(table, party.namespace):
            return UNSELECTED
        return sight.ask(selecting, party.namespace, party.labels, party.partial)
    if party.kind in (PartyKind.ADDRESS, PartyKind.UNKNOWN) or not (everywhere := sight.ask(clusterwide)):
        return UNSELECTED
    if party.kind is PartyKind.NODE:
        labels = dict(party.labels)
        return _by_direction(t for t in everywhere if t.intent.nodes is not None and t.intent.nodes.matches(labels))
    # Of the entities only Cilium's own gateway is an endpoint that policies can select.
    if party.entity != "ingress":
        return UNSELECTED
    return _by_direction(
        t
        for t in everywhere
        if t.intent.pods is not None and t.intent.namespaces is None and t.intent.pods.matches(reserved(party))
    )


# --- the judgement ------------------------------------------------------------------------------


def admitted(sight: Sight, source: Party, target: Party, port: int | str, protocol: str = "TCP") -> Verdict:
    """May the source connect to this port of the target?  The port is the pod's own, not its Service's.

    A port that is a string is one that a Service names and no known container has.
    """
    leaving, entering = concerning(sight, source).egress, concerning(sight, target).ingress
    if not leaving and not entering:
        return OPEN
    at = Judgement(sight, source, target, port, protocol)
    if at.exempt():
        return OPEN
    out = at.direction(leaving, source, target, ingress=False)
    if not out.allowed:
        return out
    into = at.direction(entering, target, source, ingress=True)
    if not into.allowed:
        return into
    return Verdict(
        True, "; ".join(filter(None, (out.reason, into.reason))), out.origins + into.origins, out.http + into.http
    )


class Judgement:
    """One connection before the policies of both of its ends."""

    __slots__ = ("_cilium", "_port", "_protocol", "_sight", "_source", "_target")

    def __init__(self, sight: Sight, source: Party, target: Party, port: int | str, protocol: str) -> None:
        self._sight = sight
        self._source = source
        self._target = target
        self._port = port
        self._protocol = protocol
        self._cilium = sight.ask(runs_cilium)

    def exempt(self) -> bool:
        """What Kubernetes says no policy can forbid: a pod talks to itself, and with the node that it is on."""
        source, target = self._source, self._target
        if source.kind is PartyKind.POD and target.kind is PartyKind.POD:
            same = source.namespace == target.namespace and source.labels == target.labels
            return same and _single(source) and source.addresses == target.addresses
        return not self._cilium and self._local() and {source.kind, target.kind} == {PartyKind.POD, PartyKind.NODE}

    def direction(self, tests: tuple[PolicyTest, ...], own: Party, other: Party, *, ingress: bool) -> Verdict:
        """What the policies of one end, `own`, say of the other: denials first, then permissions."""
        if not tests:
            return OPEN
        if own.kind is PartyKind.POD and (cluster := self._sight.ask(unenforced, own.namespace)) is not None:
            return Verdict(True, f"cluster {cluster.name} enforces no network policies", (cluster.origin,))
        plain: list[tuple[PolicyTest, RuleTest]] = []
        limited: list[tuple[PolicyTest, RuleTest]] = []
        for test in tests:
            for rule in (test.ingress if ingress else test.egress) or ():
                if not test.sure and rule.rule.deny:
                    continue
                if self._meets(test, rule, other):
                    if rule.rule.deny:
                        why = f"{test.intent.key} denies {_what(own, other, ingress)} on {self._where()}"
                        return Verdict(False, why, (rule.rule.origin,))
                    (limited if rule.rule.http and test.sure else plain).append((test, rule))
        if plain:
            why = f"{_keys(plain)} {_plural(plain, 'admits', 'admit')} {_what(own, other, ingress)} on {self._where()}"
            return Verdict(True, why, _origins(plain))
        if self._cilium and ingress and other.kind is PartyKind.NODE and own.kind is PartyKind.POD and self._local():
            return OPEN  # the kubelet has to get through, so Cilium lets the local node in unless it is denied
        if limited:
            allowed = tuple(dict.fromkeys(allow for _, rule in limited for allow in rule.rule.http))
            why = f"{_keys(limited)} {_plural(limited, 'admits', 'admit')} only some HTTP requests of {other}"
            return Verdict(True, why, _origins(limited), (allowed,))
        isolating = [test for test in tests if test.sure and _isolates(test.intent, ingress)]
        if not isolating:
            return OPEN
        pairs = [(test, None) for test in isolating]
        why = f"{_keys(pairs)} {_plural(pairs, 'does', 'do')} not admit {_what(own, other, ingress)}"
        return Verdict(False, f"{why} on {self._where()}", tuple(test.intent.origin for test in isolating))

    def _where(self) -> str:
        return f"{self._protocol} port {self._port}"

    def _local(self) -> bool:
        return bool(self._source.machine) and self._source.machine == self._target.machine

    def _meets(self, test: PolicyTest, rule: RuleTest, other: Party) -> bool:
        ports = rule.rule.ports
        if ports and not any(self._on(wanted) for wanted in ports):
            return False
        if rule.peers is None:
            return True
        if other.kind is PartyKind.UNKNOWN:
            return not rule.rule.deny and bool(rule.peers)
        return any(self._is(test, peer, other, doubt=not rule.rule.deny) for peer in rule.peers)

    def _on(self, wanted: PortRange) -> bool:
        """Is this the port?  Names are those of the target's container ports, in both directions."""
        port = self._port
        if wanted.protocol not in ("ANY", self._protocol):
            return False
        if not wanted.port:
            return True
        if isinstance(wanted.port, int):
            return isinstance(port, int) and wanted.port <= port <= (wanted.end or wanted.port)
        if self._target.kind is not PartyKind.POD:
            return False
        if isinstance(port, str) or self._target.ports is None:
            return port == wanted.port or self._target.ports is None  # nobody says what the pod calls its ports
        has = self._target.ports
        return any((p.name, p.port, p.protocol) == (wanted.port, port, self._protocol) for p in has)

    # --- peers ---

    def _is(self, test: PolicyTest, wanted: PeerTest, other: Party, *, doubt: bool) -> bool:
        """Does the peer mean the other party?  In `doubt` labels that it may have count as had."""
        peer = wanted.peer
        if peer.cidr:
            return wanted.block is not None and self._in_block(wanted.block, other)
        if peer.entity:
            return self._is_entity(peer.entity, other)
        if wanted.name:
            return other.kind is PartyKind.ADDRESS and any(re.fullmatch(wanted.name, name) for name in other.names)
        if peer.service is not None:
            return self._serves(peer.service, other)
        if peer.nodes is not None:
            return other.kind is PartyKind.NODE and peer.nodes.matches(dict(other.labels))
        return self._is_pod(test, peer, other, doubt=doubt and other.partial)

    def _is_pod(self, test: PolicyTest, peer: Peer, other: Party, *, doubt: bool) -> bool:
        if other.kind is not PartyKind.POD:
            return peer.pods is not None and _of_reserved(peer.pods) and peer.pods.matches(reserved(other))
        own = self._sight.ask(identity, other.namespace, other.labels)
        if peer.namespaces is not None:
            if not peer.namespaces.matches(own.namespace_labels):
                return False
        elif not peer.any_namespace and test.intent.key.namespace not in ("", other.namespace):
            return False
        if peer.pods is None:
            return True
        labels = own.cilium if test.cilium else own.labels
        return (_about(peer.pods, labels) if doubt else peer.pods).matches(labels)

    def _in_block(self, block: Block, other: Party) -> bool:
        """To Cilium CIDRs are what is outside of the cluster; to others every address is an address."""
        if self._cilium and other.kind in (PartyKind.POD, PartyKind.NODE):
            return False
        if other.kind is PartyKind.ENTITY and other.entity != "world":
            return False
        if not other.addresses:  # whatever its address is, it is in the whole
            return block.within in EVERYWHERE and not block.excepts
        return any(block.holds(inner) for inner in nets(other.addresses))

    def _is_entity(self, wanted: str, other: Party) -> bool:
        if wanted in ("all", other.entity):
            return True
        match other.kind:
            case PartyKind.POD:
                return wanted == "cluster"
            case PartyKind.NODE:
                # Nobody says which node: it may be either.
                known = self._source.machine and self._target.machine
                near = wanted == "host" and (self._local() or not known)
                return wanted == "cluster" or near or (wanted == "remote-node" and not self._local())
            case PartyKind.ENTITY:
                return wanted == "cluster" and other.entity in IN_CLUSTER
        families = {found.version for found in nets(other.addresses)} or {4, 6}
        return wanted == "world" or any(wanted == f"world-ipv{family}" for family in families)

    def _serves(self, service: tuple[str, str], other: Party) -> bool:
        """toServices: the pods that the Service selects, or the addresses that its EndpointSlices list."""
        key = Key("Service", *service)
        if other.kind is PartyKind.POD:
            found = self._sight.get(key, ServiceIntent)
            mine = found is not None and bool(found.selector) and other.namespace == key.namespace
            return mine and set(found.selector) <= set(other.labels) if found else False
        listed = self._sight.listed("endpoints", key, EndpointsIntent)
        addresses = {a.address for slice_ in listed for group in (slice_, *slice_.more) for a in group.addresses}
        return not addresses.isdisjoint(other.addresses)


def _what(own: Party, other: Party, ingress: bool) -> str:
    return f"{other} to {own}" if ingress else f"{own} to {other}"


def _isolates(intent: PolicyIntent, ingress: bool) -> bool:
    return intent.default_deny_ingress if ingress else intent.default_deny_egress


def _origins(rules: Sequence[tuple[PolicyTest, RuleTest]]) -> tuple[Origin, ...]:
    return tuple(dict.fromkeys(rule.rule.origin for _, rule in rules))


def _keys(pairs: Sequence[tuple[PolicyTest, RuleTest | None]]) -> str:
    return " and ".join(dict.fromkeys(str(test.intent.key) for test, _ in pairs))


def _plural(pairs: Sequence[tuple[PolicyTest, RuleTest | None]], one: str, more: str) -> str:
    return one if len({test.intent.key for test, _ in pairs}) == 1 else more


def _single(party: Party) -> bool:
    """Is its address known, rather than the network that it is in?"""
    return bool(party.addresses) and not any("/" in address for address in party.addresses)


def _about(selector: Selector, labels: Mapping[str, str]) -> Selector:
    """What a selector says of these labels and no others."""
    return Selector(
        tuple(label for label in selector.labels if label[0] in labels),
        tuple(expression for expression in selector.expressions if expression[0] in labels),
    )


def _of_reserved(selector: Selector) -> bool:
    """Does a selector name Cilium's reserved identities?  Only then it can mean anything but pods."""
    keys = (*(key for key, _ in selector.labels), *(key for key, _, _ in selector.expressions))
    return any(key.startswith(RESERVED) for key in keys)


# --- single requests ----------------------------------------------------------------------------


def passes(
    groups: tuple[tuple[HttpAllow, ...], ...], method: str, path: str, host: str, headers: Mapping[str, str]
) -> bool:
    """Does an HTTP request get through a Verdict's `http`?  `path` with its query, names of `headers` lower-case."""
    return all(any(_lets(allow, method, path, host, headers) for allow in group) for group in groups)


def _lets(allow: HttpAllow, method: str, path: str, host: str, headers: Mapping[str, str]) -> bool:
    wanted = ((allow.method, method), (allow.path, path), (allow.host, host))
    return all(_full_match(pattern, value) for pattern, value in wanted) and all(
        _has(header, headers) for header in allow.headers
    )


def _has(wanted: str, headers: Mapping[str, str]) -> bool:
    """A header that must be there, "Name" or "Name: value"."""
    name, separator, value = wanted.partition(":") if ":" in wanted else wanted.partition(" ")
    found = headers.get(name.strip().lower())
    return found is not None and (not separator or found == value.strip())


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error:
        return None


def _full_match(pattern: str, value: str) -> bool:
    """ "" is anything; what is no regular expression matches nothing (its kind reports it)."""
    if not pattern:
        return True
    compiled = _compiled(pattern)
    return compiled is not None and compiled.fullmatch(value) is not None
