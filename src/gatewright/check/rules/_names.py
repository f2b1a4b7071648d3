"""What rules about names share: a client's own questions, and words for where an answer leads.

Counterparts: `graph.names`, which answers; `check.matrix`, whose rows say what becomes of a request after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.base.origin import Origin
from gatewright.check.matrix import SAMPLE, Cell, Fate, Row
from gatewright.graph.names import resolvers, servers
from gatewright.graph.names.nodes import Edge, Resolution
from gatewright.graph.names.servers import Server
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.naming import Override
from gatewright.trace import edges
from gatewright.trace.hops import OutcomeKind
from gatewright.trace.vantages import Standing, standing

FAILED = frozenset({OutcomeKind.UNREACHABLE.value, OutcomeKind.UNTRUSTED.value, OutcomeKind.REFUSED.value})
"""The kinds of fates in which nobody gets what they asked for."""

FAMILY = {"4": "IPv4", "6": "IPv6"}
TYPE = {"4": "A", "6": "AAAA"}


def asked(host: str) -> str:
    """The name that is asked for in place of a hostname that may be a wildcard."""
    return f"{SAMPLE}{host[1:]}" if hostnames.is_wildcard(host) else host


def client(sight: Sight, vantage: str) -> Standing | None:
    """Who asks; None at the gateways themselves."""
    return sight.ask(standing, vantage) if vantage else None


def answers(sight: Sight, who: Standing, host: str, family: str) -> tuple[Resolution, ...]:
    """Everything that a vantage can be answered for a hostname."""
    return resolvers.resolutions(sight, who.resolvers, asked(host), TYPE[family], who.place)


def unanswered(sight: Sight, row: Row) -> Iterator[tuple[Cell, Standing, Resolution]]:
    """All that the vantages are answered that get no address for a hostname from some resolver."""
    for cell in row.cells:
        if not any(fate.kind == OutcomeKind.UNREACHABLE and not fate.address for fate in cell.fates):
            continue
        who = client(sight, cell.vantage)
        if who is not None:
            yield from ((cell, who, item) for item in answers(sight, who, row.host, cell.family))


def pairs(row: Row) -> Iterator[tuple[Cell, Cell]]:
    """The cells of each vantage that has both families: IPv4 and IPv6."""
    fours = {cell.vantage: cell for cell in row.cells if cell.family == "4"}
    for cell in row.cells:
        if cell.family == "6" and cell.vantage in fours:
            yield fours[cell.vantage], cell


def overriding(sight: Sight, who: Server, name: str) -> Override | None:
    """The override by which a resolver answers for a name, be it a wildcard's."""
    if who.key is None or not who.overrides:
        return None
    own = servers.override_of(sight, who.key, name)
    parent = name
    while not own and parent:
        own = servers.override_of(sight, who.key, f"*.{parent}")
        if parent == name:
            own = tuple(item for item in own if item.apex)
        parent = parent.partition(".")[2]
    return own[0] if own else None


def has_route(sight: Sight, gateway_id: str, host: str) -> bool:
    """Does a gateway have a rule for a hostname, be it by a wildcard or for all?"""
    for pattern in hostnames.parents(host, Depth.MANY):
        for key in sight.serving(pattern):
            found = sight.virtual_host(key) if key.gateway == gateway_id else None
            if found is not None and found.entries:
                return True
    return False


def edge_name(provider: str) -> str:
    """A CDN in a sentence."""
    return f"the {provider or 'CDN'} edge"


def destination(item: Resolution) -> str:
    """Where an answer leads, in a sentence."""
    return edge_name(item.edge.provider) if isinstance(item.edge, Edge) else ", ".join(item.addresses)


def lead(fate: Fate) -> str:
    """Where a branch led, in words that are the same for all names that are led there; "" when nobody knows."""
    if fate.kind == OutcomeKind.ABSENT:
        return "no address"
    if (fate.kind == OutcomeKind.UNKNOWN and not fate.gateways) or not fate.address:
        return ""
    if fate.address in edges.ENTRANCES:
        return edge_name(fate.address)
    return f"gateway {fate.gateways[0]}" if fate.gateways else fate.address


def places(*origins: Origin | None) -> tuple[Origin, ...]:
    """The places that there are, each once, in order."""
    return tuple(dict.fromkeys(origin for origin in origins if origin is not None))


def either(words: Iterable[str]) -> str:
    """Words as "a, b or c"."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def listing(words: Iterable[str]) -> str:
    """Words as "a, b and c"."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
