"""A DNS record leads to a gateway that has no route for the name.

Whoever follows it gets 404, or the gateway's default certificate and a warning before that.  Mostly the application
is gone and its record was left; sometimes the route has a typing mistake in its host, or was refused by the
gateway.  A name that still leads to your gateway can be taken over by whoever may create a route there.

    kind: Zone
    spec:
      domain: example.com
      records: [{name: grafna, values: [203.0.113.9]}]       # the route's host is grafana.example.com

Remove the record, or give the gateway a route for the name.

It is no fault for names that other records or tunnels refer to (the gateway's own name), for wildcards, for
gateways that also pass on TCP or UDP, where the host does not matter, nor for the name of the machine itself.
Where the address is a machine's own, the name may be meant for something else there (SSH, mail): then this is only
a hint.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.base import hostnames
from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Fate, Row
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names
from gatewright.graph.names import servers
from gatewright.graph.names.announced import gateway_targets, is_door
from gatewright.graph.names.nodes import Resolution
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.naming import Record, RecordsIntent, ResolverFileIntent, ResolverIntent, ZoneIntent
from gatewright.kinds.intents.places import LinkIntent
from gatewright.trace import edges
from gatewright.trace.hops import OutcomeKind

ID = "name-without-route"
POINTING = frozenset({"CNAME", "ALIAS", "MX", "NS", "SRV", "PTR", "HTTPS", "SVCB"})
REFUSED = frozenset({OutcomeKind.REFUSED.value, OutcomeKind.UNTRUSTED.value})


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name that somebody leads to a gateway without giving it a route there."""
    if row.served or hostnames.is_wildcard(row.host):
        return
    for cell in row.cells:
        for fate in cell.fates:
            if fate.kind not in REFUSED or len(fate.gateways) != 1 or not fate.address:
                continue
            if not _unserved(sight, row.host, fate.gateways[0]):
                continue
            if row.host in sight.ask(referred_to) or is_door(sight, row.host):
                return
            machine = sight.ask(topology).owners.get(fate.address, "")
            label = row.host.partition(".")[0]
            if machine and label in machine.split("/"):
                return
            origin = _written(sight, row, cell.vantage, cell.family, fate)
            if origin is not None:
                yield Finding(
                    ID,
                    Severity.INFO if machine else Severity.WARNING,
                    f"{row.host} leads to gateway {fate.gateways[0]}, which has no route for it",
                    "who follows the record gets 404, or a certificate of another name",
                    "remove the record, or add a route with this hostname",
                    (origin,),
                    (cell.vantage,),
                    (row.host,),
                )


def _unserved(sight: Sight, host: str, gateway_id: str) -> bool:
    """Does the gateway have HTTP only, and nothing for this name, not even a wildcard?"""
    gateway = sight.gateway(gateway_id)
    if gateway is None or any(port.udp or not port.http for port in gateway.ports):
        return False
    return not _names.has_route(sight, gateway_id, host)


def _written(sight: Sight, row: Row, vantage: str, family: str, fate: Fate) -> Origin | None:
    """The record of the very name: where a wildcard leads, names come and go."""
    who = _names.client(sight, vantage)
    for item in _names.answers(sight, who, row.host, family) if who is not None else ():
        if item.resolver == fate.resolver and _is_of(sight, item, row.host):
            return next((step.origin for step in item.steps if step.origin is not None), item.origin)
    return None


def _is_of(sight: Sight, item: Resolution, host: str) -> bool:
    first = sight.ask(servers.server, item.asked[0]) if item.asked else None
    override = _names.overriding(sight, first, host) if first is not None else None
    return override is None or override.name == host


def referred_to(sight: Sight) -> frozenset[str]:
    """A question: the names that records, tunnels, gateways and links refer to: they are asked for in passing."""
    found = {value for record in _records(sight) if record.type in POINTING for value in record.values}
    found |= {value.rpartition(" ")[2].rstrip(".") for value in found}
    for resolver in sight.all("Resolver", ResolverIntent):
        for override in sight.ask(servers.configuration, resolver.key).overrides:
            found.update(override.values)
    for link in sight.all("Link", LinkIntent):
        found.update(end.endpoint.rpartition(":")[0] for end in link.ends)
    for gateway_id in sight.gateways():
        found.update(sight.ask(gateway_targets, gateway_id))
    return frozenset(found - edges.ENTRANCES.keys())


def _records(sight: Sight) -> Iterator[Record]:
    for zone in sight.all("Zone", ZoneIntent):
        yield from zone.records
        file = sight.get(zone.file, ResolverFileIntent) if zone.file is not None else None
        if file is not None:
            yield from file.config.records
    for endpoint in sight.all("DNSEndpoint", RecordsIntent):
        yield from endpoint.records


RULE = Rule(ID, "a record that leads to no route", Severity.WARNING, Scope.NAME, __doc__, check)
