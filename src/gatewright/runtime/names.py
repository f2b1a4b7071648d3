"""Names beside the gateways: the zones of the graph served by the DNS engine, kept in step with both.

    State → Planner → Plan → DnsServer → workers

On loopback the zones of all providers are served, and gateways have the addresses at which they listen here; otherwise
only our own zones are, as described.  Counterpart: `dataplane`, which does the same for the gateways.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from msgspec import structs

from gatewright.base.errors import UsageError
from gatewright.base.problem import Problem, Severity
from gatewright.engines.dns.aliases import Aliases
from gatewright.engines.dns.content import Plan
from gatewright.engines.dns.encoding import wire_name
from gatewright.engines.dns.plan import Planner
from gatewright.engines.dns.server import DnsServer
from gatewright.engines.envoy.bindings import PortKey, Socket
from gatewright.graph.analysis import Analysis
from gatewright.graph.names import serving
from gatewright.graph.names.zones import PUBLIC_VIEW
from gatewright.pipeline import State
from gatewright.runtime.localities import Localities
from gatewright.runtime.options import NamesOptions

Sockets = Mapping[PortKey, tuple[Socket, ...]]


def check_options(options: NamesOptions, analysis: Analysis) -> None:
    """UsageError when an address is for a view that there is not, or given twice."""
    known = [view.name for view in analysis.answer(serving.views)]
    seen: set[tuple[str, int]] = set()
    for listen in options.listen:
        where = listen.address, listen.port
        if listen.port and where in seen:
            raise UsageError(f"--dns: {listen.address} port {listen.port} is given twice")
        seen.add(where)
        if listen.view and listen.view not in known:
            raise UsageError(f"--dns: there is no view {listen.view} (known: {', '.join(known) or 'none'})")


class Names:
    """The names of a run, for a `server`.  `on_loopback`: gateways are tried out here, so names lead here, too."""

    def __init__(self, server: DnsServer, analysis: Analysis, *, on_loopback: bool) -> None:
        self._analysis = analysis
        self._planner = Planner(analysis, every_zone=on_loopback, local={})
        self._localities = Localities(analysis) if on_loopback else None
        self.server = server
        # What is tried out here asks nobody outside, and tells nobody.
        self._zones: tuple[serving.Zone, ...] = ()
        self.theirs: tuple[bytes, ...] = ()
        """The domains (on the wire) whose public zones are described as another provider's."""
        self._aliases = None if on_loopback else Aliases(self._planner, self._apply)

    async def start(self, sockets: Sockets) -> None:
        """Answer at every address that was asked for.  EngineError when one cannot be had."""
        await self.server.start()
        self._relocate(sockets)
        self._apply(self._planner.whole())
        self._note_theirs()

    def apply(self, state: State, sockets: Sockets) -> None:
        """Serve what changed; O(change)."""
        self._apply(self._planner.changed(state))
        self._apply(self._relocate(sockets))
        self._note_theirs()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is not served as it is written, or not where it was to be."""
        return (*self._planner.problems, *self._idle())

    def _idle(self) -> Iterator[Problem]:
        """Addresses where nobody is answered, since their view has gone or there is no zone for them."""
        views = {view.name: view.origin for view in self._analysis.answer(serving.views)}
        served = {zone.config.view for zone in self.server.primary.zones.values()}
        ours = "" if self._localities is not None else " with provider: Gatewright"
        for listen in self.server.bound:
            where, view = f"{listen.address} port {listen.port}", listen.view
            if view and view not in views:
                message = f"--dns: nobody is answered at {where}: there is no view {view} any more"
                hint = "bring it back, or start again without this address"
                yield Problem("view-unknown", message, severity=Severity.ERROR, hint=hint)
            elif view and view not in served:
                message = f"--dns: nobody is answered at {where}: the view {view} has no zone that is served here"
                yield Problem("view-empty", message, views[view], Severity.WARNING, f"add a Zone to it{ours}")
            elif not served:
                message = f"--dns: nobody is answered at {where}: there is no zone that is served here"
                yield Problem("view-empty", message, severity=Severity.WARNING, hint=f"describe a Zone{ours}")

    async def stop(self) -> None:
        """Answer no more."""
        await self._end()
        await self.server.stop()

    async def detach(self) -> None:
        """Leave the workers to answer what they know."""
        await self._end()
        await self.server.detach()

    async def _end(self) -> None:
        if self._aliases is not None:
            await self._aliases.close()

    def _relocate(self, sockets: Sockets) -> Plan | None:
        return self._planner.relocated(self._localities.now(sockets)) if self._localities is not None else None

    def _note_theirs(self) -> None:
        zones = self._analysis.answer(serving.zones)
        if zones is not self._zones:
            self._zones = zones
            self.theirs = tuple(
                wire_name(zone.domain) for zone in zones if zone.view == PUBLIC_VIEW and not zone.is_ours
            )

    def _apply(self, plan: Plan | None) -> None:
        if plan is not None:
            self.server.apply(plan if self._localities is None else _quiet(plan))
        if self._aliases is not None:
            self._aliases.update()


def _quiet(plan: Plan) -> Plan:
    """The same without the secondaries of the real servers, which must not hear of what is tried out here."""
    views = (
        structs.replace(view, secondaries=tuple(one for one in view.secondaries if _is_loopback(one.address)))
        for view in plan.views
    )
    return structs.replace(plan, views=tuple(views))


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback
