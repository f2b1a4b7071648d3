"""Intents of names: records, zones, views, and resolvers with what their configurations say.

Hostnames are lower-case without a trailing dot; a name in a record may be a wildcard `*.x`.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.places import Spot

ALL_GATEWAYS = "*"
"""In place of a Zone's gateways: every one that its view may see."""


class Record(Struct, frozen=True, gc=False):
    """One DNS record set.  `name` fully qualified; `type` A, AAAA, CNAME, TXT, NS, MX, ALIAS...; `ttl` seconds, 0 the
    zone's.  `proxied`: a CDN answers with its own edge and connects to these values; with `default_proxy` nobody said
    whether, so the zone's `proxied_default` holds."""

    name: str
    type: str
    values: tuple[str, ...]
    origin: Origin
    ttl: int = 0
    proxied: bool = False
    default_proxy: bool = False


class ZoneIntent(Struct, frozen=True):
    """A zone as one server or provider has it.

    `view`: "public" (what the internet is told) or a private view's name that Resolvers refer to.  `provider`
    lower-case ("cloudflare", "route53", "rfc2136", "gatewright", ...), "" unknown.  `ssl_mode` of a CDN: "off" |
    "flexible" | "full" | "strict"; `edge_names`: names on the CDN's certificates, besides the universal one.
    `external_dns`: external-dns writes what it finds in the manifests here.  `proxied_default`: its default for
    annotations that do not say.  `file`: a BIND zone file with more records.

    `gateways`: names of routes lead to these gateways (ids or bare names, the first that serves the name counts), to
    all that the view may see with ALL_GATEWAYS, not at all when empty.  `nameservers`, `ttl` and `negative_ttl`
    (seconds) are what a server says of the zone.  `settings` are the provider's own options for whoever writes to it; a
    value "env/NAME" stands for an environment variable.  `owner` marks what is ours at the provider.
    """

    key: Key
    origin: Origin
    domain: str
    view: str = "public"
    provider: str = ""
    records: tuple[Record, ...] = ()
    ssl_mode: str = ""
    universal_certificate: bool = True
    edge_names: tuple[str, ...] = ()
    external_dns: bool = False
    proxied_default: bool = False
    file: Key | None = None
    always_https: bool = False
    gateways: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()
    ttl: int = 300
    negative_ttl: int = 60
    settings: tuple[tuple[str, str], ...] = ()
    owner: str = "gatewright"


class TsigKey(Struct, frozen=True, gc=False):
    """A secret that two servers share (RFC 8945): its `name`, lower-case and without trailing dot, its `algorithm`
    ("hmac-sha256" ...) and the entry of the Secret that holds it in base64."""

    name: str
    algorithm: str
    secret: Key
    entry: str
    origin: Origin


class Secondary(Struct, frozen=True, gc=False):
    """A server that copies the zones of a view and is told of changes (RFC 1996); `key`: the name of its TsigKey."""

    address: str
    origin: Origin
    port: int = 53
    key: str = ""


class UpdateGrant(Struct, frozen=True, gc=False):
    """Who signs with `key` may change records of these `types` (empty: all) at these `names` (exact, or `*.x` for all
    below x; empty: everywhere in the zones of the view)."""

    key: str
    origin: Origin
    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


class RateLimit(Struct, frozen=True, gc=False):
    """Response rate limiting: equal answers per second to one client network (/24, /56); of those above it every
    `slip`-th is answered truncated, so that real clients come back by TCP.  Networks in `exempt` are not counted."""

    per_second: int = 200
    slip: int = 2
    exempt: tuple[str, ...] = ()


class ViewIntent(Struct, frozen=True):
    """Who sees which Zones of ours: the Zones whose `view` is its name.

    A query belongs to the view whose `listen` has the address that it came to, else to the one with the longest prefix
    of `clients` (CIDRs, and those of `spots`) that the client is in; `client_subnet`: its EDNS client subnet counts
    instead, where it sent one (RFC 7871).  `transfer_to`: CIDRs that may copy the zones; secondaries may anyway, by
    their key or else their address.  `unusable`: nobody can tell whom it is for, so it is for nobody.
    """

    key: Key
    origin: Origin
    clients: tuple[str, ...] = ()
    spots: tuple[Spot, ...] = ()
    listen: tuple[str, ...] = ()
    client_subnet: bool = False
    keys: tuple[TsigKey, ...] = ()
    transfer_to: tuple[str, ...] = ()
    secondaries: tuple[Secondary, ...] = ()
    updates: tuple[UpdateGrant, ...] = ()
    rate_limit: RateLimit | None = RateLimit()
    unusable: bool = False


class RecordsIntent(Struct, frozen=True):
    """Records without a zone of their own: a DNSEndpoint."""

    key: Key
    origin: Origin
    records: tuple[Record, ...]


class Forwarding(Struct, frozen=True, gc=False):
    """Queries for `domain` and below ("" or "." everything) go to `to`: addresses, Resolver names or "public"."""

    domain: str
    to: tuple[str, ...]
    origin: Origin
    order: str = ""


class Override(Struct, frozen=True, gc=False):
    """A local answer: `name` exact or `*.x`; `apex`: a wildcard that covers x too (dnsmasq's address=/x/).

    `type` A, AAAA (without values: NODATA), CNAME, NXDOMAIN or PASS: what less specific ones say does not hold here, it
    is asked upstream.  The name "*" alone is every name.  `others` is what a query for the other address family gets:
    "forward" (it is asked upstream: the leak), "empty" (NODATA).
    """

    name: str
    type: str
    values: tuple[str, ...]
    origin: Origin
    apex: bool = False
    others: str = "empty"


class GatewayNames(Struct, frozen=True, gc=False):
    """k8s_gateway: answers for `domains` from routes and Services of the cluster.  `resources` as it names them
    ("Ingress", "HTTPRoute", "Service", ...); `classes` limits gateways; `apex` its own name."""

    domains: tuple[str, ...]
    origin: Origin
    resources: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    fallthrough: bool = False
    ingress_classes: tuple[str, ...] = ()


class ResolverConfig(Struct, frozen=True):
    """What a configuration says of a resolver, whichever program's it is.

    `zones`: domains it is authoritative for, as file keys.  `upstreams`: where everything else goes; empty: nowhere
    (REFUSED).  `order`: which of several upstreams answers: "first" (strictly in order), "any" (random, round robin,
    fastest: any of them may).
    `cluster_domains`: below them it answers for the Services of its cluster (CoreDNS's `kubernetes`).
    `rebind_*` as in ResolverIntent.
    """

    overrides: tuple[Override, ...] = ()
    forwards: tuple[Forwarding, ...] = ()
    gateway_names: tuple[GatewayNames, ...] = ()
    zone_files: tuple[tuple[str, str], ...] = ()
    records: tuple[Record, ...] = ()
    domains: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()
    order: str = ""
    filters_ipv6: bool = False
    cluster_domains: tuple[str, ...] = ()
    rebind_protection: bool = False
    rebind_exceptions: tuple[str, ...] = ()


class ResolverIntent(Struct, frozen=True):
    """A resolver that clients ask.  `config` is what the site map says itself; `file` (or a ConfigMap's Key with its
    data key) says more.  `views`: private views of Zones that it serves or sees.  `rebind_protection`: private
    addresses in answers from upstream are dropped, except for `rebind_exceptions`."""

    key: Key
    origin: Origin
    implementation: str = ""
    addresses: tuple[str, ...] = ()
    at: Spot | None = None
    config: ResolverConfig = ResolverConfig()
    file: Key | None = None
    file_entry: str = ""
    views: tuple[str, ...] = ()
    rebind_protection: bool = False
    rebind_exceptions: tuple[str, ...] = ()


class ResolverFileIntent(Struct, frozen=True):
    """A Corefile, dnsmasq configuration, AdGuardHome.yaml or BIND zone file as a document of its own."""

    key: Key
    origin: Origin
    format: str
    config: ResolverConfig
