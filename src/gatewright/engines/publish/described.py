"""The zones of a model that are at providers which we write to.  Pure; the counterpart of `planning`."""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.base.errors import UsageError
from gatewright.engines.publish import providers
from gatewright.engines.publish.content import PublicZone
from gatewright.engines.publish.providers.provider import Alias, Provider
from gatewright.graph.analysis import Analysis
from gatewright.graph.names import serving
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import Record, ZoneIntent


def public_zones(analysis: Analysis) -> tuple[PublicZone, ...]:
    """The zones with all that they are to hold, by domain and view.

    UsageError when two are one zone at one provider: each would undo what the other wants.
    """
    found: list[PublicZone] = []
    places: dict[tuple[object, ...], str] = {}
    for zone in analysis.answer(serving.zones):
        provider = providers.provider(zone.provider)
        intent = analysis.objects.intent(zone.key)
        if provider is None or not isinstance(intent, ZoneIntent):
            continue
        place = (zone.domain, provider.name, intent.settings)
        if place in places:
            raise UsageError(f"{places[place]} and {zone.id} are one zone at {provider.name}: give one other settings")
        places[place] = zone.id
        records = tuple(_records(analysis, zone.key, provider))
        found.append(PublicZone(zone.id, zone.domain, provider.name, dict(intent.settings), intent.owner, records))
    return tuple(found)


def _records(analysis: Analysis, zone: Key, provider: Provider) -> Iterator[Record]:
    """All that a zone is to hold.  Where the provider looks up no ALIAS, addresses that we know stand for it."""
    for name, records in sorted(analysis.answer(serving.contents, zone).items()):
        if provider.alias is Alias.NOWHERE and any(record.type == "ALIAS" for record in records):
            known = analysis.answer(serving.flattened, zone, name, False)
            yield from (record for record in known if record.values)
        else:
            yield from records
