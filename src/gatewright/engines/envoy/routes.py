"""A VirtualHost as one scoped route configuration: its entries in order, first match wins.

The scope's own end is always there (404, or 421 for connections whose SNI may not carry this host) and every
route has a name, so that "no route" means "no scope" and nothing else: the fallback filter asks for the name.
Pure; `plan` decides which scopes to compile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from envoy.config.route.v3 import route_components_pb2 as route
from envoy.config.route.v3 import route_pb2, scoped_route_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.wrappers_pb2 import BoolValue
from msgspec import Struct, structs

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.base.problem import Problem
from gatewright.engines.envoy import actions, match, names
from gatewright.engines.envoy.access import endless, passes, unrecognisable
from gatewright.engines.envoy.actions import Answer, Place
from gatewright.engines.envoy.client_certificates import client_refusals, further_notes
from gatewright.engines.envoy.composite import Carried, with_steps
from gatewright.engines.envoy.filters import RULE, UNNEEDED, switched_off
from gatewright.engines.envoy.match import Condition
from gatewright.engines.envoy.steps.context import Context
from gatewright.engines.envoy.wire import serialise
from gatewright.graph.nodes import Access, Entry, Family, Gateway, SniScope, VirtualHost
from gatewright.kinds.intents.filters import BodyLimit

_NOT_FOUND: Final = 404
_FORBIDDEN: Final = 403
_USUAL_BODY: Final = 4096
"""The longest fixed answer that Envoy takes unless told otherwise, in octets."""
_MISDIRECTED: Final = 421


class Scope(Struct, frozen=True):
    """A compiled scope and what could not be carried over; `others`: (resource, value) of those that its rules need."""

    value: bytes
    problems: tuple[Problem, ...] = ()
    others: tuple[tuple[str, bytes], ...] = ()


def compile_scope(host: VirtualHost, gateway: Gateway, port: int) -> Scope:
    """The scope of an HTTP or HTTPS VirtualHost of `gateway`, whose listener is bound to `port`."""
    key, depth = host.key, gateway.depth
    place, context = Place("https" if key.family is Family.HTTPS else "http", port), Context(gateway, host)
    notes = names.arrival_notes(gateway.dialect)
    sni = host.sni if host.sni is not None and key.family is Family.HTTPS else None
    made: list[route.Route] = []
    problems: list[Problem] = []
    owned: list[Condition] = []
    if sni is not None:
        made += _misdirected(sni, depth)
        if sni.own != hostnames.ANY:
            owned = [match.sni(sni.own, depth)]
    made += client_refusals(host)
    others: list[tuple[str, bytes]] = []
    for number, entry in enumerate(host.entries):
        if len(entry.match.paths) > 1 and names.PATH_HEADER not in notes:
            reason = "several conditions on one path are not possible in this dialect"
            carried = Carried(actions.refuse(entry.origin, reason))
            # Whatever it might have taken is refused: what comes after it may be less protected.
            entry = structs.replace(entry, match=structs.replace(entry.match, paths=()))  # noqa: PLW2901
        elif any(endless(one) for one in entry.rule.access):
            reason = "too many ranges to look for in X-Forwarded-For"
            carried = Carried(actions.refuse(entry.rule.access[0].origin, reason))
            entry = structs.replace(entry, rule=structs.replace(entry.rule, access=()))  # noqa: PLW2901
        else:
            answer = actions.answer(entry.rule, match.matched_prefix(entry.match), place)
            carried = with_steps(entry.rule, answer, context, number)
            others += carried.scopes
        problems += _entry(made, entry, carried, context, owned)
    made += _end(owned)
    return Scope(_resource(host, made, notes, _for_all(host, made)), tuple(problems), tuple(others))


def _for_all(host: VirtualHost, made: Sequence[route.Route]) -> Any | None:
    """The limit of bodies that all rules have is said once, for the scope, and taken out of the routes.

    Each of these costs Envoy as much memory as a route.  What answers by itself refuses what is too long, too, which
    would not do for other steps.
    """
    if not all(isinstance(step, BodyLimit) for entry in host.entries for step in entry.rule.steps):
        return None
    first: Any | None = None
    for one in made:
        own = one.typed_per_filter_config.get(RULE)
        if own is None and not one.HasField("route"):
            continue
        if own is None or (first is not None and own != first):
            return None
        first = own
    if first is not None:
        first = Any(type_url=first.type_url, value=first.value)
        for one in made:
            if RULE in one.typed_per_filter_config:
                del one.typed_per_filter_config[RULE]
    return first


def _resource(host: VirtualHost, made: Sequence[route.Route], notes: Sequence[str], for_all: Any | None) -> bytes:
    name, hostname = names.scope_key(host), host.key.hostname
    looked_up = hostname == hostnames.ANY or hostnames.is_wildcard(hostname)
    patterns = [names.HOST_HEADER] if looked_up else []
    ours = dict.fromkeys([names.SCOPE_HEADER, *notes, *further_notes(host), *patterns])
    virtual_host = route.VirtualHost(name=hostname, domains=["*"], routes=made)
    configuration = route_pb2.RouteConfiguration(
        name=name,
        virtual_hosts=[virtual_host],
        # A cluster that is not there answers as its route says; Envoy would refuse the whole scope instead.
        validate_clusters=BoolValue(value=False),
        request_headers_to_remove=ours,
    )
    longest = max((len(one.direct_response.body.inline_bytes) for one in made), default=0)
    if longest > _USUAL_BODY:
        configuration.max_direct_response_body_size_bytes.value = longest
    fallback = names.fallback(host.key.gateway, host.key.port, host.key.family)
    for unneeded in (fallback, *UNNEEDED):
        configuration.typed_per_filter_config[unneeded].CopyFrom(switched_off())
    if for_all is not None:
        configuration.typed_per_filter_config[RULE].CopyFrom(for_all)
    resource = names.scope_resource(host.key)
    scope = scoped_route_pb2.ScopedRouteConfiguration(name=resource, route_configuration=configuration)
    scope.key.fragments.add(string_key=name)
    return serialise(scope)


def _entry(
    made: list[route.Route], entry: Entry, carried: Carried, context: Context, owned: list[Condition]
) -> tuple[Problem, ...]:
    """The routes of one entry: every way to match it, then every way to be turned away."""
    problems = [problem for one in entry.rule.access for problem in unrecognisable(one)]
    denials = [carried.denial(entry.rule, one.status, context) for one in entry.rule.access]
    for one in match.route_matches(entry.match, context.gateway.depth):
        match.add(one, owned)
        _allowed(made, one, entry, carried.answer)
        _turned_away(made, one, entry.rule.access, denials)
    return (*carried.answer.problems, *problems)


def _allowed(made: list[route.Route], found: route.RouteMatch, entry: Entry, answer: Answer) -> None:
    """The rule itself, for clients that pass all its access lists."""
    refusals = [] if entry.rule.websocket else [_no_upgrade()]
    for conditions in _ways(entry.rule.access):
        made += [_under(template, found, conditions, entry.rule.id) for template in (*refusals, *answer.routes)]


def _no_upgrade() -> route.Route:
    """Envoy itself refuses an upgrade only where the scope was found on arrival."""
    made = actions.respond(_FORBIDDEN, "no upgrade")
    made.match.headers.add(name="upgrade", present_match=True)
    made.match.headers.add(name="connection", string_match=match.regex("(?is:.*upgrade.*)"))
    return made


def _turned_away(
    made: list[route.Route], found: route.RouteMatch, access: tuple[Access, ...], denials: Sequence[list[route.Route]]
) -> None:
    """The first list that does not let a client in decides the answer: the last is asked first here."""
    for number in range(len(access) - 1, -1, -1):
        for conditions in _ways(access[:number]):
            made += [_under(template, found, conditions) for template in denials[number]]


def _under(
    template: route.Route, found: route.RouteMatch, conditions: Iterable[Condition], name: str = ""
) -> route.Route:
    """The template for requests that match as found, as itself says, and under these conditions."""
    one = route.Route(name=name)
    one.MergeFrom(template)
    one.match.CopyFrom(found)
    one.match.headers.extend(template.match.headers)
    match.add(one.match, conditions)
    return one


def _ways(access: tuple[Access, ...]) -> list[list[Condition]]:
    """The conditions under which a client passes all lists."""
    return [[condition for one in access for condition in passes(one)]]


def _misdirected(sni: SniScope, depth: Depth) -> list[route.Route]:
    """421 for connections whose SNI belongs to a more specific listener of the same port."""
    made = []
    for other in sni.others:
        if hostnames.covers(sni.own, other, depth) or hostnames.covers(other, sni.own, depth):
            one = actions.respond(_MISDIRECTED, "misdirected")
            one.match.CopyFrom(route.RouteMatch(prefix="", filter_state=[match.sni(other, depth)]))
            made.append(one)
    return made


def _end(owned: list[Condition]) -> list[route.Route]:
    """Nothing matched: 404, and 421 where the connection was not made for this host."""
    made = []
    if owned:
        one = actions.respond(_NOT_FOUND, "no rule")
        one.match.prefix = ""
        match.add(one.match, owned)
        made.append(one)
    last = actions.respond(*((_MISDIRECTED, "misdirected") if owned else (_NOT_FOUND, "no rule")))
    last.match.prefix = ""
    made.append(last)
    return made
