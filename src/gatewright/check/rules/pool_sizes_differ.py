"""The IPv4 and the IPv6 range of a pool are of different sizes.

Ranges count both ends, and the last part of an IPv6 address is hexadecimal: `.10-.20` is eleven addresses,
`::10-::20` is seventeen.  Dual-stack Services take one of each; when the smaller range is used up, the next Service
stays pending (RequireDualStack) or silently gets one family (PreferDualStack).

    addresses:
      - 192.168.178.10-192.168.178.20            # 11
      - fda8:a1db:5685::10-fda8:a1db:5685::20    # 17: ::20 is 32 in decimal

Write `::10-::1a` for eleven.  A whole prefix of IPv6 beside a few IPv4 addresses is usual, and no finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding, Patch
from gatewright.check.rule import Rule, Scope
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.places import AddressRange, PoolIntent

ID = "pool-sizes-differ"


def check(_: Sight, pool: PoolIntent) -> Iterable[Finding]:
    """A pool with one written-out range per family, whose ends look alike and whose sizes do not."""
    fours = [part for part in pool.ranges if ":" not in part.first]
    sixes = [part for part in pool.ranges if ":" in part.first]
    if len(fours) != 1 or len(sixes) != 1:
        return
    (four,), (six,) = fours, sixes
    if "-" not in four.text or "-" not in six.text or _size(four) == _size(six) or not _alike(four, six):
        return
    last = ip_address(int(ip_address(six.first)) + _size(four) - 1)
    yield Finding(
        ID,
        Severity.WARNING,
        f"{pool.key} has {_size(four)} IPv4 addresses ({four.text}) and {_size(six)} IPv6 addresses ({six.text})",
        "IPv6 addresses count in hexadecimal: the ranges do not go together, and one family runs out before the other",
        f"end the IPv6 range with {last} for {_size(four)} addresses",
        (six.origin, four.origin),
        patch=Patch(six.origin, f"{six.first}-{last}"),
    )


def _size(part: AddressRange) -> int:
    return int(ip_address(part.last)) - int(ip_address(part.first)) + 1


def _alike(four: AddressRange, six: AddressRange) -> bool:
    """Do the last groups look like the same numbers (10-20 and ::10-::20)?"""
    return all(
        a.rpartition(".")[2] == b.rpartition(":")[2] for a, b in ((four.first, six.first), (four.last, six.last))
    )


RULE = Rule(
    ID, "IPv4 and IPv6 ranges of different sizes", Severity.WARNING, Scope.OBJECT, __doc__, check, (PoolIntent,)
)
