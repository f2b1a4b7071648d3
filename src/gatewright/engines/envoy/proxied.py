"""PROXY protocol from the proxies in front of a door: whose word counts about where a connection comes from.

Envoy reads a PROXY header of whoever sends one and cannot be told to read only some peers'.  So every chain begins with
a check: a peer that is not listed gets in under its own address only.  Counterpart: `forwarded`, the same for HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from envoy.config.core.v3 import base_pb2, substitution_format_string_pb2
from envoy.config.listener.v3 import listener_components_pb2 as components
from envoy.config.listener.v3 import listener_pb2
from envoy.config.rbac.v3 import rbac_pb2
from envoy.extensions.filters.common.set_filter_state.v3 import value_pb2
from envoy.extensions.filters.listener.proxy_protocol.v3 import proxy_protocol_pb2
from envoy.extensions.filters.network.rbac.v3 import rbac_pb2 as network_rbac
from envoy.extensions.filters.network.set_filter_state.v3 import set_filter_state_pb2
from google.api.expr.v1alpha1 import syntax_pb2

from gatewright.engines.envoy.forwarded import everybody, ranges
from gatewright.engines.envoy.wire import pack

ALWAYS: Final = ("ingress-nginx",)
"""Implementations that close every connection without the header; others take it for what it is otherwise."""

_DIRECT, _SPOKEN_OF = "gatewright.connected", "gatewright.spoken-of"


def expect(made: listener_pb2.Listener, senders: tuple[str, ...], *, optional: bool) -> None:
    """Read PROXY headers at a listener whose chains are complete.

    `optional`: connections without one are served as what they are.  Of peers outside of `senders` nothing is believed:
    one that claims another address is closed, and where the header is not optional, every one.
    """
    read = proxy_protocol_pb2.ProxyProtocol(allow_requests_without_proxy_protocol=optional)
    made.listener_filters.add(name="envoy.filters.listener.proxy_protocol", typed_config=pack(read))
    if everybody(senders):
        return
    for chain in made.filter_chains:
        others = list(chain.filters)
        del chain.filters[:]
        chain.filters.extend([_addresses(), _checked(senders, optional=optional), *others])


def _addresses() -> components.Filter:
    """Remembers both addresses as text, so that they can be compared."""
    values = [
        value_pb2.FilterStateValue(
            object_key=key,
            factory_key="envoy.string",
            format_string=substitution_format_string_pb2.SubstitutionFormatString(
                text_format_source=base_pb2.DataSource(inline_string=text)
            ),
        )
        for key, text in (
            (_DIRECT, "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%"),
            (_SPOKEN_OF, "%DOWNSTREAM_REMOTE_ADDRESS%"),
        )
    ]
    state = set_filter_state_pb2.Config(on_new_connection=values)
    return components.Filter(name="envoy.filters.network.set_filter_state", typed_config=pack(state))


def _checked(senders: Iterable[str], *, optional: bool) -> components.Filter:
    made = network_rbac.RBAC(rules=rbac_pb2.RBAC(action=rbac_pb2.RBAC.ALLOW), stat_prefix="proxy_protocol")
    anything = rbac_pb2.Permission(any=True)
    listed = [rbac_pb2.Principal(direct_remote_ip=one) for one in ranges(senders)]
    made.rules.policies["listed"].CopyFrom(rbac_pb2.Policy(permissions=[anything], principals=listed))
    if optional:
        themselves = rbac_pb2.Policy(permissions=[anything], principals=[rbac_pb2.Principal(any=True)])
        themselves.condition.CopyFrom(_call("_==_", _state(_DIRECT), _state(_SPOKEN_OF)))
        made.rules.policies["themselves"].CopyFrom(themselves)
    return components.Filter(name="envoy.filters.network.rbac", typed_config=pack(made))


def _state(key: str) -> syntax_pb2.Expr:
    """filter_state[key], in CEL."""
    state = syntax_pb2.Expr(ident_expr=syntax_pb2.Expr.Ident(name="filter_state"))
    return _call("_[_]", state, syntax_pb2.Expr(const_expr=syntax_pb2.Constant(string_value=key)))


def _call(function: str, *arguments: syntax_pb2.Expr) -> syntax_pb2.Expr:
    return syntax_pb2.Expr(call_expr=syntax_pb2.Expr.Call(function=function, args=arguments))
