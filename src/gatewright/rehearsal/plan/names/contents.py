"""What there is to be served: zones with their records, names of Services, names that k8s_gateway finds in routes.

Made from objects, and from what manifests announce (`graph.names.announced`, `graph.names.routed`); how a zone is put
together of these is decided here anew.  What cannot be served is left out with a note.
Counterpart: `graph.names.zones`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from gatewright.base.origin import Origin
from gatewright.graph.names import announced, recorddata, routed
from gatewright.graph.network.doors import door_addresses, gateways_at
from gatewright.graph.network.placement import home
from gatewright.graph.sight import Sight
from gatewright.kinds.annotations.names import of_external_dns
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import GatewayIntent, RouteIntent
from gatewright.kinds.intents.material import ServiceIntent
from gatewright.kinds.intents.naming import GatewayNames, Record, RecordsIntent, ResolverFileIntent, ZoneIntent
from gatewright.rehearsal import ranges
from gatewright.rehearsal.nameserving.answering import fault
from gatewright.rehearsal.nameserving.behaviour import RecordSet, ZoneData
from gatewright.rehearsal.world import Draft

PUBLIC_VIEW = "public"
OURS = "gatewright"
LEADING = ("A", "AAAA", "CNAME", "ALIAS")
FAMILIES = ("A", "AAAA")
TUNNELS = "cfargotunnel.com"
SERVICES = "svc"
ROUTES = ("Ingress", "HTTPRoute", "TLSRoute", "GRPCRoute")
"""What k8s_gateway looks at unless told otherwise, beside Services."""

PLAIN = frozenset({"A", "AAAA", "CNAME", "NS", "PTR", "ALIAS"})

Node = dict[str, Record]


class Contents:
    """The zones of a map as they are served in a world."""

    def __init__(self, draft: Draft, sight: Sight) -> None:
        self._draft = draft
        self._sight = sight
        self._zones = self._first_of_each(sight.all("Zone", ZoneIntent))

    # --- zones ---

    def public(self) -> tuple[ZoneData, ...]:
        """All that the internet is told: public zones, the hostnames of load balancers, and that there is nothing else.

        A name of a load balancer in somebody's public zone is what that zone says.
        """
        zones = [self.zone(zone) for (_, view), zone in self._zones.items() if view == PUBLIC_VIEW]
        tunnels = ZoneData(TUNNELS, (RecordSet(f"*.{TUNNELS}", "TXT", ('"proxied only"',)),))
        known = {zone.domain for zone in zones}
        doors = [zone for zone in self._doors() if zone.domain not in known]
        return (*zones, *doors, tunnels, ZoneData(""))

    def of_views(self, views: Iterable[str], *, ours_only: bool = False) -> tuple[ZoneData, ...]:
        """The zones of some views."""
        wanted = frozenset(views)
        return tuple(
            self.zone(zone)
            for (_, view), zone in self._zones.items()
            if view in wanted and (zone.provider == OURS or not ours_only)
        )

    def zone(self, zone: ZoneIntent) -> ZoneData:
        """One zone: what is written, then what external-dns finds, then the names of routes."""
        return self._data(zone, self._nodes(zone))

    def proxied(self, provider: str) -> Iterator[tuple[ZoneIntent, str, tuple[Record, ...]]]:
        """What a CDN answers for: zone, name, and the records that lead to its origins."""
        for (_, view), zone in self._zones.items():
            if view != PUBLIC_VIEW or zone.provider != provider or provider == OURS:
                continue
            for name, node in self._nodes(zone).items():
                leading = tuple(record for kind, record in node.items() if kind in LEADING)
                if any(record.proxied for record in leading):
                    yield zone, name, leading

    def _nodes(self, zone: ZoneIntent) -> dict[str, Node]:
        nodes: dict[str, Node] = defaultdict(dict)
        for record in self._written(zone):
            if _within(record.name, zone.domain):
                _put(nodes[record.name], record)
        cuts = tuple(name for name, node in nodes.items() if "NS" in node and name != zone.domain)
        if zone.external_dns or zone.gateways:
            for name in self._names_of_routes(zone):
                is_others = any(_within(name, cut) for cut in cuts)
                if not is_others and not _leads(nodes.get(name, {})):
                    for record in self._of_routes(zone, name, has_records=bool(nodes.get(name))):
                        _put(nodes[name], record)
        return nodes

    def records(self, records: Iterable[Record]) -> tuple[RecordSet, ...]:
        """The records of a host list or zone file."""
        nodes: dict[str, Node] = defaultdict(dict)
        for record in records:
            _put(nodes[record.name], record)
        return tuple(made for node in nodes.values() for made in map(self._checked, node.values()) if made)

    @staticmethod
    def _first_of_each(zones: Iterable[ZoneIntent]) -> dict[tuple[str, str], ZoneIntent]:
        """Of several zones with one domain in one view the first counts."""
        found: dict[tuple[str, str], ZoneIntent] = {}
        for zone in zones:
            found.setdefault((zone.domain, zone.view), zone)
        return found

    def _written(self, zone: ZoneIntent) -> Iterator[Record]:
        yield from zone.records
        held = self._sight.get(zone.file, ResolverFileIntent) if zone.file is not None else None
        if held is not None:
            yield from held.config.records
        if not zone.external_dns:
            return
        led = {record.name for record in zone.records if record.type in LEADING}
        for endpoint in self._sight.all("DNSEndpoint", RecordsIntent):
            for record in endpoint.records:
                if record.name not in led:
                    proxied = zone.proxied_default if record.default_proxy else record.proxied
                    yield Record(record.name, record.type, record.values, record.origin, record.ttl, proxied)
        for name, claims in self._sight.ask(announced.claimed_names).items():
            for claim in claims if name not in led else ():
                yield from claim.records(name, proxied_default=zone.proxied_default, apex=name == zone.domain)

    def _names_of_routes(self, zone: ZoneIntent) -> Iterator[str]:
        """The names of routes for which this zone has the say among those of its view."""
        below = [domain for domain, view in self._zones if view == zone.view and domain.endswith(f".{zone.domain}")]
        wanted = {*self._sight.names(), *map(str, self._sight.values("announces"))}
        for name in sorted(wanted):
            if _within(name, zone.domain) and not any(_within(name, domain) for domain in below):
                yield name

    def _of_routes(self, zone: ZoneIntent, name: str, *, has_records: bool) -> Iterator[Record]:
        apex = name == zone.domain
        found: list[Record] = []
        if zone.external_dns:
            for announcement in announced.announcements(self._sight, name):
                found += announcement.records(name, proxied_default=zone.proxied_default, apex=apex)
        if not found and zone.gateways:
            public, alias = zone.view == PUBLIC_VIEW, apex or has_records
            found += routed.records(self._sight, zone.gateways, name, public=public, alias=alias)
        return iter(found)

    def _data(self, zone: ZoneIntent, nodes: dict[str, Node]) -> ZoneData:
        found: list[RecordSet] = []
        for name, node in nodes.items():
            records = _apart(node) if name != zone.domain else _flattened(node)
            leading = [record for record in records if record.type in LEADING]
            if zone.provider != OURS and any(record.proxied for record in leading):
                found += self._edge(zone, name, leading[0].origin)
                records = [record for record in records if record.type not in LEADING]
            for record in records:
                made = self._checked(record, zone.ttl)
                found += (made,) if made else ()
        return ZoneData(zone.domain, tuple(found))

    def _edge(self, zone: ZoneIntent, name: str, origin: Origin) -> Iterator[RecordSet]:
        """The addresses of a CDN stand for those of the origin, in both families."""
        addresses = self._draft.edges.get(zone.provider, ())
        if not addresses:
            self._draft.note(f"{name} is proxied by {zone.provider or 'a CDN'}, which this world does not have", origin)
        yield from _families(name, addresses)

    def _checked(self, record: Record, ttl: int = 60) -> RecordSet | None:
        """A record set that can be served, None (with a note) for one that cannot."""
        if record.type in ("SOA", "DNAME"):
            return None
        try:
            values = tuple(_value(record.type, value) for value in record.values)
        except ValueError as error:
            self._draft.note(f"{record.name} {record.type} is not served: {error}", record.origin)
            return None
        made = RecordSet(record.name, record.type, values, record.ttl or ttl)
        wrong = recorddata.name_fault(record.name) or fault(made)
        if wrong:
            self._draft.note(f"{record.name} {record.type} is not served: {wrong}", record.origin)
            return None
        return made

    # --- load balancers known by hostname ---

    def _doors(self) -> Iterator[ZoneData]:
        """The provider's own name of a load balancer leads to where it is; IPv6 has only one whose name says so."""
        spots = {spot.gateway: spot.addresses for spot in self._draft.gateways}
        hostnames = {
            name
            for gateway_id in self._sight.gateways()
            for name in self._sight.ask(door_addresses, gateway_id)
            if announced.record_type(name) == "CNAME"
        }
        for name in sorted(hostnames):
            addresses = [a for gateway_id in self._sight.ask(gateways_at, name) for a in spots.get(gateway_id, ())]
            if not name.startswith("dualstack."):
                addresses = [address for address in addresses if ":" not in address]
            yield ZoneData(name, tuple(_families(name, addresses)))

    # --- clusters ---

    def services(self, cluster: str, domain: str) -> ZoneData:
        """The names of a cluster's Services ("Kubernetes DNS-Based Service Discovery", 2.3 and 2.4)."""
        found: list[RecordSet] = []
        for service in ranges.services(self._sight):
            if self._sight.ask(home, service.key.namespace).cluster not in ("", cluster):
                continue
            name = f"{service.key.name}.{service.key.namespace}.{SERVICES}.{domain}"
            if service.type == "ExternalName":
                found.append(RecordSet(name, "CNAME", (service.external_name,)))
            else:
                found += _families(name, self._pods(service) if service.headless else service.cluster_ips)
        return ZoneData(domain, tuple(record for record in found if not fault(record)))

    def _pods(self, service: ServiceIntent) -> list[str]:
        listed = ranges.endpoints(self._sight, service.key)
        return sorted({end.address for group in listed for end in group.addresses if end.ready})

    # --- k8s_gateway ---

    def of_gateways(self, names: GatewayNames, domain: str) -> ZoneData:
        """What a k8s_gateway knows below a domain: of routes the addresses of their gateways, of Services theirs."""
        targets: dict[str, list[str]] = defaultdict(list)
        for name in self._sight.names():
            if not _within(name, domain):
                continue
            for gateway_id, route in announced.serving(self._sight, name):
                if self._is_seen(names, gateway_id, route):
                    question = announced.published if route.kind == "Ingress" else door_addresses
                    targets[name] += self._sight.ask(question, gateway_id)
        if not names.resources or "Service" in names.resources:
            for name, own in self._of_services(domain):
                if not targets.get(name):
                    targets[name] += own
        found: list[RecordSet] = []
        for name, values in targets.items():
            addresses = [value for value in values if announced.record_type(value) in FAMILIES]
            aliases = [value for value in values if value not in addresses]
            found += _families(name, addresses)
            if aliases and not addresses:
                found.append(RecordSet(name, "CNAME", (aliases[0],)))
        return ZoneData(domain, tuple(found), of_routes=True, falls_through=names.fallthrough)

    def _is_seen(self, names: GatewayNames, gateway_id: str, route: Key) -> bool:
        if route.kind not in (names.resources or ROUTES) or (names.gateways and gateway_id not in names.gateways):
            return False
        if route.kind in announced.GATEWAY_API:
            intent = self._sight.get(route, RouteIntent)
            if intent is not None and not intent.hostnames:
                return False
        wanted = names.ingress_classes if route.kind == "Ingress" else names.classes
        if not wanted:
            return True
        gateway = self._sight.gateway(gateway_id)
        intended = self._sight.get(gateway.key, GatewayIntent) if gateway is not None else None
        own = (intended.class_name,) if intended is not None else tuple(gateway.classes) if gateway is not None else ()
        return not set(wanted).isdisjoint(own)

    def _of_services(self, domain: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Load balancer Services by the names that they are annotated with, else by their own."""
        for service in self._sight.listed("load-balancers", "", ServiceIntent):
            notes = dict(service.annotations)
            own = notes.get(announced.K8S_GATEWAY_NAME) or of_external_dns(service.annotations).get("hostname")
            named = [word.strip().rstrip(".").lower() for word in (own or "").split(",") if word.strip()]
            for name in [*named, f"{service.key.name}.{service.key.namespace}.{domain}"]:
                if _within(name, domain):
                    yield name, self._sight.ask(announced.service_addresses, service.key)


def _within(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def _leads(node: Node) -> bool:
    return any(kind in node for kind in LEADING)


def _put(node: Node, record: Record) -> None:
    """Two record sets of one type are one."""
    before = node.get(record.type)
    if before is not None:
        values = tuple(dict.fromkeys((*before.values, *record.values)))
        proxied = before.proxied or record.proxied
        record = Record(before.name, before.type, values, before.origin, before.ttl or record.ttl, proxied)
    node[record.type] = record


def _apart(node: Node) -> list[Record]:
    """Beside a CNAME there is nothing (RFC 1034, 3.6.2): addresses go before it, and it before all others."""
    if "CNAME" not in node or len(node) == 1:
        return list(node.values())
    keep: Callable[[str], bool] = (lambda kind: kind != "CNAME") if {*FAMILIES} & node.keys() else "CNAME".__eq__
    return [record for kind, record in node.items() if keep(kind)]


def _flattened(node: Node) -> list[Record]:
    """At the apex of a zone a CNAME is looked up by whoever has the zone."""
    alias = node.get("CNAME")
    if alias is None:
        return list(node.values())
    if {*FAMILIES} & node.keys():
        return [record for kind, record in node.items() if kind != "CNAME"]
    flat = Record(alias.name, "ALIAS", alias.values, alias.origin, alias.ttl, alias.proxied)
    return [flat, *(record for kind, record in node.items() if kind not in ("CNAME", "ALIAS"))]


def _families(name: str, addresses: Iterable[str]) -> Iterator[RecordSet]:
    for kind in FAMILIES:
        mine = tuple(dict.fromkeys(a for a in addresses if announced.record_type(a) == kind))
        if mine:
            yield RecordSet(name, kind, mine)


def _value(kind: str, value: str) -> str:
    """A value as in a zone file, names in full.  ValueError says why there is none."""
    if kind in PLAIN:
        return value.removesuffix(".") if kind in ("CNAME", "ALIAS") else value
    if kind in recorddata.TEXTS:
        return " ".join('"' + "".join(map(_quoted, part)) + '"' for part in recorddata.strings(value))
    return recorddata.parsed(kind, value).to_text()


def _quoted(octet: int) -> str:
    return chr(octet) if 0x20 <= octet < 0x7F and octet not in b'"\\' else f"\\{octet:03d}"
