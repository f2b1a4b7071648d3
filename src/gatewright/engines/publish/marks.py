"""Whose record sets are whose: TXT records beside ours say so, and nothing without one is ever touched.

The mark of `www.example.com` A is `www.a._owner.example.com` TXT "owner".  All marks are below one name, for a mark
below the marked name itself would make that name's children exist, which keeps a wildcard from covering them
(RFC 4592, 2.2.2), and would lie beyond a delegation.  Pure; counterpart: `planning`, which asks and applies it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import Struct

from gatewright.engines.publish.content import Identity, Left, RecordSet

TTL_SECONDS = 300
_LABEL = "_owner"
_WILDCARD = "_wildcard"
_ADDRESSES = frozenset({"A", "AAAA"})


class Decision(Struct, frozen=True):
    """What is to be compared: the wanted sets but for `left`, with `marks` (their identities) beside them, and of what
    exists `ours`: owned, adopted, and our marks."""

    left: tuple[Left, ...]
    marks: frozenset[Identity]
    ours: frozenset[Identity]


def mark_of(identity: Identity, domain: str) -> Identity:
    """The mark of a record set."""
    name, type_ = identity
    relative = name.removesuffix(domain).removesuffix(".")
    if relative == "*" or relative.startswith("*."):
        relative = _WILDCARD + relative[1:]
    return f"{f'{relative}.' if relative else ''}{type_.lower()}.{_LABEL}.{domain}", "TXT"


def is_mark(identity: Identity, domain: str) -> bool:
    """Is it a mark, whosever?"""
    name, type_ = identity
    return type_ == "TXT" and name.endswith(f".{_LABEL}.{domain}")


def marked(identity: Identity, domain: str) -> Identity:
    """The record set that a mark is of."""
    name, _, type_ = identity[0].removesuffix(f".{_LABEL}.{domain}").rpartition(".")
    if name == _WILDCARD or name.startswith(f"{_WILDCARD}."):
        name = f"*{name.removeprefix(_WILDCARD)}"
    return (f"{name}.{domain}" if name else domain), type_.upper()


def mark_value(owner: str) -> str:
    """The rdata of our marks."""
    escaped = owner.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def decide(
    wanted: Mapping[Identity, RecordSet],
    existing: Mapping[Identity, RecordSet],
    domain: str,
    owner: str,
    adopt: Collection[str] = (),
) -> Decision:
    """What may be changed.  `adopt`: names at which what others have may be replaced."""
    owned = frozenset(_owned(existing, domain, owner))
    at: dict[str, list[RecordSet]] = defaultdict(list)
    for item in existing.values():
        at[item.name].append(item)
    left, marks = [], set()
    ours: set[Identity] = set()
    keep = set(owned)
    for identity, record_set in sorted(wanted.items()):
        mark = mark_of(identity, domain)
        foreign_mark = existing.get(mark) if identity not in owned else None
        in_the_way = tuple(
            item for item in sorted(at[identity[0]]) if item.identity not in owned and _excludes(record_set, item)
        )
        if (in_the_way or foreign_mark) and record_set.name not in adopt:
            left.append(Left(record_set, _reason(in_the_way, foreign_mark), in_the_way))
            # What we have there ourselves stays as it is: better the old answer than none.
            keep -= {item.identity for item in at[identity[0]] if item.identity not in wanted} | {identity}
            continue
        marks.add(mark)
        ours.update(item.identity for item in in_the_way)
        if foreign_mark:
            ours.add(mark)
    ours |= keep | {mark_of(identity, domain) for identity in keep}
    return Decision(tuple(left), frozenset(marks), frozenset(ours & existing.keys()))


def concerned(wanted: Iterable[Identity], existing: Mapping[Identity, RecordSet], domain: str, owner: str) -> set[str]:
    """The names that a plan is about: those wanted, those owned, and their marks."""
    identities = {*wanted, *_owned(existing, domain, owner)}
    return {name for name, _ in identities} | {mark_of(identity, domain)[0] for identity in identities}


def _owned(existing: Mapping[Identity, RecordSet], domain: str, owner: str) -> Iterator[Identity]:
    """The record sets that our marks are of, those that are gone included."""
    value = (mark_value(owner),)
    for identity, record_set in existing.items():
        if is_mark(identity, domain) and record_set.values == value:
            yield marked(identity, domain)


def _excludes(wanted: RecordSet, other: RecordSet) -> bool:
    """Can the two not be at one name?  Types with a slash are a provider's own stand-ins for addresses."""
    if wanted.type == other.type or "CNAME" in (wanted.type, other.type):
        return True
    if wanted.type == "ALIAS":
        return other.type in _ADDRESSES or "/" in other.type
    return wanted.type in _ADDRESSES and (other.type == "ALIAS" or "/" in other.type)


def _reason(in_the_way: tuple[RecordSet, ...], foreign_mark: RecordSet | None) -> str:
    if foreign_mark is not None:
        return f"marked as owned by {', '.join(foreign_mark.values)}"
    return "has no mark of ours"
