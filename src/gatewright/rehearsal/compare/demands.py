"""What an Expectation demands, held against reality: the counterpart of `check.expectations.unmet`."""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.kinds.intents.asking import ExpectationIntent
from gatewright.rehearsal.asking import Ended, Named, Observation
from gatewright.rehearsal.compare.judging import PROXY_FAILURES, SWITCHED, TOO_LARGE, plain_location
from gatewright.rehearsal.compare.landmarks import Landmarks
from gatewright.rehearsal.compare.verdicts import in_words
from gatewright.trace.request import STREAMS, is_address

OUTCOMES = frozenset({"delivered", "answered", "refused", "unreachable", "absent", "untrusted"})


def unmet_for_real(wanted: ExpectationIntent, seen: Observation, known: Landmarks) -> list[str]:
    """The demands that an observation does not meet, in words."""
    said = in_words(seen)
    if wanted.outcome and wanted.outcome not in outcomes(wanted, seen):
        return [f"expected {wanted.outcome}, but {said}"]
    return [*_unmet_answer(wanted, seen, said), *_unmet_way(wanted, seen, known), *_too_small(wanted, seen)]


def unseen_demands(wanted: ExpectationIntent, seen: Observation, known: Landmarks) -> list[str]:
    """What it demands that a client cannot see: resolvers behind the one that it asks, gateways where all addresses are
    translated on the way, and longer silence than it had the patience for."""
    passed = {*known.links, *_gateways(known), seen.resolver}
    unseen = [f"nobody sees whether {name} is passed" for name in (*wanted.via, *wanted.not_via) if name not in passed]
    if wanted.gateway and seen.ended is Ended.ANSWERED and not _met(seen, known):
        unseen.append(f"nobody sees whether the gateway is {wanted.gateway}")
    if wanted.idle_timeout > seen.silence and seen.ended is Ended.ANSWERED:
        unseen.append(f"{seen.silence:g} of {wanted.idle_timeout:g} s of silence were tried")
    return unseen


def outcomes(wanted: ExpectationIntent, seen: Observation) -> frozenset[str]:
    """What it may be called: an answer of 400 or more that no backend gave is one that somebody asked for, or not."""
    if seen.ended is Ended.ANSWERED:
        if seen.echo is not None or wanted.url.partition("://")[0] in STREAMS:
            return frozenset({"delivered"})
        if seen.status in PROXY_FAILURES:
            return frozenset({"answered", "refused", "unreachable"})
        if seen.status < 400:
            mute = wanted.method == "HEAD" or seen.status == SWITCHED
            return frozenset({"answered", "delivered"} if mute and not seen.location else {"answered"})
        return frozenset({"answered", "refused"})
    if seen.ended is Ended.UNTRUSTED:
        return frozenset({"untrusted"})
    if seen.named in (Named.NODATA, Named.NXDOMAIN) or (seen.named is Named.LITERAL and seen.ended is Ended.NOT_TRIED):
        return frozenset({"absent"})
    if seen.ended is Ended.REFUSED:
        return frozenset({"refused", "unreachable"})
    if seen.ended in (Ended.CLOSED, Ended.TLS_FAILED):
        return frozenset({"refused"})
    if seen.ended is Ended.SILENT:
        return frozenset({"refused", "unreachable"})
    return frozenset({"unreachable"})


def _unmet_answer(wanted: ExpectationIntent, seen: Observation, said: str) -> Iterator[str]:
    status = 200 if seen.status == SWITCHED else seen.status
    if wanted.status and wanted.status not in (status, seen.status):
        yield f"expected status {wanted.status}, got {seen.status or 'none'} ({said})"
    if wanted.location:
        locations = {seen.location, *(location for _, location in seen.redirects[-1:])} - {""}
        if plain_location(wanted.location) not in map(plain_location, locations):
            yield f"expected a redirect to {wanted.location}, got {', '.join(sorted(locations)) or 'none'}"
    if wanted.resolves_to and all(map(is_address, wanted.resolves_to)) and seen.address not in wanted.resolves_to:
        yield f"expected the address {' or '.join(wanted.resolves_to)}, got {seen.address or 'none'}"


def _unmet_way(wanted: ExpectationIntent, seen: Observation, known: Landmarks) -> Iterator[str]:
    met = _met(seen, known)
    if wanted.gateway and wanted.gateway not in met and (met or seen.ended is not Ended.ANSWERED):
        yield f"expected gateway {wanted.gateway}, got {', '.join(sorted(met)) or 'none'}"
    if wanted.backend and not _is_backend(wanted.backend, seen, known):
        yield f"expected backend {wanted.backend}, but {in_words(seen)}"
    if seen.links is None:
        named = [name for name in (*wanted.via, *wanted.not_via) if name in known.links]
        yield from (f"nobody looked whether the link {name} is passed" for name in named)
    passed = {seen.resolver, *met, *(seen.links or ())}
    visible = {*_gateways(known), *(known.links if seen.links is not None else ())}
    yield from (f"expected to pass {name}" for name in wanted.via if name in visible and name not in passed)
    yield from (f"expected not to pass {name}" for name in wanted.not_via if name in passed)


def _met(seen: Observation, known: Landmarks) -> frozenset[str]:
    return known.first_gateways(seen) | known.last_gateways(seen)


def _gateways(known: Landmarks) -> set[str]:
    return {name for names in (*known.doors.values(), *known.sources.values()) for name in names}


def _is_backend(wanted: str, seen: Observation, known: Landmarks) -> bool:
    if seen.echo is None:
        return False
    found = known.stands_for(seen.echo)
    return any(wanted in (f"{space}/{name}", f"{space}/{name}:{port}") for space, name, port in found)


def _too_small(wanted: ExpectationIntent, seen: Observation) -> Iterator[str]:
    if wanted.body and seen.status == TOO_LARGE:
        yield f"expected a body of {wanted.body} octets to be borne, but {in_words(seen)}"
    if wanted.idle_timeout and seen.silence and seen.ended is Ended.CLOSED:
        yield f"expected {wanted.idle_timeout:g} s of silence to be borne, but {seen.detail}"
