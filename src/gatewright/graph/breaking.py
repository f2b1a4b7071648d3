"""What users suppose to be broken (`--break KIND:NAME`): what there is to break, and what the model is told of it.

Nothing here knows what it takes to break something.  Counterparts: `network.outages`, what the model makes of it;
`rehearsal.faults`, which break the same things in a world that stands, under the same names.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct, structs

from gatewright.base.errors import UsageError
from gatewright.base.origin import made
from gatewright.graph import issuing
from gatewright.graph.network.outages import OUTAGE
from gatewright.graph.network.placement import candidates, home
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.material import EndpointAddress, EndpointsIntent
from gatewright.kinds.intents.naming import ResolverIntent
from gatewright.kinds.intents.outages import OutageIntent
from gatewright.kinds.intents.places import LinkIntent

ORIGIN: Final = made("--break")
SUPPOSED: Final = Key(OUTAGE, "", "supposed")
EXPIRE: Final = "expire"
"""Stands for all certificates that issuers make."""

KINDS: Final = ("link", "node", "resolver", "gateway", "certificate")
MEASURED: Final = ("latency", "rate")
"""What changes nothing in the model, and is seen in a world that stands only."""


class Things(Struct, frozen=True):
    """What there is to break: machines and gateways by id, certificates by their Secret (namespace/name), all else by
    name."""

    links: frozenset[str]
    networks: frozenset[str]
    machines: frozenset[str]
    resolvers: frozenset[str]
    gateways: frozenset[str]
    certificates: frozenset[str] = frozenset()

    def of(self, kind: str) -> frozenset[str]:
        """The names of one of KINDS."""
        return {
            "link": self.links,
            "node": self.machines,
            "resolver": self.resolvers,
            "gateway": self.gateways,
            "certificate": self.certificates,
        }[kind]

    def find(self, kind: str, name: str) -> frozenset[str]:
        """Who is meant by a name, which may lack its first part where that is clear.  UsageError with what there is."""
        if kind == "certificate" and name == EXPIRE:
            if not self.certificates:
                raise UsageError("there is no certificate that an issuer makes, and none to expire")
            return self.certificates
        return frozenset({known(kind, name, self.of(kind))})


def things(sight: Sight) -> Things:
    """A question: all that can be broken."""
    there = sight.ask(topology)
    wanted = (one for target in sight.ask(issuing.targets) for one in sight.ask(issuing.wanted, target))
    return Things(
        frozenset(link.key.name for link in sight.all("Link", LinkIntent)),
        frozenset(there.networks),
        frozenset(there.machines),
        frozenset(one.key.name for one in sight.all("Resolver", ResolverIntent)),
        frozenset(sight.gateways()),
        frozenset(one.id for one in wanted if one.target.kind == "Secret" and not one.is_ca),
    )


def words(sight: Sight) -> tuple[str, ...]:
    """A question: all that can be broken, as users write it."""
    there = sight.ask(things)
    found = [f"{kind}:{name}" for kind in KINDS for name in sorted(there.of(kind))]
    return (*found, f"certificate:{EXPIRE}") if there.certificates else tuple(found)


def split(text: str) -> tuple[str, str]:
    """The kind and the name of what users write.  UsageError with what can be broken."""
    kind, colon, name = text.partition(":")
    all_ = (*KINDS, *MEASURED)
    if kind in all_ and colon and name:
        return kind, name
    close = difflib.get_close_matches(kind.lower(), all_, 1) if colon else []
    hint = f"did you mean {close[0]}:{name or '...'}? " if close and close[0] != kind else ""
    raise UsageError(f"cannot break {text!r}: {hint}say {', '.join(f'{one}:...' for one in all_)}")


def known(what: str, name: str, there: Iterable[str]) -> str:
    """The name of the thing that is meant, which may lack its first part where that is clear.  UsageError with what
    there is."""
    all_ = sorted(there)
    found = [name] if name in all_ else [one for one in all_ if one.endswith(f"/{name}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"the {what} {name} may be {' or '.join(found)}")
    last = {one.rpartition("/")[2]: one for one in reversed(all_)}
    close = difflib.get_close_matches(name, (*all_, *last), 1)
    hint = f"; did you mean {last.get(close[0], close[0])}?" if close else ""
    raise UsageError(f"there is no {what} {name} to break{hint} (there are: {', '.join(all_) or 'none'})")


def supposed(sight: Sight, faults: tuple[str, ...]) -> Mapping[Key, Intent | None]:
    """A question: what the model is to be told when all of this is broken at once.

    UsageError for what there is not, and for what changes nothing in a model.
    """
    there = sight.ask(things)
    down: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for text in faults:
        kind, name = split(text)
        if kind in MEASURED:
            raise UsageError(f"{text}: the model knows no {kind}; gatewright rehearse --break {text} measures it")
        down[kind] |= there.find(kind, name)
    machines = frozenset(down["node"])
    told = outage(
        links=sorted(down["link"]),
        machines=sorted(machines),
        resolvers=sorted(down["resolver"]),
        gateways=sorted(down["gateway"]),
        certificates=sorted(down["certificate"]),
    )
    return {**told, **(_without_pods(sight, machines) if machines else {})}


def outage(
    *,
    links: Iterable[str] = (),
    machines: Iterable[str] = (),
    resolvers: Iterable[str] = (),
    gateways: Iterable[str] = (),
    certificates: Iterable[str] = (),
) -> dict[Key, Intent | None]:
    """What the model is told of things that are down."""
    parts = tuple(map(tuple, (links, machines, resolvers, gateways, certificates)))
    return {SUPPOSED: OutageIntent(SUPPOSED, ORIGIN, *parts)}


def unready(sight: Sight, gone: frozenset[str]) -> dict[Key, Intent | None]:
    """A question: the lists of endpoints that change when nothing is ready at these addresses any more."""
    changed: dict[Key, Intent | None] = {}
    for one in _endpoints(sight):
        without = _without(one, gone)
        if without != one:
            changed[one.key] = without
    return changed


def _without_pods(sight: Sight, machines: frozenset[str]) -> dict[Key, Intent | None]:
    """The same when these machines are gone, with all endpoints that are said to be on them."""
    there = sight.ask(topology).machines
    gone = {address for id_ in machines for address in there[id_].addresses}
    for listed in _endpoints(sight):
        cluster = sight.ask(home, listed.key.namespace).cluster
        for address in _each(listed):
            if address.node and machines.issuperset(on := sight.ask(candidates, cluster, address.node, ())) and on:
                gone.add(address.address)
    return unready(sight, frozenset(gone))


def _endpoints(sight: Sight) -> Iterator[EndpointsIntent]:
    for service in sight.values("endpoints"):
        yield from sight.listed("endpoints", service, EndpointsIntent)


def _each(listed: EndpointsIntent) -> Iterator[EndpointAddress]:
    yield from listed.addresses
    for one in listed.more:
        yield from _each(one)


def _without(listed: EndpointsIntent, gone: frozenset[str]) -> EndpointsIntent:
    """A list of endpoints of which none is ready at these addresses."""
    addresses = tuple(structs.replace(a, ready=a.ready and a.address not in gone) for a in listed.addresses)
    return structs.replace(listed, addresses=addresses, more=tuple(_without(one, gone) for one in listed.more))
