"""What configures Helm charts: chart, release, namespace and values, from wherever they stand; and hostile input."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.kinds import lower
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.programs import HelmIntent
from gatewright.kinds.programs import charts, files
from support.lowering import bad, good, lowered, told

RELEASE = """
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: edge, namespace: network}
spec:
  chart: {spec: {chart: traefik, version: 30.x}}
  values: {ports: {web: {port: 8080}}}
"""
CHART = """
apiVersion: helm.cattle.io/v1
kind: HelmChart
metadata: {name: traefik, namespace: kube-system}
spec:
  chart: https://example.com/charts/traefik-27.0.201+up27.0.2.tgz
  targetNamespace: edge
  set: {ports.web.port: "8000", ports.web.expose.default: "true", 'deployment.podLabels.a\\.b': x}
  valuesContent: |
    ports:
      web: {hostPort: 80}
    hostNetwork: yes
"""
APPLICATION = """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: ingress, namespace: argocd}
spec:
  destination: {namespace: edge}
  sources:
  - {ref: values, repoURL: x}
  - chart: ingress-nginx
    targetRevision: 4.11.0
    helm:
      releaseName: outer
      values: "controller: {hostNetwork: true, replicaCount: 2}"
      parameters:
      - {name: controller.replicaCount, value: "3"}
      - {name: "controller.args[1]", value: "7", forceString: true}
"""


def values(intent: HelmIntent) -> Any:
    return json.loads(intent.values)


def file(path: str, data: dict[str, Any]) -> Lowered:
    result = lower(Document(Origin(path, "1"), files.API_VERSION, files.HELM_VALUES, "", path, data))
    assert result is not None
    return result


def file_intent(path: str, data: dict[str, Any]) -> HelmIntent:
    result = file(path, data)
    assert isinstance(result.intent, HelmIntent)
    assert result.problems == ()
    return result.intent


def test_a_release_of_flux() -> None:
    intent = good(RELEASE, HelmIntent)
    assert (intent.chart, intent.version, intent.release, intent.namespace) == ("traefik", "30.x", "edge", "network")
    assert values(intent) == {"ports": {"web": {"port": 8080}}}
    assert intent.origin.path == ("spec", "values")


def test_a_release_into_another_namespace_is_named_after_it_by_flux() -> None:
    intent = good(RELEASE + "  targetNamespace: edge\n", HelmIntent)
    assert (intent.release, intent.namespace) == ("edge-edge", "edge")
    assert good(RELEASE + "  targetNamespace: x\n  releaseName: y\n", HelmIntent).release == "y"


def test_a_chart_by_reference() -> None:
    text = RELEASE.replace(
        "chart: {spec: {chart: traefik, version: 30.x}}", "chartRef: {kind: OCIRepository, name: traefik}"
    )
    assert good(text, HelmIntent).chart == "traefik"


def test_values_from_elsewhere_are_said_where_they_matter() -> None:
    text = RELEASE + "  valuesFrom: [{kind: ConfigMap, name: v}]\n"
    assert told(lowered(text).problems) == [("unsupported-field", "spec.valuesFrom")]
    assert lowered(text.replace("traefik", "grafana")).problems == ()


def test_a_chart_of_k3s_with_text_and_settings() -> None:
    intent = good(CHART, HelmIntent)
    assert (intent.chart, intent.release, intent.namespace) == ("traefik", "traefik", "edge")
    assert values(intent) == {
        "deployment": {"podLabels": {"a.b": "x"}},
        "hostNetwork": True,
        "ports": {"web": {"expose": {"default": True}, "hostPort": 80, "port": "8000"}},
    }


def test_a_config_of_k3s_is_for_the_chart_of_its_name() -> None:
    text = CHART.replace("kind: HelmChart", "kind: HelmChartConfig")
    intent = good(text, HelmIntent)
    assert (intent.chart, intent.release, intent.namespace) == ("traefik", "traefik", "kube-system")


def test_an_application_of_argo() -> None:
    intent = good(APPLICATION, HelmIntent)
    assert (intent.chart, intent.release, intent.namespace) == ("ingress-nginx", "outer", "edge")
    assert values(intent) == {"controller": {"hostNetwork": True, "replicaCount": 3, "args": [None, "7"]}}
    assert intent.origin.path == ("spec", "sources", 1, "helm", "values")


def test_an_application_of_plain_manifests() -> None:
    text = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {source: {path: x}}\n"
    assert good(text, HelmIntent).chart == ""


@pytest.mark.parametrize(
    ("path", "data", "chart", "release"),
    [
        ("overlays/aws/traefik/values.yaml", {"deployment": {}}, "traefik", "traefik"),
        ("traefik-internal/values.yaml", {}, "traefik", "traefik-internal"),
        ("values/traefik-internal-values.yaml", {}, "traefik", "traefik-internal"),
        ("x/values-outer.yaml", {"ports": {"websecure": {}}}, "traefik", "traefik-outer"),
        ("x/helm-values.yaml", {"controller": {"watchIngressWithoutClass": True}}, "ingress-nginx", "ingress-nginx"),
        ("x/values.yaml", {"controller": {"config": {"ssl-passthrough": "true"}}}, "haproxy", "haproxy"),
        (
            "x/values.yaml",
            {"controller": {"extraArgs": {"enable-ssl-passthrough": ""}}},
            "ingress-nginx",
            "ingress-nginx",
        ),
        ("x/values.yaml", {"speaker": {}, "controller": {}}, "metallb", "metallb"),
        ("x/values.yaml", {"kubeProxyReplacement": True}, "cilium", "cilium"),
        ("grafana/values.yaml", {"ingress": {}, "service": {"ports": 1}}, "", "grafana"),
        ("traefik/forward-auth/values.yaml", {"image": "x"}, "", "forward-auth"),
    ],
)
def test_whose_values_a_file_has(path: str, data: dict[str, Any], chart: str, release: str) -> None:
    intent = file_intent(path, data)
    assert (intent.chart, intent.release, intent.namespace) == (chart, release, "")
    assert intent.key == files.file_key(files.HELM_VALUES, "map.yaml", path)
    assert values(intent) == data


def test_values_of_a_dependency_stand_under_its_name() -> None:
    intent = file_intent("charts/edge/values.yaml", {"traefik": {"ports": {"websecure": {}}}, "other": 1})
    assert intent.chart == "traefik"
    assert values(intent) == {"ports": {"websecure": {}}}
    assert intent.origin.path == ("traefik",)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("'ports: ['", "yaml-syntax"),
        ("'- a list'", "invalid-value"),
        ("'text'", "invalid-value"),
        ('"a: &a [*a]"', "unknown-anchor"),
        ("'" + "[" * 300 + "'", "document-too-deep"),
        ("'" + "x" * 1_100_000 + ": 1'", "invalid-value"),
        (
            "'a: &a [x,x,x,x,x,x,x,x,x]\n\n  b: &b [*a,*a,*a,*a,*a,*a,*a]\n\n  c: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n\n"
            "  d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\n  e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]'",
            "alias-bomb",
        ),
    ],
)
def test_hostile_text_is_refused(content: str, problem: str) -> None:
    text = CHART[: CHART.index("  set:")] + f"  valuesContent: {content}\n"
    problems = bad(text)
    assert problem in [p.id for p in problems]
    assert all(len(p.message) < 300 for p in problems)


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "[0]", "a[5000]", ".".join("a" * 80), "a[0", "a.[0]", "a[" + "9" * 5000 + "]"]
)
def test_places_that_are_none(name: str) -> None:
    assert charts.assigned({}, name, 1) is None


def test_long_texts_behind_aliases_are_not_written_out() -> None:
    long = "x" * 10_000
    result = file("traefik/values.yaml", {"a": [long] * 10_000})
    assert told(result.problems) == [("values-too-large", "")]
    assert isinstance(result.intent, HelmIntent)
    assert result.intent.values == "{}"


def test_what_is_not_followed_is_said() -> None:
    data = {"ports": {"web": {"port": 80, "http3": {"enabled": True}, "http": {"sanitizePath": True}}, "x": 7}}
    result = file("traefik/values.yaml", data)
    assert told(result.problems) == [("unsupported-field", "ports.web.http3.enabled")]
    assert isinstance(result.intent, HelmIntent)
    assert file_intent("grafana/values.yaml", data).chart == ""
    options = ["--entrypoints.web.address=:80", "--entryPoints.web.http.tls.certResolver=le", 7]
    result = file("traefik/values.yaml", {"ports": {"web": {"port": 80}}, "additionalArguments": options})
    assert told(result.problems) == [("unsupported-field", "additionalArguments.1")]


def test_huge_numbers_are_kept() -> None:
    assert values(file_intent("traefik/values.yaml", {"a": 10**40})) == {"a": 10**40}


def test_values_above_others() -> None:
    below = {"a": {"b": 1, "c": 2}, "d": [1], "e": 5}
    assert charts.merged(below, {"a": {"b": 3}, "d": [2], "e": None}) == {"a": {"b": 3, "c": 2}, "d": [2]}
    assert below == {"a": {"b": 1, "c": 2}, "d": [1], "e": 5}
