"""Echo backends behind Services that have no endpoints, kept in step with the graph.

The graph stays as it is: what Envoy is given is a copy in which the concerned backends point at the echo server.
Counterpart: `questions`, for whom nobody stands in.
"""

from __future__ import annotations

from collections.abc import Container

from immutables import Map
from msgspec import structs

from gatewright.engines.echo.server import EchoServer
from gatewright.engines.echo.service import EchoService, Transport
from gatewright.graph.nodes import Backend, BackendKey, Change, Endpoint, Graph, UpstreamProtocol


class StandIns:
    """Answers for backends without endpoints; with `everything` for all backends, endpoints or not."""

    def __init__(self, server: EchoServer, *, everything: bool) -> None:
        self._server = server
        self._everything = everything
        self._services: dict[BackendKey, EchoService] = {}
        self._backends: Map[BackendKey, Backend] = Map()

    @property
    def served(self) -> frozenset[BackendKey]:
        """The backends that the echo server stands in for now."""
        return frozenset(self._services)

    async def apply(self, graph: Graph, change: Change, asked: Container[BackendKey]) -> Graph:
        """The graph with the stand-ins in place of the backends that `change` names (and of earlier ones).

        `asked`: those that say who may pass, for whom nobody stands in.
        """
        concerned: dict[BackendKey, EchoService] = {}
        before = {key: self._services.pop(key) for key in change.backends if key in self._services}
        for key in change.backends:
            backend = graph.backends.get(key)
            if backend is not None and key not in asked and self._wanted(backend):
                concerned[key] = _service(backend)
        self._services.update(concerned)
        if before != concerned:
            await self._server.update(set(self._services.values()))
        with self._backends.mutate() as backends:
            for key in change.backends:
                backend = graph.backends.get(key)
                if backend is None:
                    backends.pop(key, None)
                else:
                    backends[key] = self._instead(backend, concerned[key]) if key in concerned else backend
            self._backends = backends.finish()
        return structs.replace(graph, backends=self._backends)

    def _wanted(self, backend: Backend) -> bool:
        """A backend that may not be reached (its TLS cannot be verified) gets no stand-in: it stays closed.

        Nor does a host outside of any cluster: it is there or not.
        """
        return backend.usable and bool(backend.key.namespace) and (self._everything or not backend.endpoints)

    def _instead(self, backend: Backend, service: EchoService) -> Backend:
        address = self._server.addresses[service]
        endpoint = Endpoint(address.host, address.port, pod=service.pod)
        # A check of the backend's health asks what only the backend has.
        upstream = structs.replace(backend.upstream, health=None)
        return structs.replace(
            backend, endpoints=(endpoint,), dns_name="", tls=None, reason="", proxy_protocol=0, upstream=upstream
        )


def _service(backend: Backend) -> EchoService:
    udp = backend.protocol is UpstreamProtocol.UDP
    transport = Transport.UDP if udp else Transport.TCP
    return EchoService(backend.key.namespace, backend.key.name, backend.key.port, transport)
