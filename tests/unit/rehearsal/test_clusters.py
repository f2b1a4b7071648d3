"""Clusters as spaces: pods, echo backends, routes between nodes, Service addresses."""

from __future__ import annotations

from pathlib import Path

from gatewright.graph.sight import Sight
from gatewright.rehearsal.plan.identity import identify
from gatewright.rehearsal.world import Chain, Draft, node, pod
from support.rehearsed_clusters import APPS, KUBERNETES, MAP, model_of_text, planned, policy, service, workload


def _draft(tmp_path: Path, text: str) -> Draft:
    return planned(model_of_text(text, tmp_path))


def _rules(draft: Draft, space: str, chain: Chain) -> list[str]:
    return [rule.text for rule in sorted(draft.spaces[space].rules) if rule.chain is chain]


def test_every_pod_is_below_its_node_and_echoes_its_service(tmp_path: Path) -> None:
    draft = _draft(tmp_path, MAP + APPS)
    above = {wire.one.space: wire.other.space for wire in draft.wires}
    assert above[pod("apps", "web-0")] == node("home/n1")
    assert above[pod("apps", "db-0")] == node("home/n2")
    found = {(e.space, e.port): e.service for e in draft.echoes}
    told = found[pod("apps", "web-0"), 8080]
    assert (told.namespace, told.name, told.port, told.pod) == ("apps", "web", 80, "web-0")


def test_pods_have_a_way_out_in_the_families_of_their_cluster(tmp_path: Path) -> None:
    """Whatever their node has: they would come to it from link-local addresses."""
    text = workload("apps", "web", "http:8080") + service("apps", "web", "80:8080")
    for cluster, six in ((MAP, True), (MAP.replace(', "fd42::/56"', "").replace(', "fd43::/112"', ""), False)):
        lines = _draft(tmp_path, cluster + text).spaces[pod("apps", "web-0")].lines
        assert any(line.startswith("route replace 0.0.0.0/0") for line in lines)
        assert any(line.startswith("route replace ::/0") for line in lines) is six


def test_encapsulated_pods_are_reached_through_the_tunnel_of_their_node(tmp_path: Path) -> None:
    draft = _draft(tmp_path, MAP + APPS)
    own = draft.spaces[pod("apps", "db-0")].addresses[0]
    lines = draft.spaces[node("home/n1")].lines
    route = next(line for line in lines if line.startswith(f"route replace {own}/32 "))
    assert "encap ip id 100 dst 192.168.1.12 " in route
    assert not any(own in line and "encap" in line for line in draft.spaces[node("home/n2")].lines)


def test_routed_pods_are_reached_through_their_node(tmp_path: Path) -> None:
    draft = _draft(tmp_path, MAP.replace("vxlan", "none") + APPS)
    own = draft.spaces[pod("apps", "db-0")].addresses
    lines = draft.spaces[node("home/n1")].lines
    assert f"route replace {own[0]}/32 via 192.168.1.12 dev eth0" in lines
    assert f"route replace {own[1]}/128 via fd10::12 dev eth0" in lines


def test_what_is_stood_in_for_is_said(tmp_path: Path) -> None:
    draft = _draft(tmp_path, MAP.replace("vxlan", "geneve") + APPS)
    assert [note.text for note in draft.notes] == [
        "geneve between the nodes of home/k is VXLAN here, with the described MTU"
    ]
    assert any("dstport 6081" in line for line in draft.spaces[node("home/n1")].lines)


def test_service_addresses_are_translated_where_connections_start(tmp_path: Path) -> None:
    text = MAP + workload("apps", "web", "http:8080").replace("spec:\n  selector", "spec:\n  replicas: 2\n  selector")
    draft = _draft(tmp_path, text + service("apps", "web", "80:http") + service("apps", "one", "81:82"))
    one, two = (draft.spaces[pod("apps", f"web-{n}")].addresses[0] for n in range(2))
    for space in (node("home/n1"), node("home/n2"), pod("apps", "one-0")):
        rules = _rules(draft, space, Chain.NAT_OUTPUT)
        assert any(f"numgen random mod 2 map {{ 0 : {one} . 8080, 1 : {two} . 8080 }}" in rule for rule in rules)
        assert any(". 82 }" in rule for rule in rules)
    assert _rules(draft, node("home/nas"), Chain.NAT_OUTPUT) == []


def test_ports_of_nodes_lead_to_pods_and_back_the_same_way(tmp_path: Path) -> None:
    text = MAP + service("apps", "web", "80:80", extra=", type: NodePort").replace(
        "targetPort: 80", "targetPort: 80, nodePort: 30080"
    )
    draft = _draft(tmp_path, text)
    for machine in ("home/n1", "home/n2"):
        assert any("tcp dport 30080" in rule for rule in _rules(draft, node(machine), Chain.PREROUTING))
        assert "meta mark 0x67 masquerade" in _rules(draft, node(machine), Chain.POSTROUTING)


def test_a_port_of_the_pod_that_is_its_nodes_is_answered_there(tmp_path: Path) -> None:
    text = workload("apps", "web", "http:8080").replace("containerPort: 8080", "containerPort: 8080, hostPort: 3000")
    draft = _draft(tmp_path, MAP + text + service("apps", "web", "80:http"))
    assert {(e.space, e.address, e.port) for e in draft.echoes if e.port == 3000} == {
        (node("home/n1"), "192.168.1.11", 3000),
        (node("home/n1"), "fd10::11", 3000),
    }


def test_endpoints_outside_of_the_cluster_are_where_their_address_is(tmp_path: Path) -> None:
    def listed(name: str, address: str) -> str:
        return f"""
apiVersion: v1
kind: Endpoints
metadata: {{name: {name}, namespace: apps}}
subsets: [{{addresses: [{{ip: {address}}}], ports: [{{port: 80}}]}}]
---
""" + service("apps", name, "80:80").replace(f"selector: {{app: {name}}}, ", "")

    text = MAP + listed("nas", "192.168.1.20") + listed("printer", "192.168.1.77") + listed("far", "203.0.113.7")
    draft = _draft(tmp_path, text + listed("nowhere", "10.99.0.1"))
    assert {e.service.name: e.space for e in draft.echoes} == {
        "nas": node("home/nas"),
        "printer": "host:192.168.1.77",
        "far": "host:203.0.113.7",
    }
    assert [note.text for note in draft.notes] == [
        "10.99.0.1, an endpoint of Service apps/nowhere, is nowhere on the map"
    ]


def test_pods_leave_the_cluster_with_the_address_of_their_node(tmp_path: Path) -> None:
    draft = _draft(tmp_path, MAP + APPS)
    rules = _rules(draft, node("home/n2"), Chain.POSTROUTING)
    assert any(rule.endswith("ip daddr != { 10.42.0.0/16 } masquerade") for rule in rules)


def test_policies_are_in_the_spaces_of_the_pods_that_they_select(tmp_path: Path) -> None:
    draft = _draft(tmp_path, KUBERNETES)
    client, job = (draft.spaces[pod(*name)].addresses for name in (("other", "client-0"), ("apps", "job-0")))
    web = _rules(draft, pod("apps", "web-0"), Chain.INPUT)
    assert f"ip saddr {{ {client[0]} }} tcp dport 8080 accept" in web
    assert f"ip6 saddr {{ {job[1]} }} tcp dport 9000-9001 accept" in web
    assert web[-1] == "reject with icmpx type admin-prohibited"
    sql = _rules(draft, pod("apps", "db-0"), Chain.INPUT)
    assert "ip saddr { 10.42.0.0/16 } ip saddr != { 10.42.1.0/24 } accept" in sql
    own = draft.spaces[pod("apps", "web-0")].addresses
    out = _rules(draft, pod("apps", "job-0"), Chain.OUTPUT)
    assert f"ip daddr {{ {own[0]} }} tcp dport 9000 accept" in out
    assert "reject with icmpx type admin-prohibited" in out
    assert _rules(draft, pod("other", "client-0"), Chain.INPUT) == []


def test_a_gateway_on_its_nodes_ports_is_let_in_by_whatever_address_its_node_goes_by(tmp_path: Path) -> None:
    """Nobody says what its pods are, so that policies may mean them; to another node they come through the tunnel."""
    text = """
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: door, namespace: doors}
spec:
  implementation: ingress-nginx
  addresses: [192.168.1.12]
  settings: {hostPorts: true, runsOn: [{node: home/n2}]}
---
"""
    shut = policy("p", "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}]}]}")
    served = workload("apps", "web", "http:8080") + service("apps", "web", "80:8080")
    draft = _draft(tmp_path, MAP + text + served + shut)
    admitted = " ".join(_rules(draft, pod("apps", "web-0"), Chain.INPUT))
    inside = [a for a in draft.spaces[node("home/n2")].addresses if a.startswith("10.42.")]
    assert len(inside) == 1
    assert f"ip saddr {{ {inside[0]}, 192.168.1.12 }}" in admitted


def test_no_policies_where_the_cluster_enforces_none(tmp_path: Path) -> None:
    text = KUBERNETES.replace("encapsulation: vxlan", "encapsulation: vxlan\n      enforcesPolicies: false")
    assert _rules(_draft(tmp_path, text), pod("apps", "web-0"), Chain.INPUT) == []


DOOR = """
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: edge, namespace: apps}
spec: {implementation: traefik, service: {name: edge}, settings: {pods: {labels: {app: edge}, namespace: apps}}}
---
"""


def _door(tmp_path: Path, peer: str, more: str) -> list[str]:
    text = MAP + DOOR + workload("apps", "edge", "web:8000").replace("nodeName: n1, ", "")
    text += service("apps", "edge", "80:web", extra=f", type: LoadBalancer, loadBalancerIP: 192.168.1.60{more}")
    admitted = f"{{from: [{peer}], ports: [{{port: 8000}}]}}"
    text += policy("edge", f"{{podSelector: {{matchLabels: {{app: edge}}}}, ingress: [{admitted}]}}")
    return _rules(_draft(tmp_path, text), "gateway:apps/edge", Chain.INPUT)


def test_policies_speak_of_a_gateways_own_ports_and_it_listens_at_those_of_its_service(tmp_path: Path) -> None:
    rules = _door(tmp_path, "{ipBlock: {cidr: 203.0.113.0/24}}", ", externalTrafficPolicy: Local")
    assert "ip saddr { 203.0.113.0/24 } tcp dport 80 accept" in rules


def test_whom_a_node_may_hand_on_is_let_in_where_the_node_is(tmp_path: Path) -> None:
    block = "{ipBlock: {cidr: 192.168.1.0/24}}"
    assert "tcp dport 80 accept" in _door(tmp_path, block, "")
    local = _door(tmp_path, block, ", externalTrafficPolicy: Local")
    assert "ip saddr { 192.168.1.0/24 } tcp dport 80 accept" in local
    assert "tcp dport 80 accept" not in local


def test_a_host_that_a_service_names_answers_where_its_name_leads_unless_somebody_does(tmp_path: Path) -> None:
    zone = """
apiVersion: gatewright.dev/v1alpha1
kind: Zone
metadata: {name: test}
spec:
  domain: example.test
  records: [{name: nas, values: [192.168.1.20]}, {name: far, values: [203.0.113.7]}]
---
"""
    text = "".join(
        service("apps", name, "80:80", extra=f", type: ExternalName, externalName: {name}.example.test")
        for name in ("nas", "far")
    )
    draft = _draft(tmp_path, MAP + zone + text)
    assert {e.service.name: (e.space, e.address, e.port) for e in draft.echoes} == {
        "nas": (node("home/nas"), "192.168.1.20", 80),
        "far": ("host:203.0.113.7", "203.0.113.7", 80),
    }


def test_a_pod_is_of_what_its_service_selects_whatever_else_is_called_like_it(tmp_path: Path) -> None:
    namesake = workload("apps", "lab", "http:1").replace("labels: {app: lab}", "labels: {app: other}")
    model = model_of_text(MAP + namesake + service("apps", "lab", "80:80"), tmp_path)
    who = identify(Sight(model.analysis), pod("apps", "lab-0"))
    assert who is not None
    assert who.labels == (("app", "lab"),)
