"""CDNs: a space on the internet for each provider of proxied records, and the connectors of its tunnels.

`plan` makes the spaces, so that names can lead there; `finish` writes what their programs go by, when it is known whom
they ask for names.  Counterparts: `rehearsal.edging`, the programs; `trace.edges` and `trace.tunnels`, the model.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

import msgspec

from gatewright.graph.network.nodes import Place
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import Record, ZoneIntent
from gatewright.rehearsal import readiness, world
from gatewright.rehearsal.edging.settings import (
    ConnectorSettings,
    EdgeSettings,
    Name,
    Rule,
    Zone,
)
from gatewright.rehearsal.invent import chosen
from gatewright.rehearsal.plan.clusters import pods
from gatewright.rehearsal.plan.names.contents import OURS, PUBLIC_VIEW, TUNNELS, Contents
from gatewright.rehearsal.world import INTERNET, Daemon, Draft, File, Role, SpaceDraft, default_routes
from gatewright.trace.tunnels import Cloudflared, cloudflareds

CLOUDFLARE: Final = "cloudflare"

RANGES: Final = {
    CLOUDFLARE: (("104.16.0.1", "2606:4700::1"), ("162.158.0.1", "2400:cb00::1")),
}
"""By provider: where it answers clients, and where its connections to origins come from (published ranges)."""

ELSEWHERE: Final = (ip_network("198.18.2.0/24"), ip_network("2001:2:0:2::/112"))
"""Where other providers are."""

PORTS: Final = {CLOUDFLARE: ((80, 8080, 8880, 2052, 2082, 2086, 2095), (443, 2053, 2083, 2087, 2096, 8443))}
BODY: Final = {CLOUDFLARE: 100_000_000}
"""The largest upload in octets (Free and Pro)."""

PODS: Final = "cloudflared-"


def plan(draft: Draft, sight: Sight) -> None:
    """The spaces of edges and connectors."""
    for provider in _providers(draft, sight):
        serving, sources = RANGES.get(provider) or (tuple(draft.free(net) for net in ELSEWHERE), ())
        space = draft.space(world.edge(provider), Role.EDGE)
        device, _ = draft.uplink(space, draft.spaces[INTERNET], (*serving, *sources))
        default_routes(space, device)
        draft.edges[provider] = serving
    for number, one, place in _connectors(sight):
        if CLOUDFLARE in draft.edges and place.kind == "cluster":
            _pod(draft, sight, one, number, place)


def finish(draft: Draft, sight: Sight) -> None:
    """The programs in them."""
    proxied = {provider: _zones(draft, sight, provider) for provider in draft.edges}
    for provider, zones in proxied.items():
        _edge(draft, provider, zones)
    if CLOUDFLARE not in draft.edges:
        return
    for number, one, place in _connectors(sight):
        name = _space(sight, one, number, place)
        if name in draft.spaces:
            _connector(draft, draft.spaces[name], one, number, place)


def _providers(draft: Draft, sight: Sight) -> list[str]:
    """The CDNs that a public zone has proxied records with."""
    contents = Contents(draft, sight)
    named = dict.fromkeys(zone.provider for zone in sight.all("Zone", ZoneIntent) if zone.view == PUBLIC_VIEW)
    return [name for name in named if name not in ("", OURS) and any(contents.proxied(name))]


# --- edges --------------------------------------------------------------------------------------


def _zones(draft: Draft, sight: Sight, provider: str) -> tuple[Zone, ...]:
    names: dict[Key, list[Name]] = defaultdict(list)
    zones: dict[Key, ZoneIntent] = {}
    for zone, name, records in Contents(draft, sight).proxied(provider):
        zones[zone.key] = zone
        names[zone.key].append(_name(name, records))
    return tuple(
        Zone(zone.domain, zone.ssl_mode or "full", zone.always_https, _certificates(zone), tuple(names[key]))
        for key, zone in zones.items()
    )


def _name(name: str, records: tuple[Record, ...]) -> Name:
    values = tuple(dict.fromkeys(value.rstrip(".") for record in records for value in record.values))
    tunnel = next((value.removesuffix(f".{TUNNELS}") for value in values if value.endswith(f".{TUNNELS}")), "")
    return Name(name, () if tunnel else values, tunnel)


def _certificates(zone: ZoneIntent) -> tuple[str, ...]:
    """The names on an edge's certificates: the universal one covers the domain and one label."""
    universal = (zone.domain, f"*.{zone.domain}") if zone.universal_certificate else ()
    return (*universal, *zone.edge_names)


def _edge(draft: Draft, provider: str, zones: tuple[Zone, ...]) -> None:
    space = draft.spaces[world.edge(provider)]
    serving = draft.edges[provider]
    plain, encrypted = PORTS.get(provider, ((80,), (443,)))
    resolver = draft.resolver_of.get(space.name, "")
    sources = RANGES[provider][1] if provider in RANGES else ()
    settings = EdgeSettings(serving, sources, plain, encrypted, zones, resolver, BODY.get(provider, 0))
    file = File(f"{world.netns(space.name)}.json", msgspec.json.encode(settings))
    draft.daemon(_program(space, "edge", file, space.name), file)


def _program(space: SpaceDraft, module: str, file: File, concerns: str) -> Daemon:
    command = (sys.executable, "-m", f"gatewright.rehearsal.edging.{module}", f"{{folder}}/{file.path}")
    name = file.path.removesuffix(".json").replace("-", ":", 1)
    return Daemon(name, space.name, command, (readiness.OURS,), concerns=concerns)


# --- tunnels ------------------------------------------------------------------------------------


def _connectors(sight: Sight) -> Iterator[tuple[int, Cloudflared, Place]]:
    """Every cloudflared whose place is on the map, numbered."""
    every = [one for some in sight.ask(cloudflareds).values() for one in some]
    return ((number, one, one.places[0]) for number, one in enumerate(every) if one.places)


def _namespace(one: Cloudflared, place: Place) -> str:
    return one.intent.key.namespace or place.namespace or "default"


def _space(sight: Sight, one: Cloudflared, number: int, place: Place) -> str:
    """Where it runs: a pod, a machine, or the router of a network."""
    if place.kind == "cluster":
        return world.pod(_namespace(one, place), f"{PODS}{number}")
    if place.kind == "machine":
        return world.node(place.id)
    network = sight.ask(topology).networks.get(place.id)
    return world.site(network.site) if network is not None else ""


def _pod(draft: Draft, sight: Sight, one: Cloudflared, number: int, place: Place) -> None:
    cluster = sight.ask(topology).clusters[place.id]
    if not cluster.machines:
        draft.note(f"the cloudflared of {place.id} runs nowhere: the cluster has no nodes", one.intent.origin)
        return
    machine = chosen(sight, cluster, f"{_namespace(one, place)}/{PODS}{number}")
    space = _space(sight, one, number, place)
    pods.add(draft, sight, pods.NewPod(space, cluster, machine, place.addresses, origin=one.intent.origin))
    if one.link:  # all that this pod sends and gets is the tunnel's
        draft.link_devices.setdefault(space, []).append((draft.spaces[space].devices[0], one.link))


def _connector(draft: Draft, space: SpaceDraft, one: Cloudflared, number: int, place: Place) -> None:
    fields = Rule.__struct_fields__
    rules = tuple(Rule(**{name: getattr(rule, name) for name in fields}) for rule in one.intent.rules)
    namespace = _namespace(one, place)
    inside = place.kind == "cluster"
    search = (f"{namespace}.svc.cluster.local", "svc.cluster.local", "cluster.local") if inside else ()
    resolver = draft.resolver_of.get(space.name, "")
    settings = ConnectorSettings(one.intent.tunnel, draft.edges[CLOUDFLARE], rules, resolver, search)
    file = File(f"connector-{number}.json", msgspec.json.encode(settings))
    daemon = _program(space, "connector", file, f"link:{one.link}" if one.link else space.name)
    edge = next(known.name for known in draft.daemons if known.space == world.edge(CLOUDFLARE))
    draft.daemon(msgspec.structs.replace(daemon, needs=(edge,)), file)
