"""What runs beside the gateways: names that are answered, certificates that are got, passwords that are checked, and
what each needs of the other.

Certificates need names (a challenge in our own zones) and gateways (a challenge at our own doors); names need to know
where gateways listen.  Here they meet; counterpart: `run`, the loop that feeds both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from gatewright.base.problem import Problem
from gatewright.engines.certificates.challenge import ChallengeSolver
from gatewright.engines.certificates.issued import CertificateStatus
from gatewright.engines.envoy.bindings import PortKey, Socket
from gatewright.graph.analysis import Analysis
from gatewright.graph.nodes import Change, Graph
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.pipeline import State
from gatewright.runtime import report
from gatewright.runtime.certificates import Certificates, Tell
from gatewright.runtime.dataplane import DataPlane
from gatewright.runtime.folder import StateFolder
from gatewright.runtime.http_challenges import HttpChallenges
from gatewright.runtime.names_metrics import CertificateMetrics, DnsMetrics
from gatewright.runtime.options import RunOptions
from gatewright.runtime.users import Users

if TYPE_CHECKING:
    from gatewright.engines.certificates.solvers.choose import Offers
    from gatewright.engines.dns.server import DnsServer
    from gatewright.runtime.dns_challenges import DnsChallenges
    from gatewright.runtime.names import Names

Sockets = Mapping[PortKey, tuple[Socket, ...]]
CLUSTER_WIDE = "ClusterIssuer"
GLANCE = 1.0
"""How often to look whether the orders of an earlier run are through, in seconds."""


def dns_server(folder: StateFolder, options: RunOptions) -> DnsServer | None:
    """What will answer DNS where the user wants it, with its addresses held; None where that is nowhere.

    Raises EngineError when an address cannot be had.
    """
    if options.names is None:
        return None
    from gatewright.engines.dns.server import DnsServer

    server = DnsServer(folder.dns, options.names.listen, options.names.workers)
    server.hold()
    return server


class Beside:
    """Names, certificates and users of one run.

    `provide` takes what was made here into the model; `plane` is Envoy, which takes it and asks about users.
    """

    def __init__(
        self,
        folder: StateFolder,
        options: RunOptions,
        analysis: Analysis,
        provide: Callable[[Mapping[Key, Intent | None]], Awaitable[Graph]],
        plane: DataPlane,
        tell: Tell,
    ) -> None:
        self._folder = folder
        self._options = options
        self._analysis = analysis
        self._http = HttpChallenges(asyncio.get_running_loop(), provide, plane.wait_live)
        self.users = Users(folder.users, plane.wait_live, plane.reach_users, tell.changed)
        self._names: Names | None = None
        self._dns: DnsChallenges | None = None
        self.certificates = Certificates(
            folder.certificates, options.certificates, analysis, self._offers, provide, tell
        )

    async def serve_names(self, server: DnsServer, sockets: Sockets) -> None:
        """Answer DNS by this server (of `dns_server`).  EngineError when it cannot."""
        from gatewright.runtime.dns_challenges import DnsChallenges
        from gatewright.runtime.names import Names

        names = Names(server, self._analysis, on_loopback=self._options.on_loopback)
        await names.start(sockets)
        self._names = names
        await names.server.settled()
        # An authority of our own choice asks us, as all do here; others ask whom the world asks.
        theirs = tuple if self._stands_in else (lambda: names.theirs)
        self._dns = DnsChallenges(asyncio.get_running_loop(), names.server, self._folder.challenges, theirs)

    def expose(self, registry: CollectorRegistry, facts: Callable[[], report.Facts]) -> None:
        """Let scrapes see what `facts` last said."""
        CertificateMetrics(registry, lambda: facts().certificates)
        if self._names is not None:
            DnsMetrics(registry, self._names.server.stats, lambda: facts().dns)

    def apply(self, state: State, sockets: Sockets) -> None:
        """Follow the graph; O(change)."""
        if self._names is not None:
            self._names.apply(state, sockets)
        if state.change != Change() or state.reclaimed:
            self.certificates.apply(state)

    async def work(self) -> None:
        """Get what is due until cancelled."""
        await asyncio.gather(self.certificates.run(), self._tidy())

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is not served, got or checked as it is written."""
        names = self._names.problems if self._names is not None else ()
        return (*self.certificates.problems, *names, *self.users.problems)

    @property
    def statuses(self) -> tuple[CertificateStatus, ...]:
        """How the certificates stand."""
        return self.certificates.statuses()

    @property
    def views(self) -> tuple[report.DnsView, ...]:
        """What is answered in DNS."""
        if self._names is None:
            return ()
        server = self._names.server
        return report.dns_views(server.bound, server.primary.zones.values(), server.notified())

    async def stop(self) -> None:
        """Answer no more."""
        await self.users.stop()
        if self._names is not None:
            await self._names.stop()

    async def detach(self) -> None:
        """Leave those who answer names or check passwords to go on with what they know."""
        await self.users.detach()
        if self._names is not None:
            await self._names.detach()

    # --- challenges -----------------------------------------------------------------------------

    @property
    def _stands_in(self) -> bool:
        """Is this a try-out with an authority of the user's choice, to which our DNS is that of every provider?"""
        return self._options.on_loopback and bool(self._options.certificates.server)

    def _offers(self) -> Offers:
        """The ways to meet challenges; loaded when the first authority is asked."""
        from gatewright.engines.certificates.solvers.choose import Offers
        from gatewright.engines.certificates.solvers.lookup import Lookup
        from gatewright.runtime.provider_challenges import provider_solver

        return Offers(lookup=Lookup(), own_dns=self._own_dns, http=self._http.solver, provider=provider_solver)

    def _own_dns(self, record: str, issuer: Key) -> ChallengeSolver | None:
        """What puts a challenge into a zone that we serve; called in threads.

        Only for issuers of the whole cluster, unless we stand in for the provider: one that a namespace made for itself
        has to bring the credentials for what it proves, or it would get certificates for the names of all others.
        """
        if self._dns is None or (issuer.kind != CLUSTER_WIDE and not self._stands_in):
            return None
        return self._dns.solver(record)

    async def _tidy(self) -> None:
        """Take away the challenges of a run that was killed, once its orders are through."""
        while self._dns is not None:
            await asyncio.sleep(GLANCE)
            if self.certificates.is_idle:
                await self._dns.tidy()
                break
