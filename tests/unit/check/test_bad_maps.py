"""Site maps that contradict themselves: check ends with findings at both places, however many there are."""

from __future__ import annotations

from pathlib import Path

from gatewright.check.finding import Finding
from support.checked import examined

MANY = 1000
"""Enough that comparing all with all would be felt, in findings as in time."""

HEAD = "apiVersion: gatewright.dev/v1alpha1\nkind: {}\nmetadata: {{name: {}}}\nspec: {}\n---\n"


def found(folder: Path, text: str, rule: str) -> list[Finding]:
    (folder / "map.yaml").write_text(text, encoding="utf-8")
    report, _ = examined(folder)
    return [finding for finding in report.findings if finding.id == rule]


def document(kind: str, name: str, spec: str) -> str:
    return HEAD.format(kind, name, spec)


def test_a_thousand_equal_networks(tmp_path: Path) -> None:
    networks = ", ".join(f"{{name: n{i}, cidrs: [10.0.0.0/8]}}" for i in range(MANY))
    findings = found(tmp_path, document("Site", "one", f"{{networks: [{networks}]}}"), "cidr-overlap")
    assert MANY - 1 <= len(findings) <= 50 * MANY
    assert all(len(finding.origins) == 2 for finding in findings)


def test_a_thousand_nested_networks_and_pools(tmp_path: Path) -> None:
    networks = ", ".join(f"{{name: n{i}, cidrs: [10.{i % 250}.0.0/{9 + i % 20}]}}" for i in range(MANY))
    pool = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {{name: p{0}, namespace: m}}\n"
    pools = "".join((pool + "spec: {{addresses: [10.0.0.1-10.0.0.200]}}\n---\n").format(i) for i in range(MANY))
    text = document("Site", "one", f"{{networks: [{networks}]}}") + pools
    findings = found(tmp_path, text, "pool-overlap")
    assert MANY - 1 <= len(findings) <= 2 * MANY
    assert all(len(set(finding.origins)) == 2 for finding in findings)


def test_addresses_outside_of_their_networks(tmp_path: Path) -> None:
    nodes = ", ".join(f"{{name: n{i}, addresses: [10.{i // 250}.{i % 250}.1]}}" for i in range(MANY))
    spec = f"{{networks: [{{name: lan, cidrs: [192.168.1.0/24]}}], nodes: [{nodes}]}}"
    findings = found(tmp_path, document("Site", "one", spec), "address-outside-networks")
    assert len(findings) == MANY
    assert all(len(finding.origins) == 2 for finding in findings)


def test_one_address_of_many_nodes(tmp_path: Path) -> None:
    nodes = ", ".join(f"{{name: n{i}, addresses: [192.168.1.2]}}" for i in range(MANY))
    spec = f"{{networks: [{{name: lan, cidrs: [192.168.1.0/24]}}], nodes: [{nodes}]}}"
    findings = found(tmp_path, document("Site", "one", spec), "node-address-twice")
    assert len(findings) == MANY - 1


def test_sites_that_nobody_describes(tmp_path: Path) -> None:
    firewalls = "".join(document("Firewall", f"f{i}", "{protects: [{site: hom}]}") for i in range(MANY))
    text = document("Site", "home", "{networks: [{name: lan, cidrs: [192.168.1.0/24]}]}") + firewalls
    findings = found(tmp_path, text, "site-map-unknown-site")
    assert len(findings) == MANY
    assert {finding.fix for finding in findings} == {"did you mean home?"}


def test_links_that_are_reached_through_each_other(tmp_path: Path) -> None:
    site = "{networks: [{name: lan, cidrs: [192.168.1.0/24]}], nodes: [{name: box, addresses: [192.168.1.2]}]}"
    other = "{networks: [{name: lan, cidrs: [192.168.2.0/24]}], nodes: [{name: box, addresses: [192.168.2.2]}]}"
    ends = "{{type: WireGuard, ends: [{{node: a/box, routes: [{0}]}}, {{node: b/box, routes: [{0}]}}]}}"
    links = "".join(document("Link", f"l{i}", ends.format(f"172.16.{i}.0/24")) for i in range(200))
    findings = found(tmp_path, document("Site", "a", site) + document("Site", "b", other) + links, "link-loop")
    assert findings
    assert all(finding.origins for finding in findings)


def test_names_and_aliases_in_circles(tmp_path: Path) -> None:
    records = ", ".join(f"{{name: c{i}, type: CNAME, values: [c{(i + 1) % MANY}.x.test]}}" for i in range(MANY))
    text = document("Zone", "z", f"{{domain: x.test, records: [{records}]}}")
    text += document("Vantage", "v", "{network: internet}")
    assert found(tmp_path, text, "cname-loop")


def test_resolvers_that_ask_each_other(tmp_path: Path) -> None:
    resolvers = "".join(document("Resolver", f"r{i}", f"{{upstreams: [r{(i + 1) % 50}, missing]}}") for i in range(50))
    text = resolvers + document("Vantage", "v", "{network: internet, resolvers: [r0]}")
    assert len(found(tmp_path, text, "unknown-reference")) == 50
