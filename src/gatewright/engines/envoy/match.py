"""A rule's match as Envoy route matches: the same requests, exactly, or a reason why not.

A Match is a conjunction.  Where Envoy cannot say one of its parts in a single condition ("the header
is absent or does not match") the conjunction becomes several route matches, any of which will do; a
part that can never hold makes it none.  The counterpart in the model is `trace`, which evaluates the
same Match.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final, TypeAlias, TypeVar

import re2
from envoy.config.route.v3 import route_components_pb2 as route
from envoy.type.matcher.v3 import address_pb2 as address_matcher
from envoy.type.matcher.v3 import filter_state_pb2, regex_pb2, string_pb2
from google.protobuf.wrappers_pb2 import BoolValue
from xds.core.v3 import cidr_pb2

from gatewright.base import hostnames, percent
from gatewright.base.hostnames import Depth
from gatewright.base.percent import Reading
from gatewright.engines.envoy.names import HOST_HEADER, PATH_HEADER, PEER_STATE, SNI_STATE
from gatewright.kinds.intents.routing import (
    HostKind,
    HostMatch,
    Match,
    PathKind,
    PathMatch,
    SourceMatch,
    ValueKind,
    ValueMatch,
)

Condition: TypeAlias = route.HeaderMatcher | route.QueryParameterMatcher | filter_state_pb2.FilterStateMatcher
Choice: TypeAlias = tuple[Condition, ...]
"""Conditions that hold together; a part of a Match is a list of choices, one of which has to hold."""

_PSEUDO: Final = {"host": ":authority"}


def route_matches(match: Match, depth: Depth) -> list[route.RouteMatch]:
    """The route matches, any of which stands for `match`; empty when nothing can match it."""
    primary, others = _split_paths(match.paths)
    path = _path(primary)
    if path is None:
        return []
    parts: list[list[Choice]] = [_path_header(p) for p in others]
    parts += [_host(h, depth) for h in match.hosts]
    parts += [[(_header(":method", exact(m.method), invert=m.negate),)] for m in match.methods]
    parts += [_value(h) for h in match.headers]
    parts += [_query(q) for q in match.query]
    parts += [_source(s) for s in match.sources]
    if not parts:
        return [path]
    matches: list[route.RouteMatch] = []
    for choices in product(*parts):
        one = path if not matches else _path(primary)
        assert one is not None
        for choice in choices:
            add(one, choice)
        matches.append(one)
    return matches


def add(match: route.RouteMatch, conditions: Iterable[Condition]) -> None:
    """One more condition for a route match."""
    for condition in conditions:
        match_kind = type(condition)
        if match_kind is route.HeaderMatcher:
            match.headers.append(condition)
        elif match_kind is route.QueryParameterMatcher:
            match.query_parameters.append(condition)
        else:
            match.filter_state.append(condition)


def matched_prefix(match: Match) -> PathMatch | None:
    """The PREFIX condition whose prefix a path edit may replace."""
    primary, _ = _split_paths(match.paths)
    return primary if primary is not None and primary.kind is PathKind.PREFIX else None


# --- strings ------------------------------------------------------------------------------------


def exact(text: str, *, ignore_case: bool = False) -> string_pb2.StringMatcher:
    return string_pb2.StringMatcher(exact=text, ignore_case=ignore_case)


def regex(pattern: str) -> string_pb2.StringMatcher:
    """A full match, as Envoy's are."""
    return string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=pattern))


def hostname(pattern: str, depth: Depth) -> string_pb2.StringMatcher:
    """A normalised host or SNI that `pattern` covers."""
    if pattern == hostnames.ANY:
        return string_pb2.StringMatcher(prefix="")
    if not hostnames.is_wildcard(pattern):
        return exact(pattern)
    if depth is Depth.ONE:
        return regex(r"[^.]+" + re2.escape(pattern[1:]))
    return regex(".+" + re2.escape(pattern[1:]))


# --- paths --------------------------------------------------------------------------------------


def _split_paths(paths: tuple[PathMatch, ...]) -> tuple[PathMatch | None, list[PathMatch]]:
    """The condition that becomes the route's path specifier (a PREFIX if there is one), and the others."""
    primary = next((p for p in paths if p.kind is PathKind.PREFIX and not p.negate), None)
    primary = primary or next((p for p in paths if not p.negate), None)
    return primary, [p for p in paths if p is not primary]


def _path(path: PathMatch | None) -> route.RouteMatch | None:
    """A route match with its path specifier; None when no path can satisfy it."""
    if path is None:
        return route.RouteMatch(prefix="")
    if path.kind is PathKind.REGEX or path.reading is not Reading.NORMAL:
        pattern = _pattern(path)
        return None if pattern is None else route.RouteMatch(safe_regex=regex_pb2.RegexMatcher(regex=pattern))
    if "?" in path.value or "#" in path.value:
        return None
    made = _plain_path(path)
    if path.ignore_case:
        made.case_sensitive.CopyFrom(BoolValue(value=False))
    return made


def _plain_path(path: PathMatch) -> route.RouteMatch:
    match path.kind:
        case PathKind.EXACT:
            return route.RouteMatch(path=path.value)
        case PathKind.RAW_PREFIX:
            return route.RouteMatch(prefix=path.value)
        case _:
            value = path.value.rstrip("/")
            if not value:
                return route.RouteMatch(prefix="/")
            return route.RouteMatch(path_separated_prefix=value)


def _path_header(path: PathMatch) -> list[Choice]:
    """A further condition on the path, which Envoy can state on a header only."""
    pattern = _pattern(path)
    if pattern is None:
        return [()] if path.negate else []
    return [(_header(PATH_HEADER, regex(pattern), invert=path.negate),)]


def _pattern(path: PathMatch) -> str | None:
    """What the path has to match in full, as it is in requests; None when no path can satisfy it."""
    if path.kind is PathKind.REGEX:
        pattern = percent.expression(path.value, path.reading)
    else:
        text = path.value.rstrip("/") if path.kind is PathKind.PREFIX else path.value
        more = path.kind is PathKind.RAW_PREFIX
        spelt = re2.escape(text) if path.reading is Reading.NORMAL else percent.spelt(text, path.reading, more=more)
        if spelt is None:
            return None
        pattern = spelt + {PathKind.EXACT: "", PathKind.RAW_PREFIX: "(?s:.*)"}.get(path.kind, "(?s:/.*)?")
        if path.kind is PathKind.PREFIX and not text:
            pattern = "(?s:/.*)"
    return f"(?i:{pattern})" if path.ignore_case else pattern


# --- the other parts ----------------------------------------------------------------------------


def _header(name: str, value: string_pb2.StringMatcher, *, invert: bool = False) -> route.HeaderMatcher:
    return route.HeaderMatcher(name=name, string_match=value, invert_match=invert)


def _value(match: ValueMatch) -> list[Choice]:
    """A header.  A negated one also holds where the header is absent, which Envoy says in its own condition."""
    name = _PSEUDO.get(match.name.lower(), match.name)
    if match.kind is ValueKind.PRESENT:
        return [(route.HeaderMatcher(name=name, present_match=True, invert_match=match.negate),)]
    value = exact(match.value) if match.kind is ValueKind.EXACT else regex(match.value)
    if not match.negate:
        return [(_header(name, value),)]
    return [
        (route.HeaderMatcher(name=name, present_match=True, invert_match=True),),
        (_header(name, value, invert=True),),
    ]


def _query(match: ValueMatch) -> list[Choice]:
    if not match.negate:
        made = route.QueryParameterMatcher(name=match.name)
        if match.kind is ValueKind.PRESENT:
            made.present_match = True
        else:
            value = exact(match.value) if match.kind is ValueKind.EXACT else regex(match.value)
            made.string_match.CopyFrom(value)
        return [(made,)]
    name = re2.escape(match.name)
    if match.kind is ValueKind.PRESENT:
        pair = f"{name}(?:=[^&]*)?"
    else:
        value_pattern = re2.escape(match.value) if match.kind is ValueKind.EXACT else match.value
        pair = f"{name}={_within_query(value_pattern)}"
        if match.kind is ValueKind.EXACT and not match.value:
            pair = f"{name}=?"
    return [(_header(":path", regex(rf"[^?]*\?(?:[^#]*&)?(?:{pair})(?:&.*)?"), invert=True),)]


def _within_query(pattern: str) -> str:
    return f"(?:{pattern})"


def host_pattern(match: HostMatch, depth: Depth) -> string_pb2.StringMatcher:
    """What a host condition looks for, leaving aside that it may be negated."""
    return regex(match.value) if match.kind is HostKind.REGEX else hostname(match.value, depth)


def _host(match: HostMatch, depth: Depth) -> list[Choice]:
    """A host that the VirtualHost leaves open: the fallback filter has put its normal form in a header."""
    value = host_pattern(match, depth)
    made = _header(HOST_HEADER, value, invert=match.negate)
    made.treat_missing_header_as_empty = True
    return [(made,)]


def sni(pattern: str, depth: Depth) -> filter_state_pb2.FilterStateMatcher:
    """The connection has an SNI that `pattern` covers."""
    return filter_state_pb2.FilterStateMatcher(key=SNI_STATE, string_match=hostname(pattern, depth))


def peer(cidrs: Iterable[str]) -> filter_state_pb2.FilterStateMatcher:
    """The direct peer lies in one of the ranges."""
    return filter_state_pb2.FilterStateMatcher(
        key=PEER_STATE, address_match=address_matcher.AddressMatcher(ranges=[_range(c) for c in cidrs])
    )


def _source(match: SourceMatch) -> list[Choice]:
    if not match.negate:
        return [(peer(match.cidrs),)]
    return [(peer(complement(match.cidrs)),)]


def _range(cidr: str) -> cidr_pb2.CidrRange:
    network = ipaddress.ip_network(cidr, strict=False)
    made = cidr_pb2.CidrRange(address_prefix=str(network.network_address))
    made.prefix_len.value = network.prefixlen
    return made


def complement(cidrs: Iterable[str]) -> list[str]:
    """The ranges that make up everything else, in both families."""
    listed = [ipaddress.ip_network(cidr, strict=False) for cidr in cidrs]
    four = [net for net in listed if isinstance(net, ipaddress.IPv4Network)]
    six = [net for net in listed if isinstance(net, ipaddress.IPv6Network)]
    found = [*_gaps(ipaddress.IPv4Network("0.0.0.0/0"), four), *_gaps(ipaddress.IPv6Network("::/0"), six)]
    return [str(net) for net in found]


_Net = TypeVar("_Net", ipaddress.IPv4Network, ipaddress.IPv6Network)


def _gaps(whole: _Net, gone: Iterable[_Net]) -> Iterator[_Net]:
    """What is left of a family without these, in time that grows with their number, not its square."""
    kind = type(whole.network_address)
    start = 0
    for net in sorted(ipaddress.collapse_addresses(gone)):
        first = int(net.network_address)
        if first > start:
            yield from ipaddress.summarize_address_range(kind(start), kind(first - 1))
        start = int(net.broadcast_address) + 1
    if start <= int(whole.broadcast_address):
        yield from ipaddress.summarize_address_range(kind(start), whole.broadcast_address)
