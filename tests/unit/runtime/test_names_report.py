"""Names and certificates in the report of a run."""

from __future__ import annotations

from datetime import UTC, datetime

import dns.name

from gatewright.engines.certificates.issued import CertificateStatus, State
from gatewright.engines.dns.content import Listen, SoaConfig, ZoneConfig
from gatewright.engines.dns.notify import NotifyStatus
from gatewright.engines.dns.zone import Zone
from gatewright.engines.envoy.bindings import Socket
from gatewright.kinds.identity import Key
from gatewright.runtime import report
from gatewright.runtime.report import DnsSecondary, DnsView, DnsZone, Facts

ISSUER = Key("Issuer", "apps", "ca")


def zone(name: str, view: str, serial: int) -> Zone:
    wire = dns.name.from_text(name).to_wire()
    assert wire is not None
    soa = SoaConfig(wire, wire, 1, 1, 1, 1)
    return Zone(ZoneConfig(f"{name}/{view}", wire, view, soa, 300), serial)


def test_certificates_in_order_with_times() -> None:
    wanted = (
        CertificateStatus("b", Key("Secret", "apps", "b"), ("b.test",), ISSUER, State.FAILED, failures=2, message="no"),
        CertificateStatus("a", Key("Secret", "apps", "a"), ("a.test",), ISSUER, State.READY, not_after=86_400.0),
    )
    facts = Facts(datetime.now(UTC), 1, 1, certificates=wanted)
    first, second = report.live(facts, (), ()).certificates
    assert (first.id, first.not_after, first.issuer) == ("a", datetime(1970, 1, 2, tzinfo=UTC), "Issuer apps/ca")
    assert (second.state, second.not_after, second.failures, second.message) == ("failed", None, 2, "no")


def test_views_with_their_zones_sockets_and_secondaries() -> None:
    listening = [Listen("127.0.0.2", 53), Listen("127.0.0.1", 53), Listen("127.0.0.3", 53, "home")]
    zones = [zone("b.test", "home", 3), zone("a.test", "home", 7), zone("a.test", "lan", 9)]
    notified = [
        NotifyStatus("a.test/home", "192.0.2.1", 53, 7, 7),
        NotifyStatus("a.test/home", "192.0.2.2", 53, None, 7, rcode=5),
        NotifyStatus("a.test/home", "192.0.2.3", 53, 6, 7, given_up=True),
    ]
    told = (
        DnsSecondary("192.0.2.1", 53, 7),
        DnsSecondary("192.0.2.2", 53, None, "answers REFUSED"),
        DnsSecondary("192.0.2.3", 53, 6, "does not answer"),
    )
    assert report.dns_views(listening, zones, notified) == (
        DnsView("", (Socket("127.0.0.1", 53), Socket("127.0.0.2", 53))),
        DnsView("home", (Socket("127.0.0.3", 53),), (DnsZone("a.test", 7, 0, told), DnsZone("b.test", 3, 0))),
        DnsView("lan", (), (DnsZone("a.test", 9, 0),)),
    )
    assert report.dns_views((), (), ()) == ()
