"""One branch of the model against one observation: do both mean the same?

| the model says | reality has to show |
|---|---|
| delivered | the echo of that very Service and port, status 200 (101, gRPC 0), the request as it was to be sent |
| response, refused with a status | that status and location, and no echo; of proxies' failures see `failing` |
| refused without a status | a refused connection where nothing listens, else one that is closed or broken off |
| unreachable | no connection; or from a proxy the status that says so (`failing`); or a resolver that does not answer |
| absent | NODATA or NXDOMAIN |
| untrusted | a client that goes away, for the same reason |
| unknown | nothing: it is counted apart |
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urljoin, urlsplit

from msgspec import structs

from gatewright.base import hostnames
from gatewright.check.matrix import fate
from gatewright.rehearsal.asking import EchoSeen, Ended, Named, Observation, Question
from gatewright.rehearsal.compare.failing import says_the_same
from gatewright.rehearsal.compare.landmarks import Identity, Landmarks
from gatewright.rehearsal.compare.verdicts import Judgement, in_words
from gatewright.trace.answer import grpc_status
from gatewright.trace.branches import Branch, Trust
from gatewright.trace.edges import BAD_SSL
from gatewright.trace.hops import BackendName, HopKind, OutcomeKind
from gatewright.trace.request import DEFAULT_PORTS, STREAMS, is_address
from gatewright.trace.walk import UNLISTED

PROXY_FAILURES: Final = frozenset({502, 503, 504, *range(520, 531)})
"""Statuses by which a proxy says that nobody behind it answered; which one is meant: `failing`."""

UNTRUSTED: Final = frozenset({Trust.UNTRUSTED, Trust.NAME_MISMATCH, Trust.EXPIRED})
NO_CONNECTION: Final = frozenset({Ended.REFUSED, Ended.UNREACHABLE, Ended.TIMEOUT})
BROKEN_OFF: Final = frozenset({Ended.CLOSED, Ended.TLS_FAILED})
ABSENT: Final = frozenset({Named.NODATA, Named.NXDOMAIN})
UNANSWERED: Final = frozenset({Named.SILENT, Named.REFUSED, Named.FAILED})
LOOP: Final = 508
TOO_LARGE: Final = 413
SWITCHED: Final = 101
NO_CERTIFICATE: Final = 400
"""What doors answer that do not break the handshake off."""

ASSUMED: Final = "is taken to have one"
"""What the model says of clients that are asked for a certificate (`trace.walk`)."""

SAYS_NOTHING: Final = frozenset({204, 304})
PRIVATE_CA: Final = "a certificate of the private CA"
_CLOSED_PORT: Final = re.compile(r"connection refused|has no port|nothing listens on port|does not listen on port")
_FORCED: Final = re.compile(r"/status/(\d{3})(?:\?|$)")


def judge(question: Question, branch: Branch, seen: Observation, known: Landmarks) -> Judgement:
    """Compare the end of a branch with that of an observation of the same way."""
    outcome = branch.outcome
    if outcome.kind is OutcomeKind.UNKNOWN:
        return Judgement(unknown=f"the model does not know: {outcome.reason}")
    notes: list[str] = []
    if seen.ended is Ended.UNTRUSTED and branch.trust is Trust.UNKNOWN:
        notes.append("the model does not know who issued the certificate, which the real client refuses")
        seen = trusting(branch, seen)
    unknown = _unforeseen(branch, seen)
    if unknown:
        return Judgement(unknown=unknown)
    judge_of = _JUDGES[outcome.kind]
    overdone = _overdone(question, branch, seen)
    differences = list(judge_of(question, branch, seen, known) if overdone is None else overdone)
    if not differences:
        differences += _other_gateways(branch, seen, known, notes)
        differences += _other_trust(question, branch, seen)
        differences += _other_links(question, branch, seen)
    return Judgement(tuple(differences), notes=tuple(notes))


def trusting(branch: Branch, seen: Observation) -> Observation:
    """What was seen, by a client that trusts whom the model knows nothing about."""
    unknown = seen.ended is Ended.UNTRUSTED and branch.trust is Trust.UNKNOWN
    return structs.replace(seen, ended=seen.beyond) if unknown else seen


def followed_further(branch: Branch, seen: Observation) -> Judgement:
    """The model ends at a redirect because it leads out of the map; the real client has followed it."""
    if seen.echo is not None:
        return Judgement((f"the model stays at a redirect to {branch.outcome.location}: {in_words(seen)}",))
    return Judgement(notes=(f"where the redirect to {branch.outcome.location} leads the model does not know",))


def _unforeseen(branch: Branch, seen: Observation) -> str:
    """Why the model cannot be wrong here: it said that it takes something for granted, or what is not on the map."""
    handshakes = [hop for hop in branch.hops if hop.kind is HopKind.TLS]
    is_predicted = branch.outcome.kind is OutcomeKind.UNTRUSTED or branch.outcome.status == BAD_SSL
    is_seen = seen.ended is Ended.UNTRUSTED or seen.status == BAD_SSL
    if is_predicted and not is_seen and handshakes and handshakes[-1].summary.endswith(PRIVATE_CA):
        return f"the door described has no certificate for the name ({branch.outcome.reason}); here one is made for it"
    if branch.outcome.kind is not OutcomeKind.DELIVERED or seen.echo is not None:
        return ""
    assumed = [hop.summary for hop in branch.hops if hop.kind is HopKind.FILTER and "goes on if" in hop.summary]
    if assumed and seen.status in (401, 403):
        return f"the model takes for granted what only a server knows: {assumed[-1]}"
    is_asked = any(ASSUMED in detail for hop in handshakes for detail in hop.details)
    if is_asked and (seen.ended in BROKEN_OFF or seen.status == NO_CERTIFICATE):
        return "the model takes clients to have the certificate that is asked for; those of a rehearsal have none"
    unlisted = [hop.summary for hop in branch.hops if hop.kind is HopKind.ENDPOINTS and hop.summary.endswith(UNLISTED)]
    if unlisted and seen.status in PROXY_FAILURES:
        return f"the model takes {unlisted[-1].removesuffix(UNLISTED)} to answer, of which there are none here"
    hosts = {place.rpartition(":")[0] for place in branch.outcome.endpoints}
    if hosts and not any(map(is_address, hosts)) and (seen.status in PROXY_FAILURES or seen.ended in BROKEN_OFF):
        return f"what answers at {', '.join(sorted(hosts))} is not on the map"
    return ""


def _against(branch: Branch, seen: Observation) -> str:
    return f"the model: {fate(branch).words}; reality: {in_words(seen)}"


# --- limits -------------------------------------------------------------------------------------


def _overdone(question: Question, branch: Branch, seen: Observation) -> list[str] | None:
    """Where the request is more than the way bears, by the model: it has to be refused.  None where it is not."""
    if branch.outcome.kind is not OutcomeKind.DELIVERED:
        return None
    body, idle = branch.limits.body, branch.limits.idle_timeout
    if body is not None and 0 < body.value < question.body:
        if seen.echo is None and (seen.status == TOO_LARGE or seen.ended is Ended.CLOSED):
            return []
        return [f"the model: {body.hop} allows bodies of {body.value:g} octets; reality: {in_words(seen)}"]
    if idle is not None and 0 < idle.value < seen.silence:
        if seen.ended is Ended.CLOSED:
            return []
        return [f"the model: {idle.hop} bears {idle.value:g} s of silence; reality: {in_words(seen)}"]
    return None


# --- each kind of outcome -----------------------------------------------------------------------


def _delivered(question: Question, branch: Branch, seen: Observation, known: Landmarks) -> Iterator[str]:
    outcome = branch.outcome
    if seen.ended is not Ended.ANSWERED:
        yield _against(branch, seen)
        return
    if seen.echo is None and any(not share.backend and share.status == seen.status for share in outcome.shares):
        return
    wanted = _usual_status(question, branch)
    if _status(seen) != wanted:
        yield f"{_against(branch, seen)} (status {seen.status}, not {wanted})"
        return
    if seen.echo is None:
        if not _is_mute(question, seen, wanted):
            yield _against(branch, seen)
        return
    backends = [share.backend for share in outcome.shares] or [outcome.backend]
    if known.stands_for(seen.echo).isdisjoint(_identity(name) for name in backends if name is not None):
        yield _against(branch, seen)
    elif outcome.sent is not None and outcome.sent.path and question.request.scheme not in STREAMS:
        yield from _other_request(outcome.sent.host, outcome.sent.path, seen.echo)


def _usual_status(question: Question, branch: Branch) -> int:
    """What an echo backend answers when such a request arrives."""
    scheme = question.request.scheme
    if scheme in STREAMS or scheme in ("grpc", "grpcs"):
        return 0
    if scheme in ("ws", "wss") and not branch.redirects:
        return SWITCHED
    sent = branch.outcome.sent
    forced = _FORCED.match(sent.path if sent is not None and sent.path else question.request.target)
    return int(forced[1]) if forced else 200


def _status(seen: Observation) -> int:
    return seen.status if seen.grpc_status is None else seen.grpc_status


def _is_mute(question: Question, seen: Observation, wanted: int) -> bool:
    """Does such an answer not tell who gave it?"""
    return question.request.method == "HEAD" or seen.status in SAYS_NOTHING or wanted not in (0, 200, SWITCHED)


def _identity(name: BackendName) -> Identity:
    return name.namespace, name.name, name.port


def _other_request(host: str, path: str, echo: EchoSeen) -> Iterator[str]:
    if echo.path != path:
        yield f"the model sends the backend {path}; reality {echo.path}"
    got = hostnames.normalize(_without_port(echo.host))
    if host and got != hostnames.normalize(_without_port(host)):
        yield f"the model sends the backend the Host {host}; reality {echo.host}"


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


def _answered(question: Question, branch: Branch, seen: Observation, known: Landmarks) -> Iterator[str]:
    outcome = branch.outcome
    if not outcome.status:
        yield from _cut_off(question, branch, seen)
    elif outcome.status == LOOP:
        if seen.echo is not None or (seen.ended is Ended.ANSWERED and seen.status < 400):
            yield _against(branch, seen)
    elif outcome.status in PROXY_FAILURES and seen.echo is None and says_the_same(branch, seen):
        return
    elif question.request.scheme in STREAMS and seen.echo is None and seen.ended not in NO_CONNECTION:
        return  # a proxy for HTTP answers in HTTP, which the client does not speak
    elif seen.ended is not Ended.ANSWERED:
        yield _against(branch, seen)
    elif any(hop.kind is HopKind.FILTER and "is shown as" in hop.summary for hop in branch.hops):
        return  # somebody else's page, with a status of its own
    elif seen.echo is not None or not _is_status(outcome.status, outcome.grpc_status, seen):
        yield _against(branch, seen)
    elif outcome.location is not None and _same_place(question, branch, outcome.location) != _same_place(
        question, branch, seen.location
    ):
        yield f"the model redirects to {outcome.location}; reality to {seen.location or 'nowhere'}"


def _is_status(status: int, grpc: int | None, seen: Observation) -> bool:
    if seen.grpc_status is None:
        return seen.status == status
    return seen.grpc_status == (grpc_status(status) if grpc is None else grpc)


def _same_place(question: Question, branch: Branch, location: str) -> str:
    base = branch.redirects[-1][1] if branch.redirects else question.request.url
    return plain_location(urljoin(base, location))


def plain_location(location: str) -> str:
    """A location as one of those that mean the same: host in lower case, without the scheme's own port."""
    parts = urlsplit(location)
    if not parts.netloc:
        return location
    suffix = f":{DEFAULT_PORTS.get(parts.scheme, 0)}"
    return parts._replace(netloc=parts.netloc.lower().removesuffix(suffix)).geturl()


def _cut_off(question: Question, branch: Branch, seen: Observation) -> Iterator[str]:
    """Refused without an answer: before the connection, in the handshake, or after it."""
    allowed = frozenset({Ended.REFUSED}) if _CLOSED_PORT.search(branch.outcome.reason) else BROKEN_OFF
    if question.request.scheme == "udp":  # datagrams that nobody takes are lost
        allowed = frozenset({Ended.REFUSED, Ended.SILENT})
    if seen.ended not in allowed:
        yield _against(branch, seen)


def _unreachable(question: Question, branch: Branch, seen: Observation, known: Landmarks) -> Iterator[str]:
    if branch.outcome.status:
        if seen.echo is not None or not says_the_same(branch, seen):
            yield _against(branch, seen)
    elif seen.ended is Ended.NOT_TRIED:
        if seen.named not in UNANSWERED | {Named.LITERAL}:
            yield _against(branch, seen)
    elif seen.ended not in NO_CONNECTION and not (question.request.scheme == "udp" and seen.ended is Ended.SILENT):
        yield _against(branch, seen)


def _absent(question: Question, branch: Branch, seen: Observation, known: Landmarks) -> Iterator[str]:
    if seen.named not in ABSENT or seen.ended is not Ended.NOT_TRIED:
        yield _against(branch, seen)


def _distrusted(question: Question, branch: Branch, seen: Observation, known: Landmarks) -> Iterator[str]:
    if seen.ended is not Ended.UNTRUSTED:
        yield _against(branch, seen)
    elif seen.distrust and branch.trust in UNTRUSTED and seen.distrust != branch.trust.value:
        yield f"the model: the certificate is refused because of {branch.trust}; reality: because of {seen.distrust}"


_JUDGES: Final = {
    OutcomeKind.DELIVERED: _delivered,
    OutcomeKind.RESPONSE: _answered,
    OutcomeKind.REFUSED: _answered,
    OutcomeKind.UNREACHABLE: _unreachable,
    OutcomeKind.ABSENT: _absent,
    OutcomeKind.UNTRUSTED: _distrusted,
}


# --- on the way ---------------------------------------------------------------------------------


def _other_gateways(branch: Branch, seen: Observation, known: Landmarks, notes: list[str]) -> Iterator[str]:
    """Who was met since the last redirect, by the address that was connected to and the one that the backend was called
    from."""
    first, last = known.first_gateways(seen), known.last_gateways(seen)
    passed = branch.gateways[branch.turned :]
    told = f"the model goes by {', '.join(passed) or 'no gateway'}"
    if not passed:
        if first & last:
            yield f"{told}; reality by {', '.join(sorted(first & last))}"
        return
    if first and any(hop.kind is HopKind.EDGE for hop in branch.hops):
        yield f"the model goes to {branch.address}; reality straight to {', '.join(sorted(first))}"
    elif first and passed[0] not in first:
        yield f"{told}; reality connects to {', '.join(sorted(first))}"
    if last and passed[-1] not in last:
        yield f"{told}; the backend is called by {', '.join(sorted(last))}"
    if not first and not last and seen.ended is Ended.ANSWERED:
        notes.append("which gateway it was does not show: all addresses are translated on the way")


def _other_trust(question: Question, branch: Branch, seen: Observation) -> Iterator[str]:
    if question.request.encrypted and seen.ended is Ended.ANSWERED and not branch.redirects:
        if branch.trust in UNTRUSTED:
            yield f"the model: the certificate is refused because of {branch.trust}; the real client trusts it"
        elif branch.trust is Trust.TRUSTED and not seen.certificate:
            yield "the real client was shown no certificate"


def _other_links(question: Question, branch: Branch, seen: Observation) -> Iterator[str]:
    """Those that the Expectation names; the others nobody asked for.

    Where a request gets lost nobody sees how far it came: it may have entered a link and not left it.
    """
    wanted = question.expectation
    if wanted is None or seen.links is None or seen.ended is not Ended.ANSWERED or seen.status in PROXY_FAILURES:
        return
    for link in dict.fromkeys((*wanted.via, *wanted.not_via)):
        if (link in branch.links) and link not in seen.links:
            yield f"the model goes by the link {link}; reality does not"
        if (link in seen.links) and link not in branch.links:
            yield f"reality goes by the link {link}; the model does not"
