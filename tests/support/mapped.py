"""A world without files: intents and manifests to an Analysis, for tests of questions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from gatewright.base.origin import Origin
from gatewright.graph.analysis import Analysis
from gatewright.graph.builder import Builder
from gatewright.graph.names import resolvers
from gatewright.graph.names.nodes import Resolution
from gatewright.graph.network.nodes import Place
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.naming import Forwarding, Override, Record, ResolverConfig, ResolverIntent, ZoneIntent
from support.keys import NOW
from support.modelled import Manifest, intents

AT = Origin("map.yaml", "1")


class World:
    """Intents as they stand, and questions about them."""

    def __init__(self, *given: Intent, manifests: Iterable[Manifest] = ()) -> None:
        self._builder = Builder(lambda: NOW)
        first: dict[Key, Intent | None] = {**intents(manifests), **{intent.key: intent for intent in given}}
        graph, _ = self._builder.apply(first)
        self.analysis = Analysis(self._builder.objects, graph, NOW.date())

    def put(self, *given: Intent) -> set[Any]:
        """Add or replace intents; returns the kept questions that may be answered differently now."""
        return self.analysis.update(*self._builder.apply({intent.key: intent for intent in given}))

    def remove(self, *keys: Key) -> set[Any]:
        """Remove intents; returns as `put`."""
        return self.analysis.update(*self._builder.apply(dict.fromkeys(keys)))

    def answer(self, question: Callable[..., Any], *args: Hashable) -> Any:
        return self.analysis.answer(question, *args)

    def ask(
        self, name: str, type_: str = "A", resolver: str | tuple[str, ...] = (), place: Place | None = None
    ) -> tuple[Resolution, ...]:
        """Every answer that a client of these resolvers gets."""
        chosen = (resolver,) if isinstance(resolver, str) else resolver
        found: tuple[Resolution, ...] = self.answer(resolvers.resolutions, chosen, name, type_, place)
        return found

    def one(self, name: str, type_: str = "A", resolver: str | tuple[str, ...] = ()) -> Resolution:
        """The only answer."""
        (found,) = self.ask(name, type_, resolver)
        return found


def zone(domain: str, *records: Record, name: str = "", **more: Any) -> ZoneIntent:
    """A Zone, called like its domain."""
    return ZoneIntent(Key("Zone", "", name or domain), AT, domain, records=records, **more)


def record(name: str, type_: str, *values: str, **more: Any) -> Record:
    return Record(name, type_, values, AT.at(name, type_), **more)


def resolver(name: str, *overrides: Override, address: str = "", **more: Any) -> ResolverIntent:
    """A Resolver; what belongs to its configuration may be given by its field's name."""
    inner = {field: more.pop(field) for field in ResolverConfig.__struct_fields__ if field in more}
    addresses = (address,) if address else ()
    config = ResolverConfig(overrides=overrides, **inner)
    return ResolverIntent(Key("Resolver", "", name), AT, addresses=addresses, config=config, **more)


def override(name: str, type_: str, *values: str, **more: Any) -> Override:
    return Override(name, type_, values, AT.at("overrides", name), **more)


def forward(domain: str, *to: str, order: str = "") -> Forwarding:
    return Forwarding(domain, to, AT.at("forwards", domain), order)
