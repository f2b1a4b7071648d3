"""Behind a Cloudflare tunnel: which cloudflared it is, where that runs, and where its rules send a request.

Counterpart: `edges`, which leads here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import re2
from msgspec import Struct, structs

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.graph.network import spots
from gatewright.graph.network.addresses import allocations, service_of
from gatewright.graph.network.nodes import Place
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import SecretIntent, ServiceIntent
from gatewright.kinds.intents.places import LinkIntent, LinkType
from gatewright.kinds.intents.programs import TunnelIntent, TunnelRule
from gatewright.kinds.programs.formats import PARSERS
from gatewright.kinds.site_map.sitemap import CLOUDFLARED
from gatewright.trace.match import pattern
from gatewright.trace.request import DEFAULT_PORTS, Request, is_address

STATUS = "http_status:"


class Cloudflared(Struct, frozen=True):
    """A cloudflared: its configuration, the name of its Link and where it runs, as far as the map says so."""

    intent: TunnelIntent
    link: str = ""
    places: tuple[Place, ...] = ()


class Service(Struct, frozen=True):
    """Where a rule sends requests.  `status`: it answers itself.  `server_name` "" sends no SNI."""

    scheme: str
    host: str = ""
    port: int = 0
    server_name: str = ""
    status: int = 0


def cloudflareds(sight: Sight) -> Mapping[str, tuple[Cloudflared, ...]]:
    """A question: the configured tunnels, by id; several may run under one, as replicas do."""
    found: dict[str, list[Cloudflared]] = {}
    linked: set[Key] = set()
    for link in sight.all("Link", LinkIntent):
        intent = _configured(sight, link) if link.type is LinkType.CLOUDFLARE_TUNNEL else None
        if intent is not None:
            linked.add(intent.key)
            places = tuple(place for end in link.ends for place in spots.places(sight, end.at, end.addresses))
            places = places or _own_places(sight, intent)
            found.setdefault(intent.tunnel, []).append(Cloudflared(intent, link.key.name, places))
    for intent in sight.all(CLOUDFLARED, TunnelIntent):
        if intent.key not in linked:
            found.setdefault(intent.tunnel, []).append(Cloudflared(intent))
    return {tunnel: tuple(items) for tunnel, items in found.items()}


def _configured(sight: Sight, link: LinkIntent) -> TunnelIntent | None:
    """The configuration that a Link names: a file, or an entry of a ConfigMap."""
    if link.tunnel is None:
        return None
    intent = sight.get(link.tunnel, TunnelIntent)
    held = sight.get(link.tunnel, SecretIntent) if intent is None else None
    if held is None:
        return intent
    entry = link.tunnel_entry or (held.data[0][0] if len(held.data) == 1 else "")
    try:
        text = (held.get(entry) or b"").decode()
    except UnicodeDecodeError:
        return None
    found, _ = PARSERS["cloudflared"](text, held.origin.at("data", entry))
    return structs.replace(found, key=held.key) if isinstance(found, TunnelIntent) else None


def _own_places(sight: Sight, intent: TunnelIntent) -> tuple[Place, ...]:
    """A configuration in a ConfigMap is that of pods of its namespace's cluster."""
    if not intent.key.namespace:
        return ()
    clusters = sight.ask(topology).clusters
    named = [c.id for c in clusters.values() if intent.key.namespace in c.namespaces]
    open_ = [c.id for c in clusters.values() if not c.namespaces]
    return tuple(Place("cluster", id_, namespace=intent.key.namespace) for id_ in sorted(named or open_)[:1])


def choose(intent: TunnelIntent, request: Request) -> TunnelRule | None:
    """The first rule that takes the request: a wildcard takes any depth, a path matches anywhere in the request's."""
    for rule in intent.rules:
        if rule.hostname and not hostnames.matches(rule.hostname, request.host, Depth.MANY):
            continue
        if rule.path and (compiled := _compiled(rule.path)) is not None and not compiled.search(request.path):
            continue
        return rule
    return None


def _compiled(text: str) -> Any | None:
    try:
        return pattern(text)
    except re2.error:
        return None  # the document's own Problem says so


def service(rule: TunnelRule, request: Request) -> Service | None:
    """What a rule's `service` means, or None for what carries no HTTP or cannot be read."""
    if rule.service.startswith(STATUS):
        code = rule.service.removeprefix(STATUS)
        return Service("", status=int(code)) if code.isdigit() else None
    try:
        parts = urlsplit(rule.service)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https", "tcp") or not parts.hostname or not port:
        return None
    # matchSNItoHost goes by the Host that is sent on, and leaves originServerName out.
    name = (rule.host_header or request.host) if rule.match_sni else (rule.server_name or parts.hostname)
    sni = hostnames.normalize(name) if parts.scheme == "https" and not is_address(name) else ""
    return Service(parts.scheme, parts.hostname, port, sni)


def service_key(host: str, namespace: str) -> Key | None:
    """The Kubernetes Service that a host name means inside a cluster, or None when it cannot be one."""
    labels = host.removesuffix(".").split(".")
    if labels[2:] not in ([], ["svc"], ["svc", "cluster", "local"]) or is_address(host):
        return None
    space = labels[1] if len(labels) > 1 else namespace
    return Key("Service", space, labels[0]) if space else None


def behind(sight: Sight) -> Mapping[Key, tuple[str, ...]]:
    """A question: the gateways that stand behind a Service, by the Service."""
    found: dict[Key, list[str]] = {}
    for gateway_id in sight.gateways():
        service = sight.ask(service_of, gateway_id)
        if service is not None:
            found.setdefault(service, []).append(gateway_id)
    return {key: tuple(ids) for key, ids in found.items()}


def handed_out(sight: Sight) -> Mapping[str, tuple[Key, ...]]:
    """A question: the load balancer Services by their addresses."""
    found: dict[str, list[Key]] = {}
    for key, allocation in sight.ask(allocations).items():
        for address in allocation.addresses:
            found.setdefault(address, []).append(key)
    return {address: tuple(sorted(keys)) for address, keys in found.items()}


def target_port(found: ServiceIntent, port: int) -> int | None:
    """The port behind a Service's port; None when it does not have it."""
    one = next((item for item in found.ports if item.port == port), None)
    if one is None:
        return None
    return one.target if isinstance(one.target, int) else port
