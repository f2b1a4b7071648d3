"""What the echo servers behind a gateway make of a request, on top of what the model says of the gateway itself.

The model takes for granted that a server which is asked lets a request pass, and that a backend answers 200: here the
servers are known.  Whatever is asked, they answer `/status/NNN` with that status and all else with 200, an echo and the
headers of `X-Echo-Set-Header`.  Counterpart: `differential`, which compares this with what a client got.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from urllib.parse import quote

import msgspec

from gatewright.graph.nodes import AskAuth, BasicAuthUsers, ErrorPage, Graph, Rule
from gatewright.kinds.intents.filters import Compress, HeaderEdit, Template, Variable
from gatewright.kinds.intents.routing import Dialect
from gatewright.trace import steps
from gatewright.trace.client import arrived, known, scheme
from gatewright.trace.hops import Outcome, OutcomeKind, Trace
from gatewright.trace.match import in_ranges, pattern
from gatewright.trace.paths import normalise
from gatewright.trace.request import Request

_STATUS = re.compile(r"/status/(\d{3})(?:\?|$)")
TURNED_AWAY = "the client's address is not allowed"
NOBODY = 0
"""The status of who is not there to be asked."""
HARMLESS = ":/?#[]@!$&'()*+,;=%-._~"
"""What stays as it is in a part of a URL that a client wrote."""


@dataclass(frozen=True)
class Told:
    """How a request ends.  `status` 0: no answer; `told`: request headers that questions and passwords have changed."""

    outcome: Outcome
    denied: bool = False
    page: ErrorPage | None = None
    told: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass
class _Passed:
    told: dict[str, tuple[str, ...]] = field(default_factory=dict)
    denial: Outcome | None = None


def foretold(graph: Graph, trace: Trace, request: Request) -> Told:
    """The end of a walk, once the servers that are asked on the way have answered."""
    outcome, rule = trace.outcome, trace.rule
    if rule is None:
        return Told(outcome)
    gateway = graph.gateways[outcome.gateway or ""]
    if outcome.reason == TURNED_AWAY and gateway.dialect is Dialect.TRAEFIK:
        return Told(outcome)
    if outcome.reason == TURNED_AWAY or outcome.reason.startswith("CORS preflight"):
        return Told(outcome, page=_page(rule, request, outcome.status))
    request = arrived(gateway, request)
    request = msgspec.structs.replace(request, client=known(gateway, request), scheme=scheme(gateway, request))
    passed = _asked(graph, rule, request, outcome)
    if passed.denial is not None:
        return Told(passed.denial, denied=True, page=_page(rule, request, passed.denial.status))
    if outcome.kind is OutcomeKind.DELIVERED and outcome.sent is not None:
        status = echoed(outcome.sent.path)
        outcome = msgspec.structs.replace(outcome, status=status) if outcome.status else outcome
    return Told(outcome, page=_page(rule, request, outcome.status), told=tuple(passed.told.items()))


def echoed(path: str) -> int:
    """The status that an echo server answers with."""
    found = _STATUS.match(path)
    status = int(found[1]) if found else 200
    return status if status >= 200 else 400


def _page(rule: Rule, request: Request, status: int) -> ErrorPage | None:
    return steps.error_page(rule.steps, status) if status and request.method != "HEAD" else None


def _asked(graph: Graph, rule: Rule, request: Request, outcome: Outcome) -> _Passed:
    """The questions of a rule up to the first that is denied, or what refuses the request anyway."""
    passed = _Passed()
    for step in rule.steps:
        if isinstance(step, AskAuth):
            status = _answer(graph, step, request, passed)
            if status is not None:
                passed.denial = _denied(step, request, outcome, status)
                return passed
            continue
        verdict = steps.judge(step, request)
        if verdict is not None and verdict.status:
            return passed
        if isinstance(step, BasicAuthUsers) and not (step.excepts and in_ranges(request.client, step.excepts)):
            name = _user(request)
            if step.user_header:
                passed.told[step.user_header.lower()] = (name,)
            if step.remove_header:
                passed.told["authorization"] = ()
    return passed


def _user(request: Request) -> str:
    encoded = (request.header("authorization") or "").partition(" ")[2]
    return base64.b64decode(encoded).decode("latin-1").partition(":")[0]


def _answer(graph: Graph, step: AskAuth, request: Request, passed: _Passed) -> int | None:
    """The status of a denial; None lets the request pass, with what is told to the backend."""
    question = step.question
    copied = {name.lower() for name in question.copies}
    known_names = {*(name for name, _ in request.headers), *passed.told}
    passed.told |= dict.fromkeys((name for name in known_names | copied if _is_copied(step, name)), ())
    if question.excepts and in_ranges(request.client, question.excepts):
        return None
    length = int(request.header("content-length") or "0")
    if question.sends_body and length > question.sends_body:
        return 413
    backend = graph.backends.get(step.backend)
    if backend is None or not backend.endpoints:
        return NOBODY
    path = written(step.path, request)
    status = echoed(path)
    if not 200 <= status < 300:
        return status
    if not _STATUS.match(path) and (question.sends is None or "x-echo-set-header" in map(str.lower, question.sends)):
        for pair in (request.header("x-echo-set-header") or "").split(","):
            name, _, value = pair.strip().partition(":")
            if _is_copied(step, name.lower()):
                passed.told[name.lower()] = (*passed.told.get(name.lower(), ()), value)
    return None


def _is_copied(step: AskAuth, name: str) -> bool:
    """Does the backend get this header from the answer alone?"""
    if name in map(str.lower, step.question.copies):
        return True
    matching = step.question.copies_matching
    return bool(matching) and pattern(matching, ignore_case=True).search(name) is not None


def _denied(step: AskAuth, request: Request, outcome: Outcome, status: int) -> Outcome:
    question = step.question
    location = None
    if status == NOBODY:
        status = question.status_on_error
    elif status == 401 and question.signin:
        status, location = 302, written(question.signin, request)
    elif status != 413 and question.denials is not None and status not in question.denials:
        status = question.status_on_error
    return msgspec.structs.replace(
        outcome,
        kind=OutcomeKind.REFUSED,
        status=status,
        reason="a server that was asked denies it",
        location=location,
        backend=None,
        shares=(),
        sent=None,
    )


def written(template: Template, request: Request) -> str:
    """A URL, or a part of one, with its variables filled in; `request` as it came to whoever stands in front."""
    made = ""
    for piece in template:
        if not isinstance(piece, Variable):
            made += piece
            continue
        text = _value(piece, request)
        escaped = piece in (Variable.ESCAPED_URI, Variable.ESCAPED_URL)
        made += text if escaped else quote(text, safe="" if "?" in made else HARMLESS)
    return made


def _value(piece: Variable, request: Request) -> str:
    scheme = "https" if request.encrypted else "http"
    path, _ = normalise(request.path)
    target = path + request.target[len(request.path) :]
    url = f"{scheme}://{request.host}{target}"
    values = {
        Variable.HOST: request.host,
        Variable.SCHEME: scheme,
        Variable.METHOD: request.method,
        Variable.PATH: path,
        Variable.QUERY: request.query,
        Variable.URI: target,
        Variable.ESCAPED_URI: quote(target, safe=""),
        Variable.URL: url,
        Variable.ESCAPED_URL: quote(url, safe=""),
        Variable.CLIENT: request.client,
    }
    return values.get(piece, "")


def is_compressed(rule: Rule, accepted: str, octets: int) -> bool:
    """Is an echo of so many octets compressed for a client that accepts only gzip, or nothing?"""
    return "gzip" in accepted and any(
        isinstance(step, Compress)
        and "gzip" in step.encodings
        and octets >= step.min_length
        and (not step.types or "application/json" in step.types)
        and "application/json" not in step.excluded
        for step in rule.steps
    )


def edited(headers: dict[str, list[str]], edit: HeaderEdit) -> dict[str, list[str]]:
    """Headers by their lower-case names after one edit."""
    gone = {name.lower() for name in (*edit.remove, *(name for name, _ in edit.set))}
    kept = {name: [*values] for name, values in headers.items() if name not in gone}
    for name, value in (*edit.set, *edit.add):
        kept.setdefault(name.lower(), []).append(value)
    return kept
