"""Traefik's static configuration: the same words from a command line, YAML and TOML, and the listeners made of them."""

from __future__ import annotations

import pytest

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import EntrySettings
from gatewright.kinds.intents.filters import FilterRef, Redirect, Refuse
from gatewright.kinds.intents.routing import Protocol
from gatewright.kinds.traefik import static

HERE = Origin("traefik.yml")
ARGUMENTS = [
    "--entryPoints.web.address=:8000",
    "--entryPoints.web.http.redirections.entryPoint.to=websecure",
    "--entryPoints.websecure.address=:8443/tcp",
    "--entryPoints.websecure.http.tls.options=apps-strict@kubernetescrd",
    "--entryPoints.websecure.http.middlewares=kube-system-auth@kubernetescrd",
    "--entryPoints.websecure.forwardedHeaders.trustedIPs=10.0.0.1,fd00::/8",
    "--entryPoints.websecure.transport.respondingTimeouts.readTimeout=1m30s",
    "--providers.kubernetesCRD",
    "--providers.kubernetesIngress.strictPrefixMatching=true",
]
YAML = """\
entryPoints:
  web:
    address: ":8000"
    http: {redirections: {entryPoint: {to: websecure}}}
  websecure:
    address: ":8443/tcp"
    http:
      middlewares: ["kube-system-auth@kubernetescrd"]
      tls: {options: apps-strict@kubernetescrd}
    forwardedHeaders: {trustedIPs: [10.0.0.1, "fd00::/8"]}
    transport: {respondingTimeouts: {readTimeout: 1m30s}}
providers:
  kubernetesCRD: {}
  kubernetesIngress: {strictPrefixMatching: true}
"""
TOML = """\
[entryPoints.web]
address = ":8000"
[entryPoints.web.http.redirections.entryPoint]
to = "websecure"
[entryPoints.websecure]
address = ":8443/tcp"
[entryPoints.websecure.http]
middlewares = ["kube-system-auth@kubernetescrd"]
[entryPoints.websecure.http.tls]
options = "apps-strict@kubernetescrd"
[entryPoints.websecure.forwardedHeaders]
trustedIPs = ["10.0.0.1", "fd00::/8"]
[entryPoints.websecure.transport.respondingTimeouts]
readTimeout = "1m30s"
[providers.kubernetesCRD]
[providers.kubernetesIngress]
strictPrefixMatching = true
"""


def read(name: str, text: str) -> static.Config:
    values = static.from_text(name, text)
    assert values is not None
    return static.from_mapping(values)


def test_all_spellings_say_the_same() -> None:
    told = static.from_arguments(ARGUMENTS)
    assert read("traefik.yml", YAML) == read("traefik.toml", TOML) == told


@pytest.mark.parametrize(("name", "text"), [("traefik.yml", "- a"), ("traefik.toml", "= 1"), ("traefik.yml", "a: [")])
def test_what_is_no_configuration_is_none(name: str, text: str) -> None:
    assert static.from_text(name, text) is None


def test_listeners() -> None:
    points = static.entry_points(static.from_arguments(ARGUMENTS))
    web, secure = (static.listener(p, points, p.name, 80, HERE) for p in points)
    assert web.redirection is not None
    assert web.redirection.priority == 2**63 - 2
    assert web.redirection.redirect == Redirect(
        HERE, scheme="https", port=8443, status=301, status_other=308, only_if_scheme_differs=True
    )
    assert (secure.protocol, secure.tls_options) == (Protocol.HTTPS, Key("TLSOption", "apps", "strict"))
    assert secure.own == EntrySettings(("10.0.0.1/32", "fd00::/8"), (), request_timeout=90.0)
    assert secure.options.first == (
        FilterRef(
            HERE,
            Key("Middleware", "kube", "system-auth"),
            anywhere=True,
            others=(Key("Middleware", "kube-system", "auth"),),
        ),
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"to": ":443"}, (0, 301)),
        ({"to": ":8443", "permanent": "false"}, (8443, 302)),
        ({"to": "elsewhere"}, None),
        ({"to": ":0"}, None),
        ({"to": ":443", "scheme": "ftp"}, None),
    ],
)
def test_redirections(options: dict[str, str], expected: tuple[int, int] | None) -> None:
    own = "entrypoints.web"
    config = {f"{own}.address": ":80", **{f"{own}.http.redirections.entrypoint.{k}": v for k, v in options.items()}}
    points = static.entry_points(config)
    found = static.redirection(points[0], points, HERE)
    assert (found and (found.redirect.port, found.redirect.status)) == expected


def test_middlewares_of_other_providers_refuse() -> None:
    config = {"entrypoints.web.address": ":80", "entrypoints.web.http.middlewares": "auth@file"}
    points = static.entry_points(config)
    (refuse,) = static.listener(points[0], points, "web", 80, HERE).options.first
    assert isinstance(refuse, Refuse)
    assert refuse.status == 404


def test_strict_prefixes_are_the_ingress_provider_s() -> None:
    assert static.providers(static.from_arguments(ARGUMENTS)).strict_prefixes
    assert not static.providers({"providers.kubernetescrd": "true"}).strict_prefixes


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("entryPoints.<name>.forwardedHeaders.insecure", "true"),
        ("entryPoints.<name>.forwardedHeaders.trustedIPs", "10.0.0.0/8"),
        ("entryPoints.<name>.http.redirections.entryPoint.permanent", "false"),
        ("entryPoints.<name>.http.redirections.entryPoint.scheme", "http"),
        ("entryPoints.<name>.http.tls.options", "apps-strict@kubernetescrd"),
        ("entryPoints.<name>.proxyProtocol.insecure", "true"),
        ("entryPoints.<name>.proxyProtocol.trustedIPs", "10.0.0.0/8"),
        ("entryPoints.<name>.transport.respondingTimeouts.idleTimeout", "90s"),
        ("entryPoints.<name>.transport.respondingTimeouts.readTimeout", "30s"),
        ("providers.kubernetesCRD.allowCrossNamespace", "true"),
        ("providers.kubernetesCRD.allowExternalNameServices", "true"),
        ("providers.kubernetesCRD.ingressClass", "internal"),
        ("providers.kubernetesCRD.namespaces", "apps"),
        ("providers.kubernetesIngress.allowExternalNameServices", "true"),
        ("providers.kubernetesIngress.ingressClass", "internal"),
        ("providers.kubernetesIngress.ingressEndpoint.ip", "192.0.2.1"),
        ("providers.kubernetesIngress.ingressEndpoint.hostname", "edge.example.com"),
        ("providers.kubernetesIngress.ingressEndpoint.publishedService", "traefik/traefik"),
        ("providers.kubernetesIngress.namespaces", "apps"),
    ],
)
def test_options_have_an_effect(option: str, value: str) -> None:
    own = "--entryPoints.web"
    others = [f"{own}.address=:80", f"{own}.http.redirections.entryPoint.to=:443"]
    provider = option.split(".")[1]
    others += [f"--providers.{provider}=true"] if option.startswith("providers.") else []
    with_, without = (
        static.from_arguments([*others, *more]) for more in ([f"--{option.replace('<name>', 'web')}={value}"], [])
    )
    points, providers = static.entry_points(with_), static.providers(with_)
    assert (points, providers) != (static.entry_points(without), static.providers(without))
