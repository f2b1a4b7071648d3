"""Rate limits: token buckets, one for each client, header value or host, or one for all.

Buckets belong to one way into a rule at one VirtualHost, and begin full again when that VirtualHost changes.  Envoy
keeps a limited number of them; the one that was idle longest goes first.
"""

from __future__ import annotations

from math import ceil
from typing import Final, TypeAlias

from envoy.config.route.v3 import route_components_pb2 as route
from envoy.extensions.common.ratelimit.v3 import ratelimit_pb2
from envoy.extensions.filters.http.local_ratelimit.v3 import local_rate_limit_pb2
from envoy.type.v3 import http_status_pb2, token_bucket_pb2
from msgspec import structs

from gatewright.base import hostnames
from gatewright.engines.envoy import names
from gatewright.engines.envoy.protos import RetryAfter
from gatewright.engines.envoy.steps.conditions import Filter, Part, negated, parts, peer_in
from gatewright.engines.envoy.steps.context import Context, Refused, is_header_name
from gatewright.engines.envoy.steps.forwarded_client import CLIENT_HEADER, forwarded_client, without
from gatewright.engines.envoy.wire import extension, seconds, serialise
from gatewright.kinds.intents.filters import LimitBy, RateLimit

BUCKETS: Final = 10_000
_LEAST_INTERVAL: Final = 0.05
"""Seconds: Envoy refuses to fill buckets more often."""
_PLENTY: Final = 2**32 - 1
_OTHERS: Final = "others"

_Action: TypeAlias = route.RateLimit.Action
_Counted: TypeAlias = list[tuple[tuple[str, str], _Action]]


def filters(step: RateLimit, context: Context) -> list[Part] | Refused:
    """The limit, by what tells those apart who are counted together."""
    if step.requests < 1 or step.period <= 0 or step.burst < 1:
        return Refused(f"a rate limit of {step.requests} in {step.period:g} s is none", step.origin)
    if step.status not in http_status_pb2.StatusCode.values():
        return Refused(f"Envoy cannot answer {step.status} where a rate is exceeded", step.origin)
    if not is_header_name(step.header or "x"):
        return Refused(f"{step.header!r} is no name of a header", step.origin)
    if step.by is not LimitBy.CLIENT or not step.depth or not context.gateway.settings.forwarded_from:
        return parts([_limit(step, _told_apart(step, context))], step.excepts)
    if step.excepts:
        return Refused("a rate limit cannot both read X-Forwarded-For and make exceptions", step.origin)
    # Who is not believed has one bucket, whatever he writes into X-Forwarded-For.
    believed = peer_in(context.gateway.settings.forwarded_from)
    by_peer = _limit(step, _told_apart(structs.replace(step, depth=0), context))
    chain = [forwarded_client(step.depth), _limit(step, _by_header(CLIENT_HEADER)), without(CLIENT_HEADER)]
    return [Part(by_peer, believed), *(Part(one, negated(believed)) for one in chain)]


def _limit(step: RateLimit, counted: _Counted) -> Filter:
    made = local_rate_limit_pb2.LocalRateLimit(
        stat_prefix="rate_limit",
        status=http_status_pb2.HttpStatus(code=step.status),
        # Required, but not the limit.
        token_bucket=_bucket(_PLENTY, _PLENTY, 60),
    )
    for share in (made.filter_enabled, made.filter_enforced):
        share.default_value.numerator = 100
    made.always_consume_default_token_bucket.value = False
    made.max_dynamic_descriptors.value = BUCKETS
    bucket = bucket_of(step)
    for entries, action in counted:
        descriptor = ratelimit_pb2.LocalRateLimitDescriptor(token_bucket=bucket)
        descriptor.entries.add(key=entries[0], value=entries[1])
        made.descriptors.append(descriptor)
        made.rate_limits.append(route.RateLimit(actions=[action]))
    made.MergeFromString(serialise(RetryAfter(enable_retry_after_header=True)))
    return extension("envoy.filters.http.local_ratelimit", made)


def bucket_of(step: RateLimit) -> token_bucket_pb2.TokenBucket:
    """Filled at the rate asked for, as evenly as Envoy can."""
    each = step.period / step.requests
    tokens = max(1, ceil(_LEAST_INTERVAL / each - 1e-9))
    return _bucket(step.burst, tokens, tokens * each)


def _bucket(most: int, tokens: int, interval: float) -> token_bucket_pb2.TokenBucket:
    made = token_bucket_pb2.TokenBucket(max_tokens=most, fill_interval=seconds(interval))
    made.tokens_per_fill.value = tokens
    return made


def _told_apart(step: RateLimit, context: Context) -> _Counted:
    """What is counted together: (entry of the descriptor, value "" for any), and the action that makes it."""
    all_of_them = (("generic_key", _OTHERS), _Action(generic_key=_Action.GenericKey(descriptor_value=_OTHERS)))
    match step.by:
        case LimitBy.CLIENT:
            return [(("remote_address", ""), _Action(remote_address=_Action.RemoteAddress()))]
        case LimitBy.HEADER:
            return _by_header(step.header.lower())
        case LimitBy.HOST if hostnames.is_wildcard(context.hostname) or context.hostname == hostnames.ANY:
            # As the fallback filter normalised it: who spells a host in another way has no bucket of his own.
            return _by_header(names.HOST_HEADER)
        case _:
            return [all_of_them]


def _by_header(name: str) -> _Counted:
    """A bucket for each value, and one for all requests that have none."""
    value = _Action(request_headers=_Action.RequestHeaders(header_name=name, descriptor_key=name))
    none = _Action.HeaderValueMatch(descriptor_value=_OTHERS)
    none.expect_match.value = False
    condition = none.headers.add(name=name)
    condition.string_match.safe_regex.regex = "(?s:.+)"
    return [((name, ""), value), (("header_match", _OTHERS), _Action(header_value_match=none))]
