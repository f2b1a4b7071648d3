"""Who may pass, by address, method, headers and claims: a list of rules, of which the first that fits decides.

Envoy knows policies any of which lets pass.  So each rule that allows becomes one: it fits, and none of those before it
that deny does.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

import re2
from envoy.config.rbac.v3 import rbac_pb2 as rbac
from envoy.config.route.v3 import route_components_pb2 as route
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from envoy.type.matcher.v3 import metadata_pb2, string_pb2, value_pb2

from gatewright.engines.envoy.match import exact, regex
from gatewright.engines.envoy.steps import tokens
from gatewright.engines.envoy.steps.conditions import Part, parts
from gatewright.engines.envoy.steps.context import Context, Refused, is_header_name
from gatewright.engines.envoy.wire import extension
from gatewright.kinds.intents.filters import Authorize, AuthorizeRule

_SCOPE_CLAIMS: Final = ("scope", "scp")
"""RFC 8693, 4.2, and what others call it: names with spaces between them, or an array."""


def filters(step: Authorize, context: Context) -> list[Part] | Refused:
    """403 for whom no policy lets pass."""
    if not all(is_header_name(name) for rule in step.rules for name, _ in rule.headers):
        return Refused("what may pass is decided by a header that has no possible name", step.origin)
    made = rbac_pb2.RBAC(rules=rbac.RBAC(action=rbac.RBAC.ALLOW))
    denied: list[rbac.Principal] = []
    for number, rule in enumerate(step.rules):
        fits = _fits(rule)
        if rule.allow:
            _let_pass(made, f"rule {number}", [fits, *denied])
        else:
            denied.append(rbac.Principal(not_id=fits))
    if step.allow:
        _let_pass(made, "others", denied)
    return parts([extension("envoy.filters.http.rbac", made)])


def _let_pass(made: rbac_pb2.RBAC, name: str, conditions: list[rbac.Principal]) -> None:
    policy = made.rules.policies[name]
    policy.permissions.add(any=True)
    policy.principals.append(_all(conditions))


def _fits(rule: AuthorizeRule) -> rbac.Principal:
    """All that the rule says holds."""
    said: list[rbac.Principal] = []
    if rule.cidrs:
        said.append(_any(_client(cidr) for cidr in rule.cidrs))
    if rule.methods:
        said.append(_any(_header(":method", method) for method in rule.methods))
    said += [_any(_header(name, value) for value in values) for name, values in rule.headers]
    said += [_any(_claim(issuer, claim, exact(one)) for one in values) for issuer, claim, values in rule.claims]
    for issuer, scope in rule.scopes:
        listed = regex(f"(?:.* )?{re2.escape(scope)}(?: .*)?")
        said.append(_any(_claim(issuer, claim, listed) for claim in _SCOPE_CLAIMS))
    return _all(said)


def _all(conditions: list[rbac.Principal]) -> rbac.Principal:
    if not conditions:
        return rbac.Principal(any=True)
    return rbac.Principal(and_ids=rbac.Principal.Set(ids=conditions))


def _any(conditions: Iterable[rbac.Principal]) -> rbac.Principal:
    found = list(conditions)
    if not found:
        return rbac.Principal(not_id=rbac.Principal(any=True))
    return rbac.Principal(or_ids=rbac.Principal.Set(ids=found))


def _client(cidr: str) -> rbac.Principal:
    network = ipaddress.ip_network(cidr, strict=False)
    made = rbac.Principal()
    made.remote_ip.address_prefix = str(network.network_address)
    made.remote_ip.prefix_len.value = network.prefixlen
    return made


def _header(name: str, value: str) -> rbac.Principal:
    return rbac.Principal(header=route.HeaderMatcher(name=name.lower(), string_match=exact(value)))


def _claim(provider: str, claim: str, wanted: string_pb2.StringMatcher) -> rbac.Principal:
    """The claim, or one of its values; a name with dots leads into objects, unless it is a URL."""
    path = [claim] if "/" in claim else claim.split(".")
    single = value_pb2.ValueMatcher(string_match=wanted)
    several = value_pb2.ValueMatcher(list_match=value_pb2.ListMatcher(one_of=single))
    return _any(
        rbac.Principal(
            metadata=metadata_pb2.MetadataMatcher(
                filter=tokens.FILTER,
                path=[metadata_pb2.MetadataMatcher.PathSegment(key=key) for key in (provider, *path)],
                value=value,
            )
        )
        for value in (single, several)
    )
