"""AdGuard Home: `filtering.rewrites` for each view, to be merged into AdGuardHome.yaml.

A name with a rewrite of one family answers the other with nothing, so no private name is asked upstream in one family.
A wildcard that is a CNAME would win over exact names, so it is exported as addresses.  Counterpart: `kinds.adguard`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import yaml

from gatewright.engines.dns.export import flat, records, zonefile
from gatewright.engines.dns.export.format import Exported, Format, Loss, Settings, Source
from gatewright.engines.dns.export.records import Names, Set, Tree

_LEADING = ("A", "AAAA", "CNAME")
_FASTEST = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def write(source: Source, settings: Settings) -> Exported:
    """The files for AdGuard Home."""
    zones, losses = records.prepare(source)
    looked_up = flat.trees(zones)
    views = flat.by_view(zones)
    files = {}
    for view, mine in views.items():
        rewrites = [
            {"domain": name, "answer": answer, "enabled": True}
            for names in mine
            for name, answer in _rewrites(names, looked_up[view], losses)
        ]
        document = {"filtering": {"rewrites_enabled": True, "rewrites": rewrites}}
        text: str = yaml.dump(document, Dumper=_FASTEST, sort_keys=False)
        files[f"adguard/{zonefile.folder(view)}.yaml"] = f"# Made by gatewright dns export.\n{text}"
        if len(views) > 1:
            losses.append(Loss("views", view))
    return Exported(files, tuple(sorted(losses)))


def _rewrites(names: Names, trees: Mapping[str, Tree], losses: list[Loss]) -> Iterator[tuple[str, str]]:
    """Names and what they are rewritten to."""
    losses.append(Loss("authority", names.zone.domain))
    for name in flat.stops(trees[names.zone.domain]):
        losses.append(Loss("wildcard-reach", name))
    for item in names.all():
        if item.type not in _LEADING:
            if (item.name, item.type) != (names.zone.domain, "NS"):
                losses.append(Loss("type", f"{item.name} {item.type}"))
        elif item.type == "CNAME" and item.name.startswith("*."):
            found = flat.flattened({"CNAME": item}, item.name, trees)
            losses.append(Loss("wildcard-alias", item.name))
            for addresses in found.values():
                yield from _answers(addresses, losses)
        else:
            yield from _answers(item, losses)


def _answers(item: Set, losses: list[Loss]) -> Iterator[tuple[str, str]]:
    losses.append(Loss("ttl", f"{item.name} {item.type}"))
    if item.name.startswith("*.") and len(item.data) > 1:
        losses.append(Loss("wildcard-addresses", item.name))
    for data in item.data:
        yield item.name, records.target(data) if item.type == "CNAME" else data.to_text()


FORMAT = Format(
    name="adguard",
    title="AdGuard Home",
    makes="`adguard/VIEW.yaml` for each view with `filtering.rewrites`, to be merged into `AdGuardHome.yaml`",
    losses={
        "views": "is one of several views; AdGuard Home rewrites alike for everybody; each file is for another server",
        "authority": "is no zone for AdGuard Home: names without a rewrite are asked upstream",
        "type": "is of a type that cannot be rewritten; it is asked upstream",
        "wildcard-reach": "exists below a wildcard, which answers here for what the name lacks, and for names below it",
        "wildcard-alias": "is a wildcard CNAME, which would win over exact names; it is exported as addresses, if any",
        "wildcard-addresses": "is a wildcard with several addresses of a family, of which AdGuard Home answers one",
        "ttl": "has the TTL of blocked_response_ttl",
    },
    write=write,
)
