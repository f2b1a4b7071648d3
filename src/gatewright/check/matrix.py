"""The matrix: what every hostname means from every vantage in each family.  One `Row` per hostname.

`row` asks, for one hostname, the request that a client would most likely send: over TLS where any gateway serves the
name so, for a path that some rule takes.  Counterparts: `trace.journey`, which answers, and `run`, which keeps the
rows.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from gatewright.base import hostnames, percent
from gatewright.base.hostnames import Depth
from gatewright.base.origin import Origin
from gatewright.graph.nodes import Entry, Family, VirtualHost
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.kinds.intents.routing import Match, PathKind, ValueKind
from gatewright.trace.hops import HopKind, OutcomeKind
from gatewright.trace.journey import Branch, Limits, Trust, Walks, journey
from gatewright.trace.match import failing
from gatewright.trace.request import Request

AT_GATEWAY = ""
"""The vantage of whoever already stands before each gateway; the only one when the map names none."""

WORST_FIRST = (
    OutcomeKind.UNREACHABLE,
    OutcomeKind.UNTRUSTED,
    OutcomeKind.REFUSED,
    OutcomeKind.UNKNOWN,
    OutcomeKind.ABSENT,
    OutcomeKind.RESPONSE,
    OutcomeKind.DELIVERED,
)
_RANK = {kind: rank for rank, kind in enumerate(WORST_FIRST)}

# Over which of several families a name is asked for: as a browser would, then what is left.
_PREFERENCE = (Family.HTTPS, Family.PASSTHROUGH, Family.HTTP, Family.TERMINATED)
_SCHEMES = {Family.HTTPS: "https", Family.HTTP: "http", Family.PASSTHROUGH: "tls", Family.TERMINATED: "tls"}
_USUAL_PORTS = {"https": 443, "http": 80}

UNAUTHORIZED = 401
SAMPLE = "any"
"""The label that stands for a wildcard's."""

TRIED = 20
"""How many rules of one name are looked at to find a request that one of them takes."""


class Fate(Struct, frozen=True):
    """How one branch ends, without its hops: what the matrix and the rules need of it.

    `kind` an OutcomeKind's value; `at` the hop where it failed; `words` "delivered to X via Y", "fails at Z: why" or
    "asks for credentials: 401 why".
    """

    kind: str
    words: str
    status: int = 0
    resolver: str = ""
    address: str = ""
    gateway: str = ""
    listener: str = ""
    rule: str = ""
    backend: str = ""
    at: str = ""
    reason: str = ""
    location: str = ""
    gateways: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = ()
    limits: Limits = Limits()
    trust: Trust = Trust.NONE


class Cell(Struct, frozen=True):
    """One vantage and family.  `fates`: one per branch, equal ones once.  `outcome`: in one line, the worst first."""

    vantage: str
    family: str
    outcome: str
    kind: str
    fates: tuple[Fate, ...]

    @property
    def asks(self) -> bool:
        """Is the worst that happens to anybody that credentials are asked for (401), which `row` never sends?"""
        return self.kind == OutcomeKind.REFUSED and all(
            fate.status == UNAUTHORIZED for fate in self.fates if fate.kind == OutcomeKind.REFUSED
        )


class Row(Struct, frozen=True):
    """One hostname.  `host` as routes write it (perhaps a wildcard), `url` what was asked in its place.

    `served`: does some gateway have a route for it (else only a zone names it)?
    """

    host: str
    url: str
    cells: tuple[Cell, ...]
    served: bool = True


def vantages(sight: Sight) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Where to ask from: (name, families).  Without a Vantage in the map: at the gateways."""
    found = tuple((v.key.name, v.families) for v in sight.all("Vantage", VantageIntent))
    return found or ((AT_GATEWAY, ("4",)),)


def row(sight: Sight, host: str) -> Row | None:
    """What becomes of a request for this hostname from everywhere; None when there is nothing to ask."""
    served = serving(sight, host)
    request = _asked(host, served)
    if request is None:
        return None
    walks = Walks()
    cells = []
    for name, families in sight.ask(vantages):
        for branches in _by_family(journey(sight, name, request, families, walks).branches, families):
            cells.append(_cell(name, *branches))
    return Row(host, request.url, tuple(cells), bool(served))


def asked(sight: Sight, host: str) -> Request | None:
    """The request that `row` asks for a hostname, from everywhere; None when there is nothing to ask."""
    return _asked(host, serving(sight, host))


def serving(sight: Sight, host: str) -> tuple[VirtualHost, ...]:
    """The VirtualHosts of exactly this name that have rules, at any gateway."""
    found = (sight.virtual_host(key) for key in sight.serving(host) if key.family in _SCHEMES)
    return tuple(item for item in found if item is not None and item.entries)


def _by_family(branches: tuple[Branch, ...], families: tuple[str, ...]) -> list[tuple[str, list[Branch]]]:
    return [(family, [branch for branch in branches if branch.family == family]) for family in families]


# --- what to ask --------------------------------------------------------------------------------


def _asked(host: str, served: tuple[VirtualHost, ...]) -> Request | None:
    return _request(host, served) if served or not hostnames.is_wildcard(host) else None


def _request(host: str, served: tuple[VirtualHost, ...]) -> Request | None:
    """The request that stands for a hostname; None for the catch-all, which has no name to ask for."""
    if host == hostnames.ANY:
        return None
    name = f"{SAMPLE}{host[1:]}" if hostnames.is_wildcard(host) else host
    if not served:
        return _plain(name, "https", 443)
    best = min(served, key=lambda item: (_PREFERENCE.index(item.key.family), *_port_rank(item)))
    plain = _plain(name, _SCHEMES[best.key.family], best.key.port)
    return plain if plain.scheme == "tls" else _taken(plain, best.entries)


def _port_rank(host: VirtualHost) -> tuple[bool, int]:
    return (host.key.port != _USUAL_PORTS.get(_SCHEMES[host.key.family], 443), host.key.port)


def _plain(host: str, scheme: str, port: int, target: str = "/") -> Request:
    suffix = "" if port == _USUAL_PORTS.get(scheme) else f":{port}"
    url = f"{scheme}://{host}{suffix}" + ("" if scheme == "tls" else target)
    return Request(url, scheme, host, port, target, sni=host if scheme != "http" else "")


def _taken(plain: Request, entries: Iterable[Entry]) -> Request:
    """The plain request if some rule takes it, else one made after the first rule that one can be made for."""
    tried = tuple(entries)[:TRIED]
    if any(_fits(plain, entry) for entry in tried):
        return plain
    return next((made for entry in tried if _fits(made := _after(plain, entry.match), entry)), plain)


def _fits(request: Request, entry: Entry) -> bool:
    return failing(entry.match, request, request.path, Depth.MANY) is None


def _after(plain: Request, match: Match) -> Request:
    """A request that has what a match asks for, as far as that is written out."""
    texts = (p for p in match.paths if not p.negate and p.kind is not PathKind.REGEX)
    path = next((percent.written(p.value, p.reading) for p in texts), "/")
    query = "&".join(f"{q.name}={q.value}" for q in match.query if q.kind is ValueKind.EXACT and not q.negate)
    target = (path if path.startswith("/") else f"/{path}") + (f"?{query}" if query else "")
    headers = tuple((h.name, h.value) for h in match.headers if h.kind is not ValueKind.REGEX and not h.negate)
    method = next((m.method for m in match.methods if not m.negate), "GET")
    made = _plain(plain.host, plain.scheme, plain.port, target)
    return Request(made.url, made.scheme, made.host, made.port, target, method, headers, made.sni)


# --- how it ended -------------------------------------------------------------------------------


def _cell(vantage: str, family: str, branches: list[Branch]) -> Cell:
    fates = tuple(dict.fromkeys(sorted(map(fate, branches), key=_severity)))
    if not fates:
        fates = (Fate(OutcomeKind.ABSENT.value, "no address"),)
    outcome = " | ".join(dict.fromkeys(item.words for item in fates))
    return Cell(vantage, family, outcome, fates[0].kind, fates)


def _severity(item: Fate) -> tuple[int, str, str]:
    return (_RANK[OutcomeKind(item.kind)], item.words, item.resolver)


def fate(branch: Branch) -> Fate:
    """A branch without its hops."""
    outcome = branch.outcome
    kind = outcome.kind
    last = branch.hops[-1] if branch.hops else None
    if last is not None and last.kind is HopKind.RESPONSE and len(branch.hops) > 1:
        last = branch.hops[-2]
    at = f"{last.kind.value} {last.summary}" if last is not None else ""
    backend = outcome.backend
    named = str(backend) if backend is not None else ""
    via = f" via {outcome.gateway}" if outcome.gateway else ""
    if kind is OutcomeKind.DELIVERED:
        words = f"delivered to {named}{via}"
    elif kind is OutcomeKind.RESPONSE:
        words = f"answered {outcome.status}{f' → {outcome.location}' if outcome.location else ''}{via}"
    elif kind is OutcomeKind.ABSENT:
        words = outcome.reason or "no address"
    elif kind is OutcomeKind.UNKNOWN:
        words = f"unknown: {outcome.reason}"
    elif outcome.status == UNAUTHORIZED:
        words = f"asks for credentials: {outcome.status} {outcome.reason}{via}"
    else:
        told = f"{outcome.status} {outcome.reason}" if outcome.status else outcome.reason
        words = f"fails at {last.kind.value if last else 'the vantage'}: {told}{via}"
    return Fate(
        kind=kind.value,
        words=words,
        status=outcome.status,
        resolver=branch.resolver,
        address=branch.address,
        gateway=outcome.gateway or "",
        listener=outcome.listener or "",
        rule=outcome.rule or "",
        backend=named,
        at=at,
        reason=outcome.reason,
        location=outcome.location or "",
        gateways=branch.gateways,
        links=branch.links,
        resolvers=branch.resolvers,
        origins=tuple(hop.origin for hop in branch.hops if hop.origin is not None),
        limits=branch.limits,
        trust=branch.trust,
    )
