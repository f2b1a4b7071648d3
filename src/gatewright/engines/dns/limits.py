"""Response rate limiting: equal answers to one client network, so that forged queries cannot be turned on a victim.

As BIND's and Knot's `rate-limit` (no RFC): a token bucket for each network (/24, or /56 in IPv6) and identity of the
answer; of those above the rate every `slip`-th is answered truncated, so that a true client comes back over TCP.
Clients at loopback and private addresses are never limited: nobody outside can be reached by lying about those.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Callable
from typing import Final

from gatewright.engines.dns.content import RateConfig

MOST_BUCKETS: Final = 50_000
"""About 10 MB; when all are taken, those that are full again are thrown away, and if none is, all."""


class Verdict(enum.Enum):
    """What to do with an answer."""

    SEND = enum.auto()
    TRUNCATE = enum.auto()
    DROP = enum.auto()


class Limiter:
    """The buckets of one view.  `clock` gives seconds that only rise."""

    def __init__(self, config: RateConfig, clock: Callable[[], float], most: int = MOST_BUCKETS) -> None:
        self._rate = float(config.per_second)
        self._slip = config.slip
        self._exempt = tuple(ipaddress.ip_network(cidr, strict=False) for cidr in config.exempt)
        self._clock = clock
        self._most = most
        # network and identity -> tokens, when they were counted, answers kept back so far
        self._buckets: dict[tuple[bytes, bytes], tuple[float, float, int]] = {}

    def network(self, client: str) -> bytes | None:
        """The key of a client's network; None: never limited.  Ask once for each client."""
        address = ipaddress.ip_address(client.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if self._rate <= 0 or address.is_private or address.is_loopback or address.is_link_local:
            return None
        if any(address in network for network in self._exempt if network.version == address.version):
            return None
        return address.packed[:3] if address.version == 4 else address.packed[:7]

    def judge(self, network: bytes, identity: bytes) -> Verdict:
        """Take a token for one answer."""
        now, key = self._clock(), (network, identity)
        tokens, since, kept = self._buckets.get(key) or (self._rate, now, 0)
        tokens = min(self._rate, tokens + (now - since) * self._rate)
        if tokens >= 1.0:
            self._put(key, (tokens - 1.0, now, 0), now)
            return Verdict.SEND
        kept += 1
        self._put(key, (tokens, now, kept), now)
        return Verdict.TRUNCATE if self._slip and kept % self._slip == 0 else Verdict.DROP

    def _put(self, key: tuple[bytes, bytes], bucket: tuple[float, float, int], now: float) -> None:
        if key not in self._buckets and len(self._buckets) >= self._most:
            # A bucket that nobody used for a second is full, as one that is not there.
            kept = {key: bucket for key, bucket in self._buckets.items() if now - bucket[1] < 1.0}
            self._buckets = kept if len(kept) < self._most * 3 // 4 else {}
        self._buckets[key] = bucket
