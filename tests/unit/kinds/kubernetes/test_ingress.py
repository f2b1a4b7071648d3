"""Ingress: hosts, paths, classes, TLS, and what controllers' annotations become."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ClassRef, RouteIntent, TlsUse
from gatewright.kinds.intents.filters import Refuse
from gatewright.kinds.intents.routing import (
    BackendRef,
    Dialect,
    HostKind,
    HostMatch,
    Match,
    PathKind,
    PathMatch,
    Protocol,
)
from support.lowering import bad, good, lowered, told

AT = Origin("manifest.yaml", "1")
SERVICE = {"service": {"name": "a", "port": {"number": 80}}}


def rule(host: str = "a.example.com", **path: Any) -> dict[str, Any]:
    return {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": SERVICE, **path}]}}


def ingress(annotations: dict[str, str] | None = None, version: str = "networking.k8s.io/v1", **spec: Any) -> str:
    metadata = {"name": "i", "namespace": "n", "annotations": annotations or {}}
    spec = {"rules": [rule()], **spec}
    return yaml.safe_dump({"apiVersion": version, "kind": "Ingress", "metadata": metadata, "spec": spec})


def route(*args: Any, **kwargs: Any) -> RouteIntent:
    return good(ingress(*args, **kwargs), RouteIntent)


def test_a_whole_ingress() -> None:
    intent = route(
        ingressClassName="nginx",
        rules=[rule("*.example.com", path="/a/")],
        tls=[{"hosts": ["*.example.com"], "secretName": "s"}],
        defaultBackend={"service": {"name": "d", "port": {"name": "http"}}},
    )
    assert (intent.dialect, intent.protocol) == (Dialect.INGRESS, Protocol.HTTP)
    assert intent.attach == ClassRef("nginx", "ingress")
    assert intent.tls == (TlsUse(AT.at("spec", "tls", 0), Key("Secret", "n", "s"), ("*.example.com",)),)
    first, default = intent.rules
    path = PathMatch(PathKind.PREFIX, "/a")
    assert first.matches == (Match(hosts=(HostMatch(HostKind.EXACT, "*.example.com"),), paths=(path,)),)
    where = AT.at("spec", "rules", 0, "http", "paths", 0)
    assert first.origin == where
    assert first.backends == (BackendRef(Key("Service", "n", "a"), 80, where.at("backend")),)
    assert (default.default, default.index, default.matches) == (True, 1, ())
    assert default.backends[0].port == "http"


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        ("Exact", "/a/", PathMatch(PathKind.EXACT, "/a/")),
        ("Prefix", "/a/", PathMatch(PathKind.PREFIX, "/a")),
        ("ImplementationSpecific", "/a", PathMatch(PathKind.RAW_PREFIX, "/a")),
        ("ImplementationSpecific", "", PathMatch(PathKind.RAW_PREFIX, "/")),
    ],
)
def test_path_types(kind: str, path: str, expected: PathMatch) -> None:
    assert route(rules=[rule(pathType=kind, path=path)]).rules[0].matches[0].paths == (expected,)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/*", PathMatch(PathKind.PREFIX, "/")),
        ("/a", PathMatch(PathKind.EXACT, "/a")),
        ("/a/*.png", PathMatch(PathKind.REGEX, "/a/.*\\.png")),
    ],
)
def test_an_alb_has_wildcards_in_paths(path: str, expected: PathMatch) -> None:
    rules = [rule(pathType="ImplementationSpecific", path=path)]
    assert route(ingressClassName="alb", rules=rules).rules[0].matches[0].paths == (expected,)


def test_a_rule_without_host_is_for_every_host() -> None:
    assert route(rules=[rule("")]).rules[0].matches[0].hosts == ()


@pytest.mark.parametrize("version", ["networking.k8s.io/v1beta1", "extensions/v1beta1"])
def test_the_beta_shapes(version: str) -> None:
    old = {"serviceName": "a", "servicePort": "80"}
    paths = [{"path": "/a", "backend": old}, {"backend": {"serviceName": "b", "servicePort": 8080}}]
    intent = route(
        {"kubernetes.io/ingress.class": "internal"},
        version,
        backend={"serviceName": "d", "servicePort": "http"},
        rules=[{"host": "a.b", "http": {"paths": paths}}],
    )
    assert intent.attach == ClassRef("internal", "ingress")
    assert [(r.backends[0].target.name, r.backends[0].port) for r in intent.rules] == [
        ("a", 80),
        ("b", 8080),
        ("d", "http"),
    ]
    assert intent.rules[2].default


def test_the_class_field_wins_over_the_annotation_and_none_means_none() -> None:
    assert route({"kubernetes.io/ingress.class": "old"}, ingressClassName="new").attach == ClassRef("new", "ingress")
    assert route().attach == ClassRef(None, "ingress")


def test_traefik_annotations() -> None:
    prefix = "traefik.ingress.kubernetes.io/router."
    intent = route({f"{prefix}entrypoints": "web, websecure", f"{prefix}tls": "true"})
    assert intent.attach == ClassRef(None, "ingress", ("web", "websecure"))
    assert intent.tls == (TlsUse(AT.at("metadata", "annotations", f"{prefix}tls")),)


@pytest.mark.parametrize("annotation", ["nginx.ingress.kubernetes.io/ssl-passthrough", "haproxy.org/ssl-passthrough"])
def test_passthrough_makes_a_tls_route(annotation: str) -> None:
    intent = route({annotation: "true"}, rules=[rule("a.b"), rule("*.c.d")], tls=[{"hosts": ["a.b"]}])
    assert intent.protocol is Protocol.TLS
    assert [r.matches for r in intent.rules] == [
        (Match(hosts=(HostMatch(HostKind.EXACT, host),)),) for host in ("a.b", "*.c.d")
    ]
    assert intent.tls == (TlsUse(AT.at("spec", "rules"), hosts=("a.b", "*.c.d"), passthrough=True),)


def test_passthrough_sees_neither_paths_nor_hostless_rules() -> None:
    passthrough = {"nginx.ingress.kubernetes.io/ssl-passthrough": "true"}
    result = lowered(ingress(passthrough, rules=[rule(""), rule("a.b", path="/x")]))
    assert told(result.problems) == [
        ("passthrough-host", "spec.rules.0"),
        ("passthrough-path", "spec.rules.1.http.paths"),
    ]
    assert isinstance(result.intent, RouteIntent)
    assert len(result.intent.rules) == 1


def test_passthrough_that_is_off_is_off() -> None:
    assert route({"nginx.ingress.kubernetes.io/ssl-passthrough": "false"}).protocol is Protocol.HTTP


@pytest.mark.parametrize(
    "annotation",
    ["nginx.org/basic-auth-secret", "nginx.com/jwt-key", "nginx.org/policies", "ingress.kubernetes.io/auth-type"],
)
@pytest.mark.parametrize("passthrough", ["true", "false"])
def test_access_controls_that_nobody_reads_close_every_rule(annotation: str, passthrough: str) -> None:
    annotations = {annotation: "x", "haproxy.org/ssl-passthrough": passthrough}
    result = lowered(ingress(annotations, defaultBackend=SERVICE, rules=[rule("a.b"), rule("c.d")]))
    assert told(result.problems) == [("unsupported-access-control", f"metadata.annotations.{annotation}")]
    assert isinstance(result.intent, RouteIntent)
    for item in result.intent.rules:
        (refusal,) = item.filters
        assert isinstance(refusal, Refuse)
        assert refusal.status == 503


def test_snippets_that_nobody_reads_close_the_rules_only_when_they_guard_something() -> None:
    guarding = lowered(ingress({"nginx.org/location-snippets": "deny all;"}))
    harmless = lowered(ingress({"nginx.org/location-snippets": "add_header X y;"}))
    assert [p.id for p in guarding.problems] == ["unsupported-access-control"]
    assert [p.id for p in harmless.problems] == ["unsupported-annotation"]


@pytest.mark.parametrize(
    ("annotation", "hint"),
    [
        (
            "nginx.ingress.kubernetes.io/proxy-set-header",
            "nginx upgrades WebSockets without it; the controller's ConfigMap has proxy-set-headers",
        ),
        (
            "nginx.ingress.kubernetes.io/rewrite-targets",
            "did you mean nginx.ingress.kubernetes.io/rewrite-target?",
        ),
        ("cert-manager.io/clusterissuer", "did you mean cert-manager.io/cluster-issuer?"),
    ],
)
def test_an_annotation_that_no_version_knows(annotation: str, hint: str) -> None:
    result = lowered(ingress({annotation: "x"}))
    assert told(result.problems) == [("annotation-unknown", f"metadata.annotations.{annotation}")]
    assert result.problems[0].hint == hint
    assert isinstance(result.intent, RouteIntent)
    assert result.intent.rules[0].filters == ()


def test_a_misspelt_access_control_closes_the_rules_too() -> None:
    result = lowered(ingress({"nginx.ingress.kubernetes.io/auth-urls": "x"}))
    assert [p.id for p in result.problems] == ["annotation-unknown"]
    assert result.problems[0].hint == "did you mean nginx.ingress.kubernetes.io/auth-url?"
    assert isinstance(result.intent, RouteIntent)
    assert dict(result.intent.options)["ingress-nginx"].unbuildable


def test_annotations_of_programs_beside_the_controllers_are_no_concern() -> None:
    annotations = {
        "cert-manager.io/cluster-issuer": "le",
        "external-dns.alpha.kubernetes.io/hostname": "x",
        "example.com/mine": "x",
    }
    result = lowered(ingress(annotations))
    assert result.problems == ()
    assert isinstance(result.intent, RouteIntent)
    assert result.intent.rules[0].filters == ()


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        ({"rules": [rule("A.b")]}, "spec.rules.0.host"),
        ({"rules": [rule("10.0.0.1")]}, "spec.rules.0.host"),
        ({"rules": [rule("a.b:80")]}, "spec.rules.0.host"),
        ({"rules": [rule(path="a")]}, "spec.rules.0.http.paths.0.path"),
        ({"rules": [rule(path="/a//b")]}, "spec.rules.0.http.paths.0.path"),
        ({"rules": [rule(pathType="prefix")]}, "spec.rules.0.http.paths.0.pathType"),
        ({"rules": [rule(pathType="")]}, "spec.rules.0.http.paths.0"),
        ({"rules": [rule(backend={})]}, "spec.rules.0.http.paths.0.backend"),
        ({"rules": [rule(backend={"service": {"name": "a"}})]}, "spec.rules.0.http.paths.0.backend"),
        ({"tls": [{"hosts": ["a b"]}]}, "spec.tls.0.hosts.0"),
    ],
)
def test_what_the_api_server_refuses(spec: dict[str, Any], where: str) -> None:
    assert told(bad(ingress(**spec))) == [("invalid-value", where)]


def test_a_backend_that_is_no_service_answers_an_error() -> None:
    resource = {"resource": {"apiGroup": "x.io", "kind": "Bucket", "name": "b"}}
    result = lowered(ingress(rules=[rule(backend=resource)]))
    assert [p.id for p in result.problems] == ["unsupported-backend"]
    assert isinstance(result.intent, RouteIntent)
    assert result.intent.rules[0].backends == ()


def test_an_ingress_that_serves_nothing_is_told() -> None:
    assert [p.id for p in lowered(ingress(rules=[])).problems] == ["no-rules"]
