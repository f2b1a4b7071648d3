"""Tunnels: the rules of a cloudflared, and where they send requests."""

from __future__ import annotations

import pytest
import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.programs import cloudflared
from gatewright.trace import tunnels
from gatewright.trace.hops import HopKind, OutcomeKind
from gatewright.trace.request import request
from support.home_and_cloud import CLOUDFLARED, TUNNEL, World


def test_a_tunnel_sends_no_sni_for_an_address(world: World) -> None:
    (branch,) = world()("phone", "https://tunnel.example.com/", "4")
    assert branch.outcome.kind is OutcomeKind.DELIVERED
    assert branch.gateways == ("web/inside",)
    assert "cf" in branch.links
    assert any(hop.kind is HopKind.TLS and hop.summary.startswith("no SNI") for hop in branch.hops)


@pytest.mark.parametrize(
    ("settings", "sni"),
    [
        ("{}", ""),
        ("{originServerName: one.example.com}", "one.example.com"),
        ("{originServerName: one.example.com, matchSNItoHost: true}", "tunnel.example.com"),
        ("{httpHostHeader: two.example.com}", ""),
        ("{httpHostHeader: two.example.com, matchSNItoHost: true}", "two.example.com"),
    ],
)
def test_the_sni_of_a_tunnel(settings: str, sni: str) -> None:
    text = CLOUDFLARED.replace("{noTLSVerify: true}", settings)
    intent, _ = cloudflared.parse(yaml.safe_load(text), Origin("cloudflared.yml"))
    assert intent is not None
    asked = request("https://tunnel.example.com/")
    rule = tunnels.choose(intent, asked)
    assert rule is not None
    found = tunnels.service(rule, asked)
    assert found is not None
    assert found.server_name == sni


@pytest.mark.parametrize(
    ("host", "taken"),
    [("a.example.com", 0), ("a.b.example.com", 0), ("example.com", 1), ("notexample.com", 1)],
)
def test_a_wildcard_of_a_tunnel_takes_any_depth(host: str, taken: int) -> None:
    text = CLOUDFLARED.replace("tunnel.example.com", '"*.example.com"')
    intent, _ = cloudflared.parse(yaml.safe_load(text), Origin("cloudflared.yml"))
    assert intent is not None
    assert tunnels.choose(intent, request(f"https://{host}/")) == intent.rules[taken]


def test_a_tunnel_answers_what_no_rule_sends_on(world: World) -> None:
    (branch,) = world()("phone", "https://other.example.com/", "4")
    assert (branch.outcome.kind, branch.outcome.status) == (OutcomeKind.REFUSED, 404)


IN_CLUSTER = """
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cloudflared, namespace: web}
data:
  config.yaml: |
    tunnel: TUNNEL
    ingress:
      - {hostname: tunnel.example.com, path: ^/in, service: "http://app.web:80"}
      - {hostname: tunnel.example.com, service: "http://gone.web.svc.cluster.local:80"}
      - {hostname: other.example.com, service: "http://app:81"}
      - {service: "ssh://app:22"}
""".replace("TUNNEL", TUNNEL)


def test_a_tunnel_from_a_config_map_reaches_services_of_its_cluster(world: World) -> None:
    ask = world(
        {
            "ends: [{node: home/node1}], config: cloudflared.yml": "ends: [{cluster: home/k3s}], config: "
            "{configMap: {name: cloudflared, namespace: web, key: config.yaml}}",
            "data: {ca.crt: AUTHORITY}": "data: {}" + IN_CLUSTER,
        }
    )
    # The file beside it is a tunnel of the same id that no Link runs: where it runs nobody knows.
    (inside, *_) = ask("phone", "https://tunnel.example.com/in", "4")
    assert inside.outcome.kind is OutcomeKind.DELIVERED
    assert inside.outcome.backend is not None
    assert (inside.outcome.backend.name, inside.outcome.backend.port) == ("app", 80)
    (gone, *_) = ask("phone", "https://tunnel.example.com/", "4")
    assert (gone.outcome.kind, gone.outcome.status) == (OutcomeKind.REFUSED, 502)  # the name of the tunnel exists
    (port, *_) = ask("phone", "https://other.example.com/", "4")
    assert (port.outcome.kind, port.outcome.status) == (OutcomeKind.REFUSED, 502)


CLOSED = """
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: web}
spec: {podSelector: {matchLabels: {app: app}}, policyTypes: [Ingress], ingress: []}
"""


def test_a_tunnel_whose_origin_is_not_reached_is_a_bad_gateway(world: World) -> None:
    """A cloudflared has one status for it, whatever its edge would say of an origin of its own."""
    ask = world(
        {
            "ends: [{node: home/node1}], config: cloudflared.yml": "ends: [{cluster: home/k3s}], config: "
            "{configMap: {name: cloudflared, namespace: web, key: config.yaml}}",
            "data: {ca.crt: AUTHORITY}": "data: {}" + IN_CLUSTER + CLOSED,
        }
    )
    (branch, *_) = ask("phone", "https://tunnel.example.com/in", "4")
    assert (branch.outcome.kind, branch.outcome.status) == (OutcomeKind.UNREACHABLE, 502)
