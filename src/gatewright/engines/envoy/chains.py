"""Which filter chain of a port a TLS connection takes, by its SNI.

One port may end TLS for some names (HTTPS, or bytes passed on) and pass others through.  The chains
are few and never change with the names; a matcher beside them, which may change without closing any
connection, names the exceptions: whatever it does not list takes the default chain.  The most specific
name wins, across all kinds, as in `graph.lookup`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable, Mapping
from typing import TypeAlias

import re2
from envoy.extensions.matching.common_inputs.network.v3 import network_inputs_pb2
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue
from xds.core.v3 import extension_pb2 as xds_extension
from xds.type.matcher.v3 import ip_pb2, matcher_pb2, regex_pb2

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.engines.envoy.wire import pack

_Matcher = matcher_pb2.Matcher
_OnMatch = matcher_pb2.Matcher.OnMatch
Way: TypeAlias = matcher_pb2.Matcher | str
"""What decides further, or a chain."""


def default_chain(owners: Mapping[str, Iterable[str]], choosy: Container[str]) -> str:
    """The chain that takes what is not listed: the one with the catch-all, else the one with most names.

    Never one that does not look at names itself (all but the `choosy`), unless every name is its own.
    """
    sizes = {chain: set(patterns) for chain, patterns in owners.items()}
    able = [chain for chain in sorted(sizes) if chain in choosy or hostnames.ANY in sizes[chain]]
    return max(able, key=lambda chain: (hostnames.ANY in sizes[chain], len(sizes[chain])))


def exceptions(owners: Mapping[str, Iterable[str]], default: str, depth: Depth) -> dict[str, str]:
    """The names that must be listed, with their chains.

    All names of the other chains, less those that a listed wildcard of the same chain covers anyway; and
    names of the default chain that a listed wildcard would take away from it.
    """
    listed = {p: chain for chain, patterns in owners.items() if chain != default for p in patterns}
    wildcards = {p: chain for p, chain in listed.items() if hostnames.is_wildcard(p)}
    if wildcards:
        for pattern in owners[default]:
            if any(p in wildcards for p in hostnames.parents(pattern, depth)):
                listed[pattern] = default
    return {p: chain for p, chain in listed.items() if _next(p, listed, depth) != chain}


def _next(pattern: str, listed: Mapping[str, str], depth: Depth) -> str | None:
    """The chain that would take `pattern` were it not listed itself."""
    above = hostnames.parents(pattern, depth)
    next(above)
    return next((listed[p] for p in above if p in listed), None)


def by_sni(listed: Mapping[str, str], default: str, depth: Depth) -> matcher_pb2.Matcher | None:
    """The matcher for these exceptions; None when there are none."""
    if not listed:
        return None
    exact = {p: chain for p, chain in listed.items() if not hostnames.is_wildcard(p)}
    wild = sorted((p for p in listed if hostnames.is_wildcard(p)), key=hostnames.specificity, reverse=True)
    made = _Matcher(on_no_match=_take(default))
    for pattern in wild:
        field = made.matcher_list.matchers.add()
        label = r"[^.]+" if depth is Depth.ONE else ".+"
        single = field.predicate.single_predicate
        single.input.CopyFrom(_input("server_name", network_inputs_pb2.ServerNameInput()))
        single.value_match.safe_regex.CopyFrom(
            regex_pb2.RegexMatcher(google_re2=regex_pb2.RegexMatcher.GoogleRE2(), regex=label + re2.escape(pattern[1:]))
        )
        field.on_match.CopyFrom(_take(listed[pattern]))
    if not exact:
        return made
    tree = _Matcher(on_no_match=_OnMatch(matcher=made) if wild else _take(default))
    tree.matcher_tree.input.CopyFrom(_input("server_name", network_inputs_pb2.ServerNameInput()))
    for pattern in sorted(exact):
        tree.matcher_tree.exact_match_map.map[pattern].CopyFrom(_take(exact[pattern]))
    return tree


def by_transport(tls: Way, plain: str | None) -> matcher_pb2.Matcher:
    """TLS goes one way, everything else the other, or nowhere: it is closed."""
    made = _Matcher(on_no_match=_take(plain) if plain is not None else None)
    made.matcher_tree.input.CopyFrom(_input("transport_protocol", network_inputs_pb2.TransportProtocolInput()))
    made.matcher_tree.exact_match_map.map["tls"].CopyFrom(_way(tls))
    return made


def by_peer(cidrs: Iterable[str], inside: Way, outside: Way | None, *, direct: bool = False) -> matcher_pb2.Matcher:
    """Connections from these addresses go one way, all others the other, or nowhere: they are closed.

    `direct`: by the address that the connection really comes from, whatever PROXY protocol says.
    """
    made = _Matcher(on_no_match=_way(outside) if outside is not None else None)
    kind = network_inputs_pb2.DirectSourceIPInput if direct else network_inputs_pb2.SourceIPInput
    made.matcher_tree.input.CopyFrom(_input("peer", kind()))
    matcher = ip_pb2.IPMatcher()
    field = matcher.range_matchers.add()
    for cidr in cidrs:
        network = ipaddress.ip_network(cidr, strict=False)
        one = field.ranges.add(address_prefix=str(network.network_address))
        one.prefix_len.value = network.prefixlen
    field.on_match.CopyFrom(_way(inside))
    made.matcher_tree.custom_match.CopyFrom(_input("ip", matcher))
    return made


def _way(way: Way) -> matcher_pb2.Matcher.OnMatch:
    return _take(way) if isinstance(way, str) else _OnMatch(matcher=way)


def _take(chain: str) -> matcher_pb2.Matcher.OnMatch:
    action = xds_extension.TypedExtensionConfig(name=chain, typed_config=pack(StringValue(value=chain)))
    return _OnMatch(action=action)


def _input(name: str, message: Message) -> xds_extension.TypedExtensionConfig:
    return xds_extension.TypedExtensionConfig(name=name, typed_config=pack(message))


def always(chain: str) -> matcher_pb2.Matcher:
    """Everything takes this chain."""
    return _Matcher(on_no_match=_take(chain))
