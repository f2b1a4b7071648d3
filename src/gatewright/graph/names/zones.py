"""What the zones of a view say of a name: static records, zone files, DNSEndpoints, what external-dns would write, and
the names of routes in zones that have gateways.

A zone's records are a table that is built once and handed out in pieces, so that a look-up costs a dictionary access
per label, and a change of one record concerns only the names in its piece.  Wildcards follow RFC 4592: they cover any
number of labels, but no name that exists, and none below one that exists.  Counterparts: `resolvers`, which chases
CNAMEs and says who asks; `serving`, which lists what is looked up here.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain

from msgspec import Struct, structs

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.graph.names import announced, routed, table
from gatewright.graph.names.table import NOTHING, PIECES, Node, piece_of
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import Record, RecordsIntent, ResolverFileIntent, ResolverIntent, ZoneIntent

PUBLIC_VIEW = "public"
OURS = "gatewright"
"""The provider of the zones that `gatewright run` serves in earnest."""
LEADING = frozenset({"A", "AAAA", "CNAME", "ALIAS"})
"""The types of records that lead a client somewhere."""


class Kind(enum.StrEnum):
    """What a zone answers.  ALIAS: the provider looks the target up itself; PROXIED: a CDN answers for it."""

    RECORDS = "records"
    CNAME = "cname"
    ALIAS = "alias"
    PROXIED = "proxied"
    DELEGATED = "delegated"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"


class Found(Struct, frozen=True):
    """What a zone says of a name.  `owner`: whose records these are, perhaps a wildcard's; `origin` what decided it."""

    kind: Kind
    zone: Key
    owner: str
    origin: Origin
    records: tuple[Record, ...] = ()


class Frame(Struct, frozen=True):
    """A zone without its records.  `cuts`: the names in it from which on others have the say; `label` for sentences.

    `gateways`: names of routes lead to these.
    """

    key: Key
    origin: Origin
    domain: str
    label: str
    provider: str
    external_dns: bool
    proxied_default: bool
    cuts: Mapping[str, Record]
    view: str
    gateways: tuple[str, ...]

    @property
    def follows_routes(self) -> bool:
        """Are there names in it that come and go with routes?"""
        return self.external_dns or bool(self.gateways)


def lookup(sight: Sight, view: str, name: str, type: str) -> Found | None:
    """What the most specific zone of a view says; None when no zone of it knows the name."""
    key = zone_of(sight, view, name)
    return None if key is None else look(sight, key, name, type)


def zone_of(sight: Sight, view: str, name: str) -> Key | None:
    """The zone of a view with the longest domain that the name is in."""
    domains = sight.ask(_domains, view)
    if not domains:
        return None
    while name:
        found = domains.get(name)
        if found is not None:
            return found
        name = name.partition(".")[2]
    return None


def look(sight: Sight, key: Key, name: str, type: str) -> Found:
    """What one zone, that the name is in, says."""
    frame = sight.ask(frame_of, key)
    assert frame is not None
    cut = cut_of(frame, name)
    if cut is not None:
        return Found(Kind.DELEGATED, key, cut.name, cut.origin, (cut,))
    owner, node = table.owner(lambda at: _node(sight, frame, at), frame.domain, name)
    if node is None:
        return Found(Kind.NXDOMAIN, key, name, frame.origin)
    return _answer(frame, owner, node, type)


def _answer(frame: Frame, owner: str, node: Node, type: str) -> Found:
    if type in ("A", "AAAA"):
        leading = tuple(record for kind, record in node.items() if kind in LEADING)
        if any(record.proxied for record in leading) and frame.provider != OURS:
            return Found(Kind.PROXIED, frame.key, owner, leading[0].origin, leading)
    record = node.get(type)
    if record is not None:
        return Found(Kind.RECORDS, frame.key, owner, record.origin, (record,))
    record = node.get("CNAME")
    if record is not None:
        # No zone may have a CNAME at its apex: who accepts one there flattens it.
        kind = Kind.ALIAS if owner == frame.domain else Kind.CNAME
        return Found(kind, frame.key, owner, record.origin, (record,))
    record = node.get("ALIAS")
    if record is not None and type in ("A", "AAAA"):
        return Found(Kind.ALIAS, frame.key, owner, record.origin, (record,))
    origin = next((record.origin for record in node.values()), frame.origin)
    return Found(Kind.NODATA, frame.key, owner, origin)


def cut_of(frame: Frame, name: str) -> Record | None:
    """The delegation that a name is at or below."""
    if frame.cuts:
        while name and name != frame.domain:
            found = frame.cuts.get(name)
            if found is not None:
                return found
            name = name.partition(".")[2]
    return None


def _node(sight: Sight, frame: Frame, name: str) -> Node | None:
    """The records of this very name; None when it does not exist."""
    if frame.follows_routes:
        return sight.ask(_completed, frame.key, name)
    return _written(sight, frame, name)


def _written(sight: Sight, frame: Frame, name: str) -> Node | None:
    """What the zone itself has, without what cannot stand beside a CNAME."""
    node = sight.ask(piece, frame.key, piece_of(name)).get(name)
    return node if node is None or name == frame.domain else table.uncrowded(node)


def _completed(sight: Sight, key: Key, name: str) -> Node | None:
    """The same, with what routes add; a name also exists by the names of routes below it."""
    frame = sight.ask(frame_of, key)
    if frame is None:
        return None
    node = records_at(sight, frame, name)
    if node is None and name != frame.domain and not name.startswith("*.") and sight.ask(_is_above, key, name):
        return NOTHING
    return node


def records_at(sight: Sight, frame: Frame, name: str) -> Node | None:
    """The record sets of this very name (empty: there are only names below it), None for none.

    What routes want counts where nobody else has written: first external-dns, then the zone's gateways.
    """
    node = _written(sight, frame, name)
    if not frame.follows_routes or (node and not LEADING.isdisjoint(node)) or _is_others(sight, frame, name):
        return node
    merged = dict(node or NOTHING)
    apex = name == frame.domain
    if frame.external_dns:
        for announcement in announced.announcements(sight, name):
            for record in announcement.records(name, proxied_default=frame.proxied_default, apex=apex):
                table.put(merged, record)
    if frame.gateways and LEADING.isdisjoint(merged):
        public = frame.view == PUBLIC_VIEW
        for record in routed.records(sight, frame.gateways, name, public=public, alias=apex or bool(merged)):
            merged[record.type] = record
    if not merged:
        return node
    return merged if apex else table.uncrowded(merged)


def _is_others(sight: Sight, frame: Frame, name: str) -> bool:
    """Have others the say: at or below a delegation, or in a zone of the view with a longer domain?"""
    return cut_of(frame, name) is not None or zone_of(sight, frame.view, name) != frame.key


def _is_above(sight: Sight, key: Key, domain: str) -> bool:
    """Is there a name of a route below this domain?"""
    frame = sight.ask(frame_of, key)
    wanted = announced.names_below(sight, domain) if frame is not None and frame.external_dns else ()
    return any(sight.ask(_completed, key, name) for name in chain(sight.names_below(domain), wanted))


# --- tables ---


def _domains(sight: Sight, view: str) -> Mapping[str, Key]:
    """The zones of a view by domain; of several with one domain the first."""
    found: dict[str, Key] = {}
    for zone in sight.all("Zone", ZoneIntent):
        if zone.view == view:
            found.setdefault(zone.domain, zone.key)
    return found


def frame_of(sight: Sight, key: Key) -> Frame | None:
    """A zone without its records."""
    zone = sight.get(key, ZoneIntent)
    if zone is None:
        return None
    cuts = sight.ask(_table, key)[PIECES]
    where = "" if zone.view == PUBLIC_VIEW else f" ({zone.view})"
    label = f"{zone.provider} zone {zone.domain}{where}".strip()
    return Frame(
        key,
        zone.origin,
        zone.domain,
        label,
        zone.provider,
        zone.external_dns,
        zone.proxied_default,
        _only_records(cuts),
        zone.view,
        zone.gateways,
    )


def _only_records(cuts: Mapping[str, Node]) -> dict[str, Record]:
    return {name: node["NS"] for name, node in cuts.items()}


def piece(sight: Sight, key: Key, number: int) -> Mapping[str, Node]:
    """A question: one piece of all that is written in a zone, also of what cannot stand together."""
    return sight.ask(_table, key)[number]


def pieces(sight: Sight, key: Key) -> tuple[Mapping[str, Node], ...]:
    """All of it."""
    return sight.ask(_table, key)[:PIECES]


def _table(sight: Sight, key: Key) -> tuple[Mapping[str, Node], ...]:
    """All names of a zone in pieces; the last piece holds its delegations."""
    zone = sight.get(key, ZoneIntent)
    if zone is None:
        return (*table.in_pieces({}), {})
    names = table.nodes(_records(sight, zone), zone.domain)
    cuts = {name: node for name, node in names.items() if "NS" in node and name != zone.domain}
    return (*table.in_pieces(names), cuts)


def _records(sight: Sight, zone: ZoneIntent) -> Iterable[Record]:
    """Everything that is written in a zone; what external-dns finds in Services only where nobody else wrote."""
    yield from zone.records
    if zone.file is not None:
        file = sight.get(zone.file, ResolverFileIntent)
        if file is not None:
            yield from file.config.records
    if zone.external_dns:
        taken = {record.name for record in zone.records if record.type in LEADING}
        for endpoint in sight.all("DNSEndpoint", RecordsIntent):
            for record in endpoint.records:
                if record.name not in taken:
                    proxied = zone.proxied_default if record.default_proxy else record.proxied
                    yield structs.replace(record, proxied=proxied, default_proxy=False)
        for name, claims in sight.ask(announced.claimed_names).items():
            if name not in taken:
                for claim in claims:
                    yield from claim.records(name, proxied_default=zone.proxied_default, apex=name == zone.domain)


# --- of all zones ---


def names(sight: Sight) -> frozenset[str]:
    """Every name (also a wildcard) that a zone or an override of a resolver leads somewhere; not those of routes."""
    from gatewright.graph.names import servers

    found: set[str] = set()
    for zone in sight.all("Zone", ZoneIntent):
        for names_of in pieces(sight, zone.key):
            found.update(name for name, node in names_of.items() if not LEADING.isdisjoint(node))
    for resolver in sight.all("Resolver", ResolverIntent):
        found |= sight.ask(servers.overridden, resolver.key)
    return frozenset(found)


def conflicts(sight: Sight) -> tuple[Problem, ...]:
    """Zones of one domain in one view: only the first of them answers."""
    claims: dict[tuple[str, str], list[ZoneIntent]] = defaultdict(list)
    for zone in sight.all("Zone", ZoneIntent):
        claims[zone.domain, zone.view].append(zone)
    found = []
    for (domain, view), (first, *others) in sorted(claims.items()):
        for other in others:
            message = f"{other.key} is zone {domain} of the view {view}, which {first.key} is already"
            hint = "put the records into one of them, or give one another view"
            found.append(Problem("zone-twice", message, other.origin, Severity.WARNING, hint))
    return tuple(found)
