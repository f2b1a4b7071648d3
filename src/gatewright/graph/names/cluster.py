"""What the resolver of a cluster says of its Services: service.namespace.svc.cluster.local.

Counterpart: `resolvers`, which asks when a name lies in a cluster's domain.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.graph.names.announced import record_type
from gatewright.graph.names.nodes import Status
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import EndpointsIntent, ServiceIntent


class Said(Struct, frozen=True):
    """The answer in `words`; `alias`: the name is an alias of that one (ExternalName)."""

    status: Status
    words: str
    origin: Origin | None = None
    addresses: tuple[str, ...] = ()
    alias: str = ""


def service(sight: Sight, name: str, type: str, domain: str) -> Said:
    """What a cluster's resolver says of a name in its domain."""
    labels = name.removesuffix("." + domain).split(".")
    if len(labels) < 3 or labels[-1] != "svc":
        return Said(Status.NXDOMAIN, f"{name} does not exist")
    found = sight.get(Key("Service", labels[-2], labels[-3]), ServiceIntent)
    if found is None:
        return Said(Status.NXDOMAIN, f"there is no Service {labels[-2]}/{labels[-3]}")
    if found.type == "ExternalName":
        return Said(Status.ANSWER, f"{name} CNAME {found.external_name}", found.origin, alias=found.external_name)
    addresses = _endpoints(sight, found) if found.headless else found.cluster_ips
    if not addresses and found.headless and _is_listed(sight, found):
        return Said(Status.NODATA, f"{found.key} has no pod that is ready", found.origin)
    if not addresses:
        return Said(Status.UNKNOWN, f"the address of {found.key} is not among the input", found.origin)
    mine = tuple(address for address in addresses if record_type(address) == type)
    if not mine:
        return Said(Status.NODATA, f"{found.key} has no {type}", found.origin)
    return Said(Status.ANSWER, f"{name} {type} {', '.join(mine)}", found.origin, mine)


def _endpoints(sight: Sight, found: ServiceIntent) -> tuple[str, ...]:
    """The pods of a headless Service."""
    slices = sight.listed("endpoints", found.key, EndpointsIntent)
    return tuple(sorted({end.address for part in slices for end in part.addresses if end.ready}))


def _is_listed(sight: Sight, found: ServiceIntent) -> bool:
    """Does anybody say which pods it has, ready or not?"""
    return any(part.addresses for part in sight.listed("endpoints", found.key, EndpointsIntent))
