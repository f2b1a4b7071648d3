"""Every answer that a client can get for a name, resolver by resolver.

A walk goes from whom the client asks, through overrides, forwards, gateways' names, views and upstreams, to the zone
that has the record, and on along CNAMEs.  Where several may answer, all are followed.  Counterparts: `servers` (how a
resolver is configured), `zones` (what zones hold), `queries` (a walk so far), `filtering` (what becomes of answers from
upstream).
"""

from __future__ import annotations

from gatewright.base.origin import Origin
from gatewright.graph.names import announced, cluster, filtering, k8s_gateway, servers, table, views, zones
from gatewright.graph.names.nodes import PUBLIC, Edge, Resolution, Status
from gatewright.graph.names.queries import MAX_STEPS, Answers, Query
from gatewright.graph.names.servers import Server, ServerKind
from gatewright.graph.names.upstreams import silent, unreached
from gatewright.graph.names.zones import Found, Kind
from gatewright.graph.network.nodes import Place
from gatewright.graph.network.stays import only, stays
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import Forwarding, GatewayNames, Override, Record

ADDRESS_TYPES = frozenset({"A", "AAAA"})
TUNNEL_DOMAIN = ".cfargotunnel.com"
NOWHERE = frozenset({"local", "internal", "arpa", "test", "invalid", "example", "localhost", "lan", "home", "corp"})
"""Top-level domains that the public DNS does not have."""


def resolutions(
    sight: Sight,
    resolvers: tuple[str, ...],
    name: str,
    type: str,
    place: Place | None,
) -> Answers:
    """Every answer for `name` and `type` ("A" or "AAAA") that a client with these resolvers can get."""
    if not resolvers:
        in_cluster = place is not None and place.kind == "cluster"
        resolvers = (sight.ask(servers.cluster_resolver, place.id) if place and in_cluster else PUBLIC,)
    if len(resolvers) == 1:
        answers = _asked(sight, Query(name, type, resolvers[0], asker=place))
        return answers if len(answers) < 2 else tuple(dict.fromkeys(answers))
    found = (answer for ref in resolvers for answer in _asked(sight, Query(name, type, ref, asker=place)))
    return tuple(dict.fromkeys(found))


# --- from resolver to resolver ---


def _asked(sight: Sight, query: Query) -> Answers:
    """What a client hears from the resolver that it asks."""
    reason = sight.ask(silent, query.first)
    if reason:
        return query.said(query.first, f"{query.first} does not answer: {reason}").ended(Status.UNREACHED)
    return _ask(sight, query, query.first)


def _ask(sight: Sight, query: Query, ref: str) -> Answers:
    """What a resolver says, wherever it has it from."""
    who = sight.ask(servers.server, ref)
    pair = (who.label, query.name)
    if pair in query.seen or len(query.seen) >= MAX_STEPS:
        return _loop(query, who, pair)
    asked = query.asked if query.asked[-1:] == (who.label,) else (*query.asked, who.label)
    query = Query(query.name, query.type, query.first, asked, query.steps, (*query.seen, pair), query.asker)
    match who.kind:
        case ServerKind.LISTED:
            if who.implementation == zones.OURS:
                return _ours(sight, query, who, ref)
            return _listed(sight, query, who)
        case ServerKind.PUBLIC:
            return _public(sight, query, who)
        case ServerKind.CLUSTER:
            return _cluster(sight, query, who) or _upstreams(sight, query, who, who.upstreams, any_order=True)
    query = query.said(who.label, f"{who.label}: a resolver that the map does not describe")
    return query.ended(Status.UNKNOWN)


def _loop(query: Query, who: Server, pair: tuple[str, str]) -> Answers:
    again = "asked for the second time" if pair in query.seen else f"given up after {MAX_STEPS} steps"
    query = query.said(who.label, f"{who.label}: {query.name} {again}", who.origin)
    return query.ended(Status.LOOP, who.origin)


def _listed(sight: Sight, query: Query, who: Server) -> Answers:
    """What a resolver of the map says: its own words first, then whoever has the say for the longest domain."""
    if who.filters_ipv6 and query.type == "AAAA" and not who.upstream_only:
        return query.said(who.label, f"{who.label}: answers no AAAA", who.origin).ended(Status.NODATA, who.origin)
    if who.overrides:
        overrides = _override(sight, query, who)
        if overrides:
            answers, query = _overridden(sight, query, who, overrides)
            if answers:
                return answers
            if who.implementation in servers.DNSMASQ and overrides[0].type in ADDRESS_TYPES:
                return tuple(filtering.corrected(who, answer) for answer in _by_domain(sight, query, who))
    if who.records:
        answers = _own_records(sight, query, who)
        if answers:
            return answers
    if who.cluster_domains:
        answers = _cluster(sight, query, who)
        if answers:
            return answers
    return _by_domain(sight, query, who)


def _by_domain(sight: Sight, query: Query, who: Server) -> Answers:
    """Walk up from the name: the longest domain for which anybody has the say decides."""
    zone = _view_zone(sight, who, query.name) if who.views else None
    domain = query.name
    if who.forwards or who.gateway_names or who.domains or who.built_in or zone is not None:
        while domain:
            if zone is not None and zone[0] == domain:
                return _zone(sight, query, who, zone[1])
            names = who.gateway_names.get(domain)
            if names is not None:
                answers = _gateway_names(sight, query, who, names, domain)
                if answers:
                    return answers
            forward = who.forwards.get(domain)
            if forward is not None:
                return _forward(sight, query, who, forward)
            if domain in who.unread:
                text = f"{who.label}: the zone file of {domain} is not among the input"
                return query.said(who.label, text, who.origin).ended(Status.UNKNOWN, who.origin)
            if domain in who.domains:
                text = f"{who.label}: {query.name} does not exist in {domain}"
                return query.said(who.label, text, who.origin).ended(Status.NXDOMAIN, who.origin)
            if domain in who.built_in:
                text = f"{who.label}: {query.name} does not exist in {domain}, which is built into {who.implementation}"
                return query.said(who.label, text, who.origin).ended(Status.NXDOMAIN, who.origin)
            domain = domain.partition(".")[2]
    if not who.upstreams:
        query = query.said(who.label, f"{who.label}: refuses {query.name}, and asks nobody", who.origin)
        return query.ended(Status.REFUSED, who.origin)
    return _upstreams(sight, query, who, who.upstreams, any_order=who.any_order)


def _view_zone(sight: Sight, who: Server, name: str) -> tuple[str, Key] | None:
    """The most specific zone of the views that a resolver sees, with its domain."""
    best: tuple[str, Key] | None = None
    for view in who.views:
        key = zones.zone_of(sight, view, name)
        frame = sight.ask(zones.frame_of, key) if key else None
        if key and frame and (best is None or len(frame.domain) > len(best[0])):
            best = frame.domain, key
    return best


def _forward(sight: Sight, query: Query, who: Server, forward: Forwarding) -> Answers:
    query = query.said(who.label, f"{who.label}: forwards {forward.domain}", forward.origin)
    any_order = forward.order != "first" if forward.order else who.any_order
    to = who.upstreams if forward.to == (servers.AS_USUAL,) else forward.to
    return _upstreams(sight, query, who, to, any_order=any_order)


def _upstreams(sight: Sight, query: Query, who: Server, upstreams: tuple[str, ...], *, any_order: bool) -> Answers:
    found: list[Resolution] = []
    if who.key is not None:
        query = query.from_(who.key)
    reasons = {ref: sight.ask(unreached, who.key or _own_cluster(sight, query.asker), ref) for ref in upstreams}
    up = [ref for ref, reason in reasons.items() if not reason]
    for ref in up:
        answers = _ask(sight, query, ref)
        found += answers
        if not any_order and any(answer.status is not Status.UNREACHED for answer in answers):
            break
    # One that says that it cannot tell is passed over as one that says nothing, while there is another.
    found = [answer for answer in found if answer.status is not Status.UNREACHED] or found
    if reasons and not up:
        ref, reason = next(iter(reasons.items()))
        text = f"{who.label}: cannot ask {servers.server(sight, ref).label}: {reason}"
        query = query.said(who.label, text, who.origin)
        return query.ended(Status.UNREACHED, who.origin)
    if who.rebind_protection or who.filters_ipv6:
        return tuple(filtering.filtered(query, who, resolution) for resolution in found)
    return tuple(found)


def _own_cluster(sight: Sight, asker: Place | Key | None) -> Place | None:
    """Where the resolver of a client's own cluster is."""
    if not isinstance(asker, Place) or asker.kind != "cluster":
        return None
    return Place("cluster", asker.id, machines=only(sight.ask(stays).resolvers.get(asker.id)))


# --- what a resolver says itself ---


def _override(sight: Sight, query: Query, who: Server) -> tuple[Override, ...]:
    """The overrides that decide: those of the name itself, then of the longest wildcard."""
    assert who.key is not None
    name = query.name
    found = servers.override_of(sight, who.key, name)
    if not found and who.wildcards:
        own = servers.override_of(sight, who.key, "*." + name)
        found = tuple(override for override in own if override.apex)
        while not found and "." in name:
            name = name.partition(".")[2]
            found = servers.override_of(sight, who.key, "*." + name)
        found = found or servers.override_of(sight, who.key, "*")
    return found


def _overridden(sight: Sight, query: Query, who: Server, overrides: tuple[Override, ...]) -> tuple[Answers, Query]:
    """The answers from overrides; none, with a step that says so, when this query is asked upstream all the same."""
    for override in overrides:
        if override.type == "NXDOMAIN":
            text = f"{who.label}: override {override.name} does not exist"
            return query.said(who.label, text, override.origin).ended(Status.NXDOMAIN, override.origin), query
        if override.type == "PASS":
            return (), query
        if override.type == "CNAME":
            target = override.values[0]
            if target == query.name:  # a rewrite to itself is an exception from a wildcard
                return (), query
            text = f"{who.label}: override {override.name} CNAME {target}"
            return _ask(sight, query.said(who.label, text, override.origin).for_name(target), who.label), query
    mine = [override for override in overrides if override.type == query.type]
    first = overrides[0]
    values = tuple(value for override in mine for value in override.values)
    if values:
        text = f"{who.label}: override {mine[0].name} {query.type} {', '.join(values)}"
        merged = mine[0] if len(mine) == 1 else Override(first.name, query.type, values, first.origin)
        return query.said(who.label, text, mine[0].origin).answered(merged), query
    if not mine and any(override.others == "forward" for override in overrides):
        text = f"{who.label}: override {first.name} is {first.type} only, {query.type} is asked upstream"
        return (), query.said(who.label, text, first.origin)
    text = f"{who.label}: override {first.name} has no {query.type}"
    return query.said(who.label, text, first.origin).ended(Status.NODATA, first.origin), query


def _own_records(sight: Sight, query: Query, who: Server) -> Answers:
    """What host lists and zone files of the resolver say; nothing when they do not know the name."""
    key = who.key
    assert key is not None
    owner, node = table.owner(lambda name: servers.record_node(sight, key, name), "", query.name)
    if not node:
        return ()
    record = node.get(query.type)
    if record is not None:
        text = f"{who.label}: {owner} {query.type} {', '.join(record.values)}"
        return query.said(who.label, text, record.origin).answered(record)
    record = node.get("CNAME")
    if record is not None:
        text = f"{who.label}: {owner} CNAME {record.values[0]}"
        query = query.said(who.label, text, record.origin)
        return _ask(sight, query.for_name(record.values[0]), who.label)
    origin = next(iter(node.values())).origin
    query = query.said(who.label, f"{who.label}: {owner} has no {query.type}", origin)
    return query.ended(Status.NODATA, origin)


def _cluster(sight: Sight, query: Query, who: Server) -> Answers:
    """What a cluster's resolver says of a Service; nothing for names outside of its domain."""
    domain = next((domain for domain in who.cluster_domains if query.name.endswith("." + domain)), "")
    if not domain:
        return ()
    said = cluster.service(sight, query.name, query.type, domain)
    query = query.said(who.label, f"{who.label}: {said.words}", said.origin)
    if said.status is not Status.ANSWER:
        return query.ended(said.status, said.origin)
    if said.alias:
        return _ask(sight, query.for_name(said.alias), who.label)
    record = Record(query.name, query.type, said.addresses, said.origin or _nowhere())
    return query.answered(record)


def _nowhere() -> Origin:
    return Origin("-")


# --- gateways' names ---


def _gateway_names(sight: Sight, query: Query, who: Server, names: GatewayNames, domain: str) -> Answers:
    """What k8s_gateway makes of routes and Services; nothing when it lets others answer."""
    assert who.key is not None
    targets = k8s_gateway.targets(sight, who.key, query.name, domain)
    if not targets:
        if names.fallthrough:
            return ()
        if query.name in names.domains:
            query = query.said(who.label, f"{who.label}: {query.name} has no {query.type}", names.origin)
            return query.ended(Status.NODATA, names.origin)
        query = query.said(who.label, f"{who.label}: no route for {query.name}", names.origin)
        return query.ended(Status.NXDOMAIN, names.origin)
    mine = targets.get(query.type)
    if mine:
        text = f"{who.label}: {query.name} {query.type} {', '.join(mine)}"
        return query.said(who.label, text, names.origin).answered(Record(query.name, query.type, mine, names.origin))
    aliases = targets.get("CNAME")
    if aliases:
        query = query.said(who.label, f"{who.label}: {query.name} CNAME {aliases[0]}", names.origin)
        return _ask(sight, query.for_name(aliases[0]), who.label)
    query = query.said(who.label, f"{who.label}: {query.name} has no {query.type}", names.origin)
    return query.ended(Status.NODATA, names.origin)


# --- zones ---


def _ours(sight: Sight, query: Query, who: Server, ref: str) -> Answers:
    """What our own server says: it answers from the zones of the view that the asker sees, and asks nobody."""
    key = who.key
    assert key is not None
    found: list[Resolution] = []
    seen = sight.ask(views.seen, key, servers.address_of(ref), query.asker)
    for view in seen:
        zone = views.zone_for(sight, key, view, query.name)
        if zone is not None:
            found += _zone(sight, query, who, zone)
        else:
            text = f"{who.label}: refuses {query.name}, of which it has no zone in the view {view}"
            found += query.said(who.label, text, who.origin).ended(Status.REFUSED, who.origin)
    if not seen:
        text = f"{who.label}: refuses {query.name}, since the asker sees none of its views"
        return query.said(who.label, text, who.origin).ended(Status.REFUSED, who.origin)
    return tuple(found)


def _public(sight: Sight, query: Query, who: Server) -> Answers:
    """What the internet is told."""
    name = query.name
    if name.endswith(TUNNEL_DOMAIN):
        text = f"{name} leads nowhere by itself: the record that points to it has to be proxied"
        return query.said(who.label, text).ended(Status.NODATA)
    key = zones.zone_of(sight, zones.PUBLIC_VIEW, name)
    if key is not None:
        return _zone(sight, query, who, key)
    if "." not in name or name.rpartition(".")[2] in NOWHERE:
        query = query.said(who.label, f"public DNS: there is no {name.rpartition('.')[2]}")
        return query.ended(Status.NXDOMAIN)
    if announced.is_door(sight, name):
        return _door(query, who)
    return query.said(who.label, f"public DNS: the map has no zone of {name}").ended(Status.UNKNOWN)


def _door(query: Query, who: Server) -> Answers:
    """A load balancer known by hostname alone stands for its own addresses.  Without a word, it has IPv4 only."""
    name = query.name
    if query.type == "AAAA" and not name.startswith("dualstack."):
        query = query.said(who.label, f"public DNS: {name} has no AAAA as far as the map says")
        return query.ended(Status.NODATA)
    query = query.said(who.label, f"public DNS: {name} is a load balancer's own name")
    return (Resolution(Status.ANSWER, query.first, query.asked, query.steps, addresses=(name,), canonical=name),)


def _zone(sight: Sight, query: Query, who: Server, key: Key) -> Answers:
    """What a zone says, and where its CNAMEs lead."""
    found = zones.look(sight, key, query.name, query.type)
    frame = sight.ask(zones.frame_of, key)
    assert frame is not None
    label = frame.label
    match found.kind:
        case Kind.RECORDS:
            record = found.records[0]
            text = f"{label}: {found.owner} {query.type} {', '.join(record.values)}"
            return query.said(who.label, text, record.origin).answered(record, key)
        case Kind.PROXIED:
            return _edge(query, who, frame, found)
        case Kind.CNAME:
            record = found.records[0]
            query = query.said(who.label, f"{label}: {found.owner} CNAME {record.values[0]}", record.origin)
            return _ask(sight, query.for_name(record.values[0]), who.label)
        case Kind.ALIAS:
            return _alias(sight, query, who, frame, found)
        case Kind.DELEGATED:
            text = f"{label}: {found.owner} is delegated to {', '.join(found.records[0].values)}"
            return query.said(who.label, text, found.origin).ended(Status.UNKNOWN, found.origin, key)
        case Kind.NODATA:
            query = query.said(who.label, f"{label}: {found.owner} has no {query.type}", found.origin)
            return query.ended(Status.NODATA, found.origin, key)
    query = query.said(who.label, f"{label}: {query.name} does not exist", found.origin)
    return query.ended(Status.NXDOMAIN, found.origin, key)


def _alias(sight: Sight, query: Query, who: Server, frame: zones.Frame, found: Found) -> Answers:
    """Who has the zone looks the target up, and answers with the addresses as its own: others in the public DNS, we
    first in the zones of the view."""
    record = found.records[0]
    query = query.said(who.label, f"{frame.label}: {found.owner} ALIAS {record.values[0]}", record.origin)
    target = query.for_name(record.values[0])
    near = zones.zone_of(sight, frame.view, target.name) if frame.provider == zones.OURS else None
    if near is not None and (frame.label, target.name) not in query.seen:
        answers = _zone(sight, target.past(frame.label), who, near)
    else:
        answers = _ask(sight, target, PUBLIC)
    return tuple(
        Resolution(
            Status.NODATA if answer.status is Status.NXDOMAIN else answer.status,
            answer.resolver,
            answer.asked,
            answer.steps,
            addresses=answer.addresses,
            canonical=query.name,
            edge=answer.edge,
            ttl=answer.ttl,
            zone=frame.key,
            origin=record.origin,
        )
        for answer in answers
    )


def _edge(query: Query, who: Server, frame: zones.Frame, found: Found) -> Answers:
    """A CDN answers with its own addresses, in both families whatever its origin has."""
    origins = tuple(value for record in found.records for value in record.values)
    tunnel = next((o.removesuffix(TUNNEL_DOMAIN) for o in origins if o.endswith(TUNNEL_DOMAIN)), "")
    text = f"{frame.label}: {found.owner} is proxied, {query.type} of the edge; origin {', '.join(origins)}"
    query = query.said(who.label, text, found.origin)
    edge = Edge(frame.key, frame.provider, query.name, found.origin, origins, tunnel)
    return (
        Resolution(
            Status.EDGE,
            query.first,
            query.asked,
            query.steps,
            canonical=query.name,
            edge=edge,
            zone=frame.key,
            origin=found.origin,
        ),
    )
