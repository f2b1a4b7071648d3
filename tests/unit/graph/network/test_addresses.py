"""Load balancer addresses as MetalLB, Cilium and k3s hand them out."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.graph.network.addresses import allocations
from gatewright.graph.network.nodes import Allocation
from gatewright.kinds.identity import Key
from support.mapped import World
from support.networked import cluster, network, node, site

POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {{name: {name}, namespace: metallb-system}}
spec: {spec}
"""


def pool(name: str, *addresses: str, **spec: Any) -> str:
    written = yaml.safe_dump({"addresses": list(addresses), **spec}, default_flow_style=True)
    return POOL.format(name=name, spec=written)


def cilium(name: str, block: str, selector: dict[str, Any] | None = None, **spec: Any) -> str:
    body: dict[str, Any] = {"blocks": [{"cidr": block}], **spec}
    if selector is not None:
        body["serviceSelector"] = selector
    kind = {"apiVersion": "cilium.io/v2alpha1", "kind": "CiliumLoadBalancerIPPool", "metadata": {"name": name}}
    return yaml.safe_dump({**kind, "spec": body})


def service(
    name: str,
    *,
    namespace: str = "apps",
    port: int = 80,
    labels: dict[str, str] | None = None,
    notes: dict[str, str] | None = None,
    **spec: Any,
) -> str:
    meta = {"name": name, "namespace": namespace, "labels": labels or {}, "annotations": notes or {}}
    body = {"type": "LoadBalancer", "ports": [{"port": port}], **spec}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": body})


def found(*texts: str) -> dict[str, Allocation]:
    manifests = [data for text in texts for data in yaml.safe_load_all(text)]
    answer = World(manifests=manifests).answer(allocations)
    return {key.name: allocation for key, allocation in answer.items()}


def addresses(*texts: str) -> dict[str, tuple[str, ...]]:
    return {name: allocation.addresses for name, allocation in found(*texts).items()}


SHARED = {"metallb.io/allow-shared-ip": "door"}
BOTH = ["IPv4", "IPv6"]
RANGE = "192.168.1.10-192.168.1.12"

CASES: dict[str, tuple[list[str], dict[str, tuple[str, ...]]]] = {
    "the first free address, by name": (
        [pool("p", RANGE), service("a"), service("b")],
        {"a": ("192.168.1.10",), "b": ("192.168.1.11",)},
    ),
    "an address that is asked for is nobody else's": (
        [pool("p", RANGE), service("a"), service("b", loadBalancerIP="192.168.1.10")],
        {"a": ("192.168.1.11",), "b": ("192.168.1.10",)},
    ),
    "when the pool is empty": (
        [pool("p", "192.168.1.10/32"), service("a"), service("b")],
        {"a": ("192.168.1.10",), "b": ()},
    ),
    "a pool that must be asked for": (
        [
            pool("p", "192.168.1.10/32", autoAssign=False),
            service("a"),
            service("b", notes={"metallb.io/address-pool": "p"}),
        ],
        {"a": (), "b": ("192.168.1.10",)},
    ),
    "a smaller priority comes first, none comes last": (
        [
            pool("a", "10.0.0.1/32"),
            pool("b", "10.0.0.2/32", serviceAllocation={"priority": 50}),
            pool("c", "10.0.0.3/32", serviceAllocation={"priority": 20}),
            service("one"),
            service("two"),
            service("zzz"),
        ],
        {"one": ("10.0.0.3",), "two": ("10.0.0.2",), "zzz": ("10.0.0.1",)},
    ),
    "a pool for some namespaces, before those for all": (
        [
            pool("a", "10.0.0.1/32"),
            pool("z", "10.0.0.9/32", serviceAllocation={"namespaces": ["apps"]}),
            service("mine"),
            service("other", namespace="else"),
        ],
        {"mine": ("10.0.0.9",), "other": ("10.0.0.1",)},
    ),
    "a pool for some Services": (
        [
            pool("a", "10.0.0.1/32", serviceAllocation={"serviceSelectors": [{"matchLabels": {"door": "yes"}}]}),
            service("mine", labels={"door": "yes"}),
            service("other"),
        ],
        {"mine": ("10.0.0.1",), "other": ()},
    ),
    "both families from one pool": (
        [
            pool("a", "10.0.0.1/32"),
            pool("b", RANGE, "fd00::10-fd00::20"),
            service("s", ipFamilyPolicy="RequireDualStack", ipFamilies=BOTH),
        ],
        {"s": ("192.168.1.10", "fd00::10")},
    ),
    "one family where both are only preferred": (
        [pool("a", "10.0.0.1/32"), service("s", ipFamilyPolicy="PreferDualStack", ipFamilies=BOTH)],
        {"s": ("10.0.0.1",)},
    ),
    "none where both are required": (
        [pool("a", "10.0.0.1/32"), service("s", ipFamilyPolicy="RequireDualStack", ipFamilies=BOTH)],
        {"s": ()},
    ),
    "only IPv6": (
        [pool("a", RANGE, "fd00::10-fd00::20"), service("s", ipFamilies=["IPv6"])],
        {"s": ("fd00::10",)},
    ),
    "addresses that some hosts cannot talk to": (
        [pool("a", "10.0.0.0/30", avoidBuggyIPs=True), service("s")],
        {"s": ("10.0.0.1",)},
    ),
    "a shared address": (
        [pool("a", RANGE), service("s", notes=SHARED), service("t", port=443, notes=SHARED)],
        {"s": ("192.168.1.10",), "t": ("192.168.1.10",)},
    ),
    "no sharing of one port": (
        [pool("a", RANGE), service("s", notes=SHARED), service("t", notes=SHARED)],
        {"s": ("192.168.1.10",), "t": ("192.168.1.11",)},
    ),
    "a class that something else serves": (
        [pool("a", RANGE), service("s", loadBalancerClass="tailscale")],
        {"s": ()},
    ),
    "Cilium, without the first and last of a prefix": (
        [cilium("p", "10.0.10.0/24", allowFirstLastIPs="No"), service("s")],
        {"s": ("10.0.10.1",)},
    ),
    "Cilium, with them": ([cilium("p", "10.0.10.0/24"), service("s")], {"s": ("10.0.10.0",)}),
    "Cilium by namespace": (
        [
            cilium("p", "10.0.10.0/24", {"matchLabels": {"io.kubernetes.service.namespace": "apps"}}),
            service("s"),
            service("t", namespace="else"),
        ],
        {"s": ("10.0.10.0",), "t": ()},
    ),
    "Cilium by name": (
        [
            cilium("p", "10.0.10.0/24", {"matchLabels": {"io.kubernetes.service.name": "s"}}),
            service("s"),
            service("t"),
        ],
        {"s": ("10.0.10.0",), "t": ()},
    ),
    "Cilium takes families from different pools": (
        [
            cilium("p", "10.0.10.0/24"),
            cilium("q", "fd00::/112"),
            service("s", ipFamilyPolicy="RequireDualStack", ipFamilies=BOTH),
        ],
        {"s": ("10.0.10.0", "fd00::")},
    ),
    "nothing hands out anything": ([service("s")], {"s": ()}),
}


@pytest.mark.parametrize(("texts", "wanted"), CASES.values(), ids=CASES)
def test_allocation(texts: list[str], wanted: dict[str, tuple[str, ...]]) -> None:
    assert addresses(*texts) == wanted


def test_an_address_that_depends_on_who_came_first_says_so() -> None:
    alone = found(pool("p", RANGE), service("a"), service("b", loadBalancerIP="192.168.1.11"))
    assert [alone[name].certain for name in ("a", "b")] == [True, True]
    several = found(pool("p", RANGE), service("a"), service("b"))
    assert [several[name].certain for name in ("a", "b")] == [False, False]


def test_why_a_service_has_no_address() -> None:
    assert "no free IPv4 address in p" in found(pool("p", "10.0.0.1/32"), service("a"), service("b"))["b"].reason
    assert "no pool is there for it" in found(pool("p", RANGE, autoAssign=False), service("a"))["a"].reason
    assert (
        "no pool that it may use has 10.9.9.9"
        in found(pool("p", RANGE), service("a", loadBalancerIP="10.9.9.9"))["a"].reason
    )
    twice = found(pool("p", RANGE), *(service(name, loadBalancerIP="192.168.1.10") for name in "ab"))
    assert twice["b"].reason == "192.168.1.10 is Service apps/a's"


GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: doors}}
spec: {{controllerName: {controller}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: web, namespace: edge}}
spec:
  gatewayClassName: doors
  infrastructure: {{annotations: {{lbipam.cilium.io/ips: "{ips}"}}}}
  listeners: [{{name: http, port: 80, protocol: HTTP}}]
"""


@pytest.mark.parametrize(
    ("controller", "namespace", "name"),
    [
        ("io.cilium/gateway-controller", "edge", "cilium-gateway-web"),
        ("gateway.envoyproxy.io/gatewayclass-controller", "envoy-gateway-system", "envoy-edge-web"),
        ("istio.io/gateway-controller", "edge", "web-doors"),
    ],
)
def test_services_that_controllers_make(controller: str, namespace: str, name: str) -> None:
    manifests = list(yaml.safe_load_all(GATEWAY.format(controller=controller, ips="")))
    manifests += list(yaml.safe_load_all(cilium("p", "10.0.10.0/24")))
    answer = World(manifests=manifests).answer(allocations)
    assert answer[Key("Service", namespace, name)].addresses == ("10.0.10.0",)


def test_k3s_answers_on_its_nodes() -> None:
    chart = "apiVersion: helm.cattle.io/v1\nkind: HelmChartConfig\nmetadata: {name: traefik, namespace: kube-system}"
    home = site("home", network("lan", "10.0.0.0/24"), node("n", "10.0.0.5", "fd00::5"), cluster("k", "n"))
    manifests = [yaml.safe_load(text) for text in (chart, service("s"))]
    answer = World(home, manifests=manifests).answer(allocations)
    assert answer[Key("Service", "apps", "s")].addresses == ("10.0.0.5",)


CHART = """
apiVersion: helm.cattle.io/v1
kind: HelmChart
metadata: {name: traefik, namespace: kube-system}
spec:
  repo: https://traefik.github.io/charts
  chart: traefik
  targetNamespace: edge
"""


def chart(**service: Any) -> str:
    return CHART + f"  valuesContent: {yaml.safe_dump({'service': service})!r}\n".replace("'", '"')


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, ("10.0.0.1",)),
        ({"type": "ClusterIP"}, None),
        ({"type": "NodePort"}, None),
        ({"enabled": False}, None),
        ({"annotations": {"metallb.io/address-pool": "vip"}}, ("10.0.9.1",)),
        ({"ipFamilies": ["IPv6"]}, ("fd00::1",)),
    ],
)
def test_a_chart_says_what_its_service_is(values: dict[str, Any], wanted: tuple[str, ...] | None) -> None:
    pools = (
        pool("a", "10.0.0.1-10.0.0.9", "fd00::1-fd00::9"),
        pool("vip", "10.0.9.1-10.0.9.9", autoAssign=False),
    )
    lent = addresses(*pools, chart(**values)).get("traefik")
    assert lent == wanted
