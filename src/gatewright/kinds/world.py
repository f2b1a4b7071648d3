"""Intents of the world around the gateways: sites, links, firewalls, names, policies, certificates, vantages.

They come from the site map (`gatewright.dev/v1alpha1`), from Kubernetes kinds (MetalLB, Cilium, cert-manager,
external-dns, NetworkPolicy, Node) and from configuration files of other programs (WireGuard, Nebula, cloudflared,
AdGuard Home, CoreDNS, dnsmasq, BIND, Helm values).  Whatever the source, the graph sees only these.  Counterpart of
`intents`, which holds what routes requests; `graph.network` and `graph.names` resolve what is here.

Addresses are strings as `ipaddress` prints them; CIDRs likewise, host bits cleared.  Hostnames are lower-case without a
trailing dot; a name in a DNS record may be a wildcard `*.x`.  A place is a `Spot`.
"""

from __future__ import annotations

import enum

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key, Selector

# --- places ---------------------------------------------------------------------------------------

INTERNET = "internet"
"""The network that is always there: every public address is in it."""


class Spot(Struct, frozen=True, order=True, gc=False):
    """A place in the site map by name.  Exactly one of the fields is set.

    `network` is "site/network" or "internet"; `node` is "site/node" (or the bare name of a node, where it is
    unique); `cluster` is "site/cluster" (or bare): the pod network of a cluster, also for cluster-internal clients;
    `site` all networks of a site.
    """

    network: str = ""
    node: str = ""
    cluster: str = ""
    site: str = ""

    def __str__(self) -> str:
        return self.network or self.node or self.cluster or self.site


class AddressRange(Struct, frozen=True, gc=False):
    """Addresses `first` to `last`, both included and of one family; as written: `text`."""

    first: str
    last: str
    text: str
    origin: Origin


class NetworkSpec(Struct, frozen=True, gc=False):
    """One network of a site.  `cidrs` of both families, `dhcp` what a DHCP server hands out.

    `mtu` in octets.  `nat4`: IPv4 clients reach the internet through address translation (True unless said).
    `routed6`: are its IPv6 addresses reachable from the internet?  None: global addresses are, ULA not.
    """

    name: str
    origin: Origin
    cidrs: tuple[str, ...]
    dhcp: tuple[AddressRange, ...] = ()
    mtu: int = 1500
    internet: bool = True


class NodeSpec(Struct, frozen=True, gc=False):
    """One machine: all of its addresses, public ones too.  Its networks are those that hold its addresses."""

    name: str
    origin: Origin
    addresses: tuple[str, ...]
    labels: tuple[tuple[str, str], ...] = ()


class ClusterSpec(Struct, frozen=True, gc=False):
    """One Kubernetes cluster: CIDRs of pods and Services, which nodes belong to it (site/node or bare; a node of
    another site may), how pods reach pods of other nodes.

    `encapsulation`: "none" | "vxlan" | "geneve" | "wireguard" | "ipip"; "" unknown.  `overlay_mtu` 0: derived.
    `enforces_policies`: does its network plugin enforce NetworkPolicy?  `namespaces`: those whose objects live in this
    cluster, for maps with several clusters; empty: all that no other cluster names.  `dns` the cluster resolver's name.
    `distribution` "k3s" and so on, "" unknown; its usual CIDRs are filled in where the map gives none.
    """

    name: str
    origin: Origin
    pod_cidrs: tuple[str, ...] = ()
    service_cidrs: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    encapsulation: str = ""
    overlay_mtu: int = 0
    enforces_policies: bool = True
    resolver: str = ""
    distribution: str = ""


class SiteIntent(Struct, frozen=True):
    key: Key
    origin: Origin
    networks: tuple[NetworkSpec, ...] = ()
    nodes: tuple[NodeSpec, ...] = ()
    clusters: tuple[ClusterSpec, ...] = ()


class NodeIntent(Struct, frozen=True):
    """A Kubernetes Node: `addresses` of any type, `pod_cidrs`, labels."""

    key: Key
    origin: Origin
    addresses: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    pod_cidrs: tuple[str, ...] = ()


# --- links and firewalls --------------------------------------------------------------------------


class LinkType(enum.StrEnum):
    WIREGUARD = "WireGuard"
    NEBULA = "Nebula"
    LIQO = "Liqo"
    CLOUDFLARE_TUNNEL = "CloudflareTunnel"
    DIRECT = "Direct"


class LinkEnd(Struct, frozen=True, gc=False):
    """One end: where it is, its tunnel `addresses`, and `routes`: the CIDRs that the others reach through this end.

    `config` is the WireGuard or Nebula configuration that tells of this end (Key of a file).
    """

    at: Spot
    origin: Origin
    addresses: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    endpoint: str = ""
    listen_port: int = 0
    config: Key | None = None


class LinkIntent(Struct, frozen=True):
    """A tunnel or line between ends.  `mtu` 0: the type's usual one (1420 WireGuard, 1300 Nebula, 1340 Liqo).

    Every end reaches every other one.  A CloudflareTunnel has one end; `tunnel` is the cloudflared configuration (a
    file, or a ConfigMap with `tunnel_entry` its data key, "" for the only one).
    """

    key: Key
    origin: Origin
    type: LinkType
    ends: tuple[LinkEnd, ...] = ()
    mtu: int = 0
    cidrs: tuple[str, ...] = ()
    tunnel: Key | None = None
    tunnel_entry: str = ""


class FirewallRule(Struct, frozen=True, gc=False):
    """One rule: `protocol` "tcp" | "udp" | "icmp" | "any"; `ports` inclusive ranges, empty: all; `peers` CIDRs (the
    source of inbound, the destination of outbound rules), empty: anybody.  Applies to both families unless peers say.
    """

    allow: bool
    origin: Origin
    protocol: str = "any"
    ports: tuple[tuple[int, int], ...] = ()
    peers: tuple[str, ...] = ()


class PortForward(Struct, frozen=True, gc=False):
    """Destination NAT: what arrives for `address`:`port` goes to `to_address`:`to_port`."""

    address: str
    port: int
    to_address: str
    to_port: int
    origin: Origin
    protocol: str = "tcp"


class FirewallIntent(Struct, frozen=True):
    """What protects `spots`.  style "security-group": rules only allow and their order says nothing, style "nftables":
    the first rule that matches decides.  Nothing matches: `default_inbound`, `default_outbound` (allow?).
    Traffic between members of one protected network does not pass its firewall; that to a protected node always does.
    """

    key: Key
    origin: Origin
    style: str = "nftables"
    spots: tuple[Spot, ...] = ()
    inbound: tuple[FirewallRule, ...] = ()
    outbound: tuple[FirewallRule, ...] = ()
    default_inbound: bool = False
    default_outbound: bool = True
    forwards: tuple[PortForward, ...] = ()


# --- load balancer addresses ----------------------------------------------------------------------


class PoolIntent(Struct, frozen=True):
    """Addresses that a load-balancer implementation hands to Services.

    `implementation`: "metallb" | "cilium" | "servicelb".  `auto_assign` False: only to Services that ask for it.
    `services`/`namespaces` select who may (None: everybody); `priority` smaller first (MetalLB), 0 last.
    `first_last`: may the network and broadcast addresses of a CIDR be used (ranges whose text has a "/")?  `labels` are
    what announcements select it by; `announced` "l2" or "bgp" when it announces itself (MetalLB's old AddressPool).
    Cilium adds the labels `io.kubernetes.service.namespace` and `io.kubernetes.service.name` to what `services` sees.
    """

    key: Key
    origin: Origin
    implementation: str
    ranges: tuple[AddressRange, ...]
    auto_assign: bool = True
    services: tuple[Selector, ...] = ()
    namespaces: tuple[str, ...] = ()
    namespace_selectors: tuple[Selector, ...] = ()
    priority: int = 0
    first_last: bool = True
    avoid_buggy: bool = False
    disabled: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    announced: str = ""


class AnnouncementIntent(Struct, frozen=True):
    """Who answers for load balancer addresses on the segment (ARP, NDP).

    `pools` names, empty with `pool_selectors` empty: all.  `nodes` selectors (empty: all nodes).
    `services` None: all.  `external_ips`/`load_balancer_ips` (Cilium): which addresses of a Service.
    `protocol` "l2", or "bgp": routers are told, so that no segment matters.
    """

    key: Key
    origin: Origin
    implementation: str
    pools: tuple[str, ...] = ()
    pool_selectors: tuple[Selector, ...] = ()
    nodes: tuple[Selector, ...] = ()
    services: Selector | None = None
    interfaces: tuple[str, ...] = ()
    load_balancer_ips: bool = True
    external_ips: bool = True
    protocol: str = "l2"


# --- network policies -----------------------------------------------------------------------------


class PortRange(Struct, frozen=True, gc=False):
    """Ports of a policy: `protocol` "TCP" | "UDP" | "SCTP" | "ANY"; `port` a number, a container port's name, or None
    (all); `end` the last of a range, 0 for none."""

    protocol: str = "TCP"
    port: int | str | None = None
    end: int = 0


class HttpAllow(Struct, frozen=True, gc=False):
    """What a Cilium L7 rule lets through: full-match regular expressions; "" anything."""

    method: str = ""
    path: str = ""
    host: str = ""
    headers: tuple[str, ...] = ()


class Peer(Struct, frozen=True, gc=False):
    """One peer of a policy rule; exactly one way of naming it is used.

    Pods: `pods` and/or `namespaces` selectors; with only `pods` those of the policy's namespace, with only
    `namespaces` all pods of these.  `any_namespace`: pods of every namespace (CiliumClusterwideNetworkPolicy, or an
    explicit namespace label).  `cidr` with `excepts`.  `entity`: Cilium's "world", "cluster", "host", "remote-node",
    "all", "ingress", "kube-apiserver", "none", ... `fqdn`: a name or pattern (egress).  `service`: (namespace, name).
    """

    origin: Origin
    pods: Selector | None = None
    namespaces: Selector | None = None
    any_namespace: bool = False
    cidr: str = ""
    excepts: tuple[str, ...] = ()
    entity: str = ""
    fqdn: str = ""
    service: tuple[str, str] | None = None
    nodes: Selector | None = None


class PolicyRule(Struct, frozen=True, gc=False):
    """Allowed (or with `deny` denied) traffic: any of `peers` (None: everybody; empty: nobody) on any of `ports`
    (empty: all).  `http`: on these ports only such requests pass, others are answered 403 (Cilium L7)."""

    origin: Origin
    peers: tuple[Peer, ...] | None
    ports: tuple[PortRange, ...] = ()
    http: tuple[HttpAllow, ...] = ()
    deny: bool = False


class PolicyIntent(Struct, frozen=True):
    """A NetworkPolicy, CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy.

    Selects `pods` of its own namespace (of all that `namespaces` selects when clusterwide; `nodes` instead of pods for
    host policies).  `ingress`/`egress` None: this direction stays as it is; a tuple, also an empty one: what no rule of
    any policy that selects the pod allows is dropped (unless `default_deny_*` is False, Cilium 1.14+).
    `more` are the further `specs` of the same object.  A label `reserved:x` in `pods` is one that only Cilium's own
    endpoints have (`reserved:ingress`: its Gateway API and Ingress proxies).
    """

    key: Key
    origin: Origin
    dialect: str
    pods: Selector | None
    namespaces: Selector | None = None
    nodes: Selector | None = None
    ingress: tuple[PolicyRule, ...] | None = None
    egress: tuple[PolicyRule, ...] | None = None
    default_deny_ingress: bool = True
    default_deny_egress: bool = True
    more: tuple[PolicyIntent, ...] = ()


# --- names ----------------------------------------------------------------------------------------


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


# --- links and tunnels from files -----------------------------------------------------------------


class WireGuardPeer(Struct, frozen=True, gc=False):
    public_key: str
    origin: Origin
    endpoint: str = ""
    allowed_ips: tuple[str, ...] = ()
    preshared: bool = False


class LinkFileIntent(Struct, frozen=True):
    """A WireGuard or Nebula configuration: one end.  `public_key` is derived from the private key, which is not kept.

    Nebula: `routes` are unsafe_routes (via, cidr), `hosts` static_host_map (overlay address, underlay addresses).
    """

    key: Key
    origin: Origin
    type: LinkType
    addresses: tuple[str, ...] = ()
    mtu: int = 0
    listen_port: int = 0
    public_key: str = ""
    peers: tuple[WireGuardPeer, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    hosts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    inbound: tuple[FirewallRule, ...] | None = None
    outbound: tuple[FirewallRule, ...] | None = None


class TunnelRule(Struct, frozen=True, gc=False):
    """One ingress rule of cloudflared, in order.  `hostname` "" or "*.x"; `path` a regular expression (unanchored);
    `service` as written ("https://10.0.0.50:443", "http_status:404", "tcp://...").  `server_name`: originServerName;
    `match_sni`: matchSNItoHost."""

    service: str
    origin: Origin
    hostname: str = ""
    path: str = ""
    server_name: str = ""
    match_sni: bool = False
    verify: bool = True
    host_header: str = ""
    http2: bool = False


class TunnelIntent(Struct, frozen=True):
    """A cloudflared configuration: where the names that lead to `tunnel`.cfargotunnel.com go.

    Where it runs is the Link's business; from a ConfigMap, in that namespace's cluster.
    """

    key: Key
    origin: Origin
    tunnel: str
    rules: tuple[TunnelRule, ...]


class HelmIntent(Struct, frozen=True):
    """Values given to a Helm chart: HelmRelease, HelmChart(Config), Argo Application or a values file.

    `chart` the chart's bare name ("traefik"), "" when only the file's reader knows.  `values` is JSON text, since
    intents are hashable; `origin` that of the values.
    """

    key: Key
    origin: Origin
    chart: str
    version: str
    release: str
    namespace: str
    values: str


# --- certificates ---------------------------------------------------------------------------------


class SecretEntry(Struct, frozen=True, gc=False):
    """One entry of a Secret."""

    secret: Key
    entry: str


class Solver(Struct, frozen=True, gc=False):
    """How challenges of some names are met: `type` "dns01" or "http01".

    dns01: `provider` ("cloudflare", "route53", "rfc2136", "acmeDNS", ...), its `settings` under cert-manager's field
    names (nameserver, tsigKeyName, host ...) and `secrets` by field (tsigSecretSecretRef ...); `follow_cname`: the
    challenge name may be a CNAME to where the record is to be put.  http01: `class_name` of its Ingress or `gateways`
    it attaches to.  `names`/`zones`/`labels` limit it (dnsNames, dnsZones, matchLabels); all empty: everything.
    """

    type: str
    origin: Origin
    provider: str = ""
    class_name: str = ""
    gateways: tuple[Key, ...] = ()
    names: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, SecretEntry], ...] = ()
    follow_cname: bool = False


class AcmeSettings(Struct, frozen=True):
    """What an ACME issuer says beside its server and solvers.  `ca_bundle` PEM: whom to trust for the server itself.

    `account`: the Secret of the account key.  `external_key_id` with `external_key`: external account binding
    (RFC 8555, 7.3.4), the entry holds the MAC key in base64url.  `preferred_chain`: the issuer's common name at the top
    of the chain that is wanted.
    """

    email: str = ""
    ca_bundle: bytes = b""
    skip_tls_verify: bool = False
    account: SecretEntry | None = None
    external_key_id: str = ""
    external_key: SecretEntry | None = None
    preferred_chain: str = ""
    profile: str = ""


class IssuerIntent(Struct, frozen=True):
    """Issuer or ClusterIssuer.  `type` "acme" | "ca" | "selfSigned" | "vault" | "other"; `server`: ACME directory."""

    key: Key
    origin: Origin
    type: str
    server: str = ""
    solvers: tuple[Solver, ...] = ()
    ca: Key | None = None
    acme: AcmeSettings = AcmeSettings()


class PrivateKey(Struct, frozen=True, gc=False):
    """What key a certificate is made with: `algorithm` "RSA" | "ECDSA" | "Ed25519", `size` in bits (0: 2048, P-256).

    `rotate`: a new one for every certificate.  `encoding` "PKCS1" | "PKCS8".
    """

    algorithm: str = "RSA"
    size: int = 0
    rotate: bool = True
    encoding: str = "PKCS1"


class CertificateIntent(Struct, frozen=True):
    """cert-manager's Certificate: `secret` will hold it for `names`.

    `duration` and `renew_before` seconds, 0 the default; `renew_percentage` of the lifetime before its end, 0 unset.
    """

    key: Key
    origin: Origin
    secret: Key
    names: tuple[str, ...]
    issuer: Key | None = None
    labels: tuple[tuple[str, str], ...] = ()
    created: str = ""
    common_name: str = ""
    private_key: PrivateKey = PrivateKey()
    duration: float = 0.0
    renew_before: float = 0.0
    renew_percentage: int = 0
    is_ca: bool = False


# --- who asks, and what must hold -----------------------------------------------------------------


class VantageIntent(Struct, frozen=True):
    """Where requests start.  `at` a network, node or cluster; `addresses` of the client (else some of the network).

    `resolvers`: Resolver names or addresses, in the order in which the client has them; empty: the public DNS.
    `families` of "4" and "6" that it has, in its order of preference.  `trust`: "public" and Keys of Secrets or
    ConfigMaps with ca.crt as "kind:namespace/name".  `namespace`/`labels`: a pod, for policies.
    """

    key: Key
    origin: Origin
    at: Spot
    addresses: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    families: tuple[str, ...] = ("4", "6")
    trust: tuple[str, ...] = ("public",)
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()


class ExpectationIntent(Struct, frozen=True):
    """What a user says must hold.  `vantages` empty: every one; `families` empty: those of the vantage.

    `outcome` "delivered" | "answered" | "refused" | "unreachable" | "absent" | "" (any); `status` 0: any; `gateway` and
    `backend` ("namespace/name[:port]") "" any; `location` of a redirect; `via`: names of links and resolvers that must
    be passed; `not_via`: that must not.  `idle_timeout` seconds and `body` octets that the path has to bear;
    `resolves_to` the addresses that may be answered.  Every branch has to hold.
    """

    key: Key
    origin: Origin
    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    sni: str | None = None
    body: int = 0
    vantages: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    outcome: str = ""
    status: int = 0
    gateway: str = ""
    backend: str = ""
    location: str = ""
    via: tuple[str, ...] = ()
    not_via: tuple[str, ...] = ()
    idle_timeout: float = 0.0
    resolves_to: tuple[str, ...] = ()


# --- hosted control planes ------------------------------------------------------------------------


class TenantIntent(Struct, frozen=True):
    """A TenantControlPlane (Steward, Kamaji): the API server that it makes, and the routes that its operator makes.

    `controller_type` "traefik" | "haproxy" | "nginx" | "generic" | ""; `konnectivity` (host, port) that agents dial,
    "" when off.  `address`: networkProfile.address, which becomes --advertise-address.
    """

    key: Key
    origin: Origin
    hostname: str
    class_name: str = ""
    controller_type: str = ""
    address: str = ""
    port: int = 6443
    cert_sans: tuple[str, ...] = ()
    pod_cidr: str = ""
    service_cidr: str = ""
    service_type: str = ""
    tcp_proxy: bool = False
    konnectivity: tuple[str, int] | None = None
    annotations: tuple[tuple[str, str], ...] = ()


WorldIntent = (
    SiteIntent
    | NodeIntent
    | LinkIntent
    | FirewallIntent
    | PoolIntent
    | AnnouncementIntent
    | PolicyIntent
    | ZoneIntent
    | ViewIntent
    | RecordsIntent
    | ResolverIntent
    | ResolverFileIntent
    | LinkFileIntent
    | TunnelIntent
    | HelmIntent
    | IssuerIntent
    | CertificateIntent
    | VantageIntent
    | ExpectationIntent
    | TenantIntent
)
