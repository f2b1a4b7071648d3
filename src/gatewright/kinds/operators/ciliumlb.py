"""Cilium's load balancer addresses (cilium.io): pools of LB IPAM, and who announces them.

CiliumLoadBalancerIPPool hands out addresses; CiliumL2AnnouncementPolicy answers for them on the segment (ARP, NDP);
CiliumBGPAdvertisement tells routers of them.  The other BGP kinds say with which routers, which is no concern of ours.
The network and broadcast addresses of a CIDR are used unless `allowFirstLastIPs: "No"` (the default since 1.15, and in
v2).  A service selector may also ask for the Service's namespace and name, by the keys below.  Counterpart: `metallb`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from gatewright.base.document import Document
from gatewright.kinds import addressing, labelselector
from gatewright.kinds.decode import Lenient, Object, Path, Report, Schema, decode, has_variable, key_of
from gatewright.kinds.identity import Selector
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.places import AddressRange, AnnouncementIntent, PoolIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.labelselector import LabelSelector

IMPLEMENTATION = "cilium"
NAMESPACE_KEY = "io.kubernetes.service.namespace"


class _Block(Schema, frozen=True):
    cidr: str = ""
    start: str = ""
    stop: str = ""


class _PoolSpec(Schema, frozen=True):
    blocks: tuple[_Block, ...] = ()
    cidrs: tuple[_Block, ...] = ()  # before 1.15
    service_selector: LabelSelector | None = None
    allow_first_last_ips: Literal["Yes", "No"] = field(default="Yes", name="allowFirstLastIPs")
    disabled: bool = False


class CiliumLoadBalancerIPPool(Object, frozen=True, kw_only=True):
    spec: _PoolSpec


class _L2Spec(Schema, frozen=True):
    node_selector: LabelSelector | None = None
    service_selector: LabelSelector | None = None
    interfaces: tuple[str, ...] = ()
    external_ips: bool = field(default=False, name="externalIPs")
    load_balancer_ips: bool = field(default=False, name="loadBalancerIPs")


class CiliumL2AnnouncementPolicy(Object, frozen=True):
    spec: _L2Spec | None = None


class _BgpService(Lenient, frozen=True):
    addresses: tuple[str, ...] = ()


class _BgpItem(Lenient, frozen=True):
    advertisement_type: str
    service: _BgpService = _BgpService()
    selector: LabelSelector | None = None


class _BgpSpec(Schema, frozen=True):
    advertisements: tuple[_BgpItem, ...] = ()


class CiliumBGPAdvertisement(Object, frozen=True, kw_only=True):
    spec: _BgpSpec


def _lower_pool(document: Document) -> Lowered:
    pool, problems = decode(document, CiliumLoadBalancerIPPool)
    report = Report(document, problems)
    if pool is None:
        return report.lowered(None)
    spec = pool.spec
    name = "blocks" if spec.blocks else "cidrs"
    if not spec.blocks and not spec.cidrs:
        report.invalid("a pool needs blocks of addresses", "spec", "blocks")
    services, namespaces = _services(spec.service_selector, report)
    intent = PoolIntent(
        key=key_of(document),
        origin=document.origin,
        implementation=IMPLEMENTATION,
        ranges=_ranges(spec.blocks or spec.cidrs, name, report),
        services=services,
        namespaces=namespaces,
        first_last=spec.allow_first_last_ips == "Yes",
        disabled=spec.disabled,
        labels=tuple(sorted(pool.metadata.labels.items())),
    )
    return report.lowered(intent)


def _ranges(blocks: tuple[_Block, ...], name: str, report: Report) -> tuple[AddressRange, ...]:
    ranges = []
    for index, block in enumerate(blocks):
        path: Path = ("spec", name, index)
        if any(has_variable(text) for text in (block.cidr, block.start, block.stop)):
            continue
        if bool(block.cidr) == bool(block.start):
            report.invalid("a block is either a cidr, or a start with an optional stop", *path)
            continue
        origin = report.origin.at(*path)
        if block.cidr:
            text = addressing.cidr(block.cidr)
            found = addressing.span(block.cidr, origin) if text else f"{block.cidr!r} is not a CIDR"
        else:
            stop = block.stop or block.start
            found = addressing.between(block.start, stop, f"{block.start}-{stop}", origin)
        if isinstance(found, str):
            report.invalid(found, *path)
        else:
            ranges.append(found)
    return tuple(ranges)


def _services(wanted: LabelSelector | None, report: Report) -> tuple[tuple[Selector, ...], tuple[str, ...]]:
    """The selector of Services, and the namespaces that it narrows them to by the special key."""
    if wanted is None:
        return (), ()
    selector = labelselector.checked(wanted, report, ("spec", "serviceSelector"))
    named: list[tuple[str, ...]] = [(value,) for key, value in selector.labels if key == NAMESPACE_KEY]
    named += [values for key, operator, values in selector.expressions if (key, operator) == (NAMESPACE_KEY, "In")]
    if len(named) != 1:
        return (selector,), ()
    rest = Selector(
        tuple(label for label in selector.labels if label[0] != NAMESPACE_KEY),
        tuple(one for one in selector.expressions if one[:2] != (NAMESPACE_KEY, "In")),
    )
    return ((rest,) if rest != Selector() else ()), named[0]


def _lower_l2(document: Document) -> Lowered:
    policy, problems = decode(document, CiliumL2AnnouncementPolicy)
    report = Report(document, problems)
    if policy is None:
        return report.lowered(None)
    spec = policy.spec or _L2Spec()
    if not spec.external_ips and not spec.load_balancer_ips:
        hint = "set loadBalancerIPs: true"
        report.warning("announces-nothing", "neither kind of address is announced", "spec", hint=hint)
    nodes, services = spec.node_selector, spec.service_selector
    intent = AnnouncementIntent(
        key=key_of(document),
        origin=document.origin,
        implementation=IMPLEMENTATION,
        nodes=(labelselector.checked(nodes, report, ("spec", "nodeSelector")),) if nodes else (),
        services=labelselector.checked(services, report, ("spec", "serviceSelector")) if services else None,
        interfaces=spec.interfaces,
        load_balancer_ips=spec.load_balancer_ips,
        external_ips=spec.external_ips,
    )
    return report.lowered(intent)


def _lower_bgp(document: Document) -> Lowered:
    advertisement, problems = decode(document, CiliumBGPAdvertisement)
    report = Report(document, problems)
    if advertisement is None:
        return report.lowered(None)
    items = [item for item in advertisement.spec.advertisements if item.advertisement_type == "Service"]
    kinds = {kind for item in items for kind in item.service.addresses}
    # Without a selector an item advertises nothing; with several, any Service may be meant.
    selectors = [labelselector.lower(item.selector) for item in items if item.selector is not None]
    intent = AnnouncementIntent(
        key=key_of(document),
        origin=document.origin,
        implementation=IMPLEMENTATION,
        services=selectors[0] if len(selectors) == 1 else None,
        load_balancer_ips=bool(selectors) and "LoadBalancerIP" in kinds,
        external_ips=bool(selectors) and "ExternalIP" in kinds,
        protocol="bgp",
    )
    return report.lowered(intent)


KINDS = (
    Kind(
        "CiliumLoadBalancerIPPool",
        ("cilium.io/v2", "cilium.io/v2alpha1"),
        _lower_pool,
        namespaced=False,
    ),
    Kind("CiliumL2AnnouncementPolicy", ("cilium.io/v2alpha1", "cilium.io/v2"), _lower_l2, namespaced=False),
    Kind("CiliumBGPAdvertisement", ("cilium.io/v2", "cilium.io/v2alpha1"), _lower_bgp, namespaced=False),
)
