"""Steps of rules on a real Envoy: on a route found on arrival (a.test) and on those found late (A.test, x.b.test)."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import BasicAuthUsers, Step
from gatewright.kinds.intents.filters import LimitBy, RateLimit
from support import compiled as c
from support import needs

pytestmark = pytest.mark.real

SPELLINGS = ("a.test", "A.test", "x.b.test")


def sha(password: bytes) -> str:
    return "{SHA}" + base64.b64encode(hashlib.sha1(password, usedforsecurity=False).digest()).decode()


def login(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture(autouse=True)
def _envoy() -> None:
    needs.package("envoy")
    needs.package("grpc")


def everywhere(*steps: Step, **rule: Any) -> c.Graph:
    """The same rule at a name and under a wildcard."""
    hosts = [c.host(name, c.entry(c.to("one"), steps=steps, **rule)) for name in ("a.test", "*.b.test")]
    return c.graph([c.gateway(c.http_port())], hosts, [c.backend("one")])


def test_users_are_asked_for_and_told_and_their_passwords_kept() -> None:
    users = Sensitive(f"# staff\nann:{sha(b'pw')}\nann:{sha(b'other')}\nbob:plain\n".encode())
    auth = BasicAuthUsers(
        users, c.ORIGIN, realm="Staff", remove_header=True, user_header="X-User", excepts=("127.0.0.7/32", "::1/128")
    )

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            refused = await world.get(name, headers={"X-User": "root"})
            assert (refused.status, refused.header("www-authenticate")) == (401, 'Basic realm="Staff"'), name
            assert (await world.get(name, headers=login("ann", "other"))).status == 401
            reply = await world.get(name, headers={**login("ann", "pw"), "X-User": "root"})
            sent = {k.lower(): v for k, v in reply.echo["headers"].items()}
            assert (reply.backend, sent["x-user"], sent.get("authorization")) == ("one", ["ann"], None), name
            assert (await world.get(name, source="127.0.0.7")).backend == "one", name
            assert (await world.get(name, source="127.0.0.8")).status == 401, name

    c.serve(everywhere(auth), scenario)


def test_rates_are_limited_for_each_client() -> None:
    limit = RateLimit(c.ORIGIN, requests=1, period=3600, burst=2, status=503, excepts=("127.0.0.7/32",))

    async def scenario(world: c.World) -> None:
        for number, name in enumerate(("a.test", "x.b.test")):
            for client in (f"127.0.0.{20 + number}", f"127.0.0.{30 + number}"):
                replies = [(await world.get(name, source=client)).status for _ in range(4)]
                assert replies == [200, 200, 503, 503], (name, client)
                # Another spelling leads to the same bucket.
                assert (await world.get(name.upper(), source=client)).status == 503
            assert [(await world.get(name, source="127.0.0.7")).status for _ in range(4)] == [200] * 4

    c.serve(everywhere(limit), scenario)


def test_rates_are_limited_by_header_with_one_bucket_for_those_without() -> None:
    limit = RateLimit(c.ORIGIN, requests=1, period=3600, burst=2, by=LimitBy.HEADER, header="X-Key")

    async def scenario(world: c.World) -> None:
        for name in ("a.test", "x.b.test"):
            for headers in ({"X-Key": "k"}, {"X-Key": "l"}, {}):
                replies = [await world.get(name, headers=headers) for _ in range(3)]
                assert [reply.status for reply in replies] == [200, 200, 429], (name, headers)
            # An empty one is none.
            assert (await world.get(name, headers={"X-Key": ""})).status == 429

    c.serve(everywhere(limit), scenario)


def test_rates_are_limited_by_host_however_it_is_written() -> None:
    limit = RateLimit(c.ORIGIN, requests=1, period=3600, burst=2, by=LimitBy.HOST)

    async def scenario(world: c.World) -> None:
        for spellings in (("a.test", "A.test", "a.test."), ("x.b.test", "X.b.test", "x.B.test"), ("y.b.test",) * 3):
            assert [(await world.get(name)).status for name in spellings] == [200, 200, 429], spellings

    c.serve(everywhere(limit), scenario)
