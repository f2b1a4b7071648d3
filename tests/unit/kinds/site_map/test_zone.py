"""Zone: records in full, told by their values, and what a DNS refuses."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import ZoneIntent
from support.lowering import good
from support.sitemaps import changed, refused, written

SPEC: dict[str, Any] = {
    "domain": "Example.com.",
    "provider": "Cloudflare",
    "sslMode": "strict",
    "universalCertificate": False,
    "edgeCertificates": ["*.aws.example.com"],
    "alwaysHTTPS": True,
    "externalDNS": {"proxied": True},
    "file": "db.example.com",
    "records": [
        {"name": "@", "type": "A", "values": ["203.0.113.1"], "ttl": 300, "proxied": True},
        {"name": "*.k8s", "values": ["203.0.113.1", "2001:DB8::1"]},
    ],
}


def records(*items: dict[str, Any]) -> list[tuple[str, str, tuple[str, ...]]]:
    intent = good(written("Zone", {"domain": "example.com", "records": list(items)}), ZoneIntent)
    return [(record.name, record.type, record.values) for record in intent.records]


def test_everything_said() -> None:
    zone = good(written("Zone", SPEC), ZoneIntent)
    assert (zone.key, zone.domain, zone.provider, zone.view) == (
        Key("Zone", "", "x"),
        "example.com",
        "cloudflare",
        "public",
    )
    assert (zone.ssl_mode, zone.universal_certificate, zone.edge_names) == ("strict", False, ("*.aws.example.com",))
    assert (zone.always_https, zone.external_dns, zone.proxied_default) == (True, True, True)
    assert zone.file == Key("ZoneFile", "", "db.example.com")
    apex, *_ = zone.records
    assert (apex.name, apex.ttl, apex.proxied, apex.origin.path) == ("example.com", 300, True, ("spec", "records", 0))


def test_defaults() -> None:
    zone = good(written("Zone", {"domain": "example.com"}), ZoneIntent)
    assert (zone.provider, zone.view, zone.ssl_mode, zone.universal_certificate) == ("", "public", "", True)
    assert (zone.external_dns, zone.proxied_default, zone.always_https, zone.file) == (False, False, False, None)


@pytest.mark.parametrize(("value", "writes"), [(True, True), (False, False), ({}, True)])
def test_external_dns(value: Any, writes: bool) -> None:
    zone = good(written("Zone", {"domain": "example.com", "externalDNS": value}), ZoneIntent)
    assert (zone.external_dns, zone.proxied_default) == (writes, False)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"name": "a", "values": ["10.0.0.1"]}, [("a.example.com", "A", ("10.0.0.1",))]),
        ({"name": "A.Example.com", "values": ["10.0.0.1"]}, [("a.example.com", "A", ("10.0.0.1",))]),
        ({"name": "a.example.com.", "values": ["fd00::1"]}, [("a.example.com", "AAAA", ("fd00::1",))]),
        (
            {"name": "*", "values": ["10.0.0.1", "fd00::1", "10.0.0.2"]},
            [("*.example.com", "A", ("10.0.0.1", "10.0.0.2")), ("*.example.com", "AAAA", ("fd00::1",))],
        ),
        ({"name": "www", "values": ["Edge.Example.net."]}, [("www.example.com", "CNAME", ("edge.example.net",))]),
        ({"name": "www", "type": "CNAME", "values": ["@"]}, [("www.example.com", "CNAME", ("example.com",))]),
        ({"name": "_dmarc", "type": "TXT", "values": ["v=DMARC1"]}, [("_dmarc.example.com", "TXT", ("v=DMARC1",))]),
        ({"name": "@", "type": "MX", "values": ["10 mail"]}, [("example.com", "MX", ("10 mail",))]),
    ],
)
def test_records(item: dict[str, Any], expected: list[Any]) -> None:
    assert records(item) == expected


def test_a_cname_at_the_apex_is_flattened_by_the_provider() -> None:
    assert len(records({"name": "@", "values": ["a.example.net"]}, {"name": "@", "type": "TXT", "values": ["x"]})) == 2


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        ("domain", "*.example.com", "domain", "'*.example.com' is not a hostname"),
        ("view", "at home", "view", "'at home' is not a name"),
        ("sslMode", "Strict", "sslMode", "expected one of off, flexible, full, strict, got 'Strict'"),
        ("edgeCertificates.0", "a.*.example.com", "edgeCertificates.0", "'a.*.example.com' is not a hostname"),
        ("records.0.values", [], "records.0.values", "a record has at least one value"),
        ("records.0.type", "AAAA", "records.0.values.0", "203.0.113.1 is no value of a record of type AAAA"),
        ("records.0.type", "TXT", "records.0.proxied", "a record of type TXT cannot be proxied"),
        ("records.0.type", "a", "records.0.type",
         "expected one of A, AAAA, ALIAS, CAA, CNAME, DS, HTTPS, MX, NAPTR, NS, PTR, SRV, SVCB, TLSA, TXT, got 'a'"),
        ("records.0.name", "www.example.net.", "records.0.name", "www.example.net. is not in the zone example.com"),
        ("records.0.name", "a b", "records.0.name", "'a b' is not a hostname"),
        ("records.0.ttl", -1, "records.0.ttl", "expected a number >= 0, got the number -1"),
        ("records.1.values.0", "a.example.net", "records.1.values",
         "a CNAME has one value, a hostname, and nothing beside it"),
        ("records.1", {"name": "example.com", "values": ["203.0.113.2"]}, "records.1", "example.com A is listed twice"),
    ],
)  # fmt: skip
def test_refused(path: str, value: Any, where: str, message: str) -> None:
    assert refused("Zone", changed({"view": "public", **SPEC}, path, value)) == [(where, message)]


def test_nothing_beside_a_cname() -> None:
    items = [{"name": "www", "values": ["10.0.0.1"]}, {"name": "www", "values": ["a.example.net"]}]
    assert refused("Zone", {"domain": "example.com", "records": items}) == [
        ("records.1", "www.example.com has a CNAME, beside which there is nothing")
    ]


@pytest.mark.parametrize("word", ["off", "Off", "false", '"off"'])
def test_ssl_mode_off_needs_no_quotes(word: str) -> None:
    """A reader of YAML 1.1 takes the bare word for false; `on` of `proxied` for true is what it means."""
    text = written("Zone", {"domain": "example.com", "records": [{"name": "@", "values": ["203.0.113.1"]}]})
    text = text.replace("spec:\n", f"spec:\n  sslMode: {word}\n").replace("- name:", "- proxied: on\n    name:")
    zone = good(text, ZoneIntent)
    assert (zone.ssl_mode, [record.proxied for record in zone.records]) == ("off", [True])


def test_ssl_mode_on_is_none() -> None:
    assert refused("Zone", {"domain": "example.com", "sslMode": True})


def test_what_is_said_for_serving_it() -> None:
    spec = {
        "domain": "example.com",
        "provider": "Gatewright",
        "gateways": ["infra/edge", "traefik"],
        "nameservers": ["NS1.example.com."],
        "ttl": 60,
        "negativeTTL": 5,
        "settings": {"token": "env/CLOUDFLARE_TOKEN", "tsigKeyName": "octodns", "timeout": 15, "retry": True},
        "owner": "home",
    }
    zone = good(written("Zone", spec), ZoneIntent)
    assert (zone.gateways, zone.nameservers, zone.ttl, zone.negative_ttl) == (
        ("infra/edge", "traefik"), ("ns1.example.com",), 60, 5,
    )  # fmt: skip
    assert dict(zone.settings) == {
        "retry": "true", "timeout": "15", "token": "env/CLOUDFLARE_TOKEN", "tsigKeyName": "octodns",
    }  # fmt: skip
    assert zone.owner == "home"


@pytest.mark.parametrize(("said", "meant"), [(True, ("*",)), (False, ()), ([], ())])
def test_gateways(said: Any, meant: tuple[str, ...]) -> None:
    assert good(written("Zone", {"domain": "example.com", "gateways": said}), ZoneIntent).gateways == meant


@pytest.mark.parametrize("name", ["token", "api_token", "password", "clientSecret", "secret_access_key", "key"])
def test_secrets_do_not_belong_into_manifests(name: str) -> None:
    found = refused("Zone", {"domain": "example.com", "settings": {name: "hunter2-hunter2"}})
    assert found == [(f"settings.{name}", "a secret does not belong into a manifest")]
    assert "hunter2" not in str(found)


def test_internationalised_names_are_in_a_labels() -> None:
    spec = {"domain": "Bücher.example", "records": [{"name": "straße", "values": ["192.0.2.1"]}]}
    zone = good(written("Zone", spec), ZoneIntent)
    assert (zone.domain, zone.records[0].name) == ("xn--bcher-kva.example", "xn--strae-oqa.xn--bcher-kva.example")
