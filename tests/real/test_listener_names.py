"""A name under a TLS listener is that listener's, with or without a route: no HTTPS listener beside it opens it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from gatewright.trace.walk import walk
from support import compiled, needs
from support.differential import as_traced
from support.keepalive import Connections
from support.keys import pair
from support.modelled import graph_of
from support.random_routes import API, Asked, meta

pytestmark = pytest.mark.real


def documents(mode: str) -> list[dict[str, Any]]:
    own = pair("*.x.test", "*.t.x.test")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta("tls", "infra"),
        "stringData": {"tls.crt": own.cert_pem.decode(), "tls.key": own.key_pem.decode()},
    }
    certificates = {"certificateRefs": [{"name": "tls"}]}
    through = {"mode": mode, **(certificates if mode == "Terminate" else {})}
    everywhere = {"namespaces": {"from": "All"}}
    listeners = [
        {"name": "tls", "port": 443, "protocol": "TLS", "hostname": "*.t.x.test", "tls": through},
        {"name": "web", "port": 443, "protocol": "HTTPS", "hostname": "*.x.test", "tls": certificates},
    ]
    spec = {"gatewayClassName": "g", "listeners": [{**item, "allowedRoutes": everywhere} for item in listeners]}
    rules = [{"backendRefs": [{"name": "one", "port": 80}]}]
    route = {"parentRefs": [{"name": "gw", "namespace": "infra"}], "rules": rules}
    return [
        secret,
        {"apiVersion": API, "kind": "Gateway", "metadata": meta("gw", "infra"), "spec": spec},
        {"apiVersion": API, "kind": "HTTPRoute", "metadata": meta("r"), "spec": route},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta("one"), "spec": {"ports": [{"port": 80}]}},
    ]


@pytest.mark.parametrize("mode", ["Passthrough", "Terminate"])
def test_a_tls_listener_without_routes_keeps_its_names(mode: str) -> None:
    needs.package("envoy")
    built = graph_of(documents(mode))
    backends = built.backends
    for key, backend in backends.items():
        backends = backends.set(key, msgspec.structs.replace(backend, reason=""))

    async def scenario() -> list[int]:
        async with compiled.running(msgspec.structs.replace(built, backends=backends)) as world:
            connections = Connections(world)
            assert world.graph is not None
            statuses = []
            try:
                for name in ("a.x.test", "a.t.x.test"):
                    one = Asked("infra/gw", True, name, "/", sni=name)
                    seen = await connections.ask(one)
                    told = walk(world.graph, world.graph.gateways["infra/gw"], as_traced(one)).outcome
                    assert seen.status == told.status
                    statuses.append(seen.status)
            finally:
                await connections.close()
            return statuses

    assert asyncio.run(scenario()) == [200, 0]
