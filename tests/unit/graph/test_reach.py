"""From a gateway to its backends: over one cluster, over two sites, past policies, and out of the cluster."""

from __future__ import annotations

from typing import Any

import yaml

from gatewright.graph.analysis import Analysis
from gatewright.graph.network.nodes import Place
from gatewright.graph.nodes import BackendKey, Change
from gatewright.graph.reach import Reach, reach, reach_from
from gatewright.kinds.intents.policies import HttpAllow
from support.lowering import lowered
from support.modelled import intents
from support.policed import analysis

GATEWAY = """
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: traefik, namespace: doors}
spec:
  implementation: traefik
  settings:
    allowExternalNameServices: true
    pods: {labels: {app: traefik}, namespace: doors}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: apps}
spec:
  ingressClassName: traefik
  rules:
    - host: web.test
      http:
        paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: apps}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
"""

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: apps}
spec:
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, ports: [{name: http, containerPort: 8080}]}]
"""

MAP = """
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: home}
spec:
  networks: [{name: lan, cidrs: [192.168.1.0/24]}]
  nodes: [{name: n1, addresses: [192.168.1.11], labels: {zone: home}}]
  clusters:
    - name: k3s
      podCIDRs: [10.42.0.0/16]
      serviceCIDRs: [10.43.0.0/16]
      encapsulation: vxlan
      nodes: [n1, edge/vps]
---
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: edge}
spec:
  nodes: [{name: vps, addresses: [203.0.113.10], labels: {zone: edge}}]
"""

LINK = """
apiVersion: gatewright.dev/v1alpha1
kind: Link
metadata: {name: wg}
spec:
  type: WireGuard
  mtu: 1420
  ends:
    - {node: home/n1, addresses: [10.8.0.2], routes: [10.8.0.2/32, 192.168.1.0/24]}
    - {node: edge/vps, addresses: [10.8.0.1], routes: [10.8.0.1/32], endpoint: "203.0.113.10:51820"}
"""

POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: apps}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: frontend}}}]}]
"""

ADMITTING = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: gateways, namespace: apps}
spec:
  podSelector: {}
  ingress:
    - from:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: doors}}
          podSelector: {matchLabels: {app: traefik}}
      ports: [{port: 8080}]
"""

KEY = BackendKey("apps", "web", 80)


def world(*texts: str) -> Analysis:
    documents = [data for text in texts for data in yaml.safe_load_all(text)]
    assert [lowered(yaml.safe_dump(data)).problems for data in documents] == [()] * len(documents)
    return analysis(*intents(documents).values())


def reached(*texts: str) -> Reach:
    return world(*texts).answer(reach, "doors/traefik", KEY)


def patched(text: str, *changes: tuple[str, str]) -> str:
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return text


def pinned(zone: str) -> str:
    return patched(WEB, ("    spec:\n", f"    spec:\n      nodeSelector: {{zone: {zone}}}\n"))


def slices(*endpoints: dict[str, Any], port: int = 8080) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "web-1", "namespace": "apps", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": port}],
            "endpoints": list(endpoints),
        }
    )


def external(name: str) -> str:
    return patched(GATEWAY, ("  selector: {app: web}\n", f"  type: ExternalName\n  externalName: {name}\n"))


# --- without a map ------------------------------------------------------------------------------


def test_without_a_map_only_policies_are_judged() -> None:
    found = reached(GATEWAY, WEB)
    assert found.reached
    assert found.unknown
    assert [(e.address, e.port, e.ok) for e in found.endpoints] == [("pods of Deployment apps/web", 8080, True)]


def test_a_policy_that_forgets_the_gateway() -> None:
    found = reached(GATEWAY, WEB, POLICY)
    assert not found.reached
    assert found.reason == (
        "NetworkPolicy apps/web does not admit gateway doors/traefik to pods of Deployment apps/web on TCP port 8080"
    )
    assert len(found.origins) == 1


def test_a_policy_names_the_port_of_the_pod() -> None:
    found = reached(GATEWAY, WEB, POLICY, ADMITTING)
    assert found.reached
    assert [step.summary for step in found.steps] == [
        "NetworkPolicy apps/gateways admits gateway doors/traefik to pods of Deployment apps/web on TCP port 8080"
    ]
    assert not reached(GATEWAY, WEB, POLICY, patched(ADMITTING, ("port: 8080", "port: 80"))).reached


def test_a_gateway_of_whose_pods_nobody_says_anything_is_not_suspected() -> None:
    silent = patched(GATEWAY, ("    pods: {labels: {app: traefik}, namespace: doors}\n", ""))
    assert reached(silent, WEB, POLICY).reached
    nobody = patched(POLICY, ("  ingress: [{from: [{podSelector: {matchLabels: {app: frontend}}}]}]\n", ""))
    assert not reached(silent, WEB, nobody).reached


def test_endpoints_are_judged_one_by_one() -> None:
    canary = patched(
        WEB, ("name: web, namespace", "name: canary, namespace"), ("{app: web}", "{app: web, track: canary}")
    )
    policy = patched(POLICY, ("{app: web}", "{track: canary}"))
    listed = slices(
        {"addresses": ["10.42.0.5"], "targetRef": {"kind": "Pod", "name": "web-6d-x"}},
        {"addresses": ["10.42.0.6"], "targetRef": {"kind": "Pod", "name": "canary-7f-y"}},
    )
    found = reached(GATEWAY, WEB, canary, policy, listed)
    assert {e.address: e.ok for e in found.endpoints} == {"10.42.0.5": True, "10.42.0.6": False}
    assert not found.reached


def test_http_rules_of_cilium_are_handed_on() -> None:
    policy = """
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: apps}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
    - fromEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: doors}}]
      toPorts:
        - ports: [{port: "8080", protocol: TCP}]
          rules: {http: [{method: GET}]}
"""
    found = reached(GATEWAY, WEB, policy)
    assert found.reached
    assert found.http == ((HttpAllow("GET"),),)


# --- over the pod network -----------------------------------------------------------------------


def test_one_site_has_the_mtu_of_its_pod_network() -> None:
    found = reached(GATEWAY, WEB, patched(MAP, (", edge/vps", "")))
    assert found.reached
    assert not found.unknown
    assert (found.mtu.value, found.links) == (1450, ()) if found.mtu else False


def test_vxlan_over_wireguard() -> None:
    on_edge = patched(GATEWAY, ("    pods:", "    runsOn: [{node: edge/vps}]\n    pods:"))
    found = reached(on_edge, pinned("home"), MAP, LINK)
    assert found.reached
    assert found.links == ("wg",)
    assert found.mtu is not None
    assert found.mtu.value == 1370
    assert "wg" in found.mtu.hop


def test_pods_on_the_gateway_s_own_node_need_no_link() -> None:
    on_edge = patched(GATEWAY, ("    pods:", "    runsOn: [{node: edge/vps}]\n    pods:"))
    found = reached(on_edge, pinned("edge"), MAP)
    assert found.reached
    assert found.links == ()


def test_sites_without_a_link_do_not_reach_each_other() -> None:
    on_edge = patched(GATEWAY, ("    pods:", "    runsOn: [{node: edge/vps}]\n    pods:"))
    found = reached(on_edge, pinned("home"), MAP)
    assert not found.reached
    assert "pods on edge/vps do not reach pods on home/n1" in found.reason


def test_a_gateway_on_the_host_s_network_is_the_node() -> None:
    gateway = (
        patched(GATEWAY, ("    pods:", "    runsOn: [{node: home/n1}]\n    pods:"))
        + """---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: traefik, namespace: doors}
spec:
  template:
    metadata: {labels: {app: traefik}}
    spec: {hostNetwork: true, containers: [{name: traefik}]}
"""
    )
    assert not reached(gateway, pinned("edge"), MAP, LINK, POLICY, ADMITTING).reached
    assert reached(gateway, pinned("home"), MAP, LINK, POLICY, ADMITTING).reached
    by_address = patched(POLICY, ("podSelector: {matchLabels: {app: frontend}}", "ipBlock: {cidr: 192.168.1.0/24}"))
    assert reached(gateway, pinned("edge"), MAP, LINK, by_address).reached


def test_a_cluster_that_enforces_nothing_says_so() -> None:
    found = reached(GATEWAY, WEB, POLICY, patched(MAP, (", edge/vps]", "]\n      enforcesPolicies: false")))
    assert found.reached
    assert any("enforces no network policies" in step.summary for step in found.steps)


# --- outside of the cluster ---------------------------------------------------------------------


def test_addresses_of_a_service_without_selector_are_reached_over_links() -> None:
    service = patched(
        GATEWAY, ("  selector: {app: web}\n", ""), ("    pods:", "    runsOn: [{node: edge/vps}]\n    pods:")
    )
    listed = slices({"addresses": ["192.168.1.50"]})
    found = reached(service, MAP, LINK, listed)
    assert found.reached
    assert found.links == ("wg",)
    assert [(e.address, e.ok) for e in reached(service, MAP, listed).endpoints] == [("192.168.1.50", False)]


def test_an_external_name_of_the_cluster_is_that_service() -> None:
    other = """
apiVersion: v1
kind: Service
metadata: {name: real, namespace: inner}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
"""
    found = reached(
        external("real.inner.svc.cluster.local"), other, patched(WEB, ("namespace: apps", "namespace: inner"))
    )
    assert [e.address for e in found.endpoints] == ["pods of Deployment inner/web"]


def test_external_names_in_a_circle() -> None:
    back = """
apiVersion: v1
kind: Service
metadata: {name: real, namespace: inner}
spec: {type: ExternalName, externalName: web.apps.svc.cluster.local, ports: [{port: 80}]}
"""
    found = reached(external("real.inner.svc.cluster.local"), back)
    assert not found.reached
    assert "circle" in found.reason
    assert len(found.origins) == 2


def test_an_external_name_of_which_nobody_knows_is_not_held_against_anybody() -> None:
    found = reached(external("api.example.org"), MAP)
    assert found.reached
    assert found.unknown
    assert found.name == "api.example.org"


def test_an_external_name_is_looked_up_and_reached() -> None:
    zone = """
apiVersion: gatewright.dev/v1alpha1
kind: Zone
metadata: {name: example.org}
spec: {domain: example.org, records: [{name: api, type: A, values: [203.0.113.10]}]}
"""
    found = reached(external("api.example.org"), MAP, zone)
    assert [(e.address, e.ok) for e in found.endpoints] == [("203.0.113.10", True)]
    assert any("203.0.113.10" in one.addresses for one in found.resolved)


ZONE = """
apiVersion: gatewright.dev/v1alpha1
kind: Zone
metadata: {name: example.org}
spec:
  domain: example.org
  records:
    - {name: both, type: A, values: [203.0.113.10]}
    - {name: both, type: AAAA, values: ["fd00::1"]}
"""


def test_one_address_of_an_external_name_is_enough() -> None:
    found = reached(external("both.example.org"), MAP, ZONE)
    assert ("203.0.113.10", True) in [(e.address, e.ok) for e in found.endpoints]
    assert found.reached


def test_a_name_that_does_not_exist_is_told_where_the_resolver_is_known() -> None:
    assert reached(external("none.example.org"), MAP, ZONE).reached
    described = patched(MAP, ("      encapsulation", "      resolver: coredns\n      encapsulation"))
    resolver = """
apiVersion: gatewright.dev/v1alpha1
kind: Resolver
metadata: {name: coredns}
spec: {implementation: CoreDNS, upstreams: [public]}
"""
    found = reached(external("none.example.org"), described, resolver, ZONE)
    assert found.reason == "none.example.org does not exist"


# --- what it reads ------------------------------------------------------------------------------


def test_policies_of_other_namespaces_do_not_concern_it() -> None:
    model = world(GATEWAY, WEB, POLICY, MAP, LINK)
    model.keep(reach, "doors/traefik", KEY)
    for text, concerned in ((patched(POLICY, ("namespace: apps", "namespace: far")), False), (ADMITTING, True)):
        changed = model.objects.update(dict(intents(yaml.safe_load_all(text))))
        assert bool(model.update(model.graph, Change(objects=frozenset(changed)))) == concerned


# --- Cilium's own gateway -----------------------------------------------------------------------

CILIUM = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: traefik, namespace: doors}
spec:
  gatewayClassName: cilium
  listeners: [{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: apps}
spec:
  parentRefs: [{name: traefik, namespace: doors}]
  hostnames: [web.test]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: apps}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
"""

INGRESS_ONLY = """
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: apps}
spec:
  endpointSelector: {}
  ingress: [{fromEntities: [ingress]}]
"""


def test_the_gateway_of_cilium_is_its_entity() -> None:
    assert reached(CILIUM, WEB, INGRESS_ONLY).reached
    forgetting = patched(INGRESS_ONLY, ("[ingress]", "[world]"))
    found = reached(CILIUM, WEB, forgetting)
    assert not found.reached
    assert "the entity ingress" in found.reason


def test_a_firewall_between_nodes() -> None:
    on_edge = patched(GATEWAY, ("    pods:", "    runsOn: [{node: edge/vps}]\n    pods:"))
    direct = patched(MAP, ("192.168.1.11", "198.51.100.7"), ("192.168.1.0/24", "198.51.100.0/24"))
    firewall = """
apiVersion: gatewright.dev/v1alpha1
kind: Firewall
metadata: {name: host}
spec:
  style: nftables
  protects: [{node: home/n1}]
  default: {inbound: deny}
  inbound: [{allow: udp, ports: [8472]}]
"""
    assert reached(on_edge, pinned("home"), direct).reached
    assert reached(on_edge, pinned("home"), direct, firewall).reached
    found = reached(on_edge, pinned("home"), direct, patched(firewall, ("8472", "51820")))
    assert not found.reached
    assert "host" in found.reason


# --- two clusters, and no gateway ---------------------------------------------------------------

TWO = """
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: home}
spec:
  networks: [{name: lan, cidrs: [192.168.1.0/24]}]
  nodes: [{name: n1, addresses: [192.168.1.11]}]
  clusters:
    - {name: k3s, podCIDRs: [10.42.0.0/16], serviceCIDRs: [10.43.0.0/16], nodes: [n1], namespaces: [apps, doors]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: far}
spec:
  nodes: [{name: gpu, addresses: [203.0.113.10]}]
  clusters: [{name: rke, podCIDRs: [10.52.0.0/16], serviceCIDRs: [10.53.0.0/16], nodes: [gpu], namespaces: [ai]}]
"""

LIQO = """
apiVersion: gatewright.dev/v1alpha1
kind: Link
metadata: {name: liqo}
spec:
  type: Liqo
  ends:
    - {cluster: home/k3s, routes: [10.42.0.0/16]}
    - {cluster: far/rke, routes: [10.52.0.0/16], endpoint: "203.0.113.10:51840"}
"""


def test_endpoints_that_are_pods_of_another_cluster_are_reached_over_the_link() -> None:
    mirrored = slices({"addresses": ["10.52.3.17"]})
    found = reached(GATEWAY, WEB, TWO, LIQO, mirrored)
    assert found.reached
    assert found.links == ("liqo",)
    assert not reached(GATEWAY, WEB, TWO, mirrored).reached
    assert reached(GATEWAY, WEB, TWO, LIQO, slices({"addresses": ["10.42.3.17"]})).links == ()


def test_pods_on_the_ports_of_their_node_ask_the_resolver_of_their_cluster() -> None:
    on_node = patched(
        external("db.mesh.test"), ("    pods:", "    runsOn: [{node: home/n1}]\n    hostPorts: true\n    pods:")
    )
    described = patched(TWO, ("nodes: [n1],", "nodes: [n1], resolver: coredns,"))
    resolver = """
apiVersion: gatewright.dev/v1alpha1
kind: Resolver
metadata: {name: coredns}
spec: {implementation: CoreDNS, overrides: [{name: db.mesh.test, values: [203.0.113.10]}]}
"""
    found = reached(on_node, described, resolver)
    assert [(e.address, e.ok) for e in found.endpoints] == [("203.0.113.10", True)]


def test_a_pod_without_a_gateway_meets_the_policies() -> None:
    model = world(GATEWAY, WEB, MAP, LINK, POLICY)
    frontend = Place("cluster", "home/k3s", namespace="apps", labels=(("app", "frontend"),))
    other = Place("cluster", "home/k3s", namespace="apps", labels=(("app", "other"),))
    assert model.answer(reach_from, frontend, KEY).reached
    assert "NetworkPolicy apps/web" in model.answer(reach_from, other, KEY).reason


BLOCK = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: apps}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{ipBlock: {cidr: CIDR}}]}]
"""


def test_a_pod_whose_address_nobody_says_has_one_of_its_clusters() -> None:
    frontend = Place("cluster", "home/k3s", namespace="apps", labels=(("app", "frontend"),))
    for cidr, reached in (("10.42.0.0/16", True), ("10.42.7.0/24", False), ("10.99.0.0/16", False)):
        model = world(GATEWAY, WEB, MAP, LINK, BLOCK.replace("CIDR", cidr))
        assert model.answer(reach_from, frontend, KEY).reached is reached, cidr
