"""Expectations: does the model keep what users say must hold?  One `Verdict` per Expectation, vantage and family.

The same documents are run by a rehearsal and against the live system; here the answer comes from `trace.journey`.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.check.matrix import AT_GATEWAY, Fate, fate, vantages
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.asking import ExpectationIntent
from gatewright.trace.hops import OutcomeKind
from gatewright.trace.journey import Branch, Walks, journey
from gatewright.trace.request import request


class Verdict(Struct, frozen=True):
    """What became of one Expectation from one vantage in one family.

    `failures` are the demands that some branch does not meet, in words; none: it holds.  `fates` are all branches.
    """

    expectation: str
    origin: Origin
    url: str
    vantage: str
    family: str
    failures: tuple[str, ...]
    fates: tuple[Fate, ...]

    @property
    def holds(self) -> bool:
        return not self.failures


def verdicts(sight: Sight, key: Key) -> tuple[Verdict, ...]:
    """The verdicts of one Expectation; none when there is no such object."""
    wanted = sight.get(key, ExpectationIntent)
    if wanted is None:
        return ()
    return tuple(_verdicts(sight, wanted))


def _verdicts(sight: Sight, wanted: ExpectationIntent) -> Iterator[Verdict]:
    asked = request(wanted.url, wanted.method, tuple(f"{k}: {v}" for k, v in wanted.headers), wanted.sni)
    there = dict(sight.ask(vantages))
    walks = Walks()
    for name in wanted.vantages or sorted(there):
        if name not in there:
            failure = f"there is no vantage {name} (known: {', '.join(sorted(filter(None, there))) or 'none'})"
            yield Verdict(wanted.key.name, wanted.origin, wanted.url, name, "4", (failure,), ())
            continue
        families = tuple(f for f in there[name] if not wanted.families or f in wanted.families)
        missing = [f for f in wanted.families if f not in there[name]]
        for family in missing:
            failure = f"{name or 'the gateway'} has no IPv{family}"
            yield Verdict(wanted.key.name, wanted.origin, wanted.url, name, family, (failure,), ())
        branches = journey(sight, name, asked, families, walks).branches
        for family in families:
            own = [branch for branch in branches if branch.family == family]
            yield _verdict(wanted, name, family, own)


def _verdict(wanted: ExpectationIntent, vantage: str, family: str, branches: list[Branch]) -> Verdict:
    failures = list(dict.fromkeys(failure for branch in branches for failure in unmet(wanted, branch)))
    if not branches and wanted.outcome not in ("", OutcomeKind.ABSENT.value):
        failures = ["the name has no address"]
    fates = tuple(dict.fromkeys(map(fate, branches)))
    return Verdict(wanted.key.name, wanted.origin, wanted.url, vantage, family, tuple(failures), fates)


# What an Expectation calls an outcome, where the trace is more exact.
_ANSWERED = frozenset({OutcomeKind.RESPONSE})


def unmet(wanted: ExpectationIntent, branch: Branch) -> Iterator[str]:
    """The demands that a branch does not meet, in words."""
    outcome = branch.outcome
    said = fate(branch).words
    if wanted.outcome and not _is(wanted.outcome, outcome.kind):
        yield f"expected {wanted.outcome}, but {said}"
        return
    # A backend decides the status of what is delivered to it; 200 stands for "whatever it answers".
    if wanted.status and outcome.status != wanted.status:
        yield f"expected status {wanted.status}, got {outcome.status or 'none'} ({said})"
    if wanted.gateway and wanted.gateway != outcome.gateway and wanted.gateway not in branch.gateways:
        yield f"expected gateway {wanted.gateway}, got {outcome.gateway or 'none'}"
    if wanted.backend and not _is_backend(wanted.backend, branch):
        yield f"expected backend {wanted.backend}, but {said}"
    locations = [location for location in (outcome.location or "", *_followed(branch)) if location]
    if wanted.location and wanted.location not in locations:
        yield f"expected a redirect to {wanted.location}, got {', '.join(dict.fromkeys(locations)) or 'none'}"
    passed = {branch.resolver, *branch.resolvers, *branch.links, *branch.gateways}
    yield from (f"expected to pass {name}" for name in wanted.via if name not in passed)
    yield from (f"expected not to pass {name}" for name in wanted.not_via if name in passed)
    if wanted.resolves_to and branch.address not in wanted.resolves_to:
        yield f"expected the address {' or '.join(wanted.resolves_to)}, got {branch.address or 'none'}"
    yield from _too_small(wanted, branch)


def _is(wanted: str, kind: OutcomeKind) -> bool:
    if wanted == "answered":
        return kind in _ANSWERED
    return kind.value == wanted


def _followed(branch: Branch) -> tuple[str, ...]:
    """Where the client was sent last on its way here."""
    return tuple(location for _, location in branch.redirects[-1:])


def _is_backend(wanted: str, branch: Branch) -> bool:
    name = branch.outcome.backend
    if name is None:
        return False
    return wanted in (f"{name.namespace}/{name.name}", f"{name.namespace}/{name.name}:{name.port}")


def _too_small(wanted: ExpectationIntent, branch: Branch) -> Iterator[str]:
    idle, body = branch.limits.idle_timeout, branch.limits.body
    if wanted.idle_timeout and idle is not None and 0 < idle.value < wanted.idle_timeout:
        yield f"expected {wanted.idle_timeout:g} s of silence to be borne, but {idle.hop} bears {idle.value:g} s"
    if wanted.body and body is not None and 0 < body.value < wanted.body:
        yield f"expected a body of {wanted.body} octets to be borne, but {body.hop} allows {body.value:g}"


def asked_at(vantage: str) -> str:
    """How a vantage is called in reports."""
    return "at the gateways" if vantage == AT_GATEWAY else vantage
