"""One request through one gateway and on to its backend, worked out once for everybody who comes that way.

`Walks` belongs to one question and one hostname: what a walk reads is recorded with the Sight that made it.  The
client's address counts only where an access list or a match looks at it.
"""

from __future__ import annotations

from msgspec import Struct, structs

from gatewright.graph import reach
from gatewright.graph.names import resolvers
from gatewright.graph.names.nodes import Resolution
from gatewright.graph.network import policies
from gatewright.graph.network.nodes import Place
from gatewright.graph.nodes import AskAuth, Backend, BackendKey, BasicAuthUsers, Entry, Gateway
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.filters import Authorize
from gatewright.kinds.intents.policies import HttpAllow
from gatewright.trace import limits, trust
from gatewright.trace.answer import unreached
from gatewright.trace.branches import NO_LIMITS, Limit, Limits, Trust, tightest
from gatewright.trace.hops import BackendName, Hop, HopKind, Outcome, OutcomeKind
from gatewright.trace.passages import hops
from gatewright.trace.request import STREAMS, Request
from gatewright.trace.trust import Roots, Shown
from gatewright.trace.walk import walk

OTHERS_ONLY = "a network policy lets only other HTTP requests through"


class Walked(Struct, frozen=True):
    """What becomes of a request in a gateway.

    `shown`: the certificate that the client meets, `greeting` how many hops until then.
    `passed_through`: TLS goes on to the backend, whose certificate nobody knows.  `streaming`: the gateway passes bytes
    on, and closes the connection where an answer of HTTP would tell of a failure.  `external`: the backend is a name
    that the gateway looks up (ExternalName).
    """

    outcome: Outcome
    hops: tuple[Hop, ...]
    limits: Limits
    links: tuple[str, ...] = ()
    shown: Shown | None = None
    greeting: int = 0
    passed_through: bool = False
    streaming: bool = False
    external: Backend | None = None


class Walks:
    """The walks of one question so far."""

    __slots__ = ("_any", "_clients", "_judged", "_resolved", "_told")

    def __init__(self) -> None:
        self._any: dict[tuple[object, ...], Walked | None] = {}
        self._clients: dict[tuple[object, ...], Walked] = {}
        self._judged: dict[tuple[Shown, str, Roots], tuple[Trust, str]] = {}
        self._told: dict[tuple[int, str], tuple[Hop, ...]] = {}
        self._resolved: dict[tuple[object, ...], tuple[Resolution, ...]] = {}

    def resolutions(
        self, sight: Sight, servers: tuple[str, ...], name: str, type_: str, place: Place
    ) -> tuple[Resolution, ...]:
        """What resolvers answer, see `names.resolvers`: the same to all who ask the same ones, but for pods."""
        asked = (servers, name, type_, place.id if place.kind == "cluster" else "")
        found = self._resolved.get(asked)
        if found is None:
            found = self._resolved[asked] = resolvers.resolutions(sight, servers, name, type_, place)
        return found

    def walk(self, sight: Sight, gateway: Gateway, request: Request) -> Walked:
        """The walk of this request; `request.client` is the peer as the gateway sees it."""
        same = (
            gateway.id, request.port, request.scheme, request.sni, request.host, request.target, request.method,
            request.headers,
        )  # fmt: skip
        found = self._any.get(same)
        if found is not None:
            return found
        personal = (*same, request.client)
        if same in self._any and personal in self._clients:
            return self._clients[personal]
        found, by_client = _walked(sight, gateway, request)
        self._any[same] = None if by_client else found
        if by_client:
            self._clients[personal] = found
        return found

    def judge(self, shown: Shown, name: str, roots: Roots) -> tuple[Trust, str]:
        """What a client makes of a certificate, see `trust.judge`."""
        asked = (shown, name, roots)
        found = self._judged.get(asked)
        if found is None:
            found = self._judged[asked] = trust.judge(shown, name, roots)
        return found

    def told(self, walked: Walked, why: str) -> tuple[Hop, ...]:
        """The stations of a walk, with what the client makes of the certificate.  `walked` is one of this object's."""
        asked = (id(walked), why)
        found = self._told.get(asked)
        if found is None:
            stations = list(walked.hops)
            at = walked.greeting - 1
            stations[at] = structs.replace(stations[at], details=(*stations[at].details, why))
            found = self._told[asked] = tuple(stations)
        return found


def _looks_at_clients(entry: Entry) -> bool:
    """Does it depend on the client's address what becomes of a request here?"""
    return bool(entry.match.sources or entry.rule.access) or any(
        isinstance(step, Authorize)
        or (isinstance(step, BasicAuthUsers) and step.excepts)
        or (isinstance(step, AskAuth) and step.question.excepts)
        for step in entry.rule.steps
    )


def _walked(sight: Sight, gateway: Gateway, request: Request) -> tuple[Walked, bool]:
    """The walk, and whether another client might fare differently."""
    believed = gateway.settings.forwarded_from
    graph = sight.graph_for(gateway, request.host)
    if request.sni and request.sni != request.host:
        sight.graph_for(gateway, request.sni)
    if request.encrypted:
        sight.tls_socket(gateway, request.port)
    trace = walk(graph, gateway, request)
    by_client = bool(believed) or (
        trace.host is not None and any(_looks_at_clients(entry) for entry in trace.host.entries)
    )
    shown: Shown | None = None
    greeting = 0
    if trace.terminated:
        shown = trust.shown(sight, gateway, trace.host, trace.certificate, request.sni)
        greeting = next(number for number, hop in enumerate(trace.hops, 1) if hop.kind is HopKind.TLS)
    found = Walked(
        outcome=trace.outcome,
        hops=tuple(trace.hops),
        limits=limits.of_gateway(sight, gateway, trace.rule),
        shown=shown,
        greeting=greeting,
        passed_through=request.encrypted and not trace.terminated and trace.outcome.kind is OutcomeKind.DELIVERED,
        streaming=trace.streaming,
    )
    if trace.backend is None:
        return found, by_client
    backend = sight.backend(trace.backend)
    if backend is None or trace.outcome.kind is not OutcomeKind.DELIVERED:
        return found, by_client
    return _reaching(sight, gateway, request, found, backend), by_client


def direct(sight: Sight, place: Place | None, key: BackendKey, request: Request, dropped: int) -> Walked:
    """From a pod to a Service without a gateway between.  `dropped`: the status where packets do not arrive, 0 none."""
    outcome = Outcome(OutcomeKind.DELIVERED, 200, backend=BackendName.of(key))
    if place is None or place.kind != "cluster":
        return Walked(outcome, (), NO_LIMITS)
    way = sight.ask(reach.reach_from, place, key)
    mtu = Limit(way.mtu.value, way.mtu.hop, way.mtu.origin) if way.mtu is not None else None
    stations = hops(way.steps)
    if not way.reached:
        outcome = Outcome(OutcomeKind.UNREACHABLE, dropped, way.reason)
    elif way.http and request.scheme not in STREAMS and not _let_through(way.http, request, outcome):
        outcome = Outcome(OutcomeKind.REFUSED, 403, OTHERS_ONLY)
        stations = (*stations, Hop(HopKind.POLICY, OTHERS_ONLY, way.origins[0] if way.origins else None))
    return Walked(outcome, stations, Limits(mtu=mtu), way.links)


def _reaching(sight: Sight, gateway: Gateway, request: Request, found: Walked, backend: Backend) -> Walked:
    """On to the endpoints, over links and policies.  Where a name leads outside of the cluster, `journey` goes on."""
    way = sight.ask(reach.reach, gateway.id, backend.key)
    stations = found.hops if way.name else (*found.hops, *hops(way.steps))
    mtu = Limit(way.mtu.value, way.mtu.hop, way.mtu.origin) if way.mtu is not None else None
    outcome = found.outcome
    # Of an external name's addresses a gateway takes one that answers; pods get their share whether they do or not.
    if not way.reached and not (way.name and any(one.ok for one in way.endpoints)):
        status = 0 if found.streaming else unreached(gateway.implementation)
        if way.name:
            stations = (*stations, *hops(way.steps))
        stations = (*stations, Hop(HopKind.RESPONSE, f"{status} {way.reason}" if status else way.reason))
        outcome = structs.replace(outcome, kind=OutcomeKind.REFUSED, status=status, reason=way.reason)
    elif way.http and request.scheme not in STREAMS and not _let_through(way.http, request, outcome):
        origin = way.origins[0] if way.origins else None
        stations = (*stations, Hop(HopKind.POLICY, OTHERS_ONLY, origin), Hop(HopKind.RESPONSE, f"403 {OTHERS_ONLY}"))
        outcome = structs.replace(outcome, kind=OutcomeKind.REFUSED, status=403, reason=OTHERS_ONLY)
    return structs.replace(
        found,
        outcome=outcome,
        hops=stations,
        limits=tightest(found.limits, Limits(mtu=mtu)),
        links=() if way.name and outcome.kind is OutcomeKind.DELIVERED else way.links,
        external=backend if backend.dns_name and outcome.kind is OutcomeKind.DELIVERED else None,
    )


def _let_through(groups: tuple[tuple[HttpAllow, ...], ...], request: Request, outcome: Outcome) -> bool:
    """Does the request, as the backend gets it, fit what Cilium's HTTP rules allow?"""
    host = outcome.sent.host if outcome.sent is not None else request.host
    path = outcome.sent.path if outcome.sent is not None else request.target
    return policies.passes(groups, request.method, path, host, dict(request.headers))
