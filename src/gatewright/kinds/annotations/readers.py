"""The dialects of annotations that are known, and what they make of one object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.kinds.annotations.alb import ingress as alb
from gatewright.kinds.annotations.haproxy import community as haproxy_community
from gatewright.kinds.annotations.haproxy import ingress as haproxy
from gatewright.kinds.annotations.nginx import ingress as nginx
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.annotations.reader import Reader
from gatewright.kinds.annotations.traefik import ingress as traefik
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.options import NOTHING, Options, laid_over
from gatewright.kinds.intents.routing import RuleIntent

READERS: tuple[Reader, ...] = (
    haproxy.READER,
    haproxy.ENTERPRISE_READER,
    haproxy_community.READER,
    alb.READER,
    nginx.READER,
    traefik.READER,
)


def read(
    annotations: Mapping[str, str], owner: Key, origin: Origin
) -> tuple[tuple[tuple[str, Options], ...], list[Problem]]:
    """Options by implementation, sorted, of the annotations of an object, and what is wrong with them.

    What several dialects say to one implementation is laid over each other, in the order of `READERS`.
    """
    found: dict[str, Options] = {}
    problems: list[Problem] = []
    for reader, notes in _notes(annotations, owner, origin):
        options = reader.read(notes)
        for name in reader.implementations:
            found[name] = laid_over(found.get(name, NOTHING), options)
        problems += notes.problems
    return tuple(sorted(found.items())), problems


def rules(
    annotations: Mapping[str, str], owner: Key, origin: Origin, given: tuple[RuleIntent, ...]
) -> tuple[tuple[RuleIntent, ...], list[Problem]]:
    """The rules of an object as its annotations change them, and what is wrong with these."""
    problems: list[Problem] = []
    for reader, notes in _notes(annotations, owner, origin):
        if reader.rules is not None:
            given = reader.rules(notes, given)
            problems += notes.problems
    return given, problems


def _notes(annotations: Mapping[str, str], owner: Key, origin: Origin) -> Iterator[tuple[Reader, Notes]]:
    """Those whose annotations are there, in their order, with these."""
    if not annotations:
        return
    place = origin.at("metadata", "annotations")
    for reader in READERS:
        own = {name: value for name, value in annotations.items() if name.startswith(reader.prefix)}
        if own:
            yield reader, Notes(own, owner, place, reader.prefix)


def meant(among: Sequence[Reader], names: Iterable[str]) -> Reader:
    """Whose ConfigMap this is: the dialect's that knows most of its keys, the first of several."""
    keys = set(names)

    def known(reader: Reader) -> int:
        return len(keys & {one.name for table in reader.compatibility for one in table.features})

    return max(among, key=known)


def usual(implementation: str) -> Options:
    """What holds at a door of this implementation when nobody says anything."""
    return next((one.usual for one in READERS if one.implementation == implementation), Options())
