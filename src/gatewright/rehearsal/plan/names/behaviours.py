"""Resolvers of the map as Behaviours: what their descriptions and configurations say, for a name server to do.

Counterparts: `programs`, which has the real program do it; `graph.names.servers`, where the configurations are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from gatewright.graph.names import servers
from gatewright.graph.names.servers import ServerKind
from gatewright.graph.network import cidrs
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import Override, ResolverConfig, ResolverIntent
from gatewright.rehearsal.nameserving.answering import fault
from gatewright.rehearsal.nameserving.behaviour import Behaviour, Forward, RecordSet, Rewrite, ZoneData
from gatewright.rehearsal.plan.names.contents import Contents
from gatewright.rehearsal.plan.names.placing import Spot
from gatewright.rehearsal.world import Draft

PUBLIC_ADDRESSES: Final = ("9.9.9.9", "2620:fe::fe", "1.1.1.1", "8.8.8.8")
"""Where everybody's resolvers are asked; the first of the asker's family counts."""

IN_ORDER: Final = frozenset({"fritzbox"})
"""Who keeps to the first of several upstreams where nothing else is said (docs/site-map.md)."""

DNSMASQ: Final = frozenset({"dnsmasq", "pihole"})
"""Who suppresses AAAA in what it is told alone (filter-AAAA), and keeps to it that its own names exist."""


class Upstreams:
    """The addresses behind what lists of upstreams name."""

    def __init__(self, draft: Draft, sight: Sight, spots: Mapping[Key, Spot]) -> None:
        self._draft = draft
        self._sight = sight
        self._spots = spots

    def addresses(self, ref: str, families: Iterable[str]) -> tuple[str, ...]:
        """Where to ask, the asker's own families first; empty where nobody knows."""
        who = self._sight.ask(servers.server, ref)
        literal = servers.address_of(ref)
        if cidrs.address(literal) is not None:
            return (literal,)
        if who.key is not None and who.key in self._spots:
            found = self._spots[who.key].addresses
        elif who.kind is ServerKind.PUBLIC:
            listed = self._sight.get(who.key, ResolverIntent) if who.key is not None else None
            found = (listed.addresses if listed is not None else ()) or PUBLIC_ADDRESSES[:2]
        else:
            return ()
        wanted = tuple(families)
        mine = tuple(address for address in found if family(address) in wanted)
        return mine or found

    def servers(self, refs: Iterable[str], spot: Spot) -> tuple[tuple[str, ...], ...]:
        """Those of a list that somebody can be asked at, each with its addresses."""
        families = {family(address) for address in spot.addresses}
        found = []
        for ref in refs:
            addresses = self.addresses(ref, families)
            if addresses:
                found.append(addresses)
            else:
                self._draft.note(f"nobody is asked at {ref}: the map does not say where that is")
        return tuple(found)


class Described(Struct, frozen=True):
    """A resolver of the map with its configuration, ready to be realised.  `forwards`: "" is everything else."""

    intent: ResolverIntent
    config: ResolverConfig
    spot: Spot
    forwards: tuple[Forward, ...]


def described(sight: Sight, intent: ResolverIntent, spot: Spot, upstreams: Upstreams) -> Described:
    """Whom a resolver asks for what."""
    config = sight.ask(servers.configuration, intent.key)
    usual = [ref for forward in config.forwards if not _domain(forward.domain) for ref in forward.to]
    usual = list(dict.fromkeys((*usual, *config.upstreams)))
    everything = next((forward for forward in config.forwards if not _domain(forward.domain)), None)
    by_default = "first" if intent.implementation in IN_ORDER else "any"
    order = (everything.order if everything is not None else "") or config.order or by_default
    found: dict[str, Forward] = {}
    for forward in config.forwards:
        domain = _domain(forward.domain)
        if domain and domain not in found:
            to = usual if forward.to == (servers.AS_USUAL,) else forward.to
            in_order = (forward.order or order) == "first"
            found[domain] = Forward(domain, upstreams.servers(to, spot), in_order)
    if usual:
        found[""] = Forward("", upstreams.servers(usual, spot), order == "first")
    return Described(intent, config, spot, tuple(found.values()))


def behaviour(sight: Sight, what: Described, contents: Contents, cluster: str) -> Behaviour:
    """What a name server has to do to be like this resolver.  `cluster`: the one that it runs in, "" for none."""
    config, intent = what.config, what.intent
    zones = list(contents.of_views(intent.views))
    zones += [contents.services(cluster, domain) for domain in config.cluster_domains]
    for names in config.gateway_names:
        zones += [contents.of_gateways(names, domain) for domain in names.domains]
    for domain, records in sight.ask(servers.zone_files, intent.key).items():
        if records is not None:
            zones.append(ZoneData(domain, contents.records(records)))
    return Behaviour(
        zones=tuple(zones),
        hosts=contents.records(config.records),
        rewrites=rewrites(config.overrides),
        forwards=what.forwards,
        domains=(*config.domains, *sorted(servers.built_in(intent.implementation, config))),
        rebind_protection=intent.rebind_protection or config.rebind_protection,
        rebind_exceptions=intent.rebind_exceptions + config.rebind_exceptions,
        filters_ipv6=config.filters_ipv6,
        own_ipv6=intent.implementation in DNSMASQ,
        keeps_names=intent.implementation in DNSMASQ,
    )


def rewrites(overrides: Iterable[Override]) -> tuple[Rewrite, ...]:
    """Local answers; values that no record can have are left out."""
    return tuple(
        Rewrite(item.name, item.type, _usable(item), item.apex, item.others == "forward") for item in overrides
    )


def _usable(item: Override) -> tuple[str, ...]:
    return tuple(value for value in item.values if not fault(RecordSet(item.name, item.type, (value,))))


def family(address: str) -> str:
    """The family of an address, "4" or "6"."""
    return "6" if ":" in address else "4"


def _domain(domain: str) -> str:
    return domain.removeprefix("*.").strip(".").lower()
