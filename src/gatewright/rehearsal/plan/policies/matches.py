"""Peers and ports of a policy's rule as matches of nftables.

A match of peers is "" for anybody, or names addresses of one family; a rule has one line for each match of peers and of
ports.  Counterpart: `chains`, which puts them in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct, structs

from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Net
from gatewright.graph.network.parties import IN_CLUSTER, RESERVED, identity
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key, Selector
from gatewright.kinds.intents.material import ServiceIntent
from gatewright.kinds.intents.naming import ZoneIntent
from gatewright.kinds.intents.policies import Peer, PolicyIntent, PolicyRule, PortRange
from gatewright.rehearsal import ranges
from gatewright.rehearsal.plan.clusters import joined
from gatewright.rehearsal.plan.policies.members import Member, Members
from gatewright.rehearsal.world import Draft

KUBERNETES = "NetworkPolicy"


class Asked(Struct, frozen=True):
    """One rule of one policy for one member and direction."""

    policy: PolicyIntent
    rule: PolicyRule
    own: Member
    ingress: bool


class Hosts(Struct, frozen=True):
    """Addresses of peers, and those that they leave out.  `member`: whose they are, where ports have to be known."""

    nets: tuple[Net, ...]
    excepts: tuple[Net, ...] = ()
    member: Member | None = None


class Matcher:
    """Makes matches for the members of one cluster."""

    def __init__(self, draft: Draft, sight: Sight, members: Members, *, cilium: bool) -> None:
        self._draft = draft
        self._sight = sight
        self._members = members
        self._cilium = cilium

    def lines(self, asked: Asked) -> Iterator[str]:
        """The matches of a rule, each to be followed by what becomes of it."""
        if asked.rule.peers is None:
            for ports in self._ports(asked, None):
                yield ports
            return
        for peer in asked.rule.peers:
            for hosts in self._hosts(asked, peer):
                for ports in self._ports(asked, hosts.member):
                    if asked.ingress and not asked.rule.deny and self._hands_on(asked.own, hosts):
                        yield ports
                        continue
                    for match in _addressed(hosts, "saddr" if asked.ingress else "daddr"):
                        yield f"{match} {ports}".strip()

    def _hands_on(self, own: Member, hosts: Hosts) -> bool:
        """Is a node meant that may hand on anybody's connection as its own?"""
        inner = _nets(a for id_ in own.handed for a in self._members.nodes.get(id_, ()))
        return any(
            any(cidrs.within(net, outer) for outer in hosts.nets)
            and not any(cidrs.within(net, out) for out in hosts.excepts)
            for net in inner
        )

    # --- peers ---

    def _hosts(self, asked: Asked, peer: Peer) -> Iterator[Hosts]:
        doubt = not asked.rule.deny
        if peer.cidr:
            yield from self._block(peer)
        elif peer.entity:
            yield from self._entity(asked, peer.entity)
        elif peer.fqdn:
            yield Hosts(tuple(self._named(peer.fqdn)))
        elif peer.service is not None:
            yield from self._service(peer.service)
        elif peer.nodes is not None:
            wanted = (m.id for m in self._members.machines if peer.nodes.matches(dict(m.labels)))
            yield Hosts(_nets(a for id_ in wanted for a in self._members.nodes[id_]))
        else:
            yield from (_of(one) for one in self._members.pods if self._is(asked.policy, peer, one, doubt=doubt))

    def _is(self, policy: PolicyIntent, peer: Peer, one: Member, *, doubt: bool) -> bool:
        """Does a peer mean a member?  In `doubt` labels that it may have count as had."""
        if one.cilium:
            selector = peer.pods
            return selector is not None and _reserved(selector) and selector.matches({f"{RESERVED}ingress": ""})
        if doubt and one.doors is not None and one.partial and not one.labels:
            return True  # nobody says what the pods of this gateway are
        own = self._sight.ask(identity, one.namespace, one.labels)
        if peer.namespaces is not None:
            if not peer.namespaces.matches(own.namespace_labels):
                return False
        elif not peer.any_namespace and policy.key.namespace not in ("", one.namespace):
            return False
        if peer.pods is None:
            return True
        labels = own.labels if policy.key.kind == KUBERNETES else own.cilium
        return (known(peer.pods, labels) if doubt and one.partial else peer.pods).matches(labels)

    def _block(self, peer: Peer) -> Iterator[Hosts]:
        """To Cilium CIDRs are what is outside of the cluster; to others every address is an address."""
        excepts = cidrs.networks(peer.excepts)
        yield Hosts(cidrs.networks((peer.cidr,)), (*excepts, *self._inside()) if self._cilium else excepts)

    def _inside(self) -> tuple[Net, ...]:
        """All addresses of pods and nodes."""
        pods = (a for one in self._members.pods if not one.cilium for a in one.addresses)
        nodes = (a for addresses in self._members.nodes.values() for a in addresses)
        return (*self._members.cluster.pod_cidrs, *_nets((*pods, *nodes)))

    def _entity(self, asked: Asked, wanted: str) -> Iterator[Hosts]:
        everywhere = cidrs.networks(("0.0.0.0/0", "::/0"))
        ingress = _nets(a for one in self._members.pods if one.cilium for a in one.addresses)
        if wanted == "all":
            yield Hosts(everywhere)
        elif wanted in ("world", "world-ipv4", "world-ipv6"):
            nets = [net for net in everywhere if wanted in ("world", f"world-ipv{net.version}")]
            yield Hosts(tuple(nets), (*self._inside(), *ingress))
        elif wanted == "cluster":
            yield Hosts((*self._inside(), *ingress))
        elif wanted in ("host", "remote-node"):
            own = asked.own.machine
            nodes = [id_ for id_ in self._members.nodes if (id_ == own) == (wanted == "host")]
            yield Hosts(_nets(a for id_ in nodes for a in self._members.nodes[id_]))
        elif wanted == "ingress":
            yield Hosts(ingress)
        elif wanted not in IN_CLUSTER | {"none"}:
            self._draft.note(f"nobody is the entity {wanted} here", asked.rule.origin)

    def _named(self, pattern: str) -> Iterator[Net]:
        """The addresses that zones give to names; those of a CDN where it answers for them."""
        test = re.compile(_pattern(pattern))
        for zone in self._sight.all("Zone", ZoneIntent):
            for record in zone.records:
                if record.type in ("A", "AAAA") and test.fullmatch(record.name.rstrip(".").lower()):
                    edge = self._draft.edges.get(zone.provider.lower(), ()) if record.proxied else ()
                    yield from _nets(edge or record.values)

    def _service(self, named: tuple[str, str]) -> Iterator[Hosts]:
        """toServices: the pods that a Service selects, or the addresses that it lists."""
        key = Key("Service", *named)
        service = self._sight.get(key, ServiceIntent)
        selected = set(service.selector) if service is not None else set()
        pods = [m for m in self._members.pods if m.namespace == key.namespace and not m.cilium]
        yield from (_of(one) for one in pods if selected and selected <= set(one.labels))
        listed = ranges.endpoints(self._sight, key)
        yield Hosts(_nets(a.address for group in listed for a in group.addresses))

    # --- ports ---

    def _ports(self, asked: Asked, other: Member | None) -> list[str]:
        """The matches of a rule's ports, at the target: one of its own, or a peer."""
        if not asked.rule.ports:
            return [""]
        target = asked.own if asked.ingress else other
        found = [match for wanted in asked.rule.ports for match in _port(wanted, target)]
        return list(dict.fromkeys(found))


def _port(wanted: PortRange, target: Member | None) -> Iterator[str]:
    protocols = ("tcp", "udp", "sctp") if wanted.protocol == "ANY" else (wanted.protocol.lower(),)
    for protocol in protocols:
        if not wanted.port:
            yield f"meta l4proto {protocol}"
        elif isinstance(wanted.port, int):
            last = wanted.end or wanted.port
            numbers = [f"{wanted.port}-{last}" if last > wanted.port else str(wanted.port)]
            if target is not None and target.doors is not None:
                numbers = [
                    str(door)
                    for own, door, spoken in target.doors
                    if wanted.port <= own <= last and spoken.lower() == protocol
                ]
            yield from (f"{protocol} dport {number}" for number in numbers)
        elif target is not None and target.ports is None:
            yield f"meta l4proto {protocol}"  # nobody says what the pod calls its ports
        elif target is not None and target.ports is not None:
            for port in target.ports:
                if (port.name, port.protocol.lower()) == (wanted.port, protocol):
                    yield from _port(PortRange(port.protocol, port.port), target)


def known(selector: Selector, labels: dict[str, str]) -> Selector:
    """What a selector says of these labels and no others."""
    return structs.replace(
        selector,
        labels=tuple(label for label in selector.labels if label[0] in labels),
        expressions=tuple(expression for expression in selector.expressions if expression[0] in labels),
    )


def addresses(hosts: Iterable[str], word: str) -> Iterator[str]:
    """Matches for some addresses."""
    yield from _addressed(Hosts(_nets(hosts)), word)


def _addressed(hosts: Hosts, word: str) -> Iterator[str]:
    for version in (4, 6):
        nets = joined.merged(net for net in hosts.nets if net.version == version)
        out = joined.merged(net for net in hosts.excepts if net.version == version)
        ip = "ip6" if version == 6 else "ip"
        if not nets:
            continue
        match = f"meta nfproto ipv{version}" if any(n.prefixlen == 0 for n in nets) else f"{ip} {word} {_set(nets)}"
        yield f"{match} {ip} {word} != {_set(out)}" if out else match


def _set(nets: Sequence[Net]) -> str:
    texts = (str(net.network_address) if net.prefixlen == net.max_prefixlen else str(net) for net in nets)
    return f"{{ {', '.join(texts)} }}"


def _of(member: Member) -> Hosts:
    return Hosts(_nets(member.addresses), member=member)


def _nets(texts: Iterable[str]) -> tuple[Net, ...]:
    return cidrs.networks(texts)


def _reserved(selector: Selector) -> bool:
    keys = (*(key for key, _ in selector.labels), *(key for key, _, _ in selector.expressions))
    return any(key.startswith(RESERVED) for key in keys)


def _pattern(fqdn: str) -> str:
    """The names that a toFQDNs pattern means: `*` stays within a label, alone it means every name, `**.` any depth."""
    name = fqdn.lower().rstrip(".")
    if name == "*":
        return ".+"
    prefix, rest = (r"([-a-z0-9_]+\.)+", name[3:]) if name.startswith("**.") else ("", name)
    return prefix + "[-a-z0-9_]*".join(map(re.escape, rest.split("*")))
