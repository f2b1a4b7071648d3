"""Where the Envoys of gateways run, and what leads their addresses there."""

from __future__ import annotations

from pathlib import Path

from tests.support.needs import REPOSITORY

from gatewright.rehearsal.world import INTERNET, Draft, Role, gateway, node
from support.rehearsed_clusters import MAP, model_of, model_of_text, planned, service, workload

CONTROLLER = """
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: edge, namespace: infra}
spec: {implementation: traefik, addresses: [ADDRESSES], settings: {pods: {labels: {app: edge}, namespace: infra}MORE}}
---
"""


def _door(tmp_path: Path, *addresses: str, more: str = "", text: str = "") -> Draft:
    listed = ", ".join(f'"{address}"' for address in addresses)
    written = CONTROLLER.replace("ADDRESSES", listed).replace("MORE", more)
    return planned(model_of_text(MAP + written + text, tmp_path))


def test_a_pod_has_the_load_balancers_addresses_and_its_node_announces_them(tmp_path: Path) -> None:
    draft = _door(tmp_path, "192.168.1.60", "fd10::60", text=workload("infra", "edge", node="n2"))
    (spot,) = draft.gateways
    assert (spot.gateway, spot.space) == ("infra/edge", gateway("infra/edge"))
    assert spot.addresses == ("192.168.1.60", "fd10::60", *spot.sources)
    space, above = draft.spaces[spot.space], draft.spaces[node("home/n2")]
    assert space.role is Role.GATEWAY
    assert "addr add 192.168.1.60/32 dev lo" in space.lines
    assert {"neigh add proxy 192.168.1.60 dev eth0", "neigh add proxy fd10::60 dev eth0"} <= set(above.lines)
    assert above.sysctls["ipv6/conf/all/proxy_ndp"] == "1"
    assert f"route replace fd10::60/128 via {spot.sources[1]} dev eth1 onlink" in above.lines


def test_an_address_of_a_family_that_pods_have_not_is_found_on_their_device(tmp_path: Path) -> None:
    draft = planned(
        model_of_text(
            MAP.replace('[10.42.0.0/16, "fd42::/56"]', "[10.42.0.0/16]").replace('[10.43.0.0/16, "fd43::/112"]', "[]")
            + CONTROLLER.replace("ADDRESSES", '192.168.1.60, "fd10::60"').replace("MORE", "")
            + workload("infra", "edge", node="n2"),
            tmp_path,
        )
    )
    lines = draft.spaces[draft.gateways[0].space].lines
    assert "addr add 192.168.1.60/32 dev lo" in lines
    assert "addr add fd10::60/128 dev eth0 nodad" in lines
    (table,) = (line.rpartition(" ")[2] for line in lines if line.startswith("-6 rule add from fd10::60/128 lookup "))
    assert f"route add ::/0 via fe80::1 dev eth0 table {table}" in lines
    assert "route replace fd10::60/128 dev eth1" in draft.spaces[node("home/n2")].lines


def test_only_nodes_that_announce_are_chosen(tmp_path: Path) -> None:
    text = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: lan, namespace: metallb-system}
spec: {addresses: [192.168.1.60-192.168.1.69]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: lan, namespace: metallb-system}
spec: {ipAddressPools: [lan], nodeSelectors: [{matchLabels: {kubernetes.io/hostname: NODE}}]}
---
"""
    for name in ("n1", "n2"):
        draft = _door(tmp_path, "192.168.1.60", text=text.replace("NODE", name))
        assert "neigh add proxy 192.168.1.60 dev eth0" in draft.spaces[node(f"home/{name}")].lines


def test_on_the_ports_of_its_nodes_it_is_in_their_spaces(tmp_path: Path) -> None:
    draft = _door(tmp_path, more=", hostPorts: true", text=workload("infra", "edge", node="n2"))
    (spot,) = draft.gateways
    assert (spot.space, spot.addresses) == (node("home/n2"), ("192.168.1.12", "fd10::12"))


def test_an_address_of_a_machine_is_answered_on_it(tmp_path: Path) -> None:
    (spot,) = _door(tmp_path, "192.168.1.11").gateways
    assert spot.space == node("home/n1")


def test_a_public_address_that_no_segment_holds_is_on_the_internet(tmp_path: Path) -> None:
    draft = _door(tmp_path, "203.0.113.8")
    space = draft.spaces[gateway("infra/edge")]
    assert any("route add 203.0.113.8/32" in line for line in draft.spaces[INTERNET].lines)
    assert any(line.startswith("rule add from 203.0.113.8/32 lookup") for line in space.lines)


def test_ways_out_are_chosen_by_rules_of_the_right_family(tmp_path: Path) -> None:
    (spot,) = _door(tmp_path, "203.0.113.8", "2001:db8:9::8").gateways
    rules = [line for line in planned_rules(tmp_path, spot.space) if "rule add" in line]
    assert [rule.startswith("-6 ") for rule in rules] == [":" in rule.split("from ")[1].split()[0] for rule in rules]
    assert any(rule.startswith("-6 ") for rule in rules)


def planned_rules(tmp_path: Path, space: str) -> list[str]:
    return _door(tmp_path, "203.0.113.8", "2001:db8:9::8").spaces[space].lines


def test_gateways_that_share_an_address_share_a_space(tmp_path: Path) -> None:
    other = CONTROLLER.replace("name: edge", "name: more").replace("MORE", "").replace("ADDRESSES", "192.168.1.60")
    draft = _door(tmp_path, "192.168.1.60", text=other)
    assert {spot.gateway: spot.space for spot in draft.gateways} == {
        "infra/edge": gateway("infra/edge"),
        "infra/more": gateway("infra/edge"),
    }


def test_load_balancers_that_are_known_by_hostname_are_in_the_cloud() -> None:
    draft = planned(model_of(str(REPOSITORY / "examples" / "hybrid-labs")))
    spots = {spot.gateway: spot for spot in draft.gateways}
    for name in ("ingress/alb", "ingress/nginx"):
        assert [address.startswith("198.19.") for address in spots[name].addresses] == [True]
    assert spots["ingress/alb"].sources[0].startswith("10.0.")


def test_an_address_of_a_segment_without_nodes_is_announced_there_by_the_router(tmp_path: Path) -> None:
    text = MAP.replace("networks: [", "networks: [{name: services, cidrs: [10.9.0.0/24]}, ")
    written = CONTROLLER.replace("ADDRESSES", "10.9.0.50").replace("MORE", "")
    draft = planned(model_of_text(text + written + workload("infra", "edge", node="n2"), tmp_path))
    lines = draft.spaces["site:home"].lines
    assert "neigh add proxy 10.9.0.50 dev eth0" in lines
    assert "route replace 10.9.0.50/32 via 192.168.1.12 dev eth1" in lines


def test_what_is_nowhere_is_said(tmp_path: Path) -> None:
    text = CONTROLLER.replace("ADDRESSES", "10.99.0.1").replace("MORE", "")
    draft = planned(model_of_text(text, tmp_path))
    assert draft.gateways == []
    assert [note.text for note in draft.notes] == ["infra/edge is nowhere on the map"]


def test_a_load_balancer_that_is_no_gateways_is_answered_by_a_node_with_a_pod(tmp_path: Path) -> None:
    text = service("apps", "mail", "25:2525", extra=", type: LoadBalancer, loadBalancerIP: 192.168.1.70")
    draft = planned(model_of_text(MAP + workload("apps", "mail", node="n2") + text, tmp_path))
    lines = draft.spaces[node("home/n2")].lines
    assert "addr add 192.168.1.70/32 dev eth0" in lines
    rules = [rule.text for rule in draft.spaces[node("home/n2")].rules]
    assert any(rule.startswith("ip daddr 192.168.1.70 tcp dport 25 dnat ip to 10.42.1.") for rule in rules)
