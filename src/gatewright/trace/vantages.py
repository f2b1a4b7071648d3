"""Where a request starts: the vantage resolved against the map, once for all the requests that start there."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, structs

from gatewright.base.origin import Origin
from gatewright.graph.names import servers, upstreams
from gatewright.graph.names.servers import Server, ServerKind
from gatewright.graph.names.upstreams import ANYCAST
from gatewright.graph.network import cidrs, spots
from gatewright.graph.network.nodes import Place, Way
from gatewright.graph.network.stays import only, stays
from gatewright.graph.network.twice import ends_elsewhere
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.kinds.intents.naming import ResolverIntent
from gatewright.kinds.intents.places import INTERNET
from gatewright.trace import passages, trust
from gatewright.trace.hops import Hop, HopKind
from gatewright.trace.passages import Passage
from gatewright.trace.request import is_address
from gatewright.trace.trust import BROWSER, Roots

ANYBODY: Mapping[str, str] = {"4": "198.18.0.1", "6": "2001:2::1"}
"""Stands for a client whose address nobody knows: an address that no list of clients names (RFC 2544, RFC 5180)."""

INTERNET_PLACE = Place("network", INTERNET)


class Standing(Struct, frozen=True):
    """A Vantage, resolved.  `place` None: the map does not have the place that it names.

    `roots`: whom it trusts.  `public` is its address on the internet by family, as a CDN tells the origin.
    """

    name: str
    origin: Origin
    where: str
    place: Place | None
    families: tuple[str, ...]
    resolvers: tuple[str, ...]
    public: Mapping[str, str]
    roots: Roots = BROWSER


def names(sight: Sight) -> tuple[str, ...]:
    """The names of all vantages, sorted."""
    return tuple(sorted(vantage.key.name for vantage in sight.all("Vantage", VantageIntent)))


def standing(sight: Sight, name: str) -> Standing | None:
    """A question: the vantage of this name, or None."""
    intent = next((item for item in sight.all("Vantage", VantageIntent) if item.key.name == name), None)
    if intent is None:
        return None
    place = next(iter(spots.places(sight, intent.at, intent.addresses)), None)
    if place is not None:
        seen = only(sight.ask(stays).vantages.get(name)) if place.kind == "cluster" else ()
        place = structs.replace(place, namespace=intent.namespace, labels=intent.labels, machines=seen)
    public = (one for one in intent.addresses if not cidrs.is_private(one))
    trusted = frozenset(_key(text) for text in intent.trust if text != "public")
    return Standing(
        name=name,
        origin=intent.origin,
        where=str(intent.at),
        place=place,
        families=intent.families,
        resolvers=intent.resolvers,
        public={**ANYBODY, **{"6" if ":" in one else "4": one for one in public}},
        roots=sight.ask(trust.roots, "public" in intent.trust, trusted),
    )


def _key(text: str) -> Key:
    """A Key as a vantage writes it: kind:namespace/name."""
    kind, _, rest = text.rpartition(":")
    namespace, _, name = rest.rpartition("/")
    return Key(kind or "Secret", namespace, name)


class Asking(Struct, frozen=True):
    """The way from a vantage to one of its resolvers, and the station that tells of it."""

    passage: Passage
    hop: Hop


def to_resolver(sight: Sight, vantage: str, resolver: str) -> Asking | None:
    """A question: the way from a vantage to a resolver of its list; None when the map does not say where that is."""
    found = sight.ask(standing, vantage)
    who = sight.ask(servers.server, resolver)
    if found is None or found.place is None or who.kind is ServerKind.CLUSTER:
        return None
    intent = sight.get(who.key, ResolverIntent) if who.key is not None else None
    literal = servers.address_of(resolver)
    addresses = intent.addresses if intent is not None else (literal,) if is_address(literal) else ()
    if not addresses and who.kind is ServerKind.PUBLIC:
        addresses = ANYCAST
    alone = found.place.kind == "network"  # machines and pods have what they have, whatever a client there prefers
    able = tuple(a for a in addresses if not alone or ("6" if ":" in a else "4") in found.families)
    if addresses and not able:
        return _speechless(found, who, addresses[0])
    ways = [(address, sight.ask(passages.passage, found.place, address, 53, "udp")) for address in able]
    known = [(address, passage) for address, passage in ways if not passage.way.unknown]
    if not known or (intent is None and len(known) < len(ways)):
        return None  # nobody's address on the map, but packets get as far as the internet
    address, passage = next((item for item in known if item[1].way.reached), known[0])
    reason = sight.ask(upstreams.silent, resolver)
    if who.key is not None and ends_elsewhere(sight, passage.way, sight.ask(upstreams.places, who.key)):
        reason = f"{address} is {who.label}'s on another network"
    if reason and passage.way.reached:
        passage = structs.replace(passage, way=structs.replace(passage.way, reached=False, reason=reason))
    steps = tuple(hop.summary for hop in passage.hops)
    summary = f"asks {who.label} at {address}" if passage.way.reached else f"cannot ask {who.label} at {address}"
    return Asking(passage, Hop(HopKind.RESOLVER, summary, who.origin, steps))


def _speechless(client: Standing, who: Server, address: str) -> Asking:
    """A client has no address of the family that a resolver is asked in."""
    reason = f"{client.name} has no IPv{6 if ':' in address else 4}"
    summary = f"cannot ask {who.label} at {address}"
    return Asking(
        Passage(Way(False, (), reason, address, 53), ()), Hop(HopKind.RESOLVER, summary, who.origin, (reason,))
    )
