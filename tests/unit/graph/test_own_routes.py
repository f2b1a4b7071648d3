"""Gatewright's own routes: before every rule of the manifests, and in nobody's way."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.base.origin import made
from gatewright.graph.nodes import Change, Family, Graph, Respond, VirtualHostKey
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import AtDoors, RouteIntent
from gatewright.kinds.intents.filters import Respond as RespondFilter
from gatewright.kinds.intents.routing import (
    Dialect,
    HostKind,
    HostMatch,
    Match,
    PathKind,
    PathMatch,
    Protocol,
    RuleIntent,
)
from support.modelled import Modelled, graph_of

PATH = "/.well-known/acme-challenge/token"
CHALLENGE = Key("Challenge", "", "token")
ORIGIN = made("an ACME challenge")


def challenge(hostname: str, doors: AtDoors | None = None) -> RouteIntent:
    match = Match(hosts=(HostMatch(HostKind.EXACT, hostname),), paths=(PathMatch(PathKind.EXACT, PATH),))
    rule = RuleIntent(0, ORIGIN, (match,), filters=(RespondFilter(ORIGIN, 200, b"token.print"),))
    return RouteIntent(
        CHALLENGE,
        ORIGIN,
        Dialect.GATEWAY_API,
        Protocol.HTTP,
        (),
        (rule,),
        (hostname,),
        doors=doors or AtDoors(),
    )


DOORS = {
    "nginx": """
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: edge, namespace: infra}
spec: {implementation: ingress-nginx, classes: [web]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: app
  namespace: apps
  annotations: {nginx.ingress.kubernetes.io/force-ssl-redirect: "true"}
spec:
  ingressClassName: web
  rules:
    - host: a.example.com
      http: &http
        paths:
          - path: /.well-known/acme-challenge/token
            pathType: Exact
            backend: {service: {name: web, port: {number: 80}}}
    - {host: "*.wild.example.com", http: *http}
""",
    "traefik": """
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: edge, namespace: infra}
spec:
  implementation: traefik
  classes: [web]
  entryPoints: [{name: web, port: 80}, {name: websecure, port: 443, protocol: HTTPS}]
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: app, namespace: apps, annotations: {kubernetes.io/ingress.class: web}}
spec:
  entryPoints: [web]
  routes:
    - {match: "Host(`a.example.com`)", priority: 2000000000, services: [{name: web, port: 80}]}
    - {match: "PathPrefix(`/`)", priority: 2000000001, services: [{name: web, port: 80}]}
""",
    "gateway-api": """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra}
spec:
  gatewayClassName: web
  listeners:
    - {name: http, port: 80, protocol: HTTP, hostname: "*.example.com", allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: app, namespace: apps}
spec:
  parentRefs: [{name: edge, namespace: infra}]
  hostnames: [a.example.com, "*.wild.example.com"]
  rules:
    - matches: [{path: {type: Exact, value: /.well-known/acme-challenge/token}}]
      backendRefs: [{name: web, port: 80}]
    - filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]
""",
}
WEB: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "apps"},
    "spec": {"ports": [{"port": 80}]},
}


def model(dialect: str) -> Modelled:
    return Modelled([*yaml.safe_load_all(DOORS[dialect]), WEB])


def at(graph: Graph, hostname: str, port: int = 80) -> list[str]:
    """The routes of a hostname's rules, in order."""
    host = graph.virtual_hosts[VirtualHostKey("infra/edge", port, Family.HTTP, hostname)]
    return [entry.rule.route.kind for entry in host.entries]


@pytest.mark.parametrize("dialect", DOORS)
def test_it_goes_first_and_leaves_the_rest_as_it_was(dialect: str) -> None:
    made = model(dialect)
    before = made.graph
    assert CHALLENGE.kind not in at(before, "a.example.com")
    change = made.apply({CHALLENGE: challenge("a.example.com")})
    assert at(made.graph, "a.example.com")[0] == CHALLENGE.kind
    assert at(made.graph, "a.example.com")[1:] == at(before, "a.example.com")
    assert set(made.graph.virtual_hosts) == set(before.virtual_hosts)
    assert {key.family for key in change.virtual_hosts} == {Family.HTTP}
    first = made.graph.virtual_hosts[VirtualHostKey("infra/edge", 80, Family.HTTP, "a.example.com")].entries[0]
    assert isinstance(first.rule.action, Respond)
    assert (first.rule.action.body, first.rule.access, first.rule.steps) == (b"token.print", (), ())
    assert not first.match.hosts, "its VirtualHost has decided that"
    made.remove(CHALLENGE)
    assert made.graph == before


@pytest.mark.parametrize("dialect", DOORS)
def test_under_a_wildcard_it_asks_for_its_host(dialect: str) -> None:
    made = model(dialect)
    hosts = set(made.graph.virtual_hosts)
    made.apply({CHALLENGE: challenge("x.wild.example.com")})
    assert set(made.graph.virtual_hosts) == hosts, "nothing that answered stops answering"
    pattern = "*" if dialect == "traefik" else "*.wild.example.com"
    entry = made.graph.virtual_hosts[VirtualHostKey("infra/edge", 80, Family.HTTP, pattern)].entries[0]
    assert entry.rule.route == CHALLENGE
    assert [host.value for host in entry.match.hosts] == ["x.wild.example.com"]


@pytest.mark.parametrize(
    ("doors", "answers"),
    [
        (AtDoors(), True),
        (AtDoors(gateways=("infra/edge",)), True),
        (AtDoors(gateways=("infra/other",)), False),
        (AtDoors(class_name="web"), True),
        (AtDoors(class_name="internal"), False),
        (AtDoors(gateways=("infra/other",), class_name="web"), True),
    ],
)
def test_it_answers_at_its_doors_only(doors: AtDoors, answers: bool) -> None:
    made = model("nginx")
    made.apply({CHALLENGE: challenge("a.example.com", doors)})
    assert (at(made.graph, "a.example.com")[0] == CHALLENGE.kind) is answers


def test_a_gateway_that_is_named_serves_a_name_of_no_listener() -> None:
    made = model("gateway-api")
    key = VirtualHostKey("infra/edge", 80, Family.HTTP, "other.test")
    made.apply({CHALLENGE: challenge("other.test")})
    assert key not in made.graph.virtual_hosts
    change = made.apply({CHALLENGE: challenge("other.test", AtDoors(gateways=("infra/edge",)))})
    assert at(made.graph, "other.test") == [CHALLENGE.kind]
    assert change.virtual_hosts == {key}
    gateway = yaml.safe_load(DOORS["gateway-api"].partition("---")[0])
    gateway["spec"]["listeners"].append({"name": "all", "port": 80, "protocol": "HTTP"})
    made.put(gateway)
    assert key not in made.graph.virtual_hosts, "a listener takes the name now"
    assert at(made.graph, "*") == [CHALLENGE.kind]
    made.remove(CHALLENGE)
    assert at(made.graph, "*") == []


def test_a_gateway_that_is_not_there_is_no_error() -> None:
    made = model("nginx")
    made.apply({CHALLENGE: challenge("a.example.com", AtDoors(gateways=("infra/gone",)))})
    assert made.graph.attachments[CHALLENGE].refusals[0].absent


def test_one_challenge_concerns_the_hosts_that_may_answer_it() -> None:
    made = model("nginx")
    change = made.apply({CHALLENGE: challenge("a.example.com")})
    assert {key.hostname for key in change.virtual_hosts} == {"a.example.com", "*"}
    assert made.apply({CHALLENGE: challenge("a.example.com")}) == Change()


def test_the_order_of_things_does_not_show() -> None:
    later = model("traefik")
    later.apply({CHALLENGE: challenge("a.example.com")})
    earlier = Modelled()
    earlier.apply({CHALLENGE: challenge("a.example.com")})
    earlier.put(*yaml.safe_load_all(DOORS["traefik"]), WEB)
    assert earlier.graph == later.graph
    assert graph_of([]) != later.graph
