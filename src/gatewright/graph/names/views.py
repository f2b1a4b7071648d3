"""Which of our views a client sees, and which zone in them answers: what the DNS server decides for each query.

Whoever asks from somewhere may come from several addresses, and so see several views.  Counterparts: `serving` (whose
views are for whom), `resolvers` (which asks here for a Resolver that is ours).
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.graph.names import serving, zones
from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Place
from gatewright.graph.network.spots import places
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import ResolverIntent, ZoneIntent
from gatewright.kinds.intents.places import INTERNET

STRANGER = ("192.0.2.1/32", "2001:db8::1/128")
"""Who comes from the internet, no matter whence."""


def seen(sight: Sight, resolver: Key, asked_at: str, asker: Place | Key | None) -> tuple[str, ...]:
    """A question: the views that clients in a place, or another resolver, see of a Resolver of ours.

    `asked_at`: at which address of it, as far as that is known.
    """
    place = sight.ask(_whence, asker) if isinstance(asker, Key) else asker
    intent = sight.get(resolver, ResolverIntent)
    if intent is None:
        return ()
    offered = [view for view in sight.ask(serving.views) if not intent.views or view.name in intent.views]
    found: dict[str, None] = {}
    for address in (asked_at,) if asked_at in intent.addresses else intent.addresses or ("",):
        listening = [view.name for view in offered if address in view.listen]
        found.update(dict.fromkeys(listening[:1] or _by_client(sight, offered, place)))
    return tuple(found)


def _whence(sight: Sight, key: Key) -> Place | None:
    """Where a resolver asks from."""
    resolver = sight.get(key, ResolverIntent)
    if resolver is None:
        return None
    if resolver.addresses:
        return Place("network", "", resolver.addresses)
    return next(iter(places(sight, resolver.at)), None) if resolver.at is not None else None


def _by_client(sight: Sight, offered: list[serving.View], place: Place | None) -> Iterable[str]:
    """The views with the narrowest network around each network that a place's clients come from."""
    prefixes = [(net, view.name) for view in offered for net in cidrs.networks(view.clients)]
    for client in cidrs.networks(_sources(sight, place)):
        around = [(net.prefixlen, name) for net, name in prefixes if cidrs.within(client, net)]
        if around:
            longest = max(length for length, _ in around)
            yield next(name for length, name in around if length == longest)


def _sources(sight: Sight, place: Place | None) -> Iterable[str]:
    """The networks that clients in a place come from."""
    if place is None or place.id == INTERNET:
        return place.addresses if place is not None and place.addresses else STRANGER
    return place.addresses or tuple(serving.cidrs_of(sight, place.kind, place.id))


def zone_for(sight: Sight, resolver: Key, view: str, name: str) -> Key | None:
    """The zone of a view with the longest domain that a Resolver of ours has; None: it refuses the name."""
    intent = sight.get(resolver, ResolverIntent)
    named = intent is not None and bool(intent.views)
    while name:
        key = zones.zone_of(sight, view, name)
        zone = sight.get(key, ZoneIntent) if key is not None else None
        if zone is None or named or zone.provider == serving.OURS:
            return key
        name = zone.domain.partition(".")[2]
    return None
