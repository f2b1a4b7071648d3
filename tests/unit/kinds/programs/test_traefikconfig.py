"""A Traefik's static configuration as a file: a door of its own, and what of its options is not kept.

providers.kubernetesCRD.allowEmptyServices and providers.kubernetesIngress.allowEmptyServices need nothing: 503 is what
a Service without endpoints answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gatewright import kinds
from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.doors import DoorFileIntent
from gatewright.kinds.programs import files
from gatewright.pipeline import Model
from support.keys import NOW

YAML: dict[str, Any] = {
    "entryPoints": {
        "web": {"address": ":80", "http": {"redirections": {"entryPoint": {"to": "websecure"}}}},
        "websecure": {"address": ":443", "http": {"tls": {}}, "forwardedHeaders": {"trustedIPs": ["10.0.0.0/8"]}},
    },
    "providers": {"kubernetesCRD": {"allowEmptyServices": True}, "kubernetesIngress": {"allowEmptyServices": True}},
    "log": {"level": "DEBUG"},
}
TOML = """\
[entryPoints.web]
address = ":80"
[providers.kubernetesCRD]
ingressClass = "edge"
"""


def lowered(data: dict[str, Any], name: str = "edge/traefik.yml") -> Lowered:
    found = kinds.lower(Document(Origin(name), files.API_VERSION, "TraefikConfig", "", name, data))
    assert found is not None
    return found


def told(problems: tuple[Problem, ...]) -> list[tuple[str, tuple[str | int, ...]]]:
    return [(problem.id, problem.origin.path) for problem in problems]


def test_a_file_is_a_door() -> None:
    result = lowered(YAML)
    assert isinstance(result.intent, DoorFileIntent)
    door = result.intent.controller
    assert [(one.name, one.port, one.tls is not None) for one in door.listeners] == [
        ("web", 80, False),
        ("websecure", 443, True),
    ]
    assert (door.claims_classless, door.settings.forwarded_from) == (True, ("10.0.0.0/8",))
    assert not result.problems


def test_the_same_in_toml() -> None:
    result = lowered({"text": TOML}, "traefik.toml")
    assert isinstance(result.intent, DoorFileIntent)
    assert [one.port for one in result.intent.controller.listeners] == [80]
    assert result.intent.controller.classes == ("edge",)
    assert told(lowered({"text": "[entryPoints"}, "traefik.toml").problems) == [("invalid-value", ())]


@pytest.mark.parametrize(
    ("data", "problem", "path", "hint"),
    [
        ({"provider": {}}, "unknown-field", ("provider",), "providers"),
        (
            {"providers": {"kubernetesCRD": {"allowCrosNamespace": True}}},
            "unknown-field",
            ("providers", "kubernetesCRD", "allowCrosNamespace"),
            "providers.kubernetesCRD.allowCrossNamespace",
        ),
        (
            {"entryPoints": {"web": {"address": ":80", "http": {"redirection": {"entryPoint": {"to": ":443"}}}}}},
            "unknown-field",
            ("entryPoints", "web", "http", "redirection", "entryPoint", "to"),
            "entryPoints.web.http.redirections.entryPoint.to",
        ),
        (
            {"entryPoints": {"Web": {"address": ":80", "http": {"redirections": {"entryPoint": {"to": "secure"}}}}}},
            "invalid-value",
            ("entryPoints", "Web"),
            "",
        ),
        (
            {"entryPoints": {"web": {"address": ":80", "http3": {}}}},
            "unsupported-field",
            ("entryPoints", "web", "http3"),
            "",
        ),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(
    data: dict[str, Any], problem: str, path: tuple[str, ...], hint: str
) -> None:
    on = {"providers": {"kubernetesCRD": {}}, **data}
    (found,) = lowered(on).problems
    assert (found.id, found.origin.path) == (problem, path)
    assert hint in found.hint


def test_families_of_options_that_are_not_ours_are_left_alone() -> None:
    quiet = {"metrics": {"prometheus": {"anything": 1}}, "entryPoints": {"web": {"address": ":80", "transport": {}}}}
    assert not lowered({"providers": {"kubernetesCRD": {}}, **quiet}).problems


def test_without_kubernetes_it_is_no_door_here() -> None:
    result = lowered({"entryPoints": {"web": {"address": ":80"}}, "providers": {"file": {"directory": "/etc"}}})
    assert result.intent is None
    assert told(result.problems) == [("unsupported-field", ("providers",))]


ROUTE = """\
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: app, namespace: apps}
spec:
  routes: [{match: Host(`a.test`), services: [{name: app, port: 80}]}]
"""
DESCRIBED = """\
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: edge, namespace: infra}
spec: {implementation: traefik}
"""


@pytest.mark.parametrize(("more", "doors"), [("", ["traefik.toml"]), (DESCRIBED, ["infra/edge"])])
def test_a_file_may_be_that_of_a_door_that_is_described(tmp_path: Path, more: str, doors: list[str]) -> None:
    (tmp_path / "traefik.toml").write_text(TOML.replace('ingressClass = "edge"', ""), encoding="utf-8")
    (tmp_path / "app.yaml").write_text(ROUTE, encoding="utf-8")
    (tmp_path / "site.yaml").write_text(more, encoding="utf-8")
    state = Model(lambda: NOW).read([str(tmp_path)])
    assert [name.removeprefix(f"{tmp_path}/") for name in state.graph.gateways] == doors


@pytest.mark.parametrize("name", ["traefik.yml", "traefik.toml"])
def test_a_configmap_with_the_file_is_judged_as_well(name: str) -> None:
    text = '[entryPoints.web]\naddress = ":80"\nhttp3 = {}\n'
    if name.endswith("yml"):
        text = "entryPoints: {web: {address: ':80', http3: {}}}\n"
    data: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "traefik", "namespace": "infra"},
    }
    data["data"] = {name: text}
    found = kinds.lower(Document(Origin("a.yaml"), "v1", "ConfigMap", "infra", "traefik", data))
    assert found is not None
    assert told(found.problems) == [("unsupported-field", ("data", name))]
