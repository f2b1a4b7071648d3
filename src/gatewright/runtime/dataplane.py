"""Envoy kept in step with the graph: compile what changed, push it, remember what Envoy said.

Counterpart of `gatewright.pipeline`: that one turns documents into graphs, this one turns graphs into gateways.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import structs
from prometheus_client import CollectorRegistry

from gatewright.base import hostnames
from gatewright.base.observed import Nack, Observed
from gatewright.base.problem import Problem
from gatewright.engines.certificates.authority import PrivateAuthority
from gatewright.engines.certificates.issued import Issued
from gatewright.engines.envoy import names
from gatewright.engines.envoy import plan as planning
from gatewright.engines.envoy.bindings import Bindings, PortKey
from gatewright.engines.envoy.concerned import Concerned
from gatewright.engines.envoy.generation import generation
from gatewright.engines.envoy.metrics import TransportMetrics
from gatewright.engines.envoy.process import EnvoyOptions, EnvoyProcess
from gatewright.engines.envoy.process import StateFolder as EnvoyFolder
from gatewright.engines.envoy.resources import Change as Resource
from gatewright.engines.envoy.resources import Resources
from gatewright.engines.envoy.secrets import KeyPair, terminating
from gatewright.engines.envoy.steps import users
from gatewright.engines.envoy.types import CLUSTER, ENDPOINTS, LISTENER, SCOPE, SECRET
from gatewright.engines.envoy.xds import XdsServer
from gatewright.graph.builder import empty_graph
from gatewright.graph.nodes import Change, Family, Gateway, Graph
from gatewright.kinds.identity import Key
from gatewright.runtime.folder import StateFolder, read
from gatewright.runtime.report import Refusal
from gatewright.system import files

READY_SECONDS = 60.0
SETTLE_SECONDS = 60.0
POLL_SECONDS = 0.02
REPLACE_SECONDS = 1.0
"""How long requests may take to end when an Envoy is replaced: as long as nobody is answered."""
UNNAMED = "gatewright.invalid"
"""What the certificate for connections without a known name is made out to (RFC 6761, clause 6.4)."""


class DataPlane:
    """One Envoy, its xDS server, and the private CA for listeners without a usable certificate.

    `noticed` is called whenever Envoy has said something or was started again; `authority`: a CA that is not this
    state folder's own.
    """

    def __init__(
        self,
        folder: StateFolder,
        options: EnvoyOptions,
        registry: CollectorRegistry,
        noticed: Callable[[], None] = lambda: None,
        authority: PrivateAuthority | None = None,
    ) -> None:
        self._noticed = noticed
        self.door_certificates: Callable[[Key, str], Issued | None] = lambda _gateway, _name: None
        """What the issuer that a door names has for a name; the private CA brings the rest."""
        envoy_folder = EnvoyFolder(folder.envoy)
        self._generation = folder.envoy / "generation"
        self._metrics = TransportMetrics(registry)
        self._socket = envoy_folder.xds_socket
        self.authority = authority or PrivateAuthority(folder.authority)
        self.process = EnvoyProcess(envoy_folder, options, on_restart=self._restarted)
        self._server = XdsServer(
            Resources(), self._metrics, self._observe, resolve=self._resolve, resolve_at=self._resolve_at
        )
        self._names = folder.names
        self._common = read(folder.names, PortKey)
        self._state = planning.State()
        self._graph = empty_graph()
        self._bindings = Bindings()
        self._resolver = planning.resolver(self._graph, self._bindings)
        self._ours: tuple[Resource, ...] = ()
        """What of our own goes to Envoy with the next changes."""
        self._concerned = Concerned()
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._refused: dict[tuple[str, str], Nack] = {}
        self._scopes: dict[str, str] = {}
        """What the scopes of the graph are about, by resource name; empty until Envoy refuses one."""

    def claim(self) -> None:
        """Take the state folder.  EngineError when another run has it."""
        self.process.claim()

    async def unclaim(self) -> None:
        """Let the state folder go, where nothing was started."""
        await self.process.detach()

    async def start(self) -> bool:
        """Serve xDS, start Envoy or take over the one that runs (see `replace`).  True when it was taken over."""
        taken_over = await self.process.start()
        if not taken_over:
            files.write(self._generation, generation().encode())
        try:
            await self._server.start(self._socket)
        except BaseException:
            await (self.process.detach() if taken_over else self.process.stop(0))
            raise
        return taken_over

    async def replace(self) -> bool:
        """Replace an Envoy that has listeners of another version of ours; to be called before the first `apply`.

        Their filters would not meet the protections of today's routes, not even for requests of connections that are
        open.  True when it was one.
        """
        try:
            is_ours = self._generation.read_bytes() == generation().encode()
        except OSError:
            is_ours = False
        if is_ours:
            return False
        await self.process.stop(REPLACE_SECONDS)
        await self.process.start()
        files.write(self._generation, generation().encode())
        return True

    def apply(self, graph: Graph, change: Change, bindings: Bindings) -> None:
        """Compile and push what changed; O(change)."""
        bindings = structs.replace(bindings, common_names=self._common_names(graph, bindings))
        moved = (bindings.sockets, bindings.common_names) != (self._bindings.sockets, self._bindings.common_names)
        self._graph, self._bindings = graph, bindings
        plan = planning.plan(graph, change, bindings, self._state)
        self._state = plan.state
        self._scopes = {}
        self._resolver = planning.resolver(graph, bindings, self._issue)
        for node, problems in plan.problems.items():
            if problems:
                self._problems[node] = problems
            else:
                self._problems.pop(node, None)
        self._server.apply((*self._ours, *plan.changes))
        self._ours = ()
        self._refresh(change, plan.refresh, moved=moved)

    def reach_users(self, socket: Path) -> None:
        """Let Envoy ask the server that checks passwords, which listens there; from the next `apply` on.

        Not at once: what an Envoy that is taken over is told first has to be everything.
        """
        self._ours = (Resource(CLUSTER, users.CLUSTER, users.cluster(str(socket))),)

    async def wait_live(self) -> bool:
        """Wait until Envoy serves and has answered for everything that it was sent; False if it does not in time."""
        await self.process.wait_ready(READY_SECONDS)
        return await self.settled()

    async def settled(self) -> bool:
        """Wait until Envoy has answered for everything that it was sent; False if it does not in time."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while not self.is_settled:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    async def stop(self, drain_seconds: float) -> None:
        """Drain Envoy and end it."""
        await self.process.stop(drain_seconds)
        await self._server.stop()

    async def detach(self) -> None:
        """Leave Envoy alone: it goes on with what it has until somebody takes it over."""
        await self.process.detach()
        await self._server.stop()

    def retry_listeners(self) -> None:
        """Offer Envoy again the listeners that it refused: their ports may be free now."""
        for held in self._server.held():
            if held.type_url == LISTENER:
                self._server.retry(held.type_url, held.name)

    def renew_certificates(self) -> None:
        """Resolve again what Envoy holds: what is due is issued anew, everything else is the same and not sent."""
        self._server.refresh(SECRET)

    @property
    def is_settled(self) -> bool:
        """Is Envoy connected, and has it answered for everything that it was sent?"""
        return self._server.is_settled

    @property
    def is_connected(self) -> bool:
        """Is there an Envoy that listens to us?"""
        return self._server.connected > 0

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What could not be built as described."""
        return tuple(problem for problems in self._problems.values() for problem in problems)

    @property
    def refused(self) -> tuple[Refusal, ...]:
        """What Envoy refused and is held back, in a stable order."""
        found = []
        for held in self._server.held():
            nack = self._refused.get((held.type_url, held.name))
            if nack is not None:
                found.append(Refusal(held.type_url, nack.name, nack.message, held.serving is not None))
        return tuple(sorted(found))

    # --- callbacks ------------------------------------------------------------------------------

    def _observe(self, observed: Observed) -> None:
        if isinstance(observed, Nack):
            self._refused[observed.type_url, observed.name] = self._readable(observed)
        self._noticed()

    def _readable(self, nack: Nack) -> Nack:
        """Scopes go to Envoy by names that say nothing."""
        if nack.type_url != SCOPE:
            return nack
        if not self._scopes:
            self._scopes = {names.scope_resource(key): names.scope(key) for key in self._graph.virtual_hosts}
        return structs.replace(nack, name=self._scopes.get(nack.name, nack.name))

    def _restarted(self) -> None:
        self._metrics.restarts.inc()
        self._noticed()

    def _resolve(self, type_url: str, name: str) -> bytes | None:
        return self._resolver(type_url, name)

    def _resolve_at(self, place: str) -> Callable[[str, str], bytes | None]:
        def resolve(type_url: str, name: str) -> bytes | None:
            return planning.resolver(self._graph, self._bindings, self._issue, place)(type_url, name)

        return resolve

    def _common_names(self, graph: Graph, bindings: Bindings) -> PortKey | None:
        """The port whose certificates go by SNI alone: the busiest when first asked, then the same as long as it is.

        It is remembered, because another choice would change the listeners of both and close their connections.
        """
        if self._common is not None and self._common in bindings.sockets:
            return self._common
        ending = [PortKey(gateway.id, port) for gateway, port in terminating(graph, bindings)]
        if not ending:
            return None
        hosts = Counter((key.gateway, key.port) for key in graph.virtual_hosts if key.family is Family.HTTPS)
        self._common = max(ending, key=lambda key: hosts[key.gateway, key.port])
        files.write(self._names, msgspec.json.encode(self._common))
        return self._common

    def _issue(self, gateway: Gateway, port: int, hostname: str) -> KeyPair | None:
        """A certificate of the door's issuer or the private CA.  One per VirtualHost, never one per name that a
        stranger made up."""
        names = (UNNAMED if hostname == hostnames.ANY else hostname,)
        issued = self.door_certificates(gateway.key, hostname) or self.authority.issue(names)
        return KeyPair(issued.chain, issued.key)

    def _refresh(self, change: Change, stale: frozenset[str], *, moved: bool) -> None:
        """What Envoy asked for by name and the change may concern is looked up again; O(those names)."""
        patterns = self._concerned.take(self._graph, change)
        self._server.refresh_secrets((hostnames.ANY,) if moved else patterns)
        for type_url in sorted({*stale, *((CLUSTER, ENDPOINTS) if change.gateways else ())} - {SECRET}):
            self._server.refresh(type_url)
