"""Which ConfigMap a controller reads, and what it says of the door and its routes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.graph.nodes import Gateway
from support.modelled import Modelled, intents

DOOR = """
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: nginx, namespace: infra}
spec: {implementation: ingress-nginx, settings: {}}
"""
WORKLOAD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: controller, namespace: infra}
spec:
  selector: {matchLabels: {app: nginx}}
  template:
    metadata: {labels: {app: nginx}}
    spec:
      containers:
      - name: controller
        image: registry.k8s.io/ingress-nginx/controller:v1.12.1
        args: [/nginx-ingress-controller, --configmap=$(POD_NAMESPACE)/mine]
"""


def config(name: str, namespace: str = "infra", **data: str) -> dict[str, Any]:
    values = {key.replace("_", "-"): value for key, value in data.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": values}


def door(*manifests: dict[str, Any], **settings: Any) -> Gateway:
    described = yaml.safe_load(DOOR)
    described["spec"]["settings"] = settings
    made = Modelled()
    made.apply(dict(intents([described, *manifests])))
    return made.graph.gateways["infra/nginx"]


SET = {"proxy_read_timeout": "77"}


@pytest.mark.parametrize(
    ("manifests", "settings", "timeout"),
    [
        ([config("ingress-nginx-controller", **SET)], {}, 77.0),
        ([config("nginx-configuration", **SET)], {}, 77.0),
        ([config("mine", **SET)], {}, None),
        ([config("mine", **SET), yaml.safe_load(WORKLOAD)], {}, 77.0),
        ([config("there", "other", **SET)], {"configuration": "other/there"}, 77.0),
        ([config("ingress-nginx-controller", **SET)], {"configuration": "other/there"}, None),
        ([config("ingress-nginx-controller", "other", **SET)], {}, None),
        ([config("ingress-nginx-controller", **SET)], {"idleTimeout": "5s"}, 5.0),
    ],
)
def test_which_one_it_is(manifests: list[dict[str, Any]], settings: dict[str, Any], timeout: float | None) -> None:
    assert door(*manifests, **settings).options.read_timeout == timeout


def test_what_it_says_of_the_door() -> None:
    said = config(
        "ingress-nginx-controller",
        use_forwarded_headers="true",
        proxy_real_ip_cidr="10.0.0.0/8",
        ssl_protocols="TLSv1.3",
        allow_snippet_annotations="true",
    )
    gateway = door(said)
    assert gateway.settings.forwarded_from == ("10.0.0.0/8",)
    assert gateway.settings.snippets is True
    assert {item.settings.min_version for item in gateway.listeners if item.tls} == {"1.3"}


def test_what_is_wrong_with_it_is_told_at_the_door() -> None:
    gateway = door(config("ingress-nginx-controller", proxy_read_timeout="60s", nonsense="1"))
    told = [problem.id for listener in gateway.listeners for problem in listener.problems]
    assert sorted(told) == ["annotation-unknown", "annotation-value"]
