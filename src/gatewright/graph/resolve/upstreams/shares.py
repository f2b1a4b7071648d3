"""The weighted references of one rule, resolved through groups of backends (TraefikService) to shares.

A group gets the share that its reference gives it, and divides it among its members.  What cannot be used takes its
share of the requests with an error, except in Traefik, where one broken member lets the whole rule fall away.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm

from msgspec import structs

from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import MirrorTo, Respond, WeightedBackend
from gatewright.graph.objects import View
from gatewright.graph.resolve.rules.filters import Effects, fold
from gatewright.graph.resolve.rules.where import Where
from gatewright.graph.resolve.upstreams import service_annotations
from gatewright.graph.resolve.upstreams.backends import Failure, target
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.material import BackendGroupIntent, TransportIntent
from gatewright.kinds.intents.routing import BackendRef, SessionPersistence

GROUP_DEPTH = 8
LARGEST_WEIGHT = 1_000_000


class Shares:
    """Resolves references; what it finds besides shares is left in its attributes."""

    def __init__(self, view: View, where: Where, route: RouteIntent) -> None:
        self._view = view
        self._where = where
        self._route = route
        self._nested = False
        self.dropped = False
        self.persistence: SessionPersistence | None = None
        self.header_timeout: float | None = None
        """Seconds until an answer has to begin, the least of all references."""
        self.mirrors: list[MirrorTo] = []
        self.problems: list[Problem] = []

    def resolve(self, refs: Sequence[BackendRef]) -> tuple[WeightedBackend, ...]:
        """The shares of a rule; with weights as written unless groups divide theirs."""
        if all(ref.target.kind != "TraefikService" for ref in refs):
            return tuple(share for ref in refs if (share := self._service(ref)) is not None)
        found = self._divide(refs, Fraction(1), ())
        return tuple(share for share, _ in found) if not self._nested else tuple(_in_whole_numbers(found))

    def _divide(
        self, refs: Sequence[BackendRef], part: Fraction, seen: tuple[Key, ...]
    ) -> list[tuple[WeightedBackend, Fraction]]:
        total = sum(ref.weight for ref in refs)
        found: list[tuple[WeightedBackend, Fraction]] = []
        for ref in refs:
            own = part * Fraction(ref.weight, total) if total else Fraction(0)
            if ref.target.kind == "TraefikService":
                found += self._group(ref, own, seen)
            elif (share := self._service(ref)) is not None:
                found.append((share, own))
        return found

    def _service(self, ref: BackendRef) -> WeightedBackend | None:
        told = service_annotations.told(self._view, self._where.gateway, self._route, ref)
        self.problems += told.problems
        self.persistence = told.persistence or self.persistence
        if told.missing:
            return self._fail(Failure("backend-tls", 0, f"the ServersTransport {told.missing} does not exist"), ref)
        ref = told.ref
        found = target(self._view, self._where.gateway, self._route, ref)
        if isinstance(found, Failure):
            return self._fail(found, ref)
        self._time(ref)
        if not ref.filters:
            return WeightedBackend(ref.weight, found, ref.origin, pass_host=ref.pass_host)
        own = fold(self._view, self._where, self._route, ref.filters)
        self.problems += own.problems
        self.mirrors += own.mirrors
        share = WeightedBackend(
            weight=ref.weight,
            backend=found,
            origin=ref.origin,
            request_headers=tuple(own.request_headers),
            response_headers=tuple(own.response_headers),
            pass_host=ref.pass_host,
        )
        refusal = _impossible(own)
        if refusal is None:
            return share
        if not isinstance(own.answer, Respond):
            hint = "move the filter to the rule"
            self.problems.append(Problem("backend-filter", refusal.reason, ref.origin, Severity.ERROR, hint))
        return structs.replace(share, backend=None, status=refusal.status, reason=refusal.reason)

    def _time(self, ref: BackendRef) -> None:
        transport = self._view.get(ref.transport, TransportIntent) if ref.transport else None
        limits = (self.header_timeout, transport.header_timeout if transport else None)
        self.header_timeout = min((limit for limit in limits if limit), default=None)

    def _fail(self, failure: Failure, ref: BackendRef) -> WeightedBackend | None:
        problem = Problem(failure.id, failure.reason, ref.origin, failure.severity, failure.hint, failure.snippet)
        self.problems.append(problem)
        if failure.status == 0:
            self.dropped = True
            return None
        return WeightedBackend(ref.weight, None, ref.origin, failure.status, failure.reason)

    def _group(self, ref: BackendRef, part: Fraction, seen: tuple[Key, ...]) -> list[tuple[WeightedBackend, Fraction]]:
        group = self._view.get(ref.target, BackendGroupIntent)
        gateway = self._where.gateway
        why, identity = "", "backend-missing"
        if group is None:
            why = f"{ref.target} does not exist"
        elif ref.target in seen or len(seen) >= GROUP_DEPTH:
            why, identity = f"{ref.target} refers to itself", "backend-cycle"
        elif ref.target.namespace != self._route.key.namespace and not gateway.allow_cross_namespace:
            why = f"{gateway.id} refuses references to other namespaces ({ref.target})"
            identity = "reference-not-permitted"
        if why or group is None:
            self._fail(Failure(identity, 0, why), ref)
            return []
        self._nested = True
        self.persistence = group.persistence or self.persistence
        self.mirrors += [self._thinned(mirror, part) for mirror in self._mirrors(group)]
        return self._divide(group.backends, part, (*seen, ref.target))

    def _mirrors(self, group: BackendGroupIntent) -> list[MirrorTo]:
        more = fold(self._view, self._where, self._route, group.mirrors)
        self.problems += more.problems
        return more.mirrors

    @staticmethod
    def _thinned(mirror: MirrorTo, part: Fraction) -> MirrorTo:
        """A group mirrors only its own part of the rule's requests."""
        share = Fraction(mirror.numerator, mirror.denominator) * part
        return structs.replace(mirror, numerator=share.numerator, denominator=share.denominator)


def _impossible(own: Effects) -> Respond | None:
    """Why a backend cannot have these filters of its own; None when it can."""
    if isinstance(own.answer, Respond):
        return own.answer
    if own.answer or own.steps or own.access or own.paths or own.conditional or own.cors or own.host is not None:
        return Respond(500, "a backend can have filters for headers and mirrors only")
    return None


def _in_whole_numbers(found: list[tuple[WeightedBackend, Fraction]]) -> list[WeightedBackend]:
    """The exact shares as the smallest whole weights, or to a millionth where those would be huge."""
    scale = lcm(*(part.denominator for _, part in found)) if found else 1
    weights = [int(part * scale) for _, part in found]
    common = gcd(*weights) or 1
    weights = [weight // common for weight in weights]
    if sum(weights) > LARGEST_WEIGHT:
        weights = [round(part * LARGEST_WEIGHT) for _, part in found]
    return [structs.replace(share, weight=weight) for (share, _), weight in zip(found, weights, strict=True)]
