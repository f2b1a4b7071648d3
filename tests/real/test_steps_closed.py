"""Protections with broken parts let nobody in, and what Envoy refuses of one VirtualHost leaves the others alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from envoy.config.route.v3 import scoped_route_pb2
from envoy.extensions.filters.http.local_ratelimit.v3 import local_rate_limit_pb2
from msgspec import structs

from gatewright.base.observed import Nack
from gatewright.base.sensitive import Sensitive
from gatewright.engines.envoy import names
from gatewright.engines.envoy.composite import carrier
from gatewright.engines.envoy.filters import RULE
from gatewright.engines.envoy.resources import Change
from gatewright.engines.envoy.steps.conditions import Part
from gatewright.engines.envoy.types import SCOPE
from gatewright.engines.envoy.wire import extension, serialise
from gatewright.graph.nodes import AskAuth, BackendKey, BasicAuthUsers, Step, TokenCheck
from gatewright.kinds.intents.filters import (
    Authorize,
    AuthorizeRule,
    BodyLimit,
    ClientCertificateHeaders,
    Compress,
    ForwardAuth,
    Jwt,
    JwtProvider,
    LimitBy,
    RateLimit,
)
from support import compiled as c
from support import handmade as hm
from support import needs

pytestmark = pytest.mark.real

SPELLINGS = ("a.test", "A.test", "x.b.test")
PROVIDER = JwtProvider("main", issuer="i")
CHECK = Jwt(c.ORIGIN, (PROVIDER,))
KEYS = json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "kid": "k", "k": "c2VjcmV0"}]})
USERS = b"ann:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M="
LIMIT = RateLimit(c.ORIGIN, 1, 3600)


@pytest.fixture(autouse=True)
def _envoy() -> None:
    needs.package("envoy")
    needs.package("grpc")


def everywhere(*steps: Step) -> c.Graph:
    hosts = [c.host(name, c.entry(c.to("one"), steps=steps)) for name in ("a.test", "*.b.test")]
    return c.graph([c.gateway(c.http_port())], hosts, [c.backend("one")])


def asking(backend: str, path: str = "/", status: int = 500) -> AskAuth:
    question = ForwardAuth(c.ORIGIN, (f"http://{backend}{path}",), status_on_error=status)
    return AskAuth(question, BackendKey("apps", backend, 80), ("auth.test",), (path,))


@pytest.mark.parametrize(
    ("step", "status"),
    [
        (BasicAuthUsers(Sensitive(b""), c.ORIGIN), 503),
        (BasicAuthUsers(Sensitive(b"ann:plain"), c.ORIGIN), 503),
        (TokenCheck(CHECK, ()), 503),
        (TokenCheck(CHECK, (("main", ""),)), 503),
        (TokenCheck(Jwt(c.ORIGIN, ()), ()), 503),
        (TokenCheck(CHECK, (("main", "no keys"),)), 503),
        (TokenCheck(CHECK, (("main", '{"keys": [{"kty": "RSA", "n": "?"}]}'),)), 503),
        (TokenCheck(CHECK, (("main", KEYS),)), 401),
        (TokenCheck(CHECK, (("main", (BackendKey("apps", "gone", 80), "", "/keys")),)), 401),
        (Authorize(c.ORIGIN, (AuthorizeRule(True, claims=(("main", "sub", ("ann",)),)),)), 403),
        (Authorize(c.ORIGIN, (AuthorizeRule(True, headers=(("x-a", ()),)),)), 403),
        (asking("gone"), 500),
        (asking("gone", status=403), 403),
        (RateLimit(c.ORIGIN, 0), 503),
        (RateLimit(c.ORIGIN, 1, status=418), 503),
        (RateLimit(c.ORIGIN, 1, by=LimitBy.HEADER, header="a b"), 503),
        (BasicAuthUsers(Sensitive(USERS), c.ORIGIN, user_header="a b"), 503),
        (BasicAuthUsers(Sensitive(USERS), c.ORIGIN, realm='a"b\\c\n\u00e4'), 401),
        (BasicAuthUsers(Sensitive(USERS + b"\nb c:" + USERS[4:]), c.ORIGIN), 401),
        (ClientCertificateHeaders(c.ORIGIN, (("a b", "pem"),)), 503),
        (Authorize(c.ORIGIN, (AuthorizeRule(True, headers=(("a b", ("1",)),)),)), 503),
        (RateLimit(c.ORIGIN, 1, burst=0), 503),
        (RateLimit(c.ORIGIN, 1, period=0), 503),
        (BodyLimit(c.ORIGIN, 0, buffered=True), 503),
        (BodyLimit(c.ORIGIN, 2**40, buffered=True), 503),
        (Compress(c.ORIGIN, ("lzma",)), 503),
        (ClientCertificateHeaders(c.ORIGIN, (("x-a", "colour"),)), 503),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, int) else str(value),
)
def test_a_protection_with_broken_parts_lets_nobody_in(step: Step, status: int) -> None:
    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            # A token that anybody could have made: without keys nobody can tell.
            forged = {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJpIiwic3ViIjoiYW5uIn0."}
            for headers in ({}, forged):
                reply = await world.get(name, headers=headers)
                assert (reply.status, reply.backend) == (status, ""), name
        assert world.plan is not None
        told = [p.id for problems in world.plan.problems.values() for p in problems]
        assert (status == 503) == (told != [])

    c.serve(everywhere(step), scenario)


def test_too_many_exceptions_are_refused() -> None:
    steps = [structs.replace(LIMIT, excepts=(f"192.0.2.{n}/32",)) for n in range(5)]

    async def scenario(world: c.World) -> None:
        assert [(await world.get(name)).status for name in SPELLINGS] == [503] * 3

    c.serve(everywhere(*steps), scenario)


@pytest.mark.parametrize(
    "rate", [(1, 3600.0, 1), (1, 0.06, 1), (20, 1.0, 1), (30, 1.0, 1), (7000, 1.0, 1), (60, 60.0, 9)]
)
@pytest.mark.parametrize("by", [LimitBy.CLIENT, LimitBy.ALL])
def test_every_rate_is_taken(rate: tuple[int, float, int], by: LimitBy) -> None:
    requests, period, burst = rate

    async def scenario(world: c.World) -> None:
        assert [(await world.get(name)).status for name in ("a.test", "x.b.test")] == [200, 200]

    c.serve(everywhere(RateLimit(c.ORIGIN, requests, period, burst, by)), scenario)


def test_steps_keep_their_order_around_questions() -> None:
    """Whoever has spent his requests is not asked about; whoever is denied spends none behind the question."""
    denied = asking("auth", "/status/401")
    spent = structs.replace(LIMIT, status=429)

    def serving(*steps: Step) -> c.Graph:
        graph = everywhere(*steps)
        return structs.replace(graph, backends=graph.backends.set(BackendKey("apps", "auth", 80), c.backend("auth")))

    def expecting(*wanted: int) -> Any:
        async def scenario(world: c.World) -> None:
            for name in ("a.test", "x.b.test"):
                assert [(await world.get(name)).status for _ in wanted] == list(wanted), name

        return scenario

    c.serve(serving(spent, denied), expecting(401, 429, 429))
    c.serve(serving(denied, spent), expecting(401, 401, 401))
    c.serve(serving(spent, asking("auth"), structs.replace(LIMIT, status=503)), expecting(200, 429, 429))


def test_what_envoy_refuses_of_one_host_leaves_the_others_alone() -> None:
    bad = c.host("bad.test", c.entry(c.to("one"), steps=(structs.replace(LIMIT, burst=2),)))
    good = c.host("good.test", c.entry(c.to("one")))
    graph = c.graph([c.gateway(c.http_port())], [bad, good], [c.backend("one")])

    async def scenario(world: c.World) -> None:
        assert [(await world.get("bad.test")).status for _ in range(3)] == [200, 200, 429]
        assert world.plan is not None
        name = names.scope_resource(bad.key)
        value = next(change.value for change in world.plan.changes if change.name == name)
        scope = scoped_route_pb2.ScopedRouteConfiguration.FromString(value or b"")
        broken = carrier([Part(extension("limit", local_rate_limit_pb2.LocalRateLimit()))])
        assert broken is not None
        scope.route_configuration.virtual_hosts[0].routes[0].typed_per_filter_config[RULE].CopyFrom(broken)
        world.transport.xds.apply([Change(SCOPE, name, serialise(scope))])

        async def refused() -> bool:
            return [seen.name for seen in world.transport.observed if isinstance(seen, Nack)] == [name]

        await hm.eventually(refused)
        assert (await world.get("bad.test")).status == 429  # as it was
        assert (await world.get("good.test")).backend == "one"
        assert (await world.get("other.test")).status == 404

    c.serve(graph, scenario)
