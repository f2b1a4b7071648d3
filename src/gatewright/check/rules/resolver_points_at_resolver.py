"""A name is rewritten to the address of a DNS server instead of being forwarded to it.

A rewrite says "the answer is this address"; a forward says "ask there".  Mixed up, clients get the address of the DNS
server as that of the web site and connect to it on port 443, where nothing listens: the browser says "connection
refused" while `dig` shows a healthy answer.

    kind: Resolver
    metadata: {name: adguard}
    spec:
      implementation: AdGuardHome
      overrides: [{name: "*.k8s.example.com", values: [172.16.1.60]}]    # the address of k8s_gateway

Remove the rewrite and forward the domain.  In AdGuard Home that is a line among the upstream servers,
`[/k8s.example.com/]172.16.1.60`; in dnsmasq and Pi-hole `server=/k8s.example.com/172.16.1.60`; in CoreDNS a server
block `k8s.example.com { forward . 172.16.1.60 }`; in the site map an entry of `forwards`.

It is no fault where a gateway answers at that address too, or where the name is the DNS server's own (its dashboard).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gatewright.base import hostnames
from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph.names import announced, servers
from gatewright.graph.network.doors import gateways_at
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.material import ServiceIntent
from gatewright.kinds.intents.naming import Override, Record, ResolverIntent

ID = "resolver-points-at-resolver"
DNS = 53

FORWARDS = {
    "adguardhome": "the upstream [/{domain}/]{address}",
    "dnsmasq": "server=/{domain}/{address}",
    "pihole": "server=/{domain}/{address}",
}
"""How each program writes a forward."""


def check(sight: Sight, resolver: ResolverIntent) -> Iterable[Finding]:
    """A resolver that answers with the address of a DNS server at which no gateway answers."""
    known = sight.ask(dns_servers)
    config = sight.ask(servers.configuration, resolver.key)
    local: tuple[Override | Record, ...] = (*config.overrides, *config.records)
    for said in local:
        for address in said.values:
            if address in known and _is_a_site(sight, said, address):
                what, origin = known[address]
                domain = said.name.removeprefix("*.")
                form = FORWARDS.get(resolver.implementation, "queries for {domain} go to {address}")
                yield Finding(
                    ID,
                    Severity.ERROR,
                    f"{resolver.key} answers {address} for {said.name}: that is the address of {what}, "
                    "which serves DNS only",
                    "clients connect to the DNS server as if it were the site, and nothing answers them there",
                    f"forward {domain} instead of rewriting it: {form.format(domain=domain, address=address)}",
                    (said.origin, origin),
                    hosts=(said.name,),
                )


def _is_a_site(sight: Sight, said: Override | Record, address: str) -> bool:
    """Is the name meant for gateways, rather than that of the DNS server or of something else on its machine?"""
    if sight.ask(gateways_at, address):
        return False
    if hostnames.is_wildcard(said.name):
        return said.name != hostnames.ANY and address not in sight.ask(topology).owners
    return bool(sight.serving(said.name))


def dns_servers(sight: Sight) -> Mapping[str, tuple[str, Origin]]:
    """A question: the addresses of resolvers, and of load balancers that have nothing but port 53."""
    found: dict[str, tuple[str, Origin]] = {}
    for service in sight.listed("load-balancers", "", ServiceIntent):
        if service.ports and all(port.port == DNS for port in service.ports):
            for address in sight.ask(announced.service_addresses, service.key):
                found[address] = (str(service.key), service.origin)
    for resolver in sight.all("Resolver", ResolverIntent):
        for address in resolver.addresses:
            found[address] = (str(resolver.key), resolver.origin)
    return found


RULE = Rule(
    ID, "a name rewritten to a DNS server's address", Severity.ERROR, Scope.OBJECT, __doc__, check,
    (ResolverIntent,),
)  # fmt: skip
