"""Filters that run for some requests only, decided by what Envoy knows of a request and a client cannot make up.

Where a condition cannot be evaluated (a connection without an address) it does not hold, and the filter runs.
Counterpart: `composite`, which has a chain for each set of conditions that may hold.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TypeAlias

from envoy.config.core.v3 import extension_pb2
from envoy.extensions.matching.common_inputs.network.v3 import network_inputs_pb2
from envoy.extensions.matching.input_matchers.ip.v3 import ip_pb2
from envoy.type.matcher.v3 import http_inputs_pb2
from google.protobuf.message import Message
from msgspec import Struct
from xds.core.v3.extension_pb2 import TypedExtensionConfig
from xds.type.matcher.v3 import matcher_pb2 as xds
from xds.type.matcher.v3 import regex_pb2, string_pb2

from gatewright.engines.envoy.wire import pack

Filter: TypeAlias = extension_pb2.TypedExtensionConfig
Condition: TypeAlias = xds.Matcher.MatcherList.Predicate


class Hold(enum.Enum):
    """Does a filter stop requests for a while?  BODY: until their body is there, which may be done after all others."""

    NEVER = "never"
    BODY = "body"
    ANSWER = "answer"  # of somebody whom it asks


class Part(Struct, frozen=True):
    """A filter, for all requests but those of which `unless` holds.  `hold`: whether it stops some for a while."""

    filter: Filter
    unless: Condition | None = None
    hold: Hold = Hold.NEVER


def parts(filters: Iterable[Filter], excepts: Sequence[str] = ()) -> list[Part]:
    """The filters, for everybody outside of these CIDRs."""
    condition = client_in(excepts) if excepts else None
    return [Part(one, condition) for one in filters]


def chains(carried: Sequence[Part]) -> list[list[Part]]:
    """The same in so many chains that no filter stands behind one that stops requests.

    When such a request goes on, Envoy runs nothing more of the chain that a composite carries: what stood behind would
    not be asked.  Bodies are held once, at the end.
    """
    made: list[list[Part]] = [[]]
    for part in (one for one in carried if one.hold is not Hold.BODY):
        if made[-1] and made[-1][-1].hold is not Hold.NEVER:
            made.append([])
        made[-1].append(part)
    held = [one for one in carried if one.hold is Hold.BODY][:1]
    if made[-1] and made[-1][-1].hold is not Hold.NEVER and held:
        made.append([])
    made[-1] += held
    return [one for one in made if one]


def client_in(cidrs: Iterable[str]) -> Condition:
    """The client's address, as the door knows it, lies in one of the ranges."""
    return _address(network_inputs_pb2.SourceIPInput(), cidrs)


def peer_in(cidrs: Iterable[str]) -> Condition:
    """The address that the connection comes from lies in one of the ranges."""
    return _address(network_inputs_pb2.DirectSourceIPInput(), cidrs)


@cache
def websocket() -> Condition:
    """The request opens a WebSocket and nothing else (RFC 6455, 4.1): what follows is no body, for no backend.

    Made once: nearly every rule has it.  Expressions cost Envoy most, so there are no more of them than it takes.
    """
    made = Condition()
    parts = made.and_matcher.predicate
    parts.append(_header("upgrade", string_pb2.StringMatcher(exact="websocket", ignore_case=True)))
    parts.append(_header(":method", string_pb2.StringMatcher(exact="GET")))
    parts.append(negated(header("content-length", "(?s:.*)")))
    parts.append(negated(header("transfer-encoding", "(?s:.*)")))
    return made


def header(name: str, pattern: str) -> Condition:
    """A request header is there and matches in full."""
    expression = regex_pb2.RegexMatcher(google_re2=regex_pb2.RegexMatcher.GoogleRE2(), regex=pattern)
    return _header(name, string_pb2.StringMatcher(safe_regex=expression))


def _header(name: str, value: string_pb2.StringMatcher) -> Condition:
    made = Condition()
    made.single_predicate.input.CopyFrom(_named(name, http_inputs_pb2.HttpRequestHeaderMatchInput(header_name=name)))
    made.single_predicate.value_match.CopyFrom(value)
    return made


def negated(condition: Condition) -> Condition:
    made = Condition()
    made.not_matcher.CopyFrom(condition)
    return made


def _address(given: Message, cidrs: Iterable[str]) -> Condition:
    ranges = ip_pb2.Ip(stat_prefix="clients")
    for cidr in cidrs:
        network = ipaddress.ip_network(cidr, strict=False)
        one = ranges.cidr_ranges.add(address_prefix=str(network.network_address))
        one.prefix_len.value = network.prefixlen
    made = Condition()
    made.single_predicate.input.CopyFrom(_named("address", given))
    made.single_predicate.custom_match.CopyFrom(_named("ranges", ranges))
    return made


def both(conditions: Iterable[Condition]) -> Condition:
    """All of them hold."""
    made = Condition()
    held = list(conditions)
    if len(held) == 1:
        return held[0]
    made.and_matcher.predicate.extend(held)
    return made


def _named(name: str, message: Message) -> TypedExtensionConfig:
    """As `wire.extension`, in the form that matchers want."""
    return TypedExtensionConfig(name=name, typed_config=pack(message))
