"""Node (core/v1): the addresses, labels and pod CIDRs of a machine, as a cluster knows them.

Counterpart: the nodes of the site map's Site, with which the graph joins it by name.
"""

from __future__ import annotations

from msgspec import field

from gatewright.base.document import Document
from gatewright.kinds import addressing
from gatewright.kinds.decode import Lenient, LenientObject, Report, decode, has_variable, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.places import NodeIntent
from gatewright.kinds.kind import Kind


class _Spec(Lenient, frozen=True):
    pod_cidr: str | None = field(default="", name="podCIDR")
    pod_cidrs: tuple[str, ...] | None = field(default=(), name="podCIDRs")


class _Address(Lenient, frozen=True):
    address: str
    type: str = ""


class _Status(Lenient, frozen=True):
    addresses: tuple[_Address, ...] | None = ()


class Node(LenientObject, frozen=True):
    spec: _Spec | None = None
    status: _Status | None = None


def lower(document: Document) -> Lowered:
    """Lower a Node; its hostnames are no addresses."""
    node, problems = decode(document, Node)
    report = Report(document, problems)
    if node is None:
        return report.lowered(None)
    spec, status = node.spec or _Spec(), node.status or _Status()
    found = (addressing.address(one.address) for one in status.addresses or ())
    cidrs = []
    for text in spec.pod_cidrs or ((spec.pod_cidr,) if spec.pod_cidr else ()):
        cidr = addressing.cidr(text)
        if cidr is not None:
            cidrs.append(cidr)
        elif not has_variable(text):
            report.invalid(f"{text[:60]!r} is not a CIDR", "spec", "podCIDRs" if spec.pod_cidrs else "podCIDR")
    intent = NodeIntent(
        key=key_of(document),
        origin=document.origin,
        addresses=tuple(dict.fromkeys(one for one in found if one)),
        labels=tuple(sorted(node.metadata.labels.items())),
        pod_cidrs=tuple(cidrs),
    )
    return report.lowered(intent)


KIND = Kind("Node", ("v1",), lower, namespaced=False)
