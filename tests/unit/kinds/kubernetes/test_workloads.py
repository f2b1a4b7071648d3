"""Deployments and their like: labels, ports and the host's network."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import ContainerPort, WorkloadIntent
from support.lowering import bad, good, lowered, told

POD = {
    "containers": [
        {"name": "a", "image": "x", "ports": [{"name": "web", "containerPort": 8080}], "livenessProbe": {}},
        {"name": "b", "ports": [{"containerPort": 53, "protocol": "UDP", "hostPort": 5353}]},
    ],
    "initContainers": [
        {"name": "side", "restartPolicy": "Always", "ports": [{"containerPort": 9}]},
        {"name": "once", "ports": [{"containerPort": 10}]},
    ],
    "volumes": [],
}
PORTS = (ContainerPort("web", 8080), ContainerPort("", 53, "UDP", 5353), ContainerPort("", 9))


def workload(kind: str, version: str = "apps/v1", **spec: Any) -> str:
    template = {"metadata": {"labels": {"b": "2", "a": "1"}}, "spec": POD}
    spec = {"selector": {}, "template": template, **spec}
    return yaml.safe_dump({"apiVersion": version, "kind": kind, "metadata": {"name": "w"}, "spec": spec})


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"])
def test_a_template(kind: str) -> None:
    made = good(workload(kind), WorkloadIntent)
    assert made.key == Key(kind, "default", "w")
    assert (made.labels, made.ports, made.replicas) == ((("a", "1"), ("b", "2")), PORTS, 1)


def test_replicas_may_be_none() -> None:
    assert good(workload("Deployment", replicas=0), WorkloadIntent).replicas == 0


def test_a_pod_on_the_hosts_network_listens_on_its_ports() -> None:
    metadata = {"name": "p", "labels": {"a": "1"}}
    pod = {"hostNetwork": True, "containers": [{"ports": [{"containerPort": 80}]}]}
    made = good(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}), WorkloadIntent)
    assert made.host_network
    assert made.ports == (ContainerPort("", 80, "TCP", 80),)
    assert made.labels == (("a", "1"),)


def test_an_old_version() -> None:
    old, new = (good(workload("Deployment", version), WorkloadIntent) for version in ("extensions/v1beta1", "apps/v1"))
    assert old == new


def test_what_concerns_us_is_still_checked() -> None:
    template = {"spec": {"containers": [{"ports": [{"containerPort": "80"}]}]}}
    where = "spec.template.spec.containers.0.ports.0.containerPort"
    assert told(bad(workload("Deployment", template=template))) == [("wrong-type", where)]


def test_where_it_runs_and_how_it_is_replaced() -> None:
    pod = {
        "nodeSelector": {"b": "2", "a": "1"},
        "nodeName": "n1",
        "containers": [{"image": "traefik:v3", "command": ["traefik"], "args": ["--ping"]}, {"args": ["-x"]}],
    }
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}}
    made = good(workload("Deployment", template={"spec": pod}, strategy=strategy), WorkloadIntent)
    assert (made.strategy, made.max_surge, made.max_unavailable) == ("RollingUpdate", "1", "25%")
    assert (made.node_selector, made.node_name) == ((("a", "1"), ("b", "2")), "n1")
    assert (made.args, made.images) == (("traefik", "--ping", "-x"), ("traefik:v3",))


def test_a_daemon_set_calls_it_update_strategy() -> None:
    made = good(workload("DaemonSet", updateStrategy={"type": "OnDelete"}), WorkloadIntent)
    assert (made.strategy, made.max_surge, made.max_unavailable) == ("OnDelete", "", "")


@pytest.mark.parametrize("kind", ["Deployment", "Pod"])
def test_options_of_a_traefik_that_are_not_followed_are_said(kind: str) -> None:
    args = ["--entrypoints.web.address=:80", "--entrypoints.web.http3"]
    pod = {"containers": [{"image": "other", "args": args}, {"image": "docker.io/traefik:v3", "args": args}]}
    spec = pod if kind == "Pod" else {"selector": {}, "template": {"spec": pod}}
    version = "v1" if kind == "Pod" else "apps/v1"
    text = yaml.safe_dump({"apiVersion": version, "kind": kind, "metadata": {"name": "w"}, "spec": spec})
    path = "spec" if kind == "Pod" else "spec.template.spec"
    assert told(lowered(text).problems) == [("unsupported-field", f"{path}.containers.1.args.1")]
