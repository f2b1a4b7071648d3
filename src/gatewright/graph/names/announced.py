"""What manifests announce of one name: the routes that have it, and the addresses of the gateways that serve these.

external-dns writes it into zones, k8s_gateway answers it.  Only the VirtualHosts of the very name are read, and the
load balancer Services that claim names by annotation.  Counterpart: `zones` and `resolvers`, which say who asks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.graph.names import table
from gatewright.graph.network.addresses import allocations
from gatewright.graph.network.doors import door_addresses, gateways_at
from gatewright.graph.sight import Sight
from gatewright.kinds.annotations.names import of_external_dns
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import GatewayIntent, RouteIntent
from gatewright.kinds.intents.material import ServiceIntent
from gatewright.kinds.intents.naming import Record

K8S_GATEWAY_NAME = "coredns.io/hostname"
GATEWAY_API = frozenset({"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"})


class Announcement(Struct, frozen=True):
    """One route or Service at one gateway that wants `targets` (addresses and hostnames) to be found by a name.

    `proxied` None: its owner did not say.  `gateway` is "" for a Service.
    """

    gateway: str
    source: Key
    targets: tuple[str, ...]
    origin: Origin
    ttl: int = 0
    proxied: bool | None = None

    def records(self, name: str, *, proxied_default: bool, apex: bool) -> Iterable[Record]:
        """The record sets that make it so."""
        proxied = proxied_default if self.proxied is None else self.proxied
        sorted_out: dict[str, list[str]] = defaultdict(list)
        for target in self.targets:
            kind = record_type(target)
            sorted_out["ALIAS" if apex and kind == "CNAME" else kind].append(target)
        for kind, values in sorted_out.items():
            yield Record(name, kind, tuple(values), self.origin, self.ttl, proxied)


def record_type(target: str) -> str:
    """The type of the record that leads to an address or hostname."""
    if ":" in target:
        return "AAAA"
    return "A" if target[-1:].isdigit() else "CNAME"


def serving(sight: Sight, name: str) -> Iterable[tuple[str, Key]]:
    """The (gateway, route) pairs that answer for this very hostname or wildcard, sorted by gateway."""
    found: dict[tuple[str, Key], None] = {}
    for key in sight.serving(name):
        host = sight.virtual_host(key)
        if host is not None:
            for entry in host.entries:
                found[key.gateway, entry.rule.route] = None
    return found


def announcements(sight: Sight, name: str) -> tuple[Announcement, ...]:
    """What external-dns finds for this very hostname or wildcard in the routes."""
    found: list[Announcement] = []
    for gateway_id, key in serving(sight, name):
        route = sight.get(key, RouteIntent)
        notes = of_external_dns(route.annotations) if route else {}
        if route and notes.get("ingress-hostname-source") != "annotation-only":
            found += _announced(sight, gateway_id, route, notes)
    for route in sight.listed("announces", name, RouteIntent):
        attachment = sight.attachment(route.key)
        gateways = dict.fromkeys(host.gateway for host in attachment.virtual_hosts) if attachment else ()
        for gateway_id in gateways:
            found += _announced(sight, gateway_id, route, of_external_dns(route.annotations))
    return tuple(dict.fromkeys(found))


def names_below(sight: Sight, domain: str) -> tuple[str, ...]:
    """The names below a domain that routes ask external-dns for although they have no rule for them."""
    return sight.ask(_below_piece, table.piece_of(domain)).get(domain, ())


def _below_piece(sight: Sight, number: int) -> Mapping[str, tuple[str, ...]]:
    return sight.ask(_below)[number]


def _below(sight: Sight) -> tuple[Mapping[str, tuple[str, ...]], ...]:
    """All of them by the domains that they are below, in pieces."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(map(str, sight.values("announces"))):
        domain = name.partition(".")[2]
        while domain:
            found[domain].append(name)
            domain = domain.partition(".")[2]
    return table.in_pieces({domain: tuple(names) for domain, names in found.items()})


def _announced(sight: Sight, gateway_id: str, route: RouteIntent, notes: Mapping[str, str]) -> Iterable[Announcement]:
    if notes.get("controller", "dns-controller") == "dns-controller":
        targets = _targets(sight, gateway_id, route, notes)
        if targets:
            yield _announcement(gateway_id, route.key, targets, route.origin, notes)


def _targets(sight: Sight, gateway_id: str, route: RouteIntent, notes: Mapping[str, str]) -> tuple[str, ...]:
    """Where external-dns makes the names of a route lead: each of its sources has a rule of its own."""
    if route.key.kind in GATEWAY_API:
        return sight.ask(gateway_targets, gateway_id)
    wanted = notes.get("target", "")
    if wanted or route.key.kind != "Ingress":
        # Its source for Traefik's kinds knows no other way to an address.
        return _split(wanted)
    return sight.ask(published, gateway_id)


def gateway_targets(sight: Sight, gateway_id: str) -> tuple[str, ...]:
    """A question: where the names of a Gateway's routes lead; its annotation counts, theirs does not."""
    gateway = sight.gateway(gateway_id)
    intent = sight.get(gateway.key, GatewayIntent) if gateway else None
    wanted = of_external_dns(intent.annotations).get("target", "") if intent else ""
    return _split(wanted) or sight.ask(door_addresses, gateway_id)


def published(sight: Sight, gateway_id: str) -> tuple[str, ...]:
    """A question: the addresses that a controller writes into the status of the Ingresses that it serves."""
    gateway = sight.gateway(gateway_id)
    if gateway is None or gateway.settings.publishes_status is False:
        return ()
    return sight.ask(door_addresses, gateway_id)


def _announcement(
    gateway_id: str, source: Key, targets: tuple[str, ...], origin: Origin, notes: Mapping[str, str]
) -> Announcement:
    ttl = notes.get("ttl", "")
    proxied = notes.get("cloudflare-proxied")
    seconds = int(ttl) if ttl.isdecimal() else 0
    return Announcement(gateway_id, source, targets, origin, seconds, None if proxied is None else proxied == "true")


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.rstrip(".") for part in (word.strip().lower() for word in text.split(",")) if part)


# --- Services that claim names ---


def claimed_names(sight: Sight) -> Mapping[str, tuple[Announcement, ...]]:
    """A question: the names that load balancer Services claim by annotation, with where these lead."""
    found: dict[str, list[Announcement]] = defaultdict(list)
    for service in sight.listed("load-balancers", "", ServiceIntent):
        notes = of_external_dns(service.annotations)
        for name in _split(notes.get("hostname", "")):
            targets = _split(notes.get("target", "")) or sight.ask(service_addresses, service.key)
            if targets:
                found[name].append(_announcement("", service.key, targets, service.origin, notes))
        for name in _split(notes.get("internal-hostname", "")):
            if service.cluster_ips:
                found[name].append(_announcement("", service.key, service.cluster_ips, service.origin, notes))
    return {name: tuple(claims) for name, claims in found.items()}


def annotated_addresses(sight: Sight, name: str) -> tuple[str, ...]:
    """The addresses of the load balancer Services that k8s_gateway knows by this very name."""
    return sight.ask(_annotated_piece, table.piece_of(name)).get(name, ())


def _annotated_piece(sight: Sight, number: int) -> Mapping[str, tuple[str, ...]]:
    return sight.ask(_annotated)[number]


def _annotated(sight: Sight) -> tuple[Mapping[str, tuple[str, ...]], ...]:
    """All of them, in pieces.  k8s_gateway reads an annotation of its own, and that of external-dns."""
    found: dict[str, tuple[str, ...]] = {}
    for service in sight.listed("load-balancers", "", ServiceIntent):
        own = dict(service.annotations).get(K8S_GATEWAY_NAME, "")
        for name in _split(own or of_external_dns(service.annotations).get("hostname", "")):
            found[name] = (*found.get(name, ()), *sight.ask(service_addresses, service.key))
    return table.in_pieces(found)


def service_addresses(sight: Sight, key: Key) -> tuple[str, ...]:
    """A question: the addresses of a load balancer Service."""
    allocation = sight.ask(allocations).get(key)
    if allocation is not None:
        return allocation.addresses
    service = sight.get(key, ServiceIntent)
    return service.load_balancer_ips if service else ()


def is_door(sight: Sight, hostname: str) -> bool:
    """Is it the hostname by which a gateway's load balancer is known?"""
    return bool(sight.ask(gateways_at, hostname))
