"""Middlewares about how much and how often: rateLimit, inFlightReq, buffering, retry, circuitBreaker.

A limit that cannot be kept refuses every request, since it may be what keeps a backend up or a password from being
guessed.  Counterparts: `protection`, who may pass; `middleware`, which knows all types.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar

from msgspec import Meta

from gatewright.kinds.decode import Ignored, Report, Schema
from gatewright.kinds.intents.filters import BodyLimit, Filter, InFlight, LimitBy, RateLimit, Refuse, Retries
from gatewright.kinds.intents.routing import Retry
from gatewright.kinds.traefik.common import IntOrString, seconds
from gatewright.kinds.traefik.sources import Counted, SourceCriterion, counted, differs, refuse

Count = Annotated[int, Meta(ge=0)]

NO_STATUS = "a status is a number such as 503, or a range such as 500-599"
_TOO_MANY = 429
_IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE")
_NETWORK_ERRORS = (502, 504)
"""What a request to a backend ends in that gives no answer, as Traefik's buffering sees it."""

_STATUSES = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?", re.ASCII)
_RETRY_EXPRESSION = re.compile(r"(.+?)\s*&&\s*Attempts\(\)\s*(<=?)\s*([0-9]{1,3})", re.ASCII)
_RETRY_TERM = re.compile(r"IsNetworkError\(\)|ResponseCode\(\)\s*==\s*([1-5][0-9]{2})", re.ASCII)


class RateLimitSpec(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {"redis": "each gateway counts for itself"}

    average: Count = 0
    period: IntOrString | None = None
    burst: Count = 1
    source_criterion: SourceCriterion | None = None


def rate_limit(value: RateLimitSpec, report: Report, *path: str | int) -> tuple[Filter, ...]:
    """`average` requests per `period` and source, up to `burst` at once; an average of 0 limits nothing."""
    by = counted(value.source_criterion, LimitBy.CLIENT, report, *path, "sourceCriterion")
    if not isinstance(by, Counted):
        return by
    period = seconds(value.period, report, *path, "period")
    if not value.average:
        return ()
    limit = RateLimit(
        origin=report.origin.at(*path),
        requests=value.average,
        period=period or 1.0,
        burst=max(value.burst, 1),
        by=by.by,
        header=by.header,
        depth=by.depth,
        status=_TOO_MANY,
    )
    return (limit,)


class InFlightSpec(Schema, frozen=True):
    amount: Count = 0
    source_criterion: SourceCriterion | None = None


def in_flight(value: InFlightSpec, report: Report, *path: str | int) -> tuple[Filter, ...]:
    """At most `amount` requests at once for each Host, unless something else is said to count by."""
    by = counted(value.source_criterion, LimitBy.HOST, report, *path, "sourceCriterion")
    if not isinstance(by, Counted):
        return by
    origin = report.origin.at(*path)
    if not value.amount:
        report.warning("invalid-value", "without an amount every request gets 429", *path, "amount")
        return (Refuse(origin, _TOO_MANY, "inFlightReq lets no request through"),)
    if by.by is not LimitBy.HOST:
        message = "requests at the same time are not limited for each client: Envoy counts those of all at a backend"
        hint = "limit the rate of each client with rateLimit"
        report.unsupported(message, *path, "sourceCriterion", hint=hint)
        return ()
    return (InFlight(origin, value.amount, by.by, by.header, by.depth, _TOO_MANY),)


class BufferingSpec(Schema, frozen=True):
    """`mem...` say how much Traefik keeps in memory before it writes to disk: nothing is written to disk here."""

    max_request_body_bytes: int = 0
    mem_request_body_bytes: Ignored = None
    max_response_body_bytes: int = 0
    mem_response_body_bytes: Ignored = None
    retry_expression: str = ""


def buffering(value: BufferingSpec, report: Report, *path: str | int) -> tuple[Filter, ...]:
    origin = report.origin.at(*path)
    found: list[Filter] = []
    if value.max_request_body_bytes > 0:
        found.append(BodyLimit(origin, value.max_request_body_bytes, buffered=True))
    else:
        differs(report, "without maxRequestBodyBytes requests are passed on as they come", *path)
    if value.max_response_body_bytes > 0:
        message = "answers are passed on as they come, whatever their size"
        report.unsupported(message, *path, "maxResponseBodyBytes")
    if value.retry_expression:
        retry = _retry_of(value.retry_expression)
        if retry is None:
            message = "this expression is not understood, so a failed request is not tried again"
            hint = "write IsNetworkError() && Attempts() < 3, or use the middleware retry"
            report.unsupported(message, *path, "retryExpression", hint=hint)
        else:
            found.append(Retries(origin, retry))
    return tuple(found)


def _retry_of(expression: str) -> Retry | None:
    """`(IsNetworkError() || ResponseCode() == 503) && Attempts() < 3` and the like; None for anything else."""
    found = _RETRY_EXPRESSION.fullmatch(expression.strip())
    if found is None:
        return None
    codes: list[int] = []
    terms = found[1][1:-1] if found[1].startswith("(") and found[1].endswith(")") else found[1]
    for term in terms.split("||"):
        known = _RETRY_TERM.fullmatch(term.strip())
        if known is None:
            return None
        codes += [int(known[1])] if known[1] else _NETWORK_ERRORS
    attempts = int(found[3]) - (found[2] == "<")
    network = set(_NETWORK_ERRORS) <= set(codes)
    if attempts < 1:
        return None
    return Retry(attempts, tuple(sorted(set(codes))), resets=network, connects_always=network)


class RetrySpec(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "timeout": "tries end with their number, not at a time",
        "maxRequestBodyBytes": "requests are tried again as far as their body is still there, whatever its size",
        "disableRetryOnNetworkError": "a failure to connect is always tried again",
    }

    attempts: int = 0
    initial_interval: IntOrString | None = None
    status: tuple[str, ...] = ()
    retry_non_idempotent_method: bool = False


def retry(value: RetrySpec, report: Report, *path: str | int) -> tuple[Filter, ...]:
    """`attempts` tries in all.  Without `status` only a request that did not reach its backend is tried again."""
    if value.attempts < 1:
        return refuse(report, "attempts has to be 1 or more", *path, "attempts")
    ranges = statuses(value.status)
    if ranges is None:
        return refuse(report, NO_STATUS, *path, "status")
    backoff = seconds(value.initial_interval, report, *path, "initialInterval")
    if value.attempts == 1:
        return ()
    again = Retry(
        attempts=value.attempts - 1,
        codes=tuple(sorted({code for low, high in ranges for code in range(low, high + 1)})) or (0,),
        backoff=backoff or 0.0,
        methods=() if value.retry_non_idempotent_method or not ranges else _IDEMPOTENT,
    )
    return (Retries(report.origin.at(*path), again),)


def statuses(texts: Iterable[str]) -> tuple[tuple[int, int], ...] | None:
    """`404`, `500-599` and lists of them with commas, as (from, to); None when one is neither."""
    found: list[tuple[int, int]] = []
    for part in (part for text in texts for part in text.split(",")):
        known = _STATUSES.fullmatch(part.strip())
        low, high = (int(known[1]), int(known[2] or known[1])) if known else (1, 0)
        if low > high:
            return None
        found.append((low, high))
    return tuple(found)


class CircuitBreakerSpec(Schema, frozen=True):
    expression: str = ""
    check_period: Ignored = None
    fallback_duration: Ignored = None
    recovery_duration: Ignored = None
    response_code: Ignored = None


def circuit_breaker(value: CircuitBreakerSpec, report: Report, *path: str | int) -> tuple[Filter, ...]:
    """Left out: Traefik watches the share of failures of one route, Envoy failures in a row of each endpoint."""
    if not value.expression.strip():
        return refuse(report, "the expression is missing", *path, "expression")
    hint = "passiveHealthCheck of the service takes failing endpoints out; inFlightReq limits what is under way"
    report.unsupported("the backend is asked even when it fails", *path, hint=hint)
    return ()
