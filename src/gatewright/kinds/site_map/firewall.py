"""Firewall (gatewright.dev/v1alpha1): what lets packets in and out of places, as a security group or nftables does.

A `securityGroup` only allows, and the order of its rules says nothing; of `nftables` the first rule that matches
decides.  Network policies of a cluster are read from its manifests and are no Firewall.  docs/site-map.md explains each
field.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from gatewright.base.document import Document
from gatewright.kinds.decode import Object, Path, Report, Schema, decode, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.places import FirewallIntent, FirewallRule, PortForward
from gatewright.kinds.kind import Kind
from gatewright.kinds.site_map import sitemap

Protocol = Literal["tcp", "udp", "icmp", "any"]
Verdict = Literal["allow", "deny"]
STYLES = {"securityGroup": "security-group", "nftables": "nftables"}


class _Rule(Schema, frozen=True):
    """Allows or denies a protocol; `from` is for inbound rules, `to` for outbound ones."""

    allow: Protocol | None = None
    deny: Protocol | None = None
    ports: tuple[int | str, ...] = ()
    from_: tuple[str, ...] = field(default=(), name="from")
    to: tuple[str, ...] = ()


class _Default(Schema, frozen=True):
    inbound: Verdict | None = None
    outbound: Verdict | None = None


class _Forward(Schema, frozen=True):
    address: str
    port: sitemap.Port
    to: str
    to_port: sitemap.Port | None = None
    protocol: Literal["tcp", "udp"] = "tcp"


class _Spec(Schema, frozen=True):
    protects: tuple[sitemap.Place, ...]
    style: Literal["securityGroup", "nftables"] = "nftables"
    default: _Default = field(default_factory=_Default)
    inbound: tuple[_Rule, ...] = ()
    outbound: tuple[_Rule, ...] = ()
    forwards: tuple[_Forward, ...] = ()


class Firewall(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower a Firewall, filling in what its style does by default."""
    firewall, problems = decode(document, Firewall)
    report = Report(document, problems)
    if firewall is None:
        return report.lowered(None)
    spec = firewall.spec
    if not spec.protects:
        report.invalid("protects nothing", "spec", "protects", hint="list nodes, networks, clusters or sites")
    spots = (sitemap.spot(place, report, "spec", "protects", i) for i, place in enumerate(spec.protects))
    default_inbound, default_outbound = _defaults(spec, report)
    intent = FirewallIntent(
        key=key_of(document),
        origin=document.origin,
        style=STYLES[spec.style],
        spots=tuple(spot for spot in spots if spot is not None),
        inbound=_rules(spec, "inbound", report),
        outbound=_rules(spec, "outbound", report),
        default_inbound=default_inbound,
        default_outbound=default_outbound,
        forwards=_forwards(spec, report),
    )
    return report.lowered(intent)


def _defaults(spec: _Spec, report: Report) -> tuple[bool, bool]:
    """What happens to a packet that no rule matches.  A security group with outbound rules allows no others."""
    said = spec.default
    if spec.style != "securityGroup":
        return said.inbound == "allow", said.outbound != "deny"
    if said.inbound == "allow":
        report.invalid("a security group denies what it does not allow", "spec", "default", "inbound")
    return False, said.outbound == "allow" if said.outbound else not spec.outbound


def _rules(spec: _Spec, direction: str, report: Report) -> tuple[FirewallRule, ...]:
    rules = spec.inbound if direction == "inbound" else spec.outbound
    found = (_rule(spec, rule, direction, report, ("spec", direction, index)) for index, rule in enumerate(rules))
    return tuple(rule for rule in found if rule is not None)


def _rule(spec: _Spec, rule: _Rule, direction: str, report: Report, path: Path) -> FirewallRule | None:
    if (rule.allow is None) == (rule.deny is None):
        report.invalid("gives no single verdict", *path, hint="give either allow or deny, with a protocol")
        return None
    if rule.deny is not None and spec.style == "securityGroup":
        report.invalid("a security group only allows", *path, "deny", hint="leave out what is not allowed")
    protocol = rule.allow or rule.deny or "any"
    if rule.ports and protocol not in ("tcp", "udp"):
        report.invalid(f"{protocol} has no ports", *path, "ports", hint="give one rule for tcp and one for udp")
    inbound = direction == "inbound"
    peers, name = (rule.from_, "from") if inbound else (rule.to, "to")
    if rule.to if inbound else rule.from_:
        wrong = "to" if inbound else "from"
        report.invalid(f"an {direction} rule has no {wrong}", *path, wrong, hint=f"write {name}")
    ports = [sitemap.ports(value, report, *path, "ports", index) for index, value in enumerate(rule.ports)]
    return FirewallRule(
        allow=rule.allow is not None,
        origin=report.origin.at(*path),
        protocol=protocol,
        ports=tuple(item for item in ports if item is not None),
        peers=sitemap.each(peers, sitemap.cidr, report, *path, name),
    )


def _forwards(spec: _Spec, report: Report) -> tuple[PortForward, ...]:
    forwards = []
    for index, item in enumerate(spec.forwards):
        path: Path = ("spec", "forwards", index)
        address = sitemap.address(item.address, report, *path, "address")
        to = sitemap.address(item.to, report, *path, "to")
        if address is None or to is None:
            continue
        if sitemap.family(address) != sitemap.family(to):
            report.invalid(f"{address} cannot be forwarded to {to}: they are of two families", *path, "to")
        forward = PortForward(address, item.port, to, item.to_port or item.port, report.origin.at(*path), item.protocol)
        forwards.append(forward)
    return tuple(forwards)


KIND = Kind("Firewall", (sitemap.API_VERSION,), lower, namespaced=False)
