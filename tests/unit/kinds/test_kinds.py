"""The door of the package: which documents are known, and what identifies an object."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright.kinds import lower
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import NamespaceIntent, ServiceIntent
from support.lowering import document, told

PORTS = {"ports": [{"port": 80}]}


def service(name: Any = "a", namespace: str = "", **more: Any) -> Any:
    metadata = {"name": name, "namespace": namespace}
    return document({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": PORTS, **more})


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("networking.istio.io/v1", "Gateway"),
        ("serving.knative.dev/v1", "Service"),
        ("v1", "HTTPRoute"),
        ("gatewright.dev/v1alpha1", "Planet"),
        ("cert-manager.io/v1", "CertificateRequest"),
    ],
)
def test_other_kinds_are_not_known(version: str, kind: str) -> None:
    assert lower(document({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}})) is None


def test_namespaces_default_by_scope() -> None:
    inside = lower(service())
    assert inside is not None
    assert isinstance(inside.intent, ServiceIntent)
    assert inside.intent.key == Key("Service", "default", "a")
    metadata = {"name": "x", "namespace": "y"}
    cluster = lower(document({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
    assert cluster is not None
    assert isinstance(cluster.intent, NamespaceIntent)
    assert cluster.intent.key == Key("Namespace", "", "x")


@pytest.mark.parametrize(
    ("name", "namespace", "problem"),
    [
        ("", "n", "missing-name"),
        ("A", "n", "invalid-name"),
        ("a_b", "n", "invalid-name"),
        ("a" * 254, "n", "invalid-name"),
        ("-a", "n", "invalid-name"),
        ("a", "n.m", "invalid-name"),
        ("a", "N", "invalid-name"),
        ("a", "n" * 64, "invalid-name"),
    ],
)
def test_objects_without_a_usable_identity_are_refused(name: str, namespace: str, problem: str) -> None:
    result = lower(service(name, namespace))
    assert result is not None
    assert result.intent is None
    assert [p.id for p in result.problems] == [problem]


def test_an_unsubstituted_name_is_let_through() -> None:
    result = lower(service("${APP}-web", "${SPACE}"))
    assert result is not None
    assert result.intent is not None
    assert result.problems == ()


def test_an_unknown_version_lists_the_known_ones() -> None:
    data = {"apiVersion": "networking.k8s.io/v2", "kind": "IngressClass", "metadata": {"name": "a"}}
    result = lower(document(data))
    assert result is not None
    assert result.intent is not None
    assert told(result.problems) == [("unknown-version", "apiVersion")]
    assert result.problems[0].hint == "known are: networking.k8s.io/v1, networking.k8s.io/v1beta1"
