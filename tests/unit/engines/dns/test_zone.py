"""A zone in memory: what it remembers for incremental transfers."""

import dns.rdata
import pytest

from gatewright.engines.dns import zone as zones
from gatewright.engines.dns.content import Push
from gatewright.engines.dns.zone import Zone
from support.zonal import names, rrset, zone_config

ZONE = "example.com/public"


def push(serial: int, *hosts: str) -> Push:
    return Push(ZONE, serial, names({host: (rrset("A", f"192.0.2.{serial}"),) for host in hosts}))


def test_the_first_push_is_no_change() -> None:
    """A worker begins at serial 0, the control plane at the first serial itself; parts of a state share its serial."""
    for begin in (0, 5):
        zone = Zone(zone_config(), begin)
        zone.apply(push(5, "a"))
        zone.apply(push(5, "b"))
        assert zone.since(begin) == (() if begin == 5 else None)
        zone.apply(push(6, "c"))
        (delta,) = zone.since(5) or ()
        assert (delta.from_serial, delta.to_serial, set(delta.after)) == (5, 6, set(names({"c": ()})))


def test_what_is_long_past_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones, "JOURNAL_NAMES", 4)
    zone = Zone(zone_config(), 0)
    zone.apply(push(1, "a"))
    for serial in range(2, 7):
        zone.apply(push(serial, "a", "b"))
    assert zone.since(3) is None
    assert [delta.to_serial for delta in zone.since(4) or ()] == [5, 6]
    assert zone.since(6) == ()


def test_the_soa_has_the_serial() -> None:
    zone = Zone(zone_config(refresh=77), 9)
    (data,) = zone.soa().rdata
    soa = dns.rdata.from_wire("IN", "SOA", data, 0, len(data))
    assert (soa.serial, soa.refresh, soa.minimum) == (9, 77, 60)
    assert zone.soa(5) != zone.soa()
