"""Prometheus metrics of certificates and DNS, read when they are scraped; nothing is kept but one count.

The callables are asked in the threads of scrapes and give values that nobody changes.  Labels are bounded: of
certificates those that end first are told one by one, views and zones are those of the description.
Counterpart: `metrics`, which serves the registry.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import dns.rcode
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gatewright.engines.certificates.issued import CertificateStatus, State
from gatewright.runtime.report import DnsView

if TYPE_CHECKING:
    from gatewright.engines.dns.responder import ViewStats

MOST = 1000
"""Certificates with series of their own."""
_EXPIRY = "gatewright_certificate_expiry_timestamp_seconds"
_NEXT = "gatewright_certificate_next_attempt_timestamp_seconds"


class CertificateMetrics(Collector):
    """What `statuses` says.  Failures are counted from scrape to scrape, by those in a row."""

    def __init__(self, registry: CollectorRegistry, statuses: Callable[[], Sequence[CertificateStatus]]) -> None:
        self._statuses = statuses
        self._lock = threading.Lock()
        self._in_a_row: dict[str, int] = {}
        self._failures = 0
        registry.register(self)

    def describe(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """What there is; registering asks for no values."""
        return self._families(())

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """The values now."""
        return self._families(self._statuses())

    def _families(self, statuses: Sequence[CertificateStatus]) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        expiry = GaugeMetricFamily(_EXPIRY, "When the certificate in use ends", labels=["id", "issuer"])
        attempt = GaugeMetricFamily(_NEXT, "When a certificate is tried for next", labels=["id"])
        for one in sorted(statuses, key=lambda one: (one.not_after or float("inf"), one.id))[:MOST]:
            if one.not_after:
                expiry.add_metric([one.id, str(one.issuer)], one.not_after)
            if one.next_attempt:
                attempt.add_metric([one.id], one.next_attempt)
        states = GaugeMetricFamily("gatewright_certificates", "Certificates of issuers by state", labels=["state"])
        found = Counter(one.state for one in statuses)
        for state in State:
            states.add_metric([state.value], found[state])
        failures = CounterMetricFamily("gatewright_certificate_failures", "Attempts that got no certificate")
        failures.add_metric([], self._failed(statuses))
        yield from (expiry, attempt, states, failures)

    def _failed(self, statuses: Sequence[CertificateStatus]) -> int:
        with self._lock:
            now = {one.id: one.failures for one in statuses if one.failures}
            if statuses:
                # Fewer than before: there was a success, and these came after it.
                before = self._in_a_row
                self._failures += sum(n - (b if (b := before.get(i, 0)) <= n else 0) for i, n in now.items())
                self._in_a_row = now
            return self._failures


class DnsMetrics(Collector):
    """What `stats` (by view) and `views` (the zones) say."""

    def __init__(
        self,
        registry: CollectorRegistry,
        stats: Callable[[], Mapping[str, ViewStats]],
        views: Callable[[], Sequence[DnsView]],
    ) -> None:
        self._stats = stats
        self._views = views
        registry.register(self)

    def describe(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """What there is; registering asks for no values."""
        return self._families({}, ())

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """The values now."""
        return self._families(self._stats(), self._views())

    def _families(
        self, stats: Mapping[str, ViewStats], views: Sequence[DnsView]
    ) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        queries = CounterMetricFamily("gatewright_dns_queries", "Queries answered", labels=["view", "rcode"])
        limited = CounterMetricFamily("gatewright_dns_limited", "Answers withheld by the rate limit", labels=["view"])
        truncated = CounterMetricFamily("gatewright_dns_truncated", "Answers too long for UDP", labels=["view"])
        transfers = CounterMetricFamily("gatewright_dns_transfers", "Zone transfers answered", labels=["view"])
        for view, seen in sorted(stats.items()):
            for rcode, count in sorted(seen.rcodes.items()):
                queries.add_metric([view, dns.rcode.to_text(dns.rcode.Rcode(rcode))], count)
            limited.add_metric([view], seen.limited)
            truncated.add_metric([view], seen.truncated)
            transfers.add_metric([view], seen.transfers)
        serial = GaugeMetricFamily("gatewright_dns_zone_serial", "The serial of a zone", labels=["view", "zone"])
        names = GaugeMetricFamily("gatewright_dns_zone_names", "The names of a zone", labels=["view", "zone"])
        for each in views:
            for zone in each.zones:
                serial.add_metric([each.view, zone.name], zone.serial)
                names.add_metric([each.view, zone.name], zone.names)
        yield from (queries, limited, truncated, transfers, serial, names)
