"""What each format writes, and what it says that it cannot."""

from __future__ import annotations

import csv
import io
import re

import pytest
import yaml

from gatewright.engines.dns.export import FORMATS, records
from gatewright.engines.dns.export.format import Exported, Settings
from gatewright.engines.dns.export.windows import quoted
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import UpdateGrant, ViewIntent
from support.exported import DOMAIN, HOSTILE, LONG, SETTINGS, kinds, one_view, source, two_views
from support.mapped import AT, World, record, zone

ALL = tuple(FORMATS)


def export(name: str, world: World, settings: Settings = SETTINGS) -> Exported:
    return FORMATS[name].write(source(world), settings)


def lines(exported: Exported) -> list[str]:
    return [line for text in exported.files.values() for line in text.splitlines()]


# --- all of them ---


@pytest.mark.parametrize("name", ALL)
def test_every_loss_is_explained_and_every_file_is_relative(name: str) -> None:
    exported = export(name, two_views())
    assert {loss.kind for loss in exported.losses} <= FORMATS[name].losses.keys() | records.LOSSES.keys()
    assert exported.files
    assert all(not path.startswith("/") and ".." not in path for path in exported.files)


@pytest.mark.parametrize("name", ALL)
def test_the_same_zones_are_exported_to_the_same_files(name: str) -> None:
    assert export(name, two_views()) == export(name, two_views())


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "text", ['evil"; };\n\ninclude "x', "a'; Remove-Item x; '", "a\nlocal=/example.org/", "a\x00b"]
)
def test_a_text_stays_a_text(name: str, text: str) -> None:
    quiet = export(name, one_view(record(f"t.{DOMAIN}", "TXT", "quiet")))
    hostile = export(name, one_view(record(f"t.{DOMAIN}", "TXT", text)))
    whole = "\n".join(hostile.files.values())
    assert "\x00" not in whole
    assert whole.count("\n") <= "\n".join(quiet.files.values()).count("\n")
    assert not re.search(r"^(include|local=/example.org)", whole, re.M)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "owner",
    [f"a b.{DOMAIN}", f'a".{DOMAIN}', f"a\n.{DOMAIN}", f"a;b.{DOMAIN}", f"a.*.{DOMAIN}", f"-a.{DOMAIN}", f"é.{DOMAIN}"],
)
def test_odd_names_are_left_out_and_told(name: str, owner: str) -> None:
    world = one_view(record(owner, "A", "10.0.0.1"), record(f"ok.{DOMAIN}", "A", "10.0.0.2"))
    exported = export(name, world)
    told = kinds(exported).get("invalid-name", [])
    assert told == [owner] or owner not in source(world).zones[0].names
    assert not any("10.0.0.1" in line and "service" not in line for line in lines(exported))


@pytest.mark.parametrize("name", ALL)
def test_a_view_that_is_called_like_a_path_stays_in_its_folder(name: str) -> None:
    world = World(
        ViewIntent(Key("View", "", '../x" {'), AT, clients=("10.0.0.0/8",)),
        zone(DOMAIN, record(f"a.{DOMAIN}", "A", "10.0.0.1"), view='../x" {'),
    )
    exported = export(name, world)
    assert all(".." not in path.split("/") for path in exported.files)
    if name in ("bind", "coredns", "unbound"):
        assert not any('../x"' in line for line in lines(exported))


@pytest.mark.parametrize("name", ["bind", "coredns", "unbound", "dnsmasq", "adguard"])
def test_an_alias_at_the_apex_becomes_the_addresses_it_leads_to(name: str) -> None:
    world = one_view(record(DOMAIN, "CNAME", f"a.{DOMAIN}"), record(f"a.{DOMAIN}", "A", "10.0.0.1", "10.0.0.2"))
    exported = export(name, world)
    found = [line for line in lines(exported) if re.search(rf"(^|[ /='\"]){DOMAIN}", line) and "CNAME" in line]
    assert found == []
    assert "alias" not in kinds(exported)
    assert sum("10.0.0.1" in line for line in lines(exported)) == 2


def test_an_alias_to_elsewhere_is_told() -> None:
    exported = export("bind", one_view(record(DOMAIN, "ALIAS", "lb.elsewhere.test")))
    assert kinds(exported)["alias"] == [DOMAIN]


def test_a_proxied_record_is_exported_and_told() -> None:
    exported = export("bind", one_view(record(f"a.{DOMAIN}", "A", "10.0.0.1", proxied=True)))
    assert kinds(exported)["proxied"] == [f"a.{DOMAIN} A"]
    assert f"a.{DOMAIN}. 300 IN A 10.0.0.1" in lines(exported)


def test_a_name_server_without_address_would_cost_the_zone() -> None:
    exported = export("bind", one_view(nameservers=(f"ns.{DOMAIN}", "ns.elsewhere.test")))
    assert kinds(exported)["nameserver"] == [f"ns.{DOMAIN}"]
    assert f"{DOMAIN}. 300 IN NS ns.elsewhere.test." in lines(exported)
    assert not any(f"NS ns.{DOMAIN}" in line for line in lines(exported))


# --- BIND and CoreDNS ---


def test_bind_asks_the_nearest_network_whatever_the_order_of_views() -> None:
    world = World(
        ViewIntent(Key("View", "", "a-wide"), AT, clients=("10.0.0.0/8", "fd00::/8")),
        ViewIntent(Key("View", "", "b-near"), AT, clients=("10.1.0.0/16",)),
        zone(DOMAIN, record(f"a.{DOMAIN}", "A", "10.0.0.1"), name="wide", view="a-wide"),
        zone(DOMAIN, record(f"a.{DOMAIN}", "A", "10.1.0.1"), name="near", view="b-near"),
    )
    found = [line.strip() for line in lines(export("bind", world)) if "match-clients" in line]
    assert found == ["match-clients { !10.1.0.0/16; 10.0.0.0/8; fd00::/8; };", "match-clients { 10.1.0.0/16; };"]
    expressions = [line.strip() for line in lines(export("coredns", world)) if "expr" in line]
    assert expressions == [
        "expr (!incidr(client_ip(), '10.1.0.0/16') && "
        "(incidr(client_ip(), '10.0.0.0/8') || incidr(client_ip(), 'fd00::/8')))",
        "expr incidr(client_ip(), '10.1.0.0/16')",
    ]


def test_bind_lets_an_address_decide_before_clients() -> None:
    exported = export("bind", two_views(listen=("10.0.0.53",)))
    views = [line for line in lines(exported) if line.startswith("view")]
    assert views == ['view "home by address" {', 'view "home" {', 'view "public" {']
    assert f'\tzone "{DOMAIN}" {{ in-view "home by address"; }};' in lines(exported)


@pytest.mark.parametrize("name", ["bind", "coredns", "unbound", "windows"])
def test_what_views_do_besides_is_told(name: str) -> None:
    exported = export(name, two_views(client_subnet=True, updates=(UpdateGrant("k", AT),)))
    assert kinds(exported)["client-subnet"] == ["home"]
    assert kinds(exported).get("updates", kinds(exported).get("transfer")) == ["home"]


@pytest.mark.parametrize("name", ["bind", "coredns", "unbound", "windows"])
def test_a_view_that_nobody_sees_is_told(name: str) -> None:
    world = World(*(zone(DOMAIN, name=view, view=view) for view in ("one", "two")))
    assert kinds(export(name, world))["nobody"] == ["one", "two"]


# --- dnsmasq and AdGuard Home ---


def test_dnsmasq_never_asks_upstream_for_the_other_family() -> None:
    text = lines(export("dnsmasq", one_view(record(f"*.{DOMAIN}", "A", "10.0.0.1"))))
    assert f"local=/{DOMAIN}/" in text
    assert f"local=/*.{DOMAIN}/" in text
    assert f"address=/*.{DOMAIN}/10.0.0.1" in text


def test_dnsmasq_stops_wildcards_at_names_that_exist() -> None:
    world = one_view(record(f"*.{DOMAIN}", "A", "10.0.0.1"), record(f"b.a.{DOMAIN}", "A", "10.0.0.2"))
    text = lines(export("dnsmasq", world))
    assert f"address=/a.{DOMAIN}/" in text
    assert f"address=/b.a.{DOMAIN}/" not in text  # a stops for it, too


def test_dnsmasq_writes_no_line_that_it_would_cut() -> None:
    exported = export(
        "dnsmasq", one_view(record(f"t.{DOMAIN}", "TXT", LONG * 2), record(f"u.{DOMAIN}", "TXT", HOSTILE))
    )
    assert kinds(exported)["too-long"] == [f"t.{DOMAIN} TXT"]
    assert max(map(len, lines(exported))) <= 1000
    assert any(line.startswith(f"dns-rr=u.{DOMAIN},16,") for line in lines(exported))


def test_adguard_says_where_its_wildcards_answer_too_much() -> None:
    world = one_view(
        record(f"*.{DOMAIN}", "A", "10.0.0.1", "10.0.0.2"), record(f"a.{DOMAIN}", "A", "10.0.0.2"),
        record(f"t.{DOMAIN}", "TXT", "x"), record(f"*.c.{DOMAIN}", "CNAME", f"a.{DOMAIN}"),
    )  # fmt: skip
    exported = export("adguard", world)
    found = kinds(exported)
    assert found["wildcard-reach"] == [f"a.{DOMAIN}", f"c.{DOMAIN}", f"t.{DOMAIN}"]
    assert found["wildcard-addresses"] == [f"*.{DOMAIN}"]
    assert found["wildcard-alias"] == [f"*.c.{DOMAIN}"]
    assert found["type"] == [f"t.{DOMAIN} TXT"]
    document = yaml.safe_load(next(iter(exported.files.values())))
    answers = {(item["domain"], item["answer"]) for item in document["filtering"]["rewrites"]}
    assert (f"*.c.{DOMAIN}", "10.0.0.2") in answers


# --- the others ---


def test_windows_quotes_what_powershell_takes_for_a_quote() -> None:
    assert quoted("a'b\u2019c$(x)") == "'a''b\u2019\u2019c$(x)'"
    exported = export("windows", one_view(record(f"t.{DOMAIN}", "TXT", "it's $env:x")))
    assert any("-DescriptiveText 'it''s $env:x'" in line for line in lines(exported))


def test_windows_puts_views_into_scopes_the_nearest_network_first() -> None:
    world = World(
        ViewIntent(Key("View", "", "wide"), AT, clients=("10.0.0.0/8",)),
        ViewIntent(Key("View", "", "near"), AT, clients=("10.1.0.0/16",)),
        ViewIntent(Key("View", "", "other"), AT, clients=("10.2.0.0/16",)),
        zone(DOMAIN, record(DOMAIN, "A", "10.0.0.1"), name="wide", view="wide"),
        zone(DOMAIN, record(DOMAIN, "A", "10.1.0.1"), name="near", view="near"),
    )
    exported = export("windows", world)
    policies = [line for line in lines(exported) if "Policy" in line]
    assert ["'near,1'" in line for line in policies] == [True, False]
    assert kinds(exported)["nested"] == [f"{DOMAIN}/wide 10.2.0.0/16"]
    assert kinds(exported)["outside"] == [DOMAIN]


def test_infoblox_has_a_header_for_each_type() -> None:
    exported = export("infoblox", two_views())
    rows = list(csv.reader(io.StringIO(exported.files["infoblox/home.csv"], newline="")))
    header: list[str] = []
    for row in rows:
        if row[0].startswith("header-"):
            header = row
        else:
            assert header[0] == f"header-{row[0]}"
            assert len(row) == len(header)
    assert ["srvrecord", f"_sip._tcp.{DOMAIN}", "1", "2", "5060", f"mail.{DOMAIN}", "home", "300"] in rows
    assert kinds(exported)["text"] == [f"hostile.{DOMAIN} TXT"]


@pytest.mark.parametrize("value", ["=cmd|' /C calc'!A0", "@SUM(1)", "a\x1b[31mb", "a\x00b"])
def test_infoblox_has_no_cells_that_a_spreadsheet_computes(value: str) -> None:
    exported = export("infoblox", one_view(record(DOMAIN, "CAA", f'0 issue "{value}"', '0 issue "ca.test"')))
    rows = list(csv.reader(io.StringIO(next(iter(exported.files.values())), newline="")))
    assert [row[4] for row in rows if row[0] == "caarecord"] == ["ca.test"]
    assert kinds(exported).keys() & {"text", "invalid-record"}


def test_cloudflared_has_exact_names_before_wildcards_and_an_end() -> None:
    exported = export("cloudflared", two_views())
    document = yaml.safe_load(exported.files["cloudflared/home.yml"])
    names = [rule.get("hostname", "") for rule in document["ingress"]]
    assert names[-1] == ""
    assert [name.startswith("*.") for name in names[:-1]] == sorted(name.startswith("*.") for name in names[:-1])
    assert document["ingress"][-1] == {"service": "http_status:404"}
    assert document["tunnel"] == "t1"


def test_nsupdate_replaces_sets_and_keeps_the_types_of_others() -> None:
    world = one_view(record(f"a.{DOMAIN}", "A", "10.0.0.1"), record(f"t.{DOMAIN}", "TXT", "x"))
    text = lines(export("nsupdate", world, Settings(7, server="10.0.0.53#5353")))
    assert text[1:] == [
        "server 10.0.0.53 5353",
        f"zone {DOMAIN}.",
        f"update delete a.{DOMAIN}. A",
        f"update delete a.{DOMAIN}. AAAA",
        f"update delete a.{DOMAIN}. CNAME",
        f"update add a.{DOMAIN}. 300 A 10.0.0.1",
        f"update delete t.{DOMAIN}. TXT",
        f'update add t.{DOMAIN}. 300 TXT "x"',
        "send",
    ]
