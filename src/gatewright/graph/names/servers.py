"""Resolvers as they are configured: one Server each, made of the site map and the configuration files that it names.

What concerns all names is in the Server; overrides and records, of which there may be many thousand, come in pieces so
that a change of one concerns only the names in its piece.  Counterpart: `resolvers`, which walks from one to the next.
"""

from __future__ import annotations

import enum
import posixpath
from collections import defaultdict
from collections.abc import Mapping

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.graph.names import table
from gatewright.graph.names.nodes import PUBLIC
from gatewright.graph.names.table import Node, piece_of
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import SecretIntent
from gatewright.kinds.intents.naming import (
    Forwarding,
    GatewayNames,
    Override,
    Record,
    ResolverConfig,
    ResolverFileIntent,
    ResolverIntent,
)
from gatewright.kinds.intents.places import SiteIntent
from gatewright.kinds.programs import files, zonefile
from gatewright.kinds.programs.formats import PARSERS

CLUSTER_DNS = "cluster-dns"
"""How a cluster's resolver is called where the map does not describe it: it knows Services, and asks the public DNS."""

CLUSTER_DOMAIN = "cluster.local"
AS_USUAL = "#"
"""In place of a forward's servers: those that everything else goes to (dnsmasq)."""

SYSTEM = frozenset({"/etc/resolv.conf", "/etc/resolv.conf.upstream", "system"})
FIRST_ONLY = frozenset({"fritzbox", "unbound", "bind", "windows"})
"""Those that keep to the first of several upstreams for as long as it answers; others spread or race."""

WELL_KNOWN = frozenset(
    {
        "1.1.1.1", "1.0.0.1", "2606:4700:4700::1111", "2606:4700:4700::1001", "one.one.one.one",
        "1.1.1.2", "1.0.0.2", "1.1.1.3", "1.0.0.3", "2606:4700:4700::1112", "2606:4700:4700::1113",
        "cloudflare-dns.com", "security.cloudflare-dns.com", "family.cloudflare-dns.com",
        "8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844", "dns.google",
        "9.9.9.9", "9.9.9.10", "9.9.9.11", "149.112.112.112", "149.112.112.10", "2620:fe::fe", "2620:fe::9",
        "2620:fe::10", "2620:fe::11", "dns.quad9.net", "dns9.quad9.net", "dns10.quad9.net", "dns11.quad9.net",
        "208.67.222.222", "208.67.220.220", "2620:119:35::35", "2620:119:53::53", "doh.opendns.com",
        "94.140.14.14", "94.140.15.15", "94.140.14.140", "94.140.14.141", "2a10:50c0::ad1:ff", "2a10:50c0::ad2:ff",
        "dns.adguard-dns.com", "unfiltered.adguard-dns.com", "dns.mullvad.net", "194.242.2.2",
        "76.76.2.0", "76.76.10.0", "dns.controld.com", "dns.nextdns.io", "45.90.28.0", "45.90.30.0",
        "dns0.eu", "193.110.81.0", "185.253.5.0",
    }
)  # fmt: skip
"""Resolvers for everybody: they see the public views of all zones."""


HELD = frozenset({"ConfigMap", "Secret"})
"""Objects that hold configurations under a key of theirs."""

DNSMASQ = frozenset({"dnsmasq", "pihole"})
"""Those that suppress AAAA in what they are told, and not in what they say themselves."""

BUILT_IN: Mapping[str, frozenset[str]] = {"unbound": frozenset({"home.arpa", "invalid", "onion", "test"})}
"""Domains of which a program says that nothing exists in them, unless it is told otherwise (RFC 6761, 8375, 7686)."""

FORMATS: Mapping[str, str] = {
    "adguardhome": "adguard",
    "coredns": "corefile",
    "k8s_gateway": "corefile",
    "dnsmasq": "dnsmasq",
    "pihole": "dnsmasq",
}
"""The format of each program's configuration."""


class ServerKind(enum.StrEnum):
    LISTED = "listed"
    PUBLIC = "public"
    CLUSTER = "cluster"
    UNKNOWN = "unknown"


class Server(Struct, frozen=True):
    """One resolver, ready to be asked.  `label` for sentences, `key` when the map describes it.

    `forwards` and `gateway_names` by domain; `domains` are those that it never asks others about, `built_in` those of
    its program that it says nothing else about, `unread` those of zone files that are not among the input.
    `rebind_exceptions` with their subdomains.  `any_order`: each of several upstreams may be the one that answers.
    `filters_ipv6`: it answers no AAAA, from `upstream_only` or at all.
    """

    kind: ServerKind
    label: str
    key: Key | None = None
    origin: Origin | None = None
    implementation: str = ""
    forwards: Mapping[str, Forwarding] = {}
    gateway_names: Mapping[str, GatewayNames] = {}
    domains: frozenset[str] = frozenset()
    built_in: frozenset[str] = frozenset()
    cluster_domains: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()
    any_order: bool = True
    overrides: bool = False
    wildcards: bool = False
    records: bool = False
    unread: frozenset[str] = frozenset()
    rebind_protection: bool = False
    rebind_exceptions: frozenset[str] = frozenset()
    filters_ipv6: bool = False
    upstream_only: bool = False


def server(sight: Sight, ref: str) -> Server:
    """Who is meant by a name or address in a list of resolvers or upstreams."""
    if ref == PUBLIC:
        return Server(ServerKind.PUBLIC, ref)
    key = sight.ask(_directory).get(ref) or sight.ask(_directory).get(address_of(ref))
    if key is not None:
        return sight.ask(listed, key)
    if ref in SYSTEM or _public(address_of(ref)):
        return Server(ServerKind.PUBLIC, ref)
    if ref == CLUSTER_DNS:
        return Server(ServerKind.CLUSTER, ref, cluster_domains=(CLUSTER_DOMAIN,), upstreams=(PUBLIC,))
    return Server(ServerKind.UNKNOWN, ref)


def cluster_resolver(sight: Sight, cluster_id: str) -> str:
    """Whom the pods of a cluster ask."""
    for site in sight.all("Site", SiteIntent):
        for cluster in site.clusters:
            if cluster_id in (f"{site.key.name}/{cluster.name}", cluster.name):
                return cluster.resolver or CLUSTER_DNS
    return CLUSTER_DNS


def address_of(ref: str) -> str:
    """The address or hostname in what a configuration calls an upstream: URL, address#port, [address]:port ..."""
    rest = ref.rpartition("://")[2].partition("/")[0].partition("#")[0].partition("@")[0].lower()
    if rest.startswith("["):
        return rest[1:].partition("]")[0]
    return rest.partition(":")[0] if rest.count(":") == 1 else rest


def _public(address: str) -> bool:
    """Is it a well-known one?  Providers give customers names below theirs."""
    return address in WELL_KNOWN or address.endswith((".dns.nextdns.io", ".dns.controld.com"))


def _directory(sight: Sight) -> Mapping[str, Key]:
    """The resolvers of the map by name and by address."""
    found: dict[str, Key] = {}
    resolvers = sight.all("Resolver", ResolverIntent)
    for resolver in resolvers:
        found.setdefault(resolver.key.name, resolver.key)
    for resolver in resolvers:
        for address in resolver.addresses:
            found.setdefault(address, resolver.key)
    return found


def listed(sight: Sight, key: Key) -> Server:
    """A question: a resolver of the map."""
    resolver = sight.get(key, ResolverIntent)
    assert resolver is not None
    if resolver.implementation == "public":
        return Server(ServerKind.PUBLIC, key.name, key, resolver.origin)
    config = sight.ask(configuration, key)
    forwards = {_domain(forward.domain): forward for forward in reversed(config.forwards)}
    everything = forwards.pop("", None)
    upstreams = (everything.to if everything else ()) + config.upstreams
    order = (everything.order if everything else "") or config.order
    unread = frozenset(d for d, known in sight.ask(zone_files, key).items() if known is None)
    return Server(
        ServerKind.LISTED,
        key.name,
        key,
        resolver.origin,
        resolver.implementation,
        forwards=forwards,
        gateway_names={d: names for names in reversed(config.gateway_names) for d in names.domains},
        domains=frozenset(config.domains) | {domain for domain, _ in config.zone_files},
        built_in=built_in(resolver.implementation, config),
        cluster_domains=config.cluster_domains,
        views=resolver.views,
        upstreams=tuple(dict.fromkeys(upstreams)),
        any_order=order != "first" if order else resolver.implementation not in FIRST_ONLY,
        overrides=bool(config.overrides),
        wildcards=any(override.name.startswith("*") for override in config.overrides),
        records=bool(config.records or config.zone_files),
        unread=unread,
        rebind_protection=resolver.rebind_protection or config.rebind_protection,
        rebind_exceptions=frozenset(resolver.rebind_exceptions + config.rebind_exceptions),
        filters_ipv6=config.filters_ipv6,
        upstream_only=resolver.implementation in DNSMASQ,
    )


def built_in(implementation: str, config: ResolverConfig) -> frozenset[str]:
    """The domains that a program answers for of its own accord, without those that its configuration says more of."""
    return BUILT_IN.get(implementation, frozenset()) - {_domain(override.name) for override in config.overrides}


def _domain(domain: str) -> str:
    return domain.removeprefix("*.").strip(".")


# --- configuration, from wherever it comes ---


def configuration(sight: Sight, key: Key) -> ResolverConfig:
    """What the map and the files that it names say of a resolver, together; the map's word goes first."""
    resolver = sight.get(key, ResolverIntent)
    if resolver is None:
        return ResolverConfig()
    config = resolver.config
    more = _from_file(sight, resolver)
    if more is None:
        return config
    return ResolverConfig(
        overrides=config.overrides + more.overrides,
        forwards=config.forwards + more.forwards,
        gateway_names=config.gateway_names + more.gateway_names,
        zone_files=config.zone_files + more.zone_files,
        records=config.records + more.records,
        domains=config.domains + more.domains,
        upstreams=config.upstreams or more.upstreams,
        order=config.order or more.order,
        filters_ipv6=config.filters_ipv6 or more.filters_ipv6,
        cluster_domains=config.cluster_domains + more.cluster_domains,
        rebind_protection=config.rebind_protection or more.rebind_protection,
        rebind_exceptions=config.rebind_exceptions + more.rebind_exceptions,
    )


def _from_file(sight: Sight, resolver: ResolverIntent) -> ResolverConfig | None:
    if resolver.file is None:
        return None
    if resolver.file.kind not in HELD:
        file = sight.get(resolver.file, ResolverFileIntent)
        return file.config if file else None
    held = sight.get(resolver.file, SecretIntent)
    parse = PARSERS.get(FORMATS.get(resolver.implementation, ""))
    text = held.get(resolver.file_entry) if held else None
    if held is None or parse is None or text is None:
        return None
    config, _ = parse(text.decode(errors="replace"), held.origin.at("data", resolver.file_entry))
    return config if isinstance(config, ResolverConfig) else None


def _zone_records(sight: Sight, resolver: ResolverIntent, domain: str, path: str) -> tuple[Record, ...] | None:
    """The records of a zone file that a resolver's configuration names; None when it is not among the input.

    The path is that of the machine it runs on: the file is looked for beside the configuration, too.
    """
    if resolver.file is None:
        return None
    base = posixpath.basename(path)
    if resolver.file.kind in HELD:
        held = sight.get(resolver.file, SecretIntent)
        text = held.get(base) if held else None
        if held is None or text is None:
            return None
        return zonefile.parse(text.decode(errors="replace"), held.origin.at("data", base), domain)[0].records
    for place in (path, base):
        key = files.file_key(files.ZONE_FILE, resolver.file.name, place)
        found = sight.get(key, ResolverFileIntent)
        if found is not None:
            return found.config.records
    return None


def zone_files(sight: Sight, key: Key) -> Mapping[str, tuple[Record, ...] | None]:
    """A question: the records of the zone files that a resolver answers from, by domain; None: they are not known."""
    resolver = sight.get(key, ResolverIntent)
    files_of = sight.ask(configuration, key).zone_files
    return {domain: _zone_records(sight, resolver, domain, path) for domain, path in files_of} if resolver else {}


def overridden(sight: Sight, key: Key) -> frozenset[str]:
    """The names, also wildcards, that a resolver itself leads somewhere."""
    config = sight.ask(configuration, key)
    names = {override.name for override in config.overrides if override.values and override.name != "*"}
    names |= {record.name for record in _all_records(sight, key) if record.type in ("A", "AAAA", "CNAME")}
    return frozenset(names)


# --- what is said name by name ---


def override_of(sight: Sight, key: Key, name: str) -> tuple[Override, ...]:
    """The overrides of this very name or wildcard."""
    return sight.ask(_override_piece, key, piece_of(name)).get(name, ())


def _override_piece(sight: Sight, key: Key, number: int) -> Mapping[str, tuple[Override, ...]]:
    return sight.ask(_overrides, key)[number]


def _overrides(sight: Sight, key: Key) -> tuple[Mapping[str, tuple[Override, ...]], ...]:
    found: dict[str, list[Override]] = defaultdict(list)
    for override in sight.ask(configuration, key).overrides:
        found[override.name].append(override)
    return table.in_pieces({name: tuple(overrides) for name, overrides in found.items()})


def record_node(sight: Sight, key: Key, name: str) -> Node | None:
    """The records of this very name in the zone files and host lists of a resolver."""
    return sight.ask(_record_piece, key, piece_of(name)).get(name)


def _record_piece(sight: Sight, key: Key, number: int) -> Mapping[str, Node]:
    return sight.ask(_record_table, key)[number]


def _record_table(sight: Sight, key: Key) -> tuple[Mapping[str, Node], ...]:
    return table.in_pieces(table.nodes(_all_records(sight, key), ""))


def _all_records(sight: Sight, key: Key) -> tuple[Record, ...]:
    """Those of its configuration and of its zone files."""
    held = (records for records in sight.ask(zone_files, key).values() if records is not None)
    return (*sight.ask(configuration, key).records, *(record for records in held for record in records))
