"""The control plane's state of all zones: what the manifests say, and beside it the dynamic records.

It decides what changes and numbers it; `workers` carry the pushes to those who answer, `notify` tells the secondaries.
State on disk: `serials.json` and `dynamic.json`, see `serials` and `overlay`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gatewright.base.errors import EngineError
from gatewright.engines.dns.content import Names, Plan, Push, RRsets, ZoneConfig
from gatewright.engines.dns.overlay import (
    Overlay,
    conflicts,
    merged,
    with_record,
    without_record,
    without_type,
)
from gatewright.engines.dns.records import is_within
from gatewright.engines.dns.serials import Serials
from gatewright.engines.dns.update import UpdateRequest, decide
from gatewright.engines.dns.wire import NOERROR, REFUSED, SERVFAIL
from gatewright.engines.dns.zone import Zone

NOTAUTH: Final = 9

DYNAMIC_NAMES: Final = 10_000
"""So many names of a zone may have dynamic records; updates beyond are refused."""

logger = logging.getLogger(__name__)


class Primary:
    """The master copy of every zone.  Not to be shared by threads."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """`folder` keeps the state, `clock` gives seconds since 1970.  Raises EngineError when it cannot be read."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(f"cannot make {folder}: {error.strerror}") from error
        self._serials = Serials(folder / "serials.json", clock)
        self._overlay = Overlay(folder / "dynamic.json")
        self._zones: dict[str, Zone] = {}
        self._beneath: dict[str, dict[bytes, RRsets]] = {}
        """What the manifests say at names that have dynamic records; elsewhere the zone itself tells."""

    @property
    def zones(self) -> Mapping[str, Zone]:
        """Every zone as it is served, by id."""
        return self._zones

    def take(self, plan: Plan) -> list[Push]:
        """Serve this plan from now on.  A zone that is new begins with a push of all its names; of the others only
        names that come out different are pushed."""
        configs = {config.id: config for config in plan.zones}
        for id in [id for id in self._zones if id not in configs]:
            del self._zones[id], self._beneath[id]
        pushes = []
        for id, config in configs.items():
            names = plan.changes.get(id, {})
            zone = self._zones.get(id)
            if zone is None:
                pushes.append(self._begin(config, names))
                continue
            reframed = (config.soa, config.ttl) != (zone.config.soa, zone.config.ttl)
            if config is not zone.config:
                zone.configure(config)
            if plan.whole and id in plan.changes:
                names = {**dict.fromkeys(self._static_names(zone), ()), **names}
            changes = self._settle(zone, names)
            if changes or reframed:
                pushes.append(self._push(zone, changes))
        self._serials.save()
        return pushes

    def add(self, zone_id: str, name: bytes, type: int, ttl: int, rdata: bytes) -> list[Push]:
        """Add a dynamic record, on the disk when this returns.

        Raises EngineError when the zone is not served, the name is none of its, a CNAME would stand beside other data,
        or the disk is full; then nothing is changed.
        """
        zone = self._zones.get(zone_id)
        if zone is None or not is_within(name, zone.config.domain):
            raise EngineError(f"the zone {zone_id} does not take this name: it is not served here")
        if conflicts(zone.names.get(name, ()), type):
            raise EngineError(f"a record in {zone_id} would stand beside a CNAME, or a CNAME beside other data")
        dynamic = self._overlay.names(zone_id).get(name, ())
        return self._change(zone_id, {name: with_record(dynamic, type, ttl, rdata)})

    def remove(self, zone_id: str, name: bytes, type: int, rdata: bytes | None) -> list[Push]:
        """Remove a dynamic record, or with None all of the type; absent ones are no error, neither is a zone that is no
        longer served.  Raises EngineError when the disk is full."""
        dynamic = self._overlay.names(zone_id).get(name, ())
        left = without_type(dynamic, type) if rdata is None else without_record(dynamic, type, rdata)
        return [] if left == dynamic else self._change(zone_id, {name: left})

    def update(self, request: UpdateRequest) -> tuple[int, list[Push]]:
        """Apply a verified update as a whole or not at all: its response code, and what changed (RFC 2136, 3).

        NOERROR means that the change is on the disk; SERVFAIL that it could not be kept there.
        """
        zone = self._zones.get(request.zone)
        if zone is None:
            return NOTAUTH, []
        dynamic = self._overlay.names(request.zone)
        decision = decide(request, zone, lambda name: self._static(zone, name), lambda name: dynamic.get(name, ()))
        if isinstance(decision, int):
            return decision, []
        changes = {name: sets for name, sets in decision.items() if sets != dynamic.get(name, ())}
        if len(dynamic) + len(changes) > DYNAMIC_NAMES and any(name not in dynamic for name in changes):
            return REFUSED, []
        if not changes:
            return NOERROR, []
        try:
            return NOERROR, self._keep(request.zone, changes)
        except OSError as error:
            logger.warning("cannot save the dynamic records of %s: %s", request.zone, error.strerror)
            return SERVFAIL, []

    def _begin(self, config: ZoneConfig, names: Names) -> Push:
        """A zone that was not there: with the manifests' names, then what the overlay has for it."""
        static = {name: sets for name, sets in names.items() if sets}
        dynamic = self._overlay.names(config.id)
        beneath = {name: static.get(name, ()) for name in dynamic}
        changes = {**static, **{name: merged(beneath[name], sets) for name, sets in dynamic.items()}}
        push = Push(config.id, self._serials.next(config.id), changes)
        zone = self._zones[config.id] = Zone(config, push.serial)
        self._beneath[config.id] = beneath
        zone.apply(push)
        return push

    def _settle(self, zone: Zone, names: Names) -> dict[bytes, RRsets]:
        """What really changes when the manifests say this of these names."""
        dynamic, beneath = self._overlay.names(zone.config.id), self._beneath[zone.config.id]
        changes = {}
        for name, static in names.items():
            sets = static
            if name in dynamic:
                beneath[name] = static
                sets = merged(static, dynamic[name])
            if sets != zone.names.get(name, ()):
                changes[name] = sets
        return changes

    def _static_names(self, zone: Zone) -> list[bytes]:
        beneath = self._beneath[zone.config.id]
        return [name for name in zone.names if name not in beneath or beneath[name]]

    def _static(self, zone: Zone, name: bytes) -> RRsets:
        beneath = self._beneath[zone.config.id]
        return beneath[name] if name in beneath else zone.names.get(name, ())

    def _change(self, zone_id: str, changes: Mapping[bytes, RRsets]) -> list[Push]:
        try:
            return self._keep(zone_id, changes)
        except OSError as error:
            raise EngineError(f"cannot save the dynamic records of {zone_id}: {error.strerror}") from error

    def _keep(self, zone_id: str, changes: Mapping[bytes, RRsets]) -> list[Push]:
        """Give names these dynamic record sets.  Raises OSError, with nothing changed."""
        zone = self._zones.get(zone_id)
        static = {name: self._static(zone, name) for name in changes} if zone is not None else {}
        self._overlay.change(zone_id, changes)
        if zone is None:
            return []
        beneath = self._beneath[zone_id]
        pushed = {}
        for name, dynamic in changes.items():
            if dynamic:
                beneath[name] = static[name]
            else:
                beneath.pop(name, None)
            sets = merged(static[name], dynamic)
            if sets != zone.names.get(name, ()):
                pushed[name] = sets
        if not pushed:
            return []
        push = self._push(zone, pushed)
        self._serials.save()
        return [push]

    def _push(self, zone: Zone, changes: dict[bytes, RRsets]) -> Push:
        push = Push(zone.config.id, self._serials.next(zone.config.id), changes)
        zone.apply(push)
        return push
