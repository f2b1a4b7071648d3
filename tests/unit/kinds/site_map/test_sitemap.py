"""The site map's own grammar: addresses, ranges, names, places and sizes, each in one normal form or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gatewright.kinds.decode import Report
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.places import AddressRange, Spot
from gatewright.kinds.site_map import sitemap
from gatewright.kinds.site_map.sitemap import ConfigMapEntry, InConfigMap, Place
from support.lowering import document

DOCUMENT = document({"apiVersion": "gatewright.dev/v1alpha1", "kind": "Site", "metadata": {"name": "home"}})


def read(reader: Callable[..., Any], value: Any) -> tuple[Any, list[str], Report]:
    """The value, the messages, and the Report of one reading."""
    report = Report(DOCUMENT)
    found = reader(value, report, "spec", "x")
    return found, [problem.message for problem in report.lowered(None).problems], report


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (sitemap.address, "192.168.178.5", "192.168.178.5"),
        (sitemap.address, "FDA8:A1DB:5685:0::5", "fda8:a1db:5685::5"),
        (sitemap.cidr, "192.168.178.0/24", "192.168.178.0/24"),
        (sitemap.cidr, "192.168.178.5", "192.168.178.5/32"),
        (sitemap.cidr, "fd00::1", "fd00::1/128"),
        (sitemap.cidr, "::/0", "::/0"),
        (sitemap.interface, "10.8.0.1/24", ("10.8.0.1", "10.8.0.0/24")),
        (sitemap.interface, "10.8.0.1/32", ("10.8.0.1", "")),
        (sitemap.interface, "fd00::1", ("fd00::1", "")),
        (sitemap.hostname, "Grafana.Example.com.", "grafana.example.com"),
        (sitemap.pattern, "*.Example.com", "*.example.com"),
        (sitemap.owner, "_acme-challenge.example.com", "_acme-challenge.example.com"),
        (sitemap.owner, "*.k8s", "*.k8s"),
        (sitemap.target, "a1._domainkey.mail.example.", "a1._domainkey.mail.example"),
        (sitemap.address_or_name, "fritzbox", "fritzbox"),
        (sitemap.address_or_name, "FD00::0", "fd00::"),
        (sitemap.sender, "10.0.0.0/8", "10.0.0.0/8"),
        (sitemap.sender, "nlb", "nlb"),
        (sitemap.reference, "infra/door", "infra/door"),
        (sitemap.reference, "door", "door"),
        (sitemap.ports, 443, (443, 443)),
        (sitemap.ports, "8000-8999", (8000, 8999)),
        (sitemap.seconds, "1h30m", 5400.0),
        (sitemap.seconds, 60, 60.0),
        (sitemap.octets, "10Mi", 10 * 2**20),
        (sitemap.octets, "5k", 5000),
        (sitemap.octets, 12, 12),
    ],
)
def test_normal_forms(reader: Callable[..., Any], text: str, value: Any) -> None:
    found, problems, report = read(reader, text)
    assert (found, problems, report.rejected) == (value, [], False)


@pytest.mark.parametrize(
    ("reader", "text", "part"),
    [
        (sitemap.address, "192.168.178.256", "is not an IP address"),
        (sitemap.address, "192.168.178.0/24", "is not an IP address"),
        (sitemap.address, "fe80::1%eth0", "is not an IP address"),
        (sitemap.address, "${NODE_IP}", "was not substituted"),
        (sitemap.cidr, "192.168.178.0/33", "is not a CIDR"),
        (sitemap.cidr, "lan", "is not a CIDR"),
        (sitemap.interface, "10.8.0.1/24/3", "is not an IP address"),
        (sitemap.hostname, "*.example.com", "is not a hostname"),
        (sitemap.hostname, "192.168.1.1", "is not a hostname"),
        (sitemap.hostname, "a_b.example.com", "is not a hostname"),
        (sitemap.pattern, "a.*.example.com", "is not a hostname"),
        (sitemap.owner, "_.example.com", "is not a hostname"),
        (sitemap.owner, "a__b", "is not a hostname"),
        (sitemap.address_or_name, "192.168.178", "is not an IP address or a name"),
        (sitemap.address_or_name, "${DNS}", "was not substituted"),
        (sitemap.reference, "a/b/c", "is not the name of an object"),
        (sitemap.name_of_thing, "home/lan", "is not a name"),
        (sitemap.ports, 0, "outside 1-65535"),
        (sitemap.ports, "443-80", "ends before it starts"),
        (sitemap.ports, "https", "is not a port"),
        (sitemap.seconds, "soon", "is not a duration"),
        (sitemap.seconds, -1, "is not a duration"),
        (sitemap.seconds, float("nan"), "is not a duration"),
        (sitemap.octets, "10MB", "is not a size"),
        (sitemap.octets, -1, "is not a size"),
    ],
)
def test_refused(reader: Callable[..., Any], text: str, part: str) -> None:
    found, problems, report = read(reader, text)
    assert found is None
    assert report.rejected
    assert len(problems) == 1
    assert part in problems[0]
    assert problems[0].startswith("spec.x: ")


def test_host_bits_are_cleared_and_said() -> None:
    found, problems, report = read(sitemap.cidr, "192.168.178.1/24")
    assert (found, report.rejected) == ("192.168.178.0/24", False)
    assert problems == ["spec.x: 192.168.178.1/24 has host bits set; it is read as 192.168.178.0/24"]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("192.168.178.10-192.168.178.20", "192.168.178.10", "192.168.178.20"),
        ("192.168.178.10 - 192.168.178.20", "192.168.178.10", "192.168.178.20"),
        ("fd00::10-fd00::20", "fd00::10", "fd00::20"),
        ("192.168.178.0/30", "192.168.178.0", "192.168.178.3"),
        ("192.168.178.7", "192.168.178.7", "192.168.178.7"),
    ],
)
def test_ranges(text: str, first: str, last: str) -> None:
    found, problems, _ = read(sitemap.address_range, text)
    assert problems == []
    assert found == AddressRange(first, last, text, DOCUMENT.origin.at("spec", "x"))


@pytest.mark.parametrize(
    "text", ["192.168.178.20-192.168.178.10", "192.168.178.10-20", "10.0.0.1-fd00::1", "a-b", "", "10.0.0.0/99"]
)
def test_ranges_refused(text: str) -> None:
    found, problems, report = read(sitemap.address_range, text)
    assert found is None
    assert report.rejected
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("place", "spot"),
    [
        (Place(network="home/lan"), Spot(network="home/lan")),
        (Place(network="internet"), Spot(network="internet")),
        (Place(node="k3s-node1"), Spot(node="k3s-node1")),
        (Place(node="home/k3s-node1"), Spot(node="home/k3s-node1")),
        (Place(cluster="home/k3s"), Spot(cluster="home/k3s")),
        (Place(site="home"), Spot(site="home")),
    ],
)
def test_places(place: Place, spot: Spot) -> None:
    assert read(sitemap.spot, place)[:2] == (spot, [])


@pytest.mark.parametrize(
    ("place", "part"),
    [
        (Place(), "spec.x: names no place"),
        (Place(network="home/lan", node="a"), "spec.x: names network and node"),
        (Place(network="lan"), "spec.x.network: 'lan' does not say of which site"),
        (Place(network="a/b/c"), "spec.x.network: 'a/b/c' does not say of which site"),
        (Place(site="home/lan"), "spec.x.site: 'home/lan' is not the name of a site"),
        (Place(node="home/"), "spec.x.node: 'home/' is not the name of a node"),
        (Place(node="${NODE}"), "spec.x.node: '${NODE}' was not substituted, expected the name of a node"),
    ],
)
def test_places_refused(place: Place, part: str) -> None:
    found, problems, report = read(sitemap.spot, place)
    assert (found, problems, report.rejected) == (None, [part], True)


@pytest.mark.parametrize(
    ("value", "key", "entry"),
    [
        ("edge/wg0.conf", Key("WireGuardConfig", "", "edge/wg0.conf"), ""),
        ("../wg0.conf", Key("WireGuardConfig", "", "../wg0.conf"), ""),
        (
            InConfigMap(ConfigMapEntry("dns", "kube-system", "Corefile")),
            Key("ConfigMap", "kube-system", "dns"),
            "Corefile",
        ),
        (InConfigMap(ConfigMapEntry("dns")), Key("ConfigMap", "default", "dns"), ""),
    ],
)
def test_configurations(value: sitemap.Config, key: Key, entry: str) -> None:
    report = Report(DOCUMENT)
    assert sitemap.config(value, sitemap.WIREGUARD, DOCUMENT, report, "spec", "config") == (key, entry)


@pytest.mark.parametrize("value", ["", " ", "${FILE}"])
def test_configurations_refused(value: str) -> None:
    report = Report(DOCUMENT)
    assert sitemap.config(value, sitemap.WIREGUARD, DOCUMENT, report, "spec", "config") is None
    assert report.rejected
