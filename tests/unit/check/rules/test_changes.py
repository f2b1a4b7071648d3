"""Findings that depend on several files come and go with each of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gatewright.check.rules import RULES
from gatewright.check.run import Checker
from gatewright.pipeline import Model
from support.aswritten import FIXTURES
from support.keys import NOW

CHART = Path("infrastructure/overlays/aws-gpu/traefik/values.yaml")


def copied(tmp_path: Path, *folders: str) -> tuple[Model, Checker]:
    """A copy of some folders of an installation as written, examined."""
    for folder in folders:
        shutil.copytree(FIXTURES / folder, tmp_path, dirs_exist_ok=True)
    model = Model(lambda: NOW)
    model.read([str(tmp_path)])
    checker = Checker(model.analysis, RULES)
    checker.run()
    return model, checker


def ids(model: Model, checker: Checker) -> set[str]:
    return {f.id for f in checker.report(model.problems(), model.suppressions(), NOW.date()).findings}


def change(model: Model, checker: Checker, file: Path, old: str, new: str) -> set[str]:
    """The ids that are found once a text in a file is another."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    state = model.refresh([str(file)])
    assert state is not None
    checker.update(state.change, state.concerned)
    return ids(model, checker)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("hostPort:", "nodePort:"),
        ("service:", "updateStrategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}\nservice:"),
        ("service:", "updateStrategy: {type: Recreate}\nservice:"),
    ],
)
def test_values_beside_a_release_decide_whether_it_can_roll(tmp_path: Path, old: str, new: str) -> None:
    model, checker = copied(tmp_path, "dual-ingress")
    assert "host-port-surge" in ids(model, checker)
    assert "host-port-surge" not in change(model, checker, tmp_path / CHART, old, new)
    assert "host-port-surge" in change(model, checker, tmp_path / CHART, new, old)


def test_a_second_node_of_the_cluster_makes_room(tmp_path: Path) -> None:
    model, checker = copied(tmp_path, "dual-ingress")
    one, two = "nodes: [lighthouse]", "nodes: [lighthouse, homelab/talos00]"
    assert "host-port-surge" not in change(model, checker, tmp_path / "map.yaml", one, two)
    assert "host-port-surge" in change(model, checker, tmp_path / "map.yaml", two, one)


def test_a_route_of_konnectivity_ends_the_finding(tmp_path: Path) -> None:
    model, checker = copied(tmp_path, "tenant-ingress-mode/common", "tenant-ingress-mode/nginx")
    assert "konnectivity-without-route" in ids(model, checker)
    api, agents = "host: tenant-01.k8s.example.com", "host: '*.konnectivity.example.com'"
    assert "konnectivity-without-route" not in change(model, checker, tmp_path / "made.yaml", api, agents)
    assert "konnectivity-without-route" in change(model, checker, tmp_path / "made.yaml", agents, api)


def test_the_option_of_the_controller_decides_about_passthrough(tmp_path: Path) -> None:
    model, checker = copied(tmp_path, "tenant-ingress-mode/common", "tenant-ingress-mode/nginx")
    values, option = tmp_path / "controller" / "values.yaml", "enable-ssl-passthrough"
    assert "passthrough-disabled" not in ids(model, checker)
    assert "passthrough-disabled" in change(model, checker, values, option, "enable-metrics")
    assert "passthrough-disabled" not in change(model, checker, values, "enable-metrics", option)
