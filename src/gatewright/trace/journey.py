"""A request from a vantage to its end: names, ways, edges, gateways, backends, on every branch.

The contract of `gatewright trace --from` and of `check`'s matrix.  Here is what the vantage does itself: it asks its
resolvers, connects, and follows redirects; it decides nothing.  Counterpart: `legs`, what becomes of a connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from urllib.parse import urljoin

from msgspec import structs

from gatewright.base import hostnames
from gatewright.base.errors import UsageError
from gatewright.base.hostnames import Depth
from gatewright.graph.names.nodes import Resolution
from gatewright.graph.nodes import Gateway
from gatewright.graph.sight import Sight
from gatewright.trace import vantages
from gatewright.trace.branches import Branch as Branch  # noqa: PLC0414  (the one place that others import them from)
from gatewright.trace.branches import Journey as Journey  # noqa: PLC0414
from gatewright.trace.branches import Limit as Limit  # noqa: PLC0414
from gatewright.trace.branches import Limits as Limits  # noqa: PLC0414
from gatewright.trace.branches import Trail
from gatewright.trace.branches import Trust as Trust  # noqa: PLC0414
from gatewright.trace.hops import HopKind, OutcomeKind
from gatewright.trace.legs import MAX_BRANCHES, Client, Legs, host_of, is_literal
from gatewright.trace.request import Request
from gatewright.trace.request import request as make_request
from gatewright.trace.vantages import Standing
from gatewright.trace.walk import gateways_for
from gatewright.trace.walks import Walks as Walks  # noqa: PLC0414

MAX_REDIRECTS = 5
AT_GATEWAY = ""

REDIRECTING = (HopKind.FILTER, HopKind.EDGE)


def journey(
    sight: Sight, vantage_id: str, request: Request, families: tuple[str, ...] = (), walks: Walks | None = None
) -> Journey:
    """All branches of a request from a vantage; "" starts at the gateways themselves.

    `families`: those of the vantage.  `walks` is shared by the journeys of one question.  UsageError when there is no
    such vantage.
    """
    walks = walks if walks is not None else Walks()
    if vantage_id == AT_GATEWAY:
        branches = [b for family in families or ("4",) for b in _from_gateways(sight, request, family, walks)]
        return Journey(vantage_id, request.url, tuple(branches))
    start = sight.ask(vantages.standing, vantage_id)
    if start is None:
        known = ", ".join(vantages.names(sight)) or "none: add a document of kind Vantage"
        raise UsageError(f"there is no vantage {vantage_id} (known: {known})")
    traveller = _Traveller(sight, start, walks)
    found: list[Branch] = []
    for family in families or start.families:
        some = list(islice(traveller.set_out(request, family), MAX_BRANCHES + 1))
        if len(some) > MAX_BRANCHES:
            some[-1] = Trail(family).fails(
                OutcomeKind.UNKNOWN, f"more than {MAX_BRANCHES} branches; these are the first"
            )
        found += some
    return Journey(vantage_id, request.url, tuple(found))


def _from_gateways(sight: Sight, request: Request, family: str, walks: Walks) -> Iterator[Branch]:
    """From whoever already stands before a gateway: no names, no ways, no judgement of certificates."""
    for gateway in _serving(sight, request):
        trail = Trail(family)
        walked = walks.walk(sight, gateway, request)
        trail.gateways = (gateway.id,)
        trail.passed(walked.hops, walked.limits, walked.links)
        yield trail.end(walked.outcome)


def _serving(sight: Sight, request: Request) -> list[Gateway]:
    """The gateways that serve the name best, as `walk.gateways_for` has it, read by name as far as that goes."""
    names = {request.host, request.sni} - {""}
    served = {
        key.gateway
        for name in names or {hostnames.ANY}
        for pattern in hostnames.parents(name, Depth.MANY)
        for key in sight.serving(pattern)
        if key.port == request.port
    }
    gateways = [gateway for gateway_id in sorted(served or sight.gateways()) if (gateway := sight.gateway(gateway_id))]
    if not gateways:
        return []
    for gateway in gateways:
        for name in names:
            sight.graph_for(gateway, name)
    graph = structs.replace(sight.graph_for(gateways[0], request.host), gateways={g.id: g for g in gateways})
    return gateways_for(graph, request)


class _Traveller:
    """One journey's way: each method takes a Trail so far and yields the branches that it grows into."""

    def __init__(self, sight: Sight, start: Standing, walks: Walks) -> None:
        self._sight = sight
        self._start = start
        self._legs = Legs(sight, walks)
        self._client = Client(start.place, start.resolvers, start.roots)

    def set_out(self, request: Request, family: str) -> Iterator[Branch]:
        trail = Trail(family)
        start = self._start
        trail.hop(HopKind.VANTAGE, f"{start.name} at {start.where}", start.origin)
        if start.place is None:
            yield trail.fails(OutcomeKind.UNKNOWN, f"the map has no {start.where}")
        elif family not in start.families:
            yield trail.fails(OutcomeKind.UNREACHABLE, f"{start.name} has no IPv{family}")
        else:
            sent = structs.replace(request, client=start.public[family])
            yield from self._send(trail, sent, frozenset({_identity(request)}), "")

    # --- names ------------------------------------------------------------------------------

    def _send(self, trail: Trail, request: Request, seen: frozenset[str], resolver: str) -> Iterator[Branch]:
        """The vantage asks for the URL's host.  `resolver`: the one that answers, if an earlier answer settled it."""
        host = host_of(request)
        if is_literal(host):
            family = "6" if ":" in host else "4"
            if family == trail.family:
                trail.address = host
                yield from self._seen(self._legs.connect(trail, host, request, self._client, ()), request, seen)
            elif family not in self._start.families:
                yield trail.fails(OutcomeKind.UNREACHABLE, f"{self._start.name} has no IPv{family}, and {host} is one")
            return
        unreachable: set[str] = set()
        for item in self._legs.resolutions(host, trail.family, self._client):
            if (resolver and item.resolver != resolver) or item.resolver in unreachable:
                continue
            branch = trail.fork()
            branch.resolver = item.resolver
            failure = self._ask_resolver(branch, item)
            if failure is not None:
                unreachable.add(item.resolver)
                yield failure
                continue
            yield from self._seen(self._legs.answered(branch, item, request, self._client, ()), request, seen)

    def _ask_resolver(self, trail: Trail, item: Resolution) -> Branch | None:
        """Can the vantage reach the resolver at all?  The failed branch when not."""
        asking = self._sight.ask(vantages.to_resolver, self._start.name, item.resolver)
        if asking is None:
            return None
        trail.passed((asking.hop,), links=asking.passage.way.links)
        if asking.passage.way.reached:
            return None
        reason = f"resolver {item.resolver} cannot be reached: {asking.passage.way.reason}"
        return trail.fails(OutcomeKind.UNREACHABLE, reason)

    # --- redirects --------------------------------------------------------------------------

    def _seen(self, branches: Iterator[Branch], request: Request, seen: frozenset[str]) -> Iterator[Branch]:
        """Follow the redirects among branches as the client would."""
        for branch in branches:
            if branch.outcome.location is None:
                yield branch
            else:
                yield from self._redirected(branch, request, seen)

    def _redirected(self, branch: Branch, request: Request, seen: frozenset[str]) -> Iterator[Branch]:
        outcome = branch.outcome
        location, target = _followed(request, outcome.location or "", outcome.status)
        if target is None:
            yield branch
            return
        trail = _resumed(branch)
        by = next((hop.origin for hop in reversed(branch.hops) if hop.kind in REDIRECTING), None)
        trail.hop(HopKind.RESPONSE, f"{outcome.status} to {location}, which the client follows", by)
        trail.redirects += ((outcome.status, location),)
        trail.turned = len(trail.gateways)
        if _identity(target) in seen:
            reason = f"redirect loop: {request.url} is redirected to {location}, which was asked for already"
            yield trail.end(structs.replace(outcome, kind=OutcomeKind.REFUSED, reason=reason))
        elif len(branch.redirects) >= MAX_REDIRECTS:
            reason = f"more than {MAX_REDIRECTS} redirects, the last to {location}"
            yield trail.end(structs.replace(outcome, kind=OutcomeKind.REFUSED, reason=reason))
        else:
            trail.address = ""
            further = self._send(trail, target, seen | {_identity(target)}, branch.resolver)
            found = list(islice(further, MAX_BRANCHES))
            # To where the map does not reach: the redirect is the answer.
            known = any(item.outcome.kind is not OutcomeKind.UNKNOWN for item in found)
            yield from found if known else [branch]


def _identity(request: Request) -> str:
    return f"{request.scheme}://{request.host}:{request.port}{request.target}"


def _followed(request: Request, location: str, status: int) -> tuple[str, Request | None]:
    """Where a redirect leads, and the request that a client makes of it; None when it does not follow it."""
    method = "GET" if status == 303 or (status in (301, 302) and request.method == "POST") else request.method
    try:
        location = urljoin(request.url, location)
        made = make_request(location, method, client=request.client)
    except (ValueError, UsageError):
        return location, None
    return location, structs.replace(made, headers=request.headers) if made.scheme in ("http", "https") else None


def _resumed(branch: Branch) -> Trail:
    """A Trail that goes on where a branch ended."""
    trail = Trail(branch.family)
    for name in Trail.__slots__:
        setattr(trail, name, getattr(branch, name))
    return trail
