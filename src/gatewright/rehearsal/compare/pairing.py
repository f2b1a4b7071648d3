"""Every way on both sides: which observation belongs to which branch, and whether any is left over.

A way is a resolver, the redirects that were followed, and the address that was tried at last.  Every observation has to
be explained by a branch of its way, and every way of the model has to be met, except where chance decides.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from gatewright.check.matrix import fate
from gatewright.rehearsal.asking import Ended, Named, Observation, Question
from gatewright.rehearsal.compare.judging import followed_further, judge, plain_location
from gatewright.rehearsal.compare.landmarks import Landmarks
from gatewright.rehearsal.compare.verdicts import Judgement, Verdict, in_words
from gatewright.trace.branches import Branch
from gatewright.trace.hops import OutcomeKind
from gatewright.trace.request import is_address

Redirects = tuple[tuple[int, str], ...]
Way = tuple[str, Redirects, str]

ARRIVING = frozenset({OutcomeKind.DELIVERED, OutcomeKind.RESPONSE, OutcomeKind.REFUSED, OutcomeKind.UNTRUSTED})


class Pair(Struct, frozen=True):
    """A branch and an observation side by side; None: one side has nothing of the kind."""

    branch: Branch | None
    observation: Observation | None
    judgement: Judgement


class Comparison(Struct, frozen=True):
    """What came of one question.  `pairs`: first those of the observations, in their order, then the ways of the model
    that nobody met.  `differences` in sentences; `unknown`: observations that the model says nothing
    about; `notes`: what could not be compared, and what chance decided."""

    question: Question
    verdict: Verdict
    differences: tuple[str, ...]
    pairs: tuple[Pair, ...]
    unknown: int = 0
    notes: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        return self.verdict is Verdict.AGREES


def compare(
    question: Question, branches: Sequence[Branch], observations: Sequence[Observation], known: Landmarks
) -> Comparison:
    """Hold all branches of a question against all that real clients met."""
    pairs = [_explained(question, branches, seen, known) for seen in observations]
    unmet, notes = _unmet(branches, pairs)
    pairs += unmet
    differences = [sentence for pair in pairs for sentence in pair.judgement.differences]
    if not observations:
        differences.append("nothing was observed")
    unknown = sum(pair.judgement.verdict is Verdict.UNKNOWN for pair in pairs)
    agreed = any(pair.judgement.verdict is Verdict.AGREES for pair in pairs)
    verdict = Verdict.DIFFERS if differences else Verdict.AGREES if agreed else Verdict.UNKNOWN
    told = [note for pair in pairs for note in (*pair.judgement.notes, pair.judgement.unknown) if note]
    return Comparison(
        question,
        verdict,
        tuple(dict.fromkeys(differences)),
        tuple(pairs),
        unknown,
        tuple(dict.fromkeys((*told, *notes))),
    )


def _explained(question: Question, branches: Sequence[Branch], seen: Observation, known: Landmarks) -> Pair:
    """The branch that explains an observation best."""
    if seen.question != question.number:
        raise ValueError(f"an observation of question {seen.question} is none of {question.number}")
    if seen.address and (":" in seen.address) != (question.family == "6"):
        return Pair(None, seen, Judgement((f"{seen.address} is no IPv{question.family} address",)))
    found = [(branch, judge(question, branch, seen, known)) for branch in branches if _is_of_way(branch, seen)]
    found += [(branch, followed_further(branch, seen)) for branch in branches if _ends_before(branch, seen)]
    if found:
        order = {Verdict.AGREES: 0, Verdict.UNKNOWN: 1, Verdict.DIFFERS: 2}
        branch, judgement = min(found, key=lambda pair: (order[pair[1].verdict], len(pair[1].differences)))
        return Pair(branch, seen, judgement)
    if not branches and seen.named is Named.LITERAL and seen.ended is Ended.NOT_TRIED:
        return Pair(None, seen, Judgement())
    vague = next((b for b in branches if b.outcome.kind is OutcomeKind.UNKNOWN and b.resolver == seen.resolver), None)
    if vague is not None and not is_address(vague.address):
        return Pair(vague, seen, Judgement(unknown=f"the model does not know: {vague.outcome.reason}"))
    way = f"{seen.resolver or 'the URL'} → {seen.address or seen.named}"
    return Pair(None, seen, Judgement((f"the model has no way {way}; reality: {in_words(seen)}",)))


def _unmet(branches: Sequence[Branch], pairs: Sequence[Pair]) -> tuple[list[Pair], list[str]]:
    """The ways of the model that nobody met, as pairs; and of those that chance decides about, notes."""
    ways: dict[Way, list[Branch]] = defaultdict(list)
    for branch in branches:
        if branch.outcome.kind is not OutcomeKind.UNKNOWN:
            ways[_way(branch)].append(branch)
    met = {_way(pair.branch) for pair in pairs if pair.branch is not None and pair.observation is not None}
    left: list[Pair] = []
    notes: list[str] = []
    for way, some in ways.items():
        if way in met:
            if len({fate(branch).words for branch in some}) > 1:
                notes.append(
                    f"chance decides at {way[2] or way[0]} between {len(some)} ways; one try meets one of them"
                )
        elif any(way[:2] == other[:2] and other != way and _differ(some, ways[other]) for other in met & ways.keys()):
            notes.append(f"chance decides whom {way[0]} asks; this time it was nobody who says {way[2] or 'nothing'}")
        else:
            words = fate(some[0]).words
            left.append(Pair(some[0], None, Judgement((f"nobody met what the model says of {_named(way)}: {words}",))))
    return left, notes


def _differ(some: Sequence[Branch], others: Sequence[Branch]) -> bool:
    """Were other upstreams asked, so that a resolver's choice decides which way it is?"""
    return {branch.resolvers for branch in some}.isdisjoint(branch.resolvers for branch in others)


def _named(way: Way) -> str:
    resolver, redirects, address = way
    after = f" after {len(redirects)} redirects" if redirects else ""
    return f"{resolver or 'the URL'} → {address or 'no address'}{after}"


def _way(branch: Branch) -> Way:
    return branch.resolver, _plain(branch.redirects), _plain_address(branch.address)


def _is_of_way(branch: Branch, seen: Observation) -> bool:
    if branch.resolver != seen.resolver or _plain(branch.redirects) != _plain(seen.redirects):
        return False
    if is_address(branch.address):
        return _plain_address(branch.address) == _plain_address(seen.address)
    if branch.address:  # a CDN's, or a door that is known by a name: which address it has is its own affair
        return bool(seen.address)
    # Names of the vantage's own cluster lead to a Service whose address the input need not have.
    return not seen.address or branch.outcome.kind in ARRIVING


def _ends_before(branch: Branch, seen: Observation) -> bool:
    """Is the observation what came after a redirect that this branch ends with?"""
    outcome = branch.outcome
    if branch.resolver != seen.resolver or outcome.location is None or not seen.redirects:
        return False
    *before, (status, location) = _plain(seen.redirects)
    told = plain_location(outcome.location)
    absolute = location == told or ("://" not in told and location.endswith(told))
    return tuple(before) == _plain(branch.redirects) and status == outcome.status and absolute


def _plain(redirects: Redirects) -> Redirects:
    return tuple((status, plain_location(location)) for status, location in redirects)


def _plain_address(address: str) -> str:
    return str(ipaddress.ip_address(address)) if is_address(address) else address
