"""A first site map, made of what the manifests reveal: the text that `gatewright init` writes.

Everything in it is a guess that its comments give reasons for, or a place to fill in.  What the site map among the
manifests says already is left out.  Counterpart: the kinds of the site map, which read it.
"""

from __future__ import annotations

import ipaddress
import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct

from gatewright.base.origin import Locator, Origin
from gatewright.cli import firstlinks
from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Net
from gatewright.graph.nodes import Gateway
from gatewright.graph.objects import ALL
from gatewright.graph.sight import Sight
from gatewright.kinds import syntax
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.kinds.intents.doors import ControllerIntent
from gatewright.kinds.intents.material import ServiceIntent
from gatewright.kinds.intents.naming import ResolverFileIntent, ResolverIntent, ZoneIntent
from gatewright.kinds.intents.places import NodeIntent, PoolIntent, SiteIntent
from gatewright.kinds.intents.programs import HelmIntent, LinkFileIntent, TunnelIntent

API_VERSION = "gatewright.dev/v1alpha1"
SITE, CLUSTER = "home", "cluster"
HOME = "home.arpa"
"""The domain that homes have to themselves: the internet is told nothing of it."""

POOLS = ("AddressPool", "CiliumLoadBalancerIPPool", "IPAddressPool")
PROGRAMS = {"Corefile": ("coredns", "CoreDNS"), "DnsmasqConfig": ("dnsmasq", "dnsmasq"),
            "AdGuardConfig": ("adguard", "AdGuardHome")}  # fmt: skip
_PLAIN = re.compile(r"[a-z][a-z0-9]*(?:[-./][a-z0-9]+)*")
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))


class Found(Struct, frozen=True):
    """What the manifests reveal."""

    gateways: tuple[Gateway, ...]
    inferred: tuple[Gateway, ...]
    services: tuple[ServiceIntent, ...]
    pools: tuple[PoolIntent, ...]
    nodes: tuple[NodeIntent, ...]
    ends: tuple[LinkFileIntent, ...]
    tunnels: tuple[TunnelIntent, ...]
    resolvers: tuple[ResolverFileIntent, ...]
    zone_files: tuple[ResolverFileIntent, ...]
    external_dns: tuple[HelmIntent, ...]
    hostnames: tuple[str, ...]
    sites: tuple[SiteIntent, ...]
    zones: tuple[ZoneIntent, ...]
    described_resolvers: tuple[ResolverIntent, ...]
    vantages: tuple[VantageIntent, ...]
    linked: frozenset[str]


def look(sight: Sight, hostnames: tuple[str, ...]) -> Found:
    """The question that gathers it."""
    gateways = tuple(gateway for name in sight.gateways() if (gateway := sight.gateway(name)) is not None)
    described = {controller.key for controller in sight.listed("controllers", ALL, ControllerIntent)}
    return Found(
        gateways=gateways,
        inferred=tuple(g for g in gateways if g.key.kind == "IngressController" and g.key not in described),
        services=tuple(sight.listed("load-balancers", ALL, ServiceIntent)),
        pools=tuple(pool for kind in POOLS for pool in sight.all(kind, PoolIntent)),
        nodes=tuple(node for node in sight.all("Node", NodeIntent) if node.addresses),
        ends=tuple(end for kind in firstlinks.KINDS for end in sight.all(kind, LinkFileIntent)),
        tunnels=tuple(sight.all("CloudflaredConfig", TunnelIntent)),
        resolvers=tuple(found for kind in PROGRAMS for found in sight.all(kind, ResolverFileIntent)),
        zone_files=tuple(sight.all("ZoneFile", ResolverFileIntent)),
        external_dns=tuple(sight.listed("charts", "external-dns", HelmIntent)),
        hostnames=hostnames,
        sites=tuple(sight.all("Site", SiteIntent)),
        zones=tuple(sight.all("Zone", ZoneIntent)),
        described_resolvers=tuple(sight.all("Resolver", ResolverIntent)),
        vantages=tuple(sight.all("Vantage", VantageIntent)),
        linked=firstlinks.described(sight),
    )


class Writer:
    """The map as text.  `folder` is where it will lie: configurations are named relative to it."""

    def __init__(self, found: Found, locator: Locator, folder: str) -> None:
        self.found = found
        self._locator = locator
        self._folder = folder
        self._names: set[tuple[str, str]] = set()
        self.links = firstlinks.links([end for end in found.ends if end.key.name not in found.linked], found.nodes)
        self.networks = {} if found.sites else networks(found)
        self.nodes = list(_nodes(found))

    def text(self) -> str:
        """The whole map; only a head of comments when nothing is missing."""
        parts = [self._head(), *self._site(), *self._links(), *self._resolvers(), *self._zones()]
        parts += [*self._controllers(), *self._vantages()]
        return "\n---\n".join(part.rstrip("\n") for part in parts) + "\n"

    # --- words ---

    def where(self, origin: Origin) -> str:
        """Where something was found, for a comment."""
        return comment(str(self._locator.locate(origin)))

    def file(self, name: str) -> str:
        """A configuration as the map has to call it."""
        if posixpath.isabs(name) != posixpath.isabs(self._folder):
            return quoted(posixpath.abspath(name))
        return quoted(posixpath.relpath(name, self._folder or "."))

    def document(self, kind: str, name: str, spec: Iterable[str], notes: Iterable[str] = ()) -> str:
        """One document, its notes first; its name is made one that nothing else has."""
        unique, number = label(name), 1
        while (kind, unique) in self._names:
            number += 1
            unique = f"{label(name)}-{number}"
        self._names.add((kind, unique))
        body = list(spec)
        head = [f"# {note}" for note in notes]
        head += [f"apiVersion: {API_VERSION}", f"kind: {kind}", f"metadata: {{name: {quoted(unique)}}}"]
        written = any(not line.lstrip().startswith("#") for line in body)
        return "\n".join([*head, "spec:" if written else "spec: {}", *(f"  {line}" for line in body)])

    # --- parts ---

    def _head(self) -> str:
        lines = [
            "The site map: what the manifests do not say. A first one, guessed from them: go through it once.",
            "Every field is explained in docs/site-map.md; `gatewright schema` helps editors to complete them.",
            "",
            "The doors that the manifests describe:",
        ]
        for gateway in self.found.gateways:
            addresses = ", ".join(gateway.addresses) or "no address said"
            inferred = "inferred from its class" if gateway in self.found.inferred else self.where(gateway.origin)
            lines.append(f"- {gateway.id} ({gateway.implementation}): {addresses}; {inferred}")
        if not self.found.gateways:
            lines.append("- none")
        return "\n".join(f"# {comment(line)}".rstrip() for line in lines)

    def _site(self) -> Iterator[str]:
        if self.found.sites:
            return
        lines: list[str] = []
        if self.networks:
            lines.append("networks:")
        else:
            lines += [
                "# networks:",
                "#   - {name: lan, cidrs: [192.168.178.0/24], dhcp: [192.168.178.100-192.168.178.199]}",
            ]
        for name, (nets, why) in self.networks.items():
            lines += [f"  # guessed from {why}; put in the real CIDRs and what DHCP hands out"]
            lines += [f"  - name: {name}", f"    cidrs: [{', '.join(map(quoted, nets))}]", "    # dhcp: [FIRST-LAST]"]
        machines = [(name, addresses, self.where(origin)) for name, addresses, origin in self.nodes]
        machines += [(machine.name, machine.addresses, machine.why) for link in self.links for machine in link.machines]
        if machines:
            lines.append("nodes:")
        else:
            lines += ["# nodes:", "#   - {name: node1, addresses: [192.168.178.5]}"]
        for name, addresses, why in machines:
            shown = ", ".join(map(quoted, addresses))
            lines += [f"  # {comment(why)}", f"  - {{name: {quoted(name)}, addresses: [{shown}]}}"]
        lines += self._cluster()
        yield self.document("Site", SITE, lines, ["The place that the manifests are for; one Site for each location."])

    def _cluster(self) -> Iterator[str]:
        pods = dict.fromkeys(cidr for node in self.found.nodes for cidr in node.pod_cidrs)
        yield from ("clusters:", f"  - name: {CLUSTER}")
        if pods:
            yield f"    podCIDRs: [{', '.join(map(quoted, pods))}]  # as the Nodes say"
        else:
            yield "    # podCIDRs: [10.42.0.0/16]  # k3s's default"
        yield "    # serviceCIDRs: [10.43.0.0/16]  # k3s's default"
        if self.nodes:
            yield f"    nodes: [{', '.join(quoted(name) for name, *_ in self.nodes)}]"
        else:
            yield "    # nodes: [node1]"

    def _place(self) -> str:
        """Where the cluster is, in words of the map."""
        if not self.found.sites:
            return f"cluster: {SITE}/{CLUSTER}"
        site = self.found.sites[0]
        if site.clusters:
            return f"cluster: {quoted(f'{site.key.name}/{site.clusters[0].name}')}"
        return f"site: {quoted(site.key.name)}"

    def _links(self) -> Iterator[str]:
        for tunnel in self.found.tunnels:
            if tunnel.key.name not in self.found.linked:
                lines = ["type: CloudflareTunnel", f"ends: [{{{self._place()}}}]  # where cloudflared runs"]
                lines.append(f"config: {self.file(tunnel.key.name)}")
                yield self.document("Link", "cloudflared", lines, [self.where(tunnel.origin)])
        # Ends need machines, and those a Site: one that is described already is not ours to add to.
        links = () if self.found.sites else self.links
        placed = {end.config for link in links for end in link.ends}
        for file in self.found.ends:
            if file.key.name not in placed | self.found.linked:
                yield self._unplaced(file)
        for link in links:
            lines = [f"type: {link.type}", "ends:"]
            for end in link.ends:
                lines.append(f"  - node: {quoted(f'{SITE}/{end.node}')}")
                if end.config:
                    lines.append(f"    config: {self.file(end.config)}")
                if end.routes:
                    lines.append(f"    routes: [{', '.join(map(quoted, end.routes))}]")
            yield self.document("Link", link.name, lines, ["Correct where its ends are, here and among the nodes."])

    def _unplaced(self, file: LinkFileIntent) -> str:
        """A Link to fill in: not enough is known of its ends."""
        lines = [
            f"A Link for {file.key.name}; who is at its ends has to be filled in:",
            "kind: Link",
            f"metadata: {{name: {label(file.type.value)}}}",
            "spec:",
            f"  type: {file.type.value}",
            "  ends:",
            f"    - {{node: {SITE}/node1, config: {self.file(file.key.name)}}}",
            f"    - {{node: {SITE}/node2}}",
        ]
        return "\n".join(f"# {comment(line)}" for line in lines)

    def _resolvers(self) -> Iterator[str]:
        known = {resolver.file.name for resolver in self.found.described_resolvers if resolver.file}
        self._names |= {("Resolver", resolver.key.name) for resolver in self.found.described_resolvers}
        for found in self.found.resolvers:
            if found.key.name in known:
                continue
            name, implementation = PROGRAMS[found.key.kind]
            lines = [f"implementation: {implementation}", f"config: {self.file(found.key.name)}"]
            lines.append("# addresses: [192.168.178.3]  # where clients reach it")
            yield self.document("Resolver", name, lines, [self.where(found.origin)])

    def _zones(self) -> Iterator[str]:
        known = {zone.domain for zone in self.found.zones}
        self._names |= {("Zone", zone.key.name) for zone in self.found.zones}
        files = {domain: found for found in self.found.zone_files for domain in found.config.domains[:1]}
        counts = Counter(name for host in self.found.hostnames if (name := domain_of(host)))
        for domain in sorted({*counts, *files} - known):
            if not syntax.is_hostname(domain) or "${" in domain:
                continue
            notes = [f"{counts[domain]} of the hostnames are in it; guessed, a zone may begin further down."]
            lines = [f"domain: {quoted(domain)}"]
            lines += ["view: home"] if domain == HOME else ["# provider: Cloudflare", "# sslMode: strict"]
            if self.found.external_dns:
                lines.append(f"externalDNS: true  # {self.where(self.found.external_dns[0].origin)}")
            if domain in files:
                lines.append(f"file: {self.file(files[domain].key.name)}")
            lines += ["# records:", '#   - {name: "*", values: [203.0.113.20], proxied: true}']
            yield self.document("Zone", domain, lines, notes)

    def _controllers(self) -> Iterator[str]:
        known = {gateway.id for gateway in self.found.gateways}
        for gateway in self.found.inferred:
            if f"default/{gateway.key.name}" in known:
                continue
            classes = [name for name in gateway.classes if name is not None]
            lines = [f"implementation: {gateway.implementation}"]
            if classes:
                lines.append(f"classes: [{', '.join(map(quoted, classes))}]")
            lines.append(f"claimsClassless: {'true' if None in gateway.classes else 'false'}")
            lines.append("# addresses: [192.168.178.10]")
            for service in self.found.services:
                if service.load_balancer_ips:
                    shown = f"{service.key} has {', '.join(service.load_balancer_ips)}"
                    lines.append(f"# {comment(shown)}")
            yield self.document("IngressController", gateway.key.name, lines, ["Inferred from the classes in use."])

    def _vantages(self) -> Iterator[str]:
        if self.found.vantages:
            return
        yield self.document("Vantage", "internet", ["network: internet"], ["A phone on the road."])
        names = ", ".join(name for kind, name in sorted(self._names) if kind == "Resolver") or "192.168.178.1"
        for network in self.networks:
            lines = [f"network: {SITE}/{network}", f"# resolvers: [{names}]  # those that DHCP hands out, in order"]
            yield self.document("Vantage", f"at-{network}", lines, ["The same phone at home."])


# --- guesses --------------------------------------------------------------------------------------


def networks(found: Found) -> dict[str, tuple[tuple[str, ...], str]]:
    """The private networks that addresses seen belong to, by name: their CIDRs, and what was seen."""
    seen: dict[Net, str] = {}
    for first, last, why in _spans(found):
        net = _covering(first, last)
        if net is not None:
            seen.setdefault(net, why)
    nets = [net for net in seen if not any(net != other and cidrs.within(net, other) for other in seen)]
    fours, sixes = ([net for net in nets if net.version == version] for version in (4, 6))
    if len(fours) == len(sixes) == 1:
        why = " and ".join(dict.fromkeys((seen[fours[0]], seen[sixes[0]])))
        return {"lan": ((str(fours[0]), str(sixes[0])), why)}
    ordered = [*fours, *sixes]
    return {f"lan{n or ''}": ((str(net),), seen[net]) for n, net in zip([0, *range(2, 10**6)], ordered, strict=False)}


def _nodes(found: Found) -> Iterator[tuple[str, tuple[str, ...], Origin]]:
    """The Nodes with their addresses; one that two of them claim goes to the first."""
    taken: set[str] = set()
    for node in found.nodes:
        addresses = tuple(address for address in node.addresses if address not in taken)
        taken.update(addresses)
        if addresses:
            yield node.key.name, addresses, node.origin


def _spans(found: Found) -> Iterator[tuple[str, str, str]]:
    for node in found.nodes:
        yield from ((address, address, f"{node.key}") for address in node.addresses)
    for pool in found.pools:
        yield from ((item.first, item.last, f"{pool.key}") for item in pool.ranges)
    for service in found.services:
        yield from ((ip, ip, f"{service.key}") for ip in service.load_balancer_ips if syntax.is_ip(ip))
    for gateway in found.gateways:
        yield from ((ip, ip, f"{gateway.key}") for ip in gateway.addresses if syntax.is_ip(ip))


def _covering(first: str, last: str) -> Net | None:
    """The /24 or /64 that holds both, a larger network if it takes one; None for what no network of a site is."""
    start, end = ipaddress.ip_address(first), ipaddress.ip_address(last)
    if any(cidrs.is_global(value) or cidrs.is_link_local(value) for value in (start, end)):
        return None
    net = ipaddress.ip_network((start, 24 if start.version == 4 else 64), strict=False)
    while end not in net:
        net = net.supernet()
    return net if net.prefixlen >= 8 else None


def domain_of(host: str) -> str:
    """The last two labels of a hostname; "" for what no public zone has."""
    name = host.removeprefix("*.")
    labels = name.split(".")
    internal = labels[-1] in ("local", "localhost", "internal", "svc")
    if len(labels) < 2 or internal or syntax.is_ip(name) or "${" in name:
        return ""
    return ".".join(labels[-2:])


def label(text: str) -> str:
    """A name that Kubernetes accepts, as near as possible."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].strip("-") or "x"


def quoted(text: str) -> str:
    """A YAML scalar, in quotes where it needs them."""
    plain = _PLAIN.fullmatch(text) is not None and text not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def comment(text: str) -> str:
    """A text that stays within its comment."""
    return "".join(char if char.isprintable() else "?" for char in text)
