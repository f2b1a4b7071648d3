"""What is served of the zones: views with the clients that each is for, zones with their frame, record sets by name.

The DNS engine, the exports and the plans for public zones read the same values here that `zones.look` answers from, so
that a name is served as it was traced.  Questions; `zone` is the Key of a Zone object (`Zone.key`):

- `views(sight) -> tuple[View, ...]`: every view that a Zone or a View names, the most specific clients decide
- `zones(sight) -> tuple[Zone, ...]`: every Zone with a usable domain, sorted by domain and view
- `owners(sight, zone) -> frozenset[str]`: the names that the Zone itself has records for, not those of routes
- `settled(sight, zone, number) -> Mapping[str, tuple[Data, ...]]`: the names in one piece of the zone (`table`) on
  which nothing but the Zone has a say, with their data as `flattened` has it: 100,000 names are a few questions
- `unsettled(sight, zone) -> frozenset[str]`: the other `owners`
- `record_sets(sight, zone, name) -> tuple[Record, ...]`: what the zone has at this very name (wildcards are names),
  routes and external-dns included, without SOA, sorted by type; TTLs filled in; an ALIAS stays one
- `flattened(sight, zone, name, standing_in) -> tuple[Record, ...]`: the same, with addresses in place of an ALIAS whose
  target the zones of the view know; `standing_in` for a CDN, too
- `contents(sight, zone) -> dict[str, tuple[Record, ...]]`: all of it, names of routes included, sorted by name
- `secret(sight, key) -> Sensitive | None`: the secret of a TsigKey
- `problems(sight) -> tuple[Problem, ...]`: what keeps a zone or record from being served as it is written

Counterparts: `zones`, which looks one name up; `recorddata`, which judges values; `engines.dns`, which answers over the
network.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping

from msgspec import Struct, structs

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.base.sensitive import Sensitive
from gatewright.graph.names import recorddata, table
from gatewright.graph.names import zones as zonetables
from gatewright.graph.names.zones import OURS as OURS  # noqa: PLC0414  (for who reads zones here)
from gatewright.graph.names.zones import Frame, Kind
from gatewright.graph.network.spots import places
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import SecretIntent
from gatewright.kinds.intents.naming import RateLimit, Record, Secondary, TsigKey, UpdateGrant, ViewIntent, ZoneIntent
from gatewright.kinds.intents.places import INTERNET

EVERYBODY = ("0.0.0.0/0", "::/0")
PRIVATE = (
    "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "::1/128", "fc00::/7", "fe80::/10",
)  # fmt: skip
"""The clients of a private view that nobody describes (RFC 1918, 6598, 4193, and neighbours)."""

MAX_ALIASES = 8
GLUE = frozenset({"A", "AAAA"})
AT_CUT = GLUE | {"NS", "DS"}
SHOWN = 80
"""Characters of a name that a message shows."""
IGNORED = frozenset({"SOA"})
"""Types of records that are the server's own business."""


Data = tuple[str, int, tuple[str, ...]]
"""A record set without its name and origin: type, TTL in seconds, values."""


class View(Struct, frozen=True):
    """Who sees which zones.  `clients`: CIDRs, `listen`: addresses of ours; `origin` None: nobody described it.

    A view that nobody describes is for private addresses, and "public" for everybody else; of several private views
    without a description none is served (it could be shown to the wrong clients), which is a Problem.
    """

    name: str
    clients: tuple[str, ...]
    listen: tuple[str, ...] = ()
    client_subnet: bool = False
    keys: tuple[TsigKey, ...] = ()
    transfer_to: tuple[str, ...] = ()
    secondaries: tuple[Secondary, ...] = ()
    updates: tuple[UpdateGrant, ...] = ()
    rate_limit: RateLimit | None = RateLimit()
    origin: Origin | None = None


class Soa(Struct, frozen=True, gc=False):
    """The SOA without its serial, which is the server's (RFC 1035, 3.3.13): names without trailing dot, seconds."""

    primary: str
    mailbox: str
    refresh: int = 3600
    retry: int = 600
    expire: int = 1209600
    negative_ttl: int = 60


class Zone(Struct, frozen=True):
    """A zone without its records.  `id` is "domain/view", unique among the zones that are served."""

    key: Key
    origin: Origin
    domain: str
    view: str
    provider: str
    soa: Soa
    nameservers: tuple[str, ...]
    ttl: int = 300

    @property
    def id(self) -> str:
        return f"{self.domain}/{self.view}"

    @property
    def is_ours(self) -> bool:
        """Do we serve it, rather than somebody else?"""
        return self.provider == OURS


# --- views ----------------------------------------------------------------------------------------


def views(sight: Sight) -> tuple[View, ...]:
    """Every view that a Zone or a View names, sorted by name."""
    described = {view.key.name: view for view in sight.all("View", ViewIntent)}
    inside = sight.ask(_undescribed)
    found = []
    for name in sorted({*described, *(zone.view for zone in sight.all("Zone", ZoneIntent))}):
        intent = described.get(name)
        clients = _clients(sight, intent) if intent is not None else ()
        if not clients and (intent is None or not (intent.listen or intent.unusable)):
            clients = EVERYBODY if name == zonetables.PUBLIC_VIEW else PRIVATE if inside == (name,) else ()
        found.append(_view(name, intent, clients))
    return tuple(found)


def _view(name: str, intent: ViewIntent | None, clients: tuple[str, ...]) -> View:
    if intent is None:
        return View(name, clients)
    return View(
        name,
        clients,
        intent.listen,
        intent.client_subnet,
        intent.keys,
        intent.transfer_to,
        intent.secondaries,
        intent.updates,
        intent.rate_limit,
        intent.origin,
    )


def _undescribed(sight: Sight) -> tuple[str, ...]:
    """The private views of which nobody says for whom they are: those with zones of ours, else the others."""
    described = sight.all("View", ViewIntent)
    said = {view.key.name for view in described if view.clients or view.spots or view.listen or view.unusable}
    found = {zone.view: False for zone in sight.all("Zone", ZoneIntent)}
    found.update((zone.view, True) for zone in sight.all("Zone", ZoneIntent) if zone.provider == OURS)
    private = {view: ours for view, ours in found.items() if view not in said and view != zonetables.PUBLIC_VIEW}
    return tuple(sorted(view for view, ours in private.items() if ours or not any(private.values())))


def _clients(sight: Sight, view: ViewIntent) -> tuple[str, ...]:
    """The CIDRs of a view's clients, those of places included."""
    found = dict.fromkeys(view.clients)
    for spot in view.spots:
        for place in places(sight, spot):
            found.update(dict.fromkeys(cidrs_of(sight, place.kind, place.id)))
    return tuple(found)


def cidrs_of(sight: Sight, kind: str, id_: str) -> Iterator[str]:
    """Where clients in a place come from: pods that leave their cluster, from its nodes."""
    world = sight.ask(topology)
    if kind == "network":
        if id_ == INTERNET:
            yield from EVERYBODY
        elif id_ in world.networks:
            yield from map(str, world.networks[id_].cidrs)
    elif kind == "machine" and id_ in world.machines:
        yield from world.machines[id_].addresses
    elif kind == "cluster" and id_ in world.clusters:
        cluster = world.clusters[id_]
        yield from map(str, cluster.pod_cidrs)
        for machine in cluster.machines:
            yield from world.machines[machine].addresses


def secret(sight: Sight, key: TsigKey) -> Sensitive | None:
    """A question: the secret of a TsigKey; None when its Secret is not there or does not hold base64."""
    held = sight.get(key.secret, SecretIntent)
    text = held.get(key.entry) if held is not None else None
    try:
        return Sensitive(base64.b64decode(text.strip(), validate=True)) if text else None
    except binascii.Error:
        return None


# --- zones ----------------------------------------------------------------------------------------


def zones(sight: Sight) -> tuple[Zone, ...]:
    """Every Zone with a usable domain, the first of those with one domain in one view."""
    found = {}
    for intent in sight.all("Zone", ZoneIntent):
        if (intent.domain, intent.view) not in found and not recorddata.name_fault(intent.domain):
            found[intent.domain, intent.view] = sight.ask(_zone, intent.key)
    return tuple(zone for _, zone in sorted(found.items()) if zone is not None)


def _zone(sight: Sight, key: Key) -> Zone | None:
    intent = sight.get(key, ZoneIntent)
    if intent is None:
        return None
    servers = sight.ask(_nameservers, key)
    soa = Soa(servers[0], f"hostmaster.{intent.domain}", negative_ttl=intent.negative_ttl)
    return Zone(key, intent.origin, intent.domain, intent.view, intent.provider, soa, servers, intent.ttl)


def _nameservers(sight: Sight, key: Key) -> tuple[str, ...]:
    """Who serves a zone: as it says, as its records say, "ns" of the domain where that has an address."""
    intent = sight.get(key, ZoneIntent)
    frame = sight.ask(zonetables.frame_of, key)
    if intent is None or frame is None:
        return ()
    if intent.nameservers:
        return intent.nameservers
    written = (zonetables.records_at(sight, frame, frame.domain) or {}).get("NS")
    if written is not None:
        return written.values
    name = f"ns.{frame.domain}"
    node = zonetables.records_at(sight, frame, name) or {}
    return ("localhost",) if GLUE.isdisjoint(node) else (name,)


# --- records --------------------------------------------------------------------------------------


def owners(sight: Sight, zone: Key) -> frozenset[str]:
    """A question: the names that a zone has records for by itself, the domain's own always among them."""
    frame = sight.ask(zonetables.frame_of, zone)
    if frame is None:
        return frozenset()
    found = {
        name
        for number in range(table.PIECES)
        for name, node in sight.ask(zonetables.piece, zone, number).items()
        if node
    }
    wanted = sight.values("announces") if frame.external_dns else ()
    suffix = f".{frame.domain}"
    found.update(name for name in map(str, wanted) if name.endswith(suffix))
    return frozenset({frame.domain, *found})


def settled(sight: Sight, zone: Key, number: int) -> Mapping[str, tuple[Data, ...]]:
    """A question: the names in one piece that have their records from the Zone alone, with their data by type.

    It comes out equal wherever records only moved to other lines.
    """
    frame = sight.ask(zonetables.frame_of, zone)
    described = sight.ask(_zone, zone)
    if frame is None or described is None:
        return {}
    found = {}
    for name, node in sight.ask(zonetables.piece, zone, number).items():
        if node and _is_settled(frame, name, node):
            data = tuple(_data(frame, name, node, described.ttl))
            if data:
                found[name] = data
    return found


def _is_settled(frame: Frame, name: str, node: table.Node) -> bool:
    """Would neither a route nor external-dns add to a name, nor another zone have the address that it leads to?"""
    if name == frame.domain or "ALIAS" in node:
        return False
    return not frame.follows_routes or not zonetables.LEADING.isdisjoint(node)


def _data(frame: Frame, name: str, node: table.Node, ttl: int) -> Iterator[Data]:
    for kind, record in sorted(table.uncrowded(node).items()) if len(node) > 1 else node.items():
        usable = _usable(record)[0] if _is_possible(frame, name, kind) else None
        if usable is not None:
            yield kind, usable.ttl or ttl, usable.values


def unsettled(sight: Sight, zone: Key) -> frozenset[str]:
    """A question: the names that a zone has records for by itself and `settled` leaves out, the domain's own among
    them."""
    frame = sight.ask(zonetables.frame_of, zone)
    if frame is None:
        return frozenset()
    found = {frame.domain}
    certain = [sight.ask(settled, zone, number) for number in range(table.PIECES)]
    for number, names in enumerate(certain):
        written = sight.ask(zonetables.piece, zone, number)
        found.update(name for name in written.keys() - names.keys() if written[name])
    suffix = f".{frame.domain}"
    wanted = map(str, sight.values("announces")) if frame.external_dns else ()
    found.update(name for name in wanted if name.endswith(suffix) and name not in certain[table.piece_of(name)])
    return frozenset(found)


def record_sets(sight: Sight, zone: Key, name: str) -> tuple[Record, ...]:
    """A question: what a zone has at this very name."""
    frame = sight.ask(zonetables.frame_of, zone)
    described = sight.ask(_zone, zone)
    if frame is None or described is None:
        return ()
    node = zonetables.records_at(sight, frame, name) or {}
    usable = (_usable(record)[0] for kind, record in node.items() if _is_possible(frame, name, kind))
    found = {record.type: _with_ttl(record, described.ttl) for record in usable if record is not None}
    if name == frame.domain:
        written = found.get("NS")
        origin = written.origin if written is not None else frame.origin
        found["NS"] = Record(name, "NS", described.nameservers, origin, written.ttl if written else described.ttl)
        if "CNAME" in found:  # which is flattened there
            alias = found.pop("CNAME")
            found["ALIAS"] = Record(name, "ALIAS", alias.values, alias.origin, alias.ttl, alias.proxied)
    return tuple(record for _, record in sorted(found.items()))


def _with_ttl(record: Record, ttl: int) -> Record:
    return Record(record.name, record.type, record.values, record.origin, record.ttl or ttl, record.proxied)


def _is_possible(frame: Frame, name: str, kind: str) -> bool:
    """Can a zone have such a record there?  Below a delegation it has only addresses of name servers."""
    cut = zonetables.cut_of(frame, name)
    if cut is None:
        return kind not in IGNORED
    return kind in (AT_CUT if cut.name == name else GLUE)


def _usable(record: Record) -> tuple[Record | None, Problem | None]:
    """What of a record set can be served, and what is wrong with it."""
    fault = recorddata.name_fault(record.name)
    values = record.values
    if not fault and record.type in recorddata.ADDRESSES:  # most are
        return record, None
    if not fault and record.type == "DNAME":
        fault = "a DNAME is not answered; list the names below it"
    elif not fault and record.type == "CNAME" and len(values) > 1:
        fault = "a CNAME has one value"
    elif not fault:
        faults = [(value, recorddata.value_fault(record.type, value)) for value in values]
        fault = next((text for _, text in faults if text), "")
        values = tuple(value for value, text in faults if not text) if record.type != "CNAME" else ()
    if not fault:
        return record, None
    name = record.name if len(record.name) <= SHOWN else f"{record.name[:SHOWN]}..."
    message = f"{name} {record.type} is not served as it is written: {fault}"
    problem = Problem("record-not-served", message, record.origin, Severity.ERROR, "correct the record, or remove it")
    usable = values and record.type not in ("CNAME", "DNAME") and not recorddata.name_fault(record.name)
    return (structs.replace(record, values=values) if usable else None), problem


def contents(sight: Sight, zone: Key) -> dict[str, tuple[Record, ...]]:
    """All names of a zone with what it has there."""
    frame = sight.ask(zonetables.frame_of, zone)
    if frame is None:
        return {}
    names = set(sight.ask(owners, zone))
    if frame.follows_routes:
        suffix = f".{frame.domain}"
        names.update(name for name in sight.names() if name.endswith(suffix))
    found = ((name, record_sets(sight, zone, name)) for name in sorted(names))
    return {name: records for name, records in found if records}


def flattened(sight: Sight, zone: Key, name: str, standing_in: bool) -> tuple[Record, ...]:
    """A question: the same, with addresses in place of an ALIAS where the zones of the view know its target.

    Where that leaves nothing at a name, an A record set without values says that the name exists.
    """
    records = record_sets(sight, zone, name)
    alias = next((record for record in records if record.type == "ALIAS"), None)
    frame = sight.ask(zonetables.frame_of, zone)
    if alias is None or frame is None:
        return records
    found = {record.type: record for record in records}
    is_known = True
    for kind in sorted(GLUE - found.keys()):
        values = _addresses(sight, frame.view, alias.values[0], kind, standing_in=standing_in)
        if values:
            found[kind] = Record(name, kind, values, alias.origin, alias.ttl)
        is_known = is_known and values is not None
    if is_known:
        del found["ALIAS"]
    if not found:
        return (Record(name, "A", (), alias.origin, alias.ttl),)
    return tuple(record for _, record in sorted(found.items()))


def _addresses(sight: Sight, view: str, name: str, kind: str, *, standing_in: bool) -> tuple[str, ...] | None:
    """The addresses of a name as far as the zones of a view know them; None when others have the say."""
    for _ in range(MAX_ALIASES):
        key = zonetables.zone_of(sight, view, name)
        if key is None:
            return None
        found = zonetables.look(sight, key, name, kind)
        records = {record.type: record for record in found.records}
        if found.kind is Kind.DELEGATED or (found.kind is Kind.PROXIED and not standing_in):
            return None
        if kind in records:
            return records[kind].values
        target = records.get("CNAME") or records.get("ALIAS")
        if target is None:
            return ()
        name = target.values[0]
    return ()


# --- what is wrong --------------------------------------------------------------------------------


def problems(sight: Sight) -> tuple[Problem, ...]:
    """What keeps a zone or record from being served as it is written."""
    found: dict[Problem, None] = {}
    for intent in sight.all("Zone", ZoneIntent):
        for number in range(table.PIECES):
            found.update(dict.fromkeys(sight.ask(_faults, intent.key, number)))
    unsaid = sight.ask(_undescribed)
    for intent in sight.all("Zone", ZoneIntent) if len(unsaid) > 1 else ():
        if intent.view in unsaid and intent.provider == OURS:
            others = ", ".join(view for view in unsaid if view != intent.view)
            message = f"{intent.key} is served to nobody: who sees the view {intent.view}, and who {others}?"
            hint = f"describe it: kind View, name {intent.view}, with its clients"
            found[Problem("view-undescribed", message, intent.origin, Severity.ERROR, hint)] = None
    for view in sight.all("View", ViewIntent):
        for key in view.keys:
            if sight.ask(secret, key) is None:
                message = f"the TSIG key {key.name} cannot be used: {key.secret} has no base64 under {key.entry!r}"
                hint = "add the Secret, with the key in base64"
                found[Problem("tsig-secret-missing", message, key.origin, Severity.WARNING, hint)] = None
    return tuple(found)


def _faults(sight: Sight, zone: Key, number: int) -> tuple[Problem, ...]:
    """What is wrong with the records in one piece of a zone."""
    frame = sight.ask(zonetables.frame_of, zone)
    if frame is None:
        return ()
    found: list[Problem] = []
    for name, written in sight.ask(zonetables.piece, zone, number).items():
        node = written if name == frame.domain else table.uncrowded(written)
        for kind, record in written.items():
            if kind not in node:
                found.append(_crowded(record, next(iter(node))))
            elif kind not in IGNORED:
                problem = _usable(record)[1]
                found += () if problem is None else (problem,)
    return tuple(found)


def _crowded(record: Record, kept: str) -> Problem:
    message = (
        f"{record.name} {record.type} is not served: beside a CNAME there is nothing, and the {kept} goes before it"
    )
    return Problem("record-not-served", message, record.origin, Severity.ERROR, "keep one of the two")
