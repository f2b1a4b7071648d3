"""Zones in two views to export, and what each name of them means: the oracle is `graph.names.zones`, not the export."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gatewright.cli.dns.export import gathered
from gatewright.engines.dns.export.format import Exported, Settings, Source
from gatewright.graph.names import serving, zones
from gatewright.graph.names.zones import Kind
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import Record, ViewIntent
from support.mapped import AT, World, record, zone

DOMAIN = "example.com"
HOSTILE = "quote \" backslash \\ semicolon ; $(x) `y` 'z' %{w} <t>\tü"
PLAIN = "plain \"quoted\", comma, \\ backslash, #hash # hash ; 'single' $x"
LONG = "0123456789" * 60
SETTINGS = Settings(serial=7, service="https://10.0.0.1:443", tunnel="t1")
MOST_ALIASES = 8

HOME = (
    record(f"ns1.{DOMAIN}", "A", "10.0.0.2"),
    record(DOMAIN, "A", "10.0.0.1"),
    record(DOMAIN, "MX", "10 mail.example.com", "20 mail.elsewhere.test"),
    record(f"mail.{DOMAIN}", "A", "10.0.0.3", "10.0.0.4", ttl=120),
    record(f"mail.{DOMAIN}", "AAAA", "fd00::3"),
    record(f"www.{DOMAIN}", "CNAME", f"mail.{DOMAIN}"),
    record(f"wild.{DOMAIN}", "CNAME", f"any.apps.{DOMAIN}"),
    record(f"out.{DOMAIN}", "CNAME", "www.elsewhere.test"),
    record(f"*.apps.{DOMAIN}", "A", "10.0.0.5"),
    record(f"four.apps.{DOMAIN}", "A", "10.0.0.6"),
    record(f"six.apps.{DOMAIN}", "AAAA", "fd00::6"),
    record(f"text.apps.{DOMAIN}", "TXT", "only a text"),
    record(f"deep.inner.apps.{DOMAIN}", "A", "10.0.0.7"),
    record(f"*.alias.{DOMAIN}", "CNAME", f"mail.{DOMAIN}"),
    record(f"hostile.{DOMAIN}", "TXT", HOSTILE, LONG, PLAIN),
    record(f"_sip._tcp.{DOMAIN}", "SRV", f"1 2 5060 mail.{DOMAIN}"),
    record(f"caa.{DOMAIN}", "CAA", '0 issue "ca.example"'),
)
PUBLIC = (
    record(DOMAIN, "A", "192.0.2.1"),
    record(f"mail.{DOMAIN}", "A", "192.0.2.3"),
    record(f"www.{DOMAIN}", "CNAME", f"mail.{DOMAIN}"),
)
NAMES = tuple(
    f"{label}{DOMAIN}"
    for label in (
        "", "ns1.", "mail.", "www.", "wild.", "apps.", "x.apps.", "x.y.apps.", "four.apps.", "below.four.apps.",
        "six.apps.", "text.apps.", "below.text.apps.", "inner.apps.", "deep.inner.apps.", "x.inner.apps.", "x.alias.",
        "alias.", "hostile.", "missing.", "x.missing.", "_sip._tcp.", "_tcp.", "caa.",
    )
)  # fmt: skip
"""Names of all sorts, but for `out`, which leads where no test can look."""


def two_views(**more: Any) -> World:
    """example.com at home (127.0.0.2) and for everybody, with a name server of its own at home."""
    return World(
        ViewIntent(Key("View", "", "home"), AT, clients=("127.0.0.2/32",), **more),
        ViewIntent(Key("View", "", "public"), AT, clients=("0.0.0.0/0", "::/0", "127.0.0.0/8")),
        zone(DOMAIN, *HOME, name="home", view="home", provider="gatewright", nameservers=(f"ns1.{DOMAIN}",)),
        zone(DOMAIN, *PUBLIC, name="public", provider="gatewright"),
    )


def one_view(*records: Record, domain: str = DOMAIN, **more: Any) -> World:
    """A public zone alone."""
    return World(zone(domain, *records, **more))


def source(world: World, views: Iterable[str] = ()) -> Source:
    return gathered(world.analysis, views, ())


def kinds(exported: Exported) -> dict[str, list[str]]:
    """The subjects of the losses by kind."""
    found: dict[str, list[str]] = {}
    for loss in exported.losses:
        found.setdefault(loss.kind, []).append(loss.subject)
    return found


def truth(world: World, view: str, name: str, type_: str) -> tuple[str, ...] | None:
    """The values that a client of the view gets in the end, () for NODATA, None for NXDOMAIN."""
    return world.answer(_truth, view, name, type_)


def _truth(sight: Any, view: str, name: str, type_: str) -> tuple[str, ...] | None:
    for _ in range(MOST_ALIASES):
        key = zones.zone_of(sight, view, name)
        if key is None:
            return ()
        found = zones.look(sight, key, name, type_)
        if found.kind is Kind.NXDOMAIN:
            return None
        if found.kind is Kind.RECORDS:
            return tuple(sorted(found.records[0].values))
        if found.kind not in (Kind.CNAME, Kind.ALIAS):
            return ()
        name = found.records[0].values[0]
    return ()


def contents(world: World, view: str) -> Mapping[str, tuple[Record, ...]]:
    """All of the only zone of a view."""
    found: tuple[serving.Zone, ...] = world.answer(serving.zones)
    (key,) = [item.key for item in found if item.view == view]
    held: Mapping[str, tuple[Record, ...]] = world.answer(serving.contents, key)
    return held
