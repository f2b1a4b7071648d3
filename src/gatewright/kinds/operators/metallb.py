"""MetalLB (metallb.io): which addresses it hands to Services, and who announces them.

IPAddressPool and the older AddressPool are pools; L2Advertisement and BGPAdvertisement announce them.  MetalLB uses
every address of a CIDR, the network's and broadcast ones too, unless `avoidBuggyIPs` leaves out .0 and .255.
A Service fits a pool when its namespace does and one of the service selectors does.  Counterpart: `ciliumlb`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds import addressing, labelselector
from gatewright.kinds.decode import Ignored, Object, Path, Report, Schema, decode, has_variable, key_of
from gatewright.kinds.identity import Selector
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.places import AddressRange, AnnouncementIntent, PoolIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.labelselector import LabelSelector

IMPLEMENTATION = "metallb"


class _Allocation(Schema, frozen=True):
    priority: Annotated[int, Meta(ge=0)] = 0
    namespaces: tuple[str, ...] = ()
    namespace_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()


class _PoolSpec(Schema, frozen=True):
    addresses: tuple[str, ...]
    auto_assign: bool = True
    avoid_buggy: bool = field(default=False, name="avoidBuggyIPs")
    service_allocation: _Allocation = _Allocation()


class IPAddressPool(Object, frozen=True, kw_only=True):
    spec: _PoolSpec


class _OldPoolSpec(Schema, frozen=True):
    addresses: tuple[str, ...]
    protocol: Literal["layer2", "bgp"]
    auto_assign: bool = True
    bgp_advertisements: Ignored = None


class AddressPool(Object, frozen=True, kw_only=True):
    spec: _OldPoolSpec


class _L2Spec(Schema, frozen=True):
    ip_address_pools: tuple[str, ...] = ()
    ip_address_pool_selectors: tuple[LabelSelector, ...] = ()
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    interfaces: tuple[str, ...] = ()


class L2Advertisement(Object, frozen=True):
    spec: _L2Spec | None = None


class _BgpSpec(Schema, frozen=True):
    """How routes are told to the peers changes nothing about which addresses are announced from where."""

    ip_address_pools: tuple[str, ...] = ()
    ip_address_pool_selectors: tuple[LabelSelector, ...] = ()
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    aggregation_length: Ignored = None
    aggregation_length_v6: Ignored = None
    communities: Ignored = None
    local_pref: Ignored = None
    peers: Ignored = None


class BGPAdvertisement(Object, frozen=True):
    spec: _BgpSpec | None = None


def _lower_pool(document: Document) -> Lowered:
    pool, problems = decode(document, IPAddressPool)
    report = Report(document, problems)
    if pool is None:
        return report.lowered(None)
    allocation, path = pool.spec.service_allocation, ("spec", "serviceAllocation")
    intent = PoolIntent(
        key=key_of(document),
        origin=document.origin,
        implementation=IMPLEMENTATION,
        ranges=_ranges(pool.spec.addresses, report),
        auto_assign=pool.spec.auto_assign,
        services=_selectors(allocation.service_selectors, report, (*path, "serviceSelectors")),
        namespaces=allocation.namespaces,
        namespace_selectors=_selectors(allocation.namespace_selectors, report, (*path, "namespaceSelectors")),
        priority=allocation.priority,
        avoid_buggy=pool.spec.avoid_buggy,
        labels=tuple(sorted(pool.metadata.labels.items())),
    )
    return report.lowered(intent)


def _lower_old_pool(document: Document) -> Lowered:
    pool, problems = decode(document, AddressPool)
    report = Report(document, problems)
    if pool is None:
        return report.lowered(None)
    message = "MetalLB reads no AddressPool since 0.14"
    report.warning(
        "old-kind", message, "kind", hint="write an IPAddressPool with an L2Advertisement or BGPAdvertisement"
    )
    intent = PoolIntent(
        key=key_of(document),
        origin=document.origin,
        implementation=IMPLEMENTATION,
        ranges=_ranges(pool.spec.addresses, report),
        auto_assign=pool.spec.auto_assign,
        labels=tuple(sorted(pool.metadata.labels.items())),
        announced="l2" if pool.spec.protocol == "layer2" else "bgp",
    )
    return report.lowered(intent)


def _ranges(addresses: tuple[str, ...], report: Report) -> tuple[AddressRange, ...]:
    if not addresses:
        report.invalid("a pool needs addresses", "spec", "addresses")
    ranges = []
    for index, text in enumerate(addresses):
        if has_variable(text):
            continue
        path: Path = ("spec", "addresses", index)
        found = addressing.span(text, report.origin.at(*path))
        if isinstance(found, str):
            report.invalid(f"{text!r} is {found}" if found.startswith("neither") else found, *path)
        else:
            ranges.append(found)
    return tuple(ranges)


def _lower_l2(document: Document) -> Lowered:
    advertisement, problems = decode(document, L2Advertisement)
    report = Report(document, problems)
    if advertisement is None:
        return report.lowered(None)
    spec = advertisement.spec or _L2Spec()
    return report.lowered(_announcement(document, spec, spec.interfaces, "l2", report))


def _lower_bgp(document: Document) -> Lowered:
    advertisement, problems = decode(document, BGPAdvertisement)
    report = Report(document, problems)
    if advertisement is None:
        return report.lowered(None)
    return report.lowered(_announcement(document, advertisement.spec or _BgpSpec(), (), "bgp", report))


def _announcement(
    document: Document, spec: _L2Spec | _BgpSpec, interfaces: tuple[str, ...], protocol: str, report: Report
) -> AnnouncementIntent:
    services = _selectors(spec.service_selectors, report, ("spec", "serviceSelectors"))
    if len(services) > 1:
        message = "several service selectors are not told apart; the announcement is taken to concern every Service"
        report.unsupported(message, "spec", "serviceSelectors")
    return AnnouncementIntent(
        key=key_of(document),
        origin=document.origin,
        implementation=IMPLEMENTATION,
        pools=spec.ip_address_pools,
        pool_selectors=_selectors(spec.ip_address_pool_selectors, report, ("spec", "ipAddressPoolSelectors")),
        nodes=_selectors(spec.node_selectors, report, ("spec", "nodeSelectors")),
        services=services[0] if len(services) == 1 else None,
        interfaces=interfaces,
        external_ips=False,
        protocol=protocol,
    )


def _selectors(wanted: tuple[LabelSelector, ...], report: Report, path: Path) -> tuple[Selector, ...]:
    return tuple(labelselector.checked(one, report, (*path, index)) for index, one in enumerate(wanted))


KINDS = (
    Kind("IPAddressPool", ("metallb.io/v1beta1",), _lower_pool),
    Kind("AddressPool", ("metallb.io/v1beta1", "metallb.io/v1alpha1"), _lower_old_pool),
    Kind("L2Advertisement", ("metallb.io/v1beta1",), _lower_l2),
    Kind("BGPAdvertisement", ("metallb.io/v1beta1",), _lower_bgp),
)
