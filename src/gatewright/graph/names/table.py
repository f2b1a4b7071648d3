"""Tables of names, in pieces: many thousand names of which a change of one concerns only those in its piece.

And how a DNS server looks a name up in one (RFC 1034, 4592): a wildcard covers any number of labels, but no name that
exists, be it only by a name below it, and nothing below one that exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from gatewright.kinds.intents.naming import Record

T = TypeVar("T")

WILDCARDS = 64
"""The piece of the wildcards, which every name below them looks at: none of the others may change with them."""

PIECES = WILDCARDS + 1

Node = Mapping[str, Record]
"""The record sets of one name by type; empty for a name that only has names below it."""

NOTHING: Node = {}

ADDRESSES = frozenset({"A", "AAAA"})


def piece_of(name: str) -> int:
    """The piece that a name is in."""
    return WILDCARDS if name.startswith("*.") else hash(name) % WILDCARDS


def in_pieces(names: Mapping[str, T]) -> tuple[Mapping[str, T], ...]:
    """A mapping by name, cut up."""
    pieces: list[dict[str, T]] = [{} for _ in range(PIECES)]
    for name, value in names.items():
        pieces[piece_of(name)][name] = value
    return tuple(pieces)


def nodes(records: Iterable[Record], domain: str) -> dict[str, Node]:
    """The names of records below (and at) a domain, "" for all, with those that exist by what is below them."""
    suffix = "." + domain if domain else ""
    found: dict[str, dict[str, Record]] = {}
    for record in records:
        name = record.name
        if name != domain and not name.endswith(suffix):
            continue
        put(found.setdefault(name, {}), record)
        while name != domain:
            name = name.partition(".")[2]
            if name in found:
                break
            found[name] = {}
    return dict(found)


def put(node: dict[str, Record], record: Record) -> None:
    """Put a record set to those of its name; two of one type become one."""
    before = node.get(record.type)
    if before is not None:
        values = tuple(dict.fromkeys(before.values + record.values))
        ttl, proxied = before.ttl or record.ttl, before.proxied or record.proxied
        record = Record(before.name, before.type, values, before.origin, ttl, proxied)
    node[record.type] = record


def uncrowded(node: Node) -> Node:
    """Record sets of one name of which none stands beside a CNAME (RFC 1034, 3.6.2): what leads by itself goes before
    it, and it goes before everything else."""
    if "CNAME" not in node or len(node) == 1:
        return node
    leading = ADDRESSES.isdisjoint(node)
    return {kind: record for kind, record in node.items() if (kind == "CNAME") == leading}


def owner(node: Callable[[str], Node | None], domain: str, name: str) -> tuple[str, Node | None]:
    """Whose records answer for a name in `domain`: its own, or a wildcard's at its closest encloser.

    None: the name does not exist.  `node` says what there is at one name, None for nothing.
    """
    found = node(name)
    if found is not None or name == domain:
        return name, found or NOTHING
    parent = name
    while parent != domain:
        parent = parent.partition(".")[2]
        if not parent:
            break
        wildcard = "*." + parent
        if wildcard != name:
            found = node(wildcard)
            if found is not None:
                return wildcard, found
        if parent == domain or node(parent) is not None:
            break
    return name, None
