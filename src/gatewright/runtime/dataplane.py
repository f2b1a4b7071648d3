"""Envoy kept in step with the graph: compile what changed, push it, remember what Envoy said.

Counterpart of `gatewright.pipeline`: that one turns documents into graphs, this one turns graphs into gateways.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from gatewright.base import hostnames
from gatewright.base.observed import Nack, Observed
from gatewright.base.problem import Problem
from gatewright.engines.certificates.authority import PrivateAuthority
from gatewright.engines.envoy import plan as planning
from gatewright.engines.envoy.bindings import Bindings
from gatewright.engines.envoy.metrics import TransportMetrics
from gatewright.engines.envoy.process import EnvoyOptions, EnvoyProcess
from gatewright.engines.envoy.process import StateFolder as EnvoyFolder
from gatewright.engines.envoy.resources import Resources
from gatewright.engines.envoy.secrets import KeyPair, may_have_changed
from gatewright.engines.envoy.types import CLUSTER, SECRET
from gatewright.engines.envoy.xds import XdsServer
from gatewright.graph.builder import empty_graph
from gatewright.graph.nodes import Change, Gateway, Graph
from gatewright.runtime.folder import StateFolder

READY_SECONDS = 60.0
SETTLE_SECONDS = 30.0
POLL_SECONDS = 0.02
UNNAMED = "gatewright.invalid"
"""What the certificate for connections without a known name is made out to (RFC 6761, clause 6.4)."""


class DataPlane:
    """One Envoy, its xDS server, and the private CA for listeners without a usable certificate."""

    def __init__(self, folder: StateFolder, options: EnvoyOptions, registry: CollectorRegistry) -> None:
        envoy_folder = EnvoyFolder(folder.envoy)
        metrics = TransportMetrics(registry)
        self._socket = envoy_folder.xds_socket
        self.authority = PrivateAuthority(folder.authority)
        self.process = EnvoyProcess(envoy_folder, options, on_restart=metrics.restarts.inc)
        self._server = XdsServer(Resources(), metrics, self._observe, resolve=self._resolve)
        self._state = planning.State()
        self._resolver = planning.resolver(empty_graph(), Bindings())
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._refused: dict[tuple[str, str], Nack] = {}

    async def start(self) -> bool:
        """Serve xDS, start Envoy or take over the one that runs.  True when it was taken over."""
        taken_over = await self.process.start()
        await self._server.start(self._socket)
        return taken_over

    def apply(self, graph: Graph, change: Change, bindings: Bindings) -> None:
        """Compile and push what changed; O(change)."""
        plan = planning.plan(graph, change, bindings, self._state)
        self._state = plan.state
        self._resolver = planning.resolver(graph, bindings, self._issue)
        for node, problems in plan.problems.items():
            if problems:
                self._problems[node] = problems
            else:
                self._problems.pop(node, None)
        for made in plan.changes:
            self._refused.pop((made.type_url, made.name), None)
        self._server.apply(plan.changes)
        self._refresh_secrets(change)

    async def wait_live(self) -> bool:
        """Wait until Envoy serves and has answered for everything that it was sent; False if it does not in time."""
        await self.process.wait_ready(READY_SECONDS)
        deadline = time.monotonic() + SETTLE_SECONDS
        while not self._server.is_settled:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    async def stop(self, drain_seconds: float) -> None:
        """Drain Envoy and end it."""
        await self.process.stop(drain_seconds)
        await self._server.stop()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What could not be built as described."""
        return tuple(problem for problems in self._problems.values() for problem in problems)

    @property
    def refused(self) -> Mapping[tuple[str, str], Nack]:
        """What Envoy refused and is held back at its last good version, by (type URL, name)."""
        held = {(item.type_url, item.name) for item in self._server.held()}
        return {key: nack for key, nack in self._refused.items() if key in held}

    # --- callbacks ------------------------------------------------------------------------------

    def _observe(self, observed: Observed) -> None:
        if isinstance(observed, Nack):
            self._refused[observed.type_url, observed.name] = observed

    def _resolve(self, type_url: str, name: str) -> bytes | None:
        return self._resolver(type_url, name)

    def _issue(self, gateway: Gateway, port: int, hostname: str) -> KeyPair | None:
        """A certificate of the private CA.  One per VirtualHost, never one per name that a stranger made up."""
        issued = self.authority.issue((UNNAMED if hostname == hostnames.ANY else hostname,))
        return KeyPair(issued.chain, issued.key)

    def _refresh_secrets(self, change: Change) -> None:
        """Certificates that Envoy holds and that the change may concern are asked for again."""
        hosts = {key.hostname for key in change.virtual_hosts}
        if change.certificates or change.gateways or any(name.startswith("*") for name in hosts):
            names = {name for name in self._server.on_demand_names(SECRET) if may_have_changed(name, change)}
            self._server.refresh(SECRET, names)
            self._server.refresh(CLUSTER)
        elif hosts:
            self._server.refresh(SECRET, hosts)
