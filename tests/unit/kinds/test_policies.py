"""ReferenceGrant, BackendTLSPolicy, IngressClass and Namespace."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import IngressClassIntent
from gatewright.kinds.intents.material import BackendTlsIntent, Grant, GrantIntent, NamespaceIntent
from support.lowering import bad, good, lowered, told

GATEWAY_API = "gateway.networking.k8s.io"


def made(kind: str, version: str, spec: Any, **metadata: Any) -> str:
    head = {"apiVersion": version, "kind": kind, "metadata": {"name": "a", "namespace": "n", **metadata}}
    return yaml.safe_dump({**head, "spec": spec})


def policy(validation: Any, **target: Any) -> str:
    targets = [{"group": "", "kind": "Service", "name": "s", **target}]
    return made("BackendTLSPolicy", f"{GATEWAY_API}/v1", {"targetRefs": targets, "validation": validation})


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha2"])
def test_a_grant_is_every_from_with_every_to(version: str) -> None:
    spec = {
        "from": [
            {"group": GATEWAY_API, "kind": "HTTPRoute", "namespace": "x"},
            {"group": "other.io", "kind": "HTTPRoute", "namespace": "y"},
        ],
        "to": [{"group": "", "kind": "Service"}, {"group": "", "kind": "Secret", "name": "s"}],
    }
    intent = good(made("ReferenceGrant", f"{GATEWAY_API}/{version}", spec), GrantIntent)
    assert intent.grants == (
        Grant("HTTPRoute", "x", "Service"),
        Grant("HTTPRoute", "x", "Secret", "s"),
        Grant("HTTPRoute.other.io", "y", "Service"),
        Grant("HTTPRoute.other.io", "y", "Secret", "s"),
    )


def test_a_grant_of_a_kind_in_the_wrong_group_grants_nothing_known() -> None:
    spec = {
        "from": [{"group": "", "kind": "HTTPRoute", "namespace": "x"}],
        "to": [{"group": GATEWAY_API, "kind": "Service"}],
    }
    (grant,) = good(made("ReferenceGrant", f"{GATEWAY_API}/v1", spec), GrantIntent).grants
    assert (grant.from_kind, grant.to_kind) == ("HTTPRoute.core", f"Service.{GATEWAY_API}")


def test_an_empty_grant_is_refused() -> None:
    text = made("ReferenceGrant", f"{GATEWAY_API}/v1", {"from": [], "to": [{"group": "", "kind": "Service"}]})
    assert told(bad(text)) == [("invalid-value", "spec.from")]


def test_a_backend_tls_policy() -> None:
    validation = {
        "hostname": "db.example.com",
        "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}],
        "subjectAltNames": [{"type": "Hostname", "hostname": "x.y"}, {"type": "URI", "uri": "spiffe://x/y"}],
    }
    intent = good(policy(validation, sectionName="https"), BackendTlsIntent)
    assert intent.targets == ((Key("Service", "n", "s"), "https"),)
    assert intent.ca == (Key("ConfigMap", "n", "ca"),)
    assert (intent.hostname, intent.well_known) == ("db.example.com", "")
    assert intent.subject_alt_names == (("Hostname", "x.y"), ("URI", "spiffe://x/y"))
    assert good(policy({"hostname": "a.b", "wellKnownCACertificates": "System"}), BackendTlsIntent).ca == ()


@pytest.mark.parametrize(
    ("validation", "where"),
    [
        ({"hostname": "a.b"}, ""),
        ({"hostname": "*.b", "wellKnownCACertificates": "System"}, ".hostname"),
        (
            {
                "hostname": "a.b",
                "wellKnownCACertificates": "System",
                "caCertificateRefs": [{"kind": "ConfigMap", "name": "c"}],
            },
            "",
        ),
        (
            {"hostname": "a.b", "wellKnownCACertificates": "System", "subjectAltNames": [{"type": "URI"}]},
            ".subjectAltNames.0",
        ),
    ],
)
def test_policies_that_the_api_server_refuses(validation: Any, where: str) -> None:
    assert told(bad(policy(validation))) == [("invalid-value", f"spec.validation{where}")]


def test_trust_that_cannot_be_had_stays_and_never_resolves() -> None:
    other = lowered(policy({"hostname": "a.b", "wellKnownCACertificates": "Corporate"}))
    assert [p.id for p in other.problems] == ["unsupported-value"]
    assert isinstance(other.intent, BackendTlsIntent)
    assert other.intent.well_known == "Corporate"
    bundle = {"hostname": "a.b", "caCertificateRefs": [{"group": "x.io", "kind": "Bundle", "name": "c"}]}
    unresolved = lowered(policy(bundle))
    assert [p.id for p in unresolved.problems] == ["unsupported-reference"]
    assert isinstance(unresolved.intent, BackendTlsIntent)
    assert unresolved.intent.ca == (Key("Bundle.x.io", "n", "c"),)


@pytest.mark.parametrize(("value", "default"), [("true", True), ("false", False), (None, False)])
def test_an_ingress_class(value: str | None, default: bool) -> None:
    annotations = {"ingressclass.kubernetes.io/is-default-class": value} if value else {}
    text = made("IngressClass", "networking.k8s.io/v1", {"controller": "k8s.io/x"}, annotations=annotations)
    intent = good(text, IngressClassIntent)
    assert (intent.key, intent.controller, intent.default) == (Key("IngressClass", "", "a"), "k8s.io/x", default)


def test_a_namespace_has_its_name_as_a_label() -> None:
    intent = good(made("Namespace", "v1", {}, labels={"team": "x"}), NamespaceIntent)
    assert intent.key == Key("Namespace", "", "a")
    assert intent.labels == (("kubernetes.io/metadata.name", "a"), ("team", "x"))
