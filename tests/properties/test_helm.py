"""Values of charts are anybody's input: whatever they are, doors come out sound or not at all."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.kinds import lower
from gatewright.kinds.intents.programs import HelmIntent
from gatewright.kinds.programs import charts, files
from support.modelled import Modelled

FIELDS = st.sampled_from(
    [
        *("ports", "web", "websecure", "controller", "service", "hostNetwork", "hostPort", "enabled", "http", "https"),
        *("tls", "expose", "default", "port", "exposedPort", "providers", "kubernetesCRD", "kubernetesIngress", "name"),
        *(
            "ingressClass",
            "ingressClassResource",
            "namespaces",
            "additionalArguments",
            "deployment",
            "kind",
            "replicas",
        ),
        *("updateStrategy", "rollingUpdate", "maxSurge", "nodeSelector", "config", "extraArgs", "proxy-body-size"),
        *("annotations", "metallb.io/loadBalancerIPs", "spec", "loadBalancerIP", "externalIPs", "type", "daemonset"),
        *(
            "useHostPort",
            "hostPorts",
            "containerPort",
            "proxyProtocol",
            "trustedIPs",
            "asDefault",
            "podLabels",
            "traefik",
        ),
    ]
)
SCALARS = st.sampled_from(
    [
        *(None, True, False, 0, 80, 70_000, -1, 10**30, 1.5),
        *("", "true", "443", "10.0.0.0/8,::/0", "8m", "9" * 40, "DaemonSet", "LoadBalancer", "\u2028"),
        *("--entrypoints.web.address=:80", "--a"),
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=6),
    max_leaves=30,
)
MAPPINGS = st.dictionaries(FIELDS, VALUES, max_size=10)
CHARTS = st.sampled_from(["traefik", "ingress-nginx", "kubernetes-ingress", "aws-load-balancer-controller"])


def release(chart: str, values: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": "edge", "namespace": "edge"},
        "spec": {"chart": {"spec": {"chart": chart}}, "values": values},
    }


@given(CHARTS, MAPPINGS, MAPPINGS)
@settings(max_examples=200)
def test_doors_of_any_values(chart: str, first: dict[str, Any], second: dict[str, Any]) -> None:
    model = Modelled([release(chart, first)])
    model.put(release(chart, second))
    for gateway in model.graph.gateways.values():
        assert all(0 < item.port < 65536 for item in gateway.listeners)
        assert len({(item.port, item.protocol == "UDP") for item in gateway.listeners}) == len(gateway.listeners)
    assert model.graph.gateways == Modelled([release(chart, second)]).graph.gateways


@given(st.text(max_size=20), MAPPINGS)
@settings(max_examples=200)
def test_any_values_file(folder: str, values: dict[str, Any]) -> None:
    path = f"{folder}/values.yaml"
    result = lower(Document(Origin(path), files.API_VERSION, files.HELM_VALUES, "", path, values))
    assert result is not None
    assert isinstance(result.intent, HelmIntent)


@given(st.text("ab.[]\\019", max_size=12), MAPPINGS)
@settings(max_examples=200)
def test_any_place_in_values(name: str, values: dict[str, Any]) -> None:
    before = repr(values)
    charts.assigned(values, name, 1)
    assert repr(values) == before
