"""Zones and views of the graph as what the server serves, kept current name by name.

A Planner asks `graph.names.serving` and is told which answers a change concerns, so that one change costs one name: it
asks for each name on which routes, external-dns or other zones have a say, and for the others piece by piece, since a
zone may have 100,000 of them.  It is pure: nothing is sent or looked up here.  Where `local` says that a described
address or hostname is somewhere else on this machine, names lead there.  Counterparts: `configs` (zones and views
without their names), `encoding` (records on the wire), `aliases` (looks up what only others know), `server` (makes it
so).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Protocol

from msgspec import Struct

from gatewright.base import collector
from gatewright.base.problem import Problem
from gatewright.engines.dns import configs
from gatewright.engines.dns.content import Names, Plan, RRset, RRsets, ViewConfig, ZoneConfig
from gatewright.engines.dns.encoding import rrset, wire_name
from gatewright.graph.analysis import Analysis
from gatewright.graph.memo import Asked
from gatewright.graph.names import serving
from gatewright.graph.names.serving import Data
from gatewright.graph.names.table import PIECES, piece_of
from gatewright.graph.nodes import Change
from gatewright.kinds.identity import Key

Addresses = tuple[str, ...]
Spot = tuple[Key, str]
"""A name in a zone: the Zone's Key, and the name."""

FAMILIES = ("A", "AAAA")
LEADING = ("A", "AAAA", "CNAME")
SHARED = 4096
"""How many record sets are remembered so that names with equal ones share them."""


class Changed(Protocol):
    """A State of the pipeline, as far as it matters here."""

    @property
    def change(self) -> Change: ...
    @property
    def concerned(self) -> frozenset[Asked]: ...


class _Held(Struct):
    """A zone that is served.  `pieces`: the names that are settled by the Zone alone; `own`: its other names; `names`:
    all that are asked for one by one; `served`: what all that have records have."""

    zone: serving.Zone
    pieces: list[Mapping[str, tuple[Data, ...]]]
    own: frozenset[str]
    names: set[str]
    served: dict[str, RRsets]

    def settled(self, name: str) -> tuple[Data, ...]:
        """What a name has by the Zone alone, nothing when that is not settled."""
        return self.pieces[piece_of(name)].get(name, ())


class _Pending:
    """The names that a plan may have to tell of, by zone, with what they had before."""

    def __init__(self) -> None:
        self._before: defaultdict[str, dict[str, RRsets]] = defaultdict(dict)

    def put(self, held: _Held, name: str, sets: RRsets) -> None:
        """These are the record sets of a name from now on."""
        before = held.served.get(name, ())
        if sets == before:
            return
        self._before[held.zone.id].setdefault(name, before)
        if sets:
            held.served[name] = sets
        else:
            del held.served[name]

    def changes(self, zones: Iterable[_Held]) -> dict[str, Names]:
        """What differs after all."""
        found: dict[str, Names] = {}
        for held in zones:
            before = self._before.get(held.zone.id, {})
            now = ((name, held.served.get(name, ())) for name in before)
            changed = {wire_name(name): sets for name, sets in now if sets != before[name]}
            if changed:
                found[held.zone.id] = changed
        return found


class Planner:
    """The plan of what to serve.  `every_zone`: also those of other providers, for whom we stand in.

    `local`: where a described address or hostname is on this machine; what is not in it leads where it is described to.
    """

    def __init__(self, analysis: Analysis, *, every_zone: bool, local: Mapping[str, Addresses]) -> None:
        self._analysis = analysis
        self._every = every_zone
        self._local = dict(local)
        self._held: dict[Key, _Held] = {}
        self._views: tuple[ViewConfig, ...] = ()
        self._zones: tuple[ZoneConfig, ...] = ()
        self._targets: dict[Spot, str] = {}
        self._aliases: dict[str, set[Spot]] = {}
        self._resolved: dict[str, Addresses] = {}
        self._shared: dict[tuple[str, int, Addresses], RRset] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is not served as it is written."""
        self._analysis.keep(serving.problems)
        return self._analysis.answer(serving.problems)

    @property
    def aliases(self) -> Mapping[str, Collection[Spot]]:
        """The names whose addresses only others know, with the names in zones that stand for each."""
        return self._aliases

    def known(self, target: str) -> Addresses:
        """The addresses that one of them was last resolved to."""
        return self._resolved.get(target, ())

    def whole(self) -> Plan:
        """Everything, from now on kept current by `changed`."""
        with collector.paused():
            for key in list(self._held):
                self._release(key, _Pending())
            self._configure(_Pending())
        changes = {
            held.zone.id: {wire_name(name): sets for name, sets in held.served.items()} for held in self._held.values()
        }
        return Plan(self._views, self._zones, changes, whole=True)

    def changed(self, state: Changed) -> Plan | None:
        """What a new State of the model changes; None for nothing.  Call it with every State, in order."""
        pending = _Pending()
        before = self._views, self._zones
        if any(question in configs.QUESTIONS for question, _ in state.concerned):
            self._configure(pending)
        for key, number in _asked(state, serving.settled):
            if key in self._held:
                self._follow_piece(self._held[key], number, pending)
        for args in _asked(state, serving.unsettled):
            self._follow_own(args[0], pending)
        for name in {key.hostname for key in state.change.virtual_hosts}:
            self._follow_route(name, pending)
        for key, name, *_ in _asked(state, serving.flattened):
            held = self._held.get(key)
            if held is not None and name in held.names:
                self._refresh(held, name, pending)
        self._analysis.sweep()
        return self._plan(pending, changed=before != (self._views, self._zones))

    def relocated(self, local: Mapping[str, Addresses]) -> Plan | None:
        """The same, for other places of described addresses on this machine."""
        moved = {name for name in {*self._local, *local} if self._local.get(name) != local.get(name)}
        self._local = dict(local)
        pending = _Pending()
        for key, held in self._held.items() if moved else ():
            for name in held.names:
                if any(not moved.isdisjoint(values) for _, _, values in self._asked_data(key, name)):
                    self._refresh(held, name, pending)
            for name, data in chain.from_iterable(piece.items() for piece in held.pieces):
                if name not in held.names and any(not moved.isdisjoint(values) for _, _, values in data):
                    pending.put(held, name, self._encoded(data))
        return self._plan(pending)

    def resolved(self, target: str, addresses: Addresses) -> Plan | None:
        """The same, for the addresses that others have for one of the `aliases`."""
        pending = _Pending()
        if self._resolved.get(target, ()) != addresses:
            self._resolved[target] = addresses
            for key, name in sorted(self._aliases.get(target, ())):
                self._refresh(self._held[key], name, pending)
        return self._plan(pending)

    def _plan(self, pending: _Pending, *, changed: bool = False) -> Plan | None:
        changes = pending.changes(self._held.values())
        return Plan(self._views, self._zones, changes) if changes or changed else None

    # --- zones ---

    def _configure(self, pending: _Pending) -> None:
        """Take in the views and zones as they are now."""
        for question in (serving.zones, serving.views):
            self._analysis.keep(question)
        zones = {z.key: z for z in self._analysis.answer(serving.zones) if self._every or z.is_ours}
        for key, held in list(self._held.items()):
            if key not in zones or zones[key].id != held.zone.id:
                self._release(key, pending)
        for key, zone in zones.items():
            if key in self._held:
                self._held[key].zone = zone
            else:
                self._load(zone, pending)
        self._zones = tuple(configs.zone(zone) for zone in zones.values())
        views = self._analysis.answer(serving.views)
        seen = {zone.view for zone in zones.values()}
        self._views = tuple(configs.view(self._analysis, view) for view in views if view.name in seen or view.origin)

    def _load(self, zone: serving.Zone, pending: _Pending) -> None:
        for number in range(PIECES):
            self._analysis.keep(serving.settled, zone.key, number)
        self._analysis.keep(serving.unsettled, zone.key)
        pieces = [self._analysis.answer(serving.settled, zone.key, number) for number in range(PIECES)]
        own = self._analysis.answer(serving.unsettled, zone.key)
        held = self._held[zone.key] = _Held(zone, pieces, own, set(), {})
        for name, data in chain.from_iterable(piece.items() for piece in pieces):
            pending.put(held, name, self._encoded(data))
        for name in {*own, *self._routed(zone.domain)}:
            if not held.settled(name):
                self._take(held, name, pending)

    def _routed(self, domain: str) -> Iterable[str]:
        """The names of routes below a domain."""
        if "." in domain:
            return self._analysis.names_below(domain)
        return [name for name in self._analysis.names if name.endswith(f".{domain}")]

    def _release(self, key: Key, pending: _Pending) -> None:
        """A Zone that is served no more; another one may have taken its place."""
        held = self._held.pop(key)
        for number in range(PIECES):
            self._analysis.drop(serving.settled, key, number)
        self._analysis.drop(serving.unsettled, key)
        for name in list(held.names):
            self._let_go(held, name, pending)
        for name in list(held.served):
            pending.put(held, name, ())

    # --- names ---

    def _follow_piece(self, held: _Held, number: int, pending: _Pending) -> None:
        """Names that are settled by the Zone alone have come, gone, or have other records."""
        before = held.pieces[number]
        now = held.pieces[number] = self._analysis.answer(serving.settled, held.zone.key, number)
        for name in before.keys() - now.keys() - held.names if now is not before else ():
            if any(self._analysis.serving(name)):
                self._take(held, name, pending)
            else:
                pending.put(held, name, ())
        for name, data in now.items() if now is not before else ():
            if before.get(name) != data and name not in held.names:
                pending.put(held, name, self._encoded(data))

    def _follow_own(self, key: Key, pending: _Pending) -> None:
        """Other names of the Zone itself have come or gone."""
        held = self._held.get(key)
        if held is None:
            return
        before, held.own = held.own, self._analysis.answer(serving.unsettled, key)
        for name in held.own - held.names:
            self._take(held, name, pending)
        for name in before - held.own:
            if held.settled(name) or not any(self._analysis.serving(name)):
                self._let_go(held, name, pending)

    def _follow_route(self, name: str, pending: _Pending) -> None:
        """A name of routes may have come or gone."""
        there = any(self._analysis.serving(name))
        for held in self._zones_of(name):
            if there and name not in held.names and not held.settled(name):
                self._take(held, name, pending)
            elif not there and name in held.names and name not in held.own:
                self._let_go(held, name, pending)

    def _zones_of(self, name: str) -> Iterator[_Held]:
        for held in self._held.values():
            if name.endswith(held.zone.domain) and name.endswith(f".{held.zone.domain}"):
                yield held

    def _take(self, held: _Held, name: str, pending: _Pending) -> None:
        held.names.add(name)
        self._analysis.keep(serving.flattened, held.zone.key, name, self._every)
        self._refresh(held, name, pending)

    def _let_go(self, held: _Held, name: str, pending: _Pending) -> None:
        held.names.discard(name)
        self._analysis.drop(serving.flattened, held.zone.key, name, self._every)
        self._stand_for((held.zone.key, name), "")
        pending.put(held, name, self._encoded(held.settled(name)))

    def _asked_data(self, key: Key, name: str) -> tuple[Data, ...]:
        records = self._analysis.answer(serving.flattened, key, name, self._every)
        return tuple((record.type, record.ttl, record.values) for record in records)

    def _refresh(self, held: _Held, name: str, pending: _Pending) -> None:
        """Ask for a name again."""
        data = self._asked_data(held.zone.key, name)
        target = next((values[0] for kind, _, values in data if kind == "ALIAS"), "")
        self._stand_for((held.zone.key, name), "" if target in self._local else target)
        pending.put(held, name, self._encoded(data))

    def _stand_for(self, spot: Spot, target: str) -> None:
        """Note what a name stands for whose addresses others have; "" for nothing."""
        before = self._targets.pop(spot, "")
        if target:
            self._targets[spot] = target
            self._aliases.setdefault(target, set()).add(spot)
        if before and before != target:
            spots = self._aliases[before]
            spots.discard(spot)
            if not spots:
                del self._aliases[before]
                self._resolved.pop(before, None)

    # --- records ---

    def _encoded(self, data: tuple[Data, ...]) -> RRsets:
        """The record sets of one name on the wire, sorted by type."""
        sets: dict[str, tuple[int, Addresses]] = {kind: (ttl, values) for kind, ttl, values in data}
        alias = sets.pop("ALIAS", None)
        if alias is not None:
            target = alias[1][0]
            found = self._local.get(target, ()) or self._resolved.get(target, ())
            for kind in FAMILIES:
                sets.setdefault(kind, (alias[0], _of(kind, found)))
        if self._local and any(value in self._local for _, value in _leading(data)):
            self._relocate(data, sets)
        made = [self._set(kind, *said) for kind, said in sets.items() if said[1]]
        if sets and not made:
            # Where an ALIAS leads to nothing there are no records, but a name: no wildcard answers for it.
            made = [self._set("A", next(iter(sets.values()))[0], ())]
        return tuple(sorted(made, key=_type) if len(made) > 1 else made)

    def _relocate(self, data: tuple[Data, ...], sets: dict[str, tuple[int, Addresses]]) -> None:
        """Replace addresses and hostnames that are somewhere else on this machine by where they are."""
        moved = [address for _, value in _leading(data) for address in self._local.get(value, ())]
        ttl = next(ttl for ttl, _ in _leading(data))
        if "CNAME" in sets and sets["CNAME"][1][0] in self._local:
            del sets["CNAME"]
        for kind in FAMILIES:
            said = sets.get(kind, (ttl, ()))
            kept = tuple(value for value in said[1] if value not in self._local)
            sets[kind] = (said[0], (*kept, *_of(kind, moved)))

    def _set(self, kind: str, ttl: int, values: Addresses) -> RRset:
        known = self._shared.get((kind, ttl, values))
        if known is None:
            if len(self._shared) >= SHARED:
                self._shared.clear()
            known = self._shared[kind, ttl, values] = rrset(kind, ttl, values)
        return known


def _asked(state: Changed, question: object) -> Iterator[tuple[Any, ...]]:
    """The arguments with which a question was asked that a State concerns."""
    return (args for asked, args in state.concerned if asked is question)


def _of(kind: str, addresses: Iterable[str]) -> Addresses:
    """The addresses of one family."""
    return tuple(dict.fromkeys(address for address in addresses if (":" in address) == (kind == "AAAA")))


def _leading(data: tuple[Data, ...]) -> Iterator[tuple[int, str]]:
    """Each value that leads a client somewhere, with its TTL."""
    return ((ttl, value) for kind, ttl, values in data if kind in LEADING for value in values)


def _type(found: RRset) -> int:
    return found.type
