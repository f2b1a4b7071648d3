"""How a request is sent to its backend: which endpoint, how often, and how long it may take.

Envoy says all of this per route, so a rule that tells requests apart (a WebSocket may be quiet for as long as an
answer may, a POST is not sent twice) becomes several routes, each with a condition; where nothing differs it is one.
Counterpart: `actions`, what a rule does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import re2
from envoy.config.route.v3 import route_components_pb2 as route
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from msgspec import Struct

from gatewright.engines.envoy.match import regex
from gatewright.engines.envoy.wire import pack, seconds
from gatewright.graph.nodes import Forward, Rule
from gatewright.kinds.intents.routing import HashKey, Retry

_CONNECTING: Final = ("connect-failure", "refused-stream", "reset-before-request")
"""Failures before the backend has seen anything: safe to try again, whatever the method."""
_SLOW_CLIENT_SECONDS: Final = 60.0
"""A client that pauses an upload for so long is given up: nginx, HAProxy and ALB do so, too."""
_QUIET_SECONDS: Final = 3600.0
"""How long listeners let a stream be quiet (see `http_manager`)."""
_KEPT_BYTES: Final = 1024 * 1024
"""How much of a request's body is kept to send it again; longer ones are sent once."""


class _Way(Struct, frozen=True):
    """What holds for some of a rule's requests.  Times in seconds; None: nothing is said, 0: no limit.

    `answer`: between two pieces of a backend's answer, which no longer counts once a WebSocket is one.  `quiet`: in
    which nothing moves in either direction.
    """

    retry: Retry | None
    answer: float | None = None
    quiet: float | None = None


def routes(made: route.Route, rule: Rule, forward: Forward) -> tuple[route.Route, ...]:
    """`made` as often as requests differ, the particular first: what each takes is in its `match.headers`."""
    made.route.hash_policy.extend(_hash_policy(key) for key in forward.hash)
    if not rule.websocket:
        made.route.upgrade_configs.add(upgrade_type="websocket").enabled.value = False
    retry = forward.retry
    again = rest = _way(forward, retry)
    if retry is not None and retry.methods and retry.connects_always and _repeats(retry):
        rest = _way(forward, _connecting(retry))
    socket = _socket_way(forward, rest) if rule.websocket else rest
    found = []
    if socket != rest:
        found.append(_route(made, forward, socket, _socket()))
    if retry is not None and rest != again:
        aside = [_socket(invert=True)] if rule.websocket and socket == rest else []
        found.append(_route(made, forward, again, _methods(retry.methods), *aside))
    return (*found, _route(made, forward, rest))


def _way(forward: Forward, retry: Retry | None) -> _Way:
    """For requests that stay requests."""
    read, tunnel = forward.read_timeout, forward.tunnel_timeout
    if not read:
        return _Way(retry, quiet=read)
    if tunnel is not None and read < tunnel <= _QUIET_SECONDS:
        return _Way(retry, answer=read, quiet=tunnel)  # good for WebSockets as well
    # What ends the stream ends all tries; what ends one try can be followed by the next.
    if read < _SLOW_CLIENT_SECONDS or (retry is not None and retry.resets):
        return _Way(retry, answer=read, quiet=read if read > _QUIET_SECONDS else None)
    return _Way(retry, quiet=read)


def _socket_way(forward: Forward, rest: _Way) -> _Way:
    """For WebSockets, where the others' way does not do for them."""
    quiet = forward.read_timeout if forward.tunnel_timeout is None else forward.tunnel_timeout
    return rest if quiet == rest.quiet else _Way(rest.retry, quiet=quiet)


def _repeats(retry: Retry) -> bool:
    """Can it come to a second request for one that the backend has seen?"""
    return retry.resets or any(retry.codes)


def _route(made: route.Route, forward: Forward, way: _Way, *conditions: route.HeaderMatcher) -> route.Route:
    one = route.Route()
    one.CopyFrom(made)
    one.match.headers.extend(conditions)
    policy = one.route.retry_policy
    if way.retry is not None:
        _retry(policy, way.retry)
        if _repeats(way.retry):
            one.request_body_buffer_limit.value = _KEPT_BYTES
    limits = [limit for limit in (forward.backend_timeout, way.retry.timeout if way.retry else None) if limit]
    if limits:
        policy.per_try_timeout.CopyFrom(seconds(min(limits)))
    if way.answer is not None:
        policy.per_try_idle_timeout.CopyFrom(seconds(way.answer))
    if way.quiet is not None:
        one.route.idle_timeout.CopyFrom(seconds(way.quiet))
    if not policy.ByteSize():
        one.route.ClearField("retry_policy")
    return one


def _socket(*, invert: bool = False) -> route.HeaderMatcher:
    """A request to become a WebSocket (RFC 6455, 4.1), or any other."""
    made = route.HeaderMatcher(name="upgrade", invert_match=invert, treat_missing_header_as_empty=invert)
    made.string_match.exact = "websocket"
    made.string_match.ignore_case = True
    return made


@lru_cache(maxsize=64)
def _methods(methods: tuple[str, ...]) -> route.HeaderMatcher:
    return route.HeaderMatcher(name=":method", string_match=regex("|".join(re2.escape(one) for one in methods)))


def _connecting(retry: Retry) -> Retry:
    """The same for requests that the backend must not see twice."""
    return Retry(retry.attempts, backoff=retry.backoff, timeout=retry.timeout)


def _retry(policy: route.RetryPolicy, retry: Retry) -> None:
    codes = [code for code in retry.codes if code]
    reasons = [*_CONNECTING, *(["reset"] if retry.resets else []), *(["retriable-status-codes"] if codes else [])]
    policy.retry_on = ",".join(reasons)
    policy.retriable_status_codes.extend(codes)
    policy.num_retries.value = retry.attempts
    if retry.methods and not retry.connects_always:
        policy.retriable_request_headers.append(_methods(retry.methods))
    if retry.backoff:
        policy.retry_back_off.base_interval.CopyFrom(seconds(retry.backoff))
        policy.retry_back_off.max_interval.CopyFrom(seconds(retry.backoff * 10))
    other = policy.retry_host_predicate.add(name="envoy.retry_host_predicates.previous_hosts")
    other.typed_config.CopyFrom(pack(previous_hosts_pb2.PreviousHostsPredicate()))
    policy.host_selection_retry_max_attempts = 3


def _hash_policy(key: HashKey) -> route.RouteAction.HashPolicy:
    """What decides the endpoint, as the backend sees it: after rewrites of path and host."""
    made = route.RouteAction.HashPolicy()
    match key.kind:
        case "client":
            made.connection_properties.source_ip = True
        case "cookie":
            made.cookie.name = key.name
            if key.seconds >= 0:
                made.cookie.path = "/"
                made.cookie.ttl.CopyFrom(seconds(key.seconds))
        case "query":
            made.query_parameter.name = key.name
        case "header":
            made.header.header_name = key.name
        case "host":
            made.header.header_name = ":authority"
        case "uri":
            made.header.header_name = ":path"
        case "path":
            made.header.header_name = ":path"
            made.header.regex_rewrite.pattern.regex = r"\?.*"
        case _:
            raise ValueError(f"a hash by {key.kind!r}")
    return made
