"""HTTP-01 challenges answered by a real Envoy, whatever the manifests make of plain HTTP: redirects and logins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
import yaml

from gatewright.engines.certificates.challenge import HTTP, Challenge, SolverError
from gatewright.graph.nodes import Graph
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.issuance import Solver
from gatewright.runtime.http_challenges import HttpChallenges
from support import compiled as c
from support import needs
from support.modelled import Modelled

pytestmark = pytest.mark.real

EDGE = "infra/edge"
USERS = "ann:{SHA}" + "C+7Hteo/D9vJXQ3UfzxbwnXaijM="
COMMON = f"""
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: apps}}
spec: {{ports: [{{port: 80}}]}}
---
apiVersion: v1
kind: Secret
metadata: {{name: users, namespace: apps}}
stringData: {{auth: "{USERS}"}}
---
"""
NGINX = """
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
  annotations:
    nginx.ingress.kubernetes.io/auth-type: basic
    nginx.ingress.kubernetes.io/auth-secret: users
spec:
  ingressClassName: web
  rules:
    - host: a.example.com
      http: &http
        paths:
          - &path {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
          - {<<: *path, path: /.well-known/acme-challenge/token, pathType: Exact}
    - {host: "*.wild.example.com", http: *http}
"""
TRAEFIK = """
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: edge, namespace: infra}
spec:
  implementation: traefik
  classes: [web]
  entryPoints: [{name: web, port: 80}, {name: websecure, port: 443, protocol: HTTPS}]
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: secure, namespace: apps}
spec: {redirectScheme: {scheme: https, permanent: true}}
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: login, namespace: apps}
spec: {basicAuth: {secret: users}}
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: app, namespace: apps, annotations: {kubernetes.io/ingress.class: web}}
spec:
  entryPoints: [web]
  routes:
    - match: PathPrefix(`/`)
      priority: 2000000000
      middlewares: [{name: login}, {name: secure}]
      services: [{name: web, port: 80}]
    - match: Host(`a.example.com`) && Path(`/.well-known/acme-challenge/token`)
      priority: 1000000000
      middlewares: [{name: login}]
      services: [{name: web, port: 80}]
"""
GATEWAY_API = """
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
    - matches: [{path: {type: Exact, value: /.well-known/acme-challenge/token}, method: GET}]
      filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]
    - filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]
"""
DIALECTS = {"nginx": NGINX, "traefik": TRAEFIK, "gateway-api": GATEWAY_API}
OTHERWISE = {"nginx": 503, "traefik": 401, "gateway-api": 301}
"""What the manifests answer at the challenge's own path: a login that cannot be checked, a login, a redirect."""
ELSEWHERE = {"nginx": Solver("http01", c.ORIGIN, class_name="web"), "traefik": Solver("http01", c.ORIGIN)}
NAMED = Solver("http01", c.ORIGIN, gateways=(Key("Gateway", "infra", "edge"),))


@pytest.fixture(autouse=True)
def _envoy() -> None:
    needs.package("envoy")
    needs.package("grpc")


def challenge(name: str, token: str = "token") -> Challenge:
    return Challenge(HTTP, name, f"_acme-challenge.{name}", token, f"{token}.thumb-print_1")


def serve(dialect: str, scenario: Callable[[c.World, HttpChallenges], Awaitable[None]]) -> None:
    """A gateway of this dialect in a real Envoy, and its challenges."""
    model = Modelled(yaml.safe_load_all(COMMON + DIALECTS[dialect]))

    async def play(world: c.World) -> None:
        async def provide(changes: Mapping[Key, Intent | None]) -> Graph:
            model.apply(dict(changes))
            await world.apply(model.graph)
            return model.graph

        async def settled() -> bool:
            return True  # `apply` has waited

        await c.hm.eventually(lambda: _is_open(world))
        await scenario(world, HttpChallenges(asyncio.get_running_loop(), provide, settled))

    c.serve(model.graph, play)


async def _is_open(world: c.World) -> bool:
    _, writer = await asyncio.open_connection("127.0.0.1", world.port())
    writer.close()
    return True


async def said(world: c.World, host: str, path: str = "/.well-known/acme-challenge/token") -> tuple[int, bytes, Any]:
    reply = await world.get(host, path)
    return reply.status, reply.body if reply.status == 200 else b"", reply.header("content-type")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_answer_wins_over_everything_and_only_at_its_path(dialect: str) -> None:
    wanted = (200, b"token.thumb-print_1", "application/octet-stream")
    paths = ("/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/token/x", "/.well-known/other")

    async def scenario(world: c.World, challenges: HttpChallenges) -> None:
        others = [("a.example.com", path) for path in paths] + [("b.wild.example.com", paths[0]), ("else.test", "/")]
        before = [(await world.get(*one)).status for one in others]
        assert (await said(world, "a.example.com"))[0] == OTHERWISE[dialect]
        for solver in (challenges.solver(ELSEWHERE.get(dialect, NAMED)), challenges.solver(Solver("http01", c.ORIGIN))):
            for name in ("a.example.com", "b.wild.example.com"):
                await asyncio.to_thread(solver.present, [challenge(name)])
                await asyncio.to_thread(solver.present, [challenge(name)])
                for spelled in (name, name.upper(), f"{name}:80"):
                    await c.hm.eventually(lambda spelled=spelled: _is(world, spelled, wanted))
                assert (await said(world, "other.wild.example.com"))[0] != 200
                assert [(await world.get(*one)).status for one in others] == before
                await asyncio.to_thread(solver.remove, [challenge(name)])
                await asyncio.to_thread(solver.remove, [challenge(name)])
                await c.hm.eventually(lambda name=name: _is_not(world, name, 200))
        assert [(await world.get(*one)).status for one in others] == before

    serve(dialect, scenario)


async def _is(world: c.World, host: str, wanted: tuple[int, bytes, str]) -> bool:
    return await said(world, host) == wanted


async def _is_not(world: c.World, host: str, status: int) -> bool:
    return (await said(world, host))[0] != status


def test_a_gateway_that_is_named_answers_for_a_name_of_no_listener() -> None:
    async def scenario(world: c.World, challenges: HttpChallenges) -> None:
        everywhere, named = challenges.solver(Solver("http01", c.ORIGIN)), challenges.solver(NAMED)
        with pytest.raises(SolverError, match=r"no gateway answers plain HTTP for other\.test"):
            await asyncio.to_thread(everywhere.present, [challenge("other.test")])
        assert (await said(world, "other.test"))[0] == 404
        await asyncio.to_thread(named.present, [challenge("other.test"), challenge("other.test", "second")])
        await c.hm.eventually(
            lambda: _is(world, "other.test", (200, b"token.thumb-print_1", "application/octet-stream"))
        )
        await asyncio.to_thread(named.remove, [challenge("other.test")])
        await c.hm.eventually(lambda: _is_not(world, "other.test", 200))
        second = "/.well-known/acme-challenge/second"
        assert (await said(world, "other.test", second))[:2] == (200, b"second.thumb-print_1"), "others stay"

    serve("gateway-api", scenario)
