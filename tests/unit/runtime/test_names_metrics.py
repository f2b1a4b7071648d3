"""Metrics of certificates and DNS as Prometheus reads them."""

from __future__ import annotations

from msgspec import structs
from prometheus_client import CollectorRegistry, generate_latest

from gatewright.engines.certificates.issued import CertificateStatus, State
from gatewright.engines.dns.responder import ViewStats
from gatewright.kinds.identity import Key
from gatewright.runtime import names_metrics
from gatewright.runtime.names_metrics import CertificateMetrics, DnsMetrics
from gatewright.runtime.report import DnsView, DnsZone

ISSUER = Key("ClusterIssuer", "", "le")


def status(name: str, **more: object) -> CertificateStatus:
    defaults = {"state": State.READY, "not_after": 2_000_000_000.0}
    return CertificateStatus(name, Key("Secret", "apps", name), (f"{name}.test",), ISSUER, **{**defaults, **more})  # type: ignore[arg-type]


def lines(registry: CollectorRegistry) -> set[str]:
    return {line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")}


def test_certificates() -> None:
    registry = CollectorRegistry()
    found = [status("apps/a"), status("apps/b", state=State.FAILED, not_after=0.0, next_attempt=1e9, failures=3)]
    CertificateMetrics(registry, lambda: found)
    told = lines(registry)
    assert 'gatewright_certificate_expiry_timestamp_seconds{id="apps/a",issuer="ClusterIssuer le"} 2e+09' in told
    assert 'gatewright_certificate_next_attempt_timestamp_seconds{id="apps/b"} 1e+09' in told
    assert not any('expiry_timestamp_seconds{id="apps/b"' in line for line in told), "there is none"
    assert {'gatewright_certificates{state="ready"} 1.0', 'gatewright_certificates{state="failed"} 1.0'} <= told
    assert {'gatewright_certificates{state="issuing"} 0.0', "gatewright_certificate_failures_total 3.0"} <= told


def test_failures_are_counted_over_successes() -> None:
    registry = CollectorRegistry()
    now = status("apps/a")
    metrics = CertificateMetrics(registry, lambda: [now])
    for in_a_row, total in ((0, 0), (2, 2), (2, 2), (5, 5), (0, 5), (1, 6), (4, 9), (2, 11)):
        now = structs.replace(now, failures=in_a_row)
        assert f"gatewright_certificate_failures_total {float(total)}" in lines(registry)
    assert metrics is not None


def test_series_are_bounded_and_the_next_to_end_are_told() -> None:
    registry = CollectorRegistry()
    many = [status(f"c{n}", not_after=3e9 - n) for n in range(names_metrics.MOST + 5)]
    CertificateMetrics(registry, lambda: many)
    told = [line for line in lines(registry) if line.startswith("gatewright_certificate_expiry")]
    assert len(told) == names_metrics.MOST
    assert not any('"c0"' in line for line in told)
    assert f'gatewright_certificates{{state="ready"}} {float(len(many))}' in lines(registry)


def test_dns() -> None:
    registry = CollectorRegistry()
    stats = {"": ViewStats(3, {0: 2, 5: 1}, limited=4, truncated=1), "home": ViewStats(1, {3: 1}, transfers=2)}
    views = (DnsView("home", (), (DnsZone("example.com", 42, 7),)),)
    DnsMetrics(registry, lambda: stats, lambda: views)
    assert {
        'gatewright_dns_queries_total{rcode="NOERROR",view=""} 2.0',
        'gatewright_dns_queries_total{rcode="REFUSED",view=""} 1.0',
        'gatewright_dns_queries_total{rcode="NXDOMAIN",view="home"} 1.0',
        'gatewright_dns_limited_total{view=""} 4.0',
        'gatewright_dns_truncated_total{view=""} 1.0',
        'gatewright_dns_transfers_total{view="home"} 2.0',
        'gatewright_dns_zone_serial{view="home",zone="example.com"} 42.0',
        'gatewright_dns_zone_names{view="home",zone="example.com"} 7.0',
    } <= lines(registry)


def test_registering_asks_nobody() -> None:
    def nobody() -> None:
        raise AssertionError("asked")

    CertificateMetrics(CollectorRegistry(), nobody)  # type: ignore[arg-type]
    DnsMetrics(CollectorRegistry(), nobody, nobody)  # type: ignore[arg-type]
