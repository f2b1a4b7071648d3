"""Does a request meet a match?  The model's half of what the data plane's route matcher does.

`failing` answers with the first condition that does not hold, in words: "why did the better-looking rule lose?" is
half of every trace.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any

import re2

from gatewright.base import percent
from gatewright.base.hostnames import Depth
from gatewright.base.percent import Reading
from gatewright.graph.resolve.placement.hosts import holds
from gatewright.kinds.intents.routing import (
    HostKind,
    Match,
    PathKind,
    PathMatch,
    ValueKind,
    ValueMatch,
)
from gatewright.trace.paths import has_prefix
from gatewright.trace.request import Request


def failing(match: Match, request: Request, path: str, depth: Depth) -> str | None:
    """The first condition that does not hold, in words; None when the match is met.  `path` is normalised."""
    for host in match.hosts:
        if not holds(host, request.host, depth):
            kind = "HostRegexp" if host.kind is HostKind.REGEX else "host"
            return f"{kind} {_not(host.negate)}{host.value}"
    for wanted in match.paths:
        if _path(wanted, path) == wanted.negate:
            return f"path {_not(wanted.negate)}{wanted.kind} {wanted.value}"
    for method in match.methods:
        if (request.method == method.method) == method.negate:
            return f"method {_not(method.negate)}{method.method}"
    for header in match.headers:
        if any(_value(header, value) for value in request.values(header.name)) == header.negate:
            return f"header {_describe(header)}"
    parameters = _query(request.query)
    for parameter in match.query:
        # Of a parameter that is repeated the first value counts; "not" has to hold for every value.
        values = parameters.get(parameter.name, [])
        if any(_value(parameter, value) for value in (values if parameter.negate else values[:1])) == parameter.negate:
            return f"query {_describe(parameter)}"
    for source in match.sources:
        if in_ranges(request.client, source.cidrs) == source.negate:
            return f"client {_not(source.negate)}in {', '.join(source.cidrs)}"
    if match.alpn and not set(match.alpn) & set(request.alpn):
        return f"ALPN {', '.join(match.alpn)}"
    return None


def _not(negate: bool) -> str:
    return "not " if negate else ""


def _describe(match: ValueMatch) -> str:
    sign = {ValueKind.EXACT: "=", ValueKind.REGEX: "~", ValueKind.PRESENT: ""}[match.kind]
    return f"{_not(match.negate)}{match.name}{sign}{match.value}"


@lru_cache(maxsize=4096)
def pattern(text: str, ignore_case: bool = False) -> Any:
    """A compiled RE2 pattern; patterns in the graph were proved to compile when their document was read."""
    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.log_errors = False
    return re2.compile(text, options)


def _path(wanted: PathMatch, path: str) -> bool:
    value = wanted.value
    if wanted.kind is PathKind.REGEX:
        # Not decoded, or groups and repetitions would see other text than the data plane's.
        return pattern(percent.expression(value, wanted.reading), wanted.ignore_case).fullmatch(path) is not None
    if wanted.reading is not Reading.NORMAL:
        path, value = percent.read(path, wanted.reading), percent.wanted(value, wanted.reading)
    if wanted.ignore_case:
        path, value = path.lower(), value.lower()
    if wanted.kind is PathKind.EXACT:
        return path == value
    if wanted.kind is PathKind.RAW_PREFIX:
        return path.startswith(value)
    return has_prefix(path, value)


def _value(wanted: ValueMatch, value: str) -> bool:
    if wanted.kind is ValueKind.PRESENT:
        return True
    if wanted.kind is ValueKind.EXACT:
        return value == wanted.value
    return pattern(wanted.value).fullmatch(value) is not None


def _query(query: str) -> dict[str, list[str]]:
    """The values of each parameter, as sent (not percent-decoded)."""
    found: dict[str, list[str]] = {}
    for item in query.split("&") if query else ():
        name, _, value = item.partition("=")
        found.setdefault(name, []).append(value)
    return found


@lru_cache(maxsize=1024)
def _networks(cidrs: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(cidr, strict=False) for cidr in cidrs)


def in_ranges(address: str, cidrs: tuple[str, ...]) -> bool:
    """Does an IP address lie in one of the CIDRs?  An IPv4-mapped IPv6 address counts as IPv4."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in _networks(cidrs) if network.version == parsed.version)
