"""Zones for targets that have none, but answer for single names and for all names below one, the longest match first.

What RFC 4592 says of wildcards is more: they cover no name that exists, and nothing below one that exists.  `stops` are
the names at which such a target has to be told so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gatewright.engines.dns.export import records
from gatewright.engines.dns.export.records import Names, Set, Tree

ADDRESSES = ("A", "AAAA")


def trees(zones: Iterable[Names]) -> dict[str, dict[str, Tree]]:
    """The zones of each view by domain, to look aliases up in."""
    found: dict[str, dict[str, Tree]] = {}
    for names in zones:
        sets = {name: dict(node) for name, node in names.sets.items()}
        found.setdefault(names.view.name, {})[names.zone.domain] = Tree(names.zone.domain, sets)
    return found


def by_view(zones: Iterable[Names]) -> dict[str, list[Names]]:
    """The zones of each view."""
    found: dict[str, list[Names]] = {}
    for names in zones:
        found.setdefault(names.view.name, []).append(names)
    return found


def stops(tree: Tree) -> list[str]:
    """The names that a wildcard of the zone must not answer for, and that nothing but their own wildcard has below."""
    beneath = (name for name in tree.known if name != tree.domain)
    return sorted(name for name in beneath if f"*.{name.partition('.')[2]}" in tree.sets)


def flattened(node: Mapping[str, Set], name: str, zones: Mapping[str, Tree]) -> dict[str, Set]:
    """The addresses that the CNAME of a name leads to within its view, as records of the name; {} for none."""
    alias = node["CNAME"]
    found = records.addresses(records.target(alias.data[0]), zones)
    return {type_: Set(name, type_, min(alias.ttl, there.ttl), there.data) for type_, there in found.items()}
