"""A trace equals a brute-force matcher that knows nothing of VirtualHosts: all rules of all routes, one winner.

The matcher goes through the objects for every request, keeps what matches, and takes the best by each dialect's own
words: Traefik by priority over everything at the entry point, Gateway API and Ingress by the most specific hostname
first.  What the graph does with placements, specialised conditions and orders must not change any answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.graph.nodes import Gateway
from gatewright.graph.resolve.rules.precedence import Order, order
from gatewright.graph.resolve.rules.reading import as_read
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.doors import ClassRef, GatewayIntent, RouteIntent
from gatewright.kinds.intents.filters import FilterRef
from gatewright.kinds.intents.material import BackendGroupIntent, ServiceIntent
from gatewright.kinds.intents.routing import (
    BackendRef,
    Dialect,
    HostKind,
    HostMatch,
    Match,
    PathKind,
    RuleIntent,
)
from gatewright.trace.match import failing
from gatewright.trace.paths import normalise
from gatewright.trace.request import Request
from gatewright.trace.walk import walk
from support.differential import as_traced
from support.keys import pair
from support.modelled import Modelled, intents
from support.random_paths import asked_oddly, oddly
from support.random_routes import Asked, asked, installation

PAIR = pair("gateway.test", "*.example.com", "*.test")
Objects = dict[Key, Intent]
Candidate = tuple[tuple[object, ...], str]


def _routes(objects: Objects) -> Iterator[RouteIntent]:
    yield from (objects[key] for key in sorted(objects) if isinstance(objects[key], RouteIntent))  # type: ignore[misc]


def _best(objects: Objects, gateway: Gateway, request: Request) -> str | None:
    """The id of the rule that wins, None when none matches."""
    find = {"infra/gw": _gateway_api, "infra/tr": _traefik, "infra/ng": _nginx}[gateway.id]
    found = list(find(objects, gateway, request))
    return min(found)[1] if found else None


def _id(route: RouteIntent, rule: RuleIntent) -> str:
    return f"{route.key} rule {rule.name or rule.index}"


def _matches(match: Match, request: Request, depth: Depth) -> bool:
    return failing(match, request, normalise(request.path)[0], depth) is None


# --- Traefik: everything at the entry point, by priority ----------------------------------------------


def _traefik(objects: Objects, gateway: Gateway, request: Request) -> Iterator[Candidate]:
    for route in _routes(objects):
        if not isinstance(route.attach, ClassRef) or route.attach.name != "traefik":
            continue
        if not _at_entry_point(route, request):
            continue
        for rule in route.rules:
            if _dropped(objects, gateway, route, rule):
                continue
            for position, match in enumerate(rule.matches or (Match(),)):
                used = _by_characters(match) if route.dialect is Dialect.INGRESS else match
                if _matches(as_read(used, gateway, route), request, Depth.ONE):
                    yield order(gateway, route, rule, match, position), _id(route, rule)


def _at_entry_point(route: RouteIntent, request: Request) -> bool:
    assert isinstance(route.attach, ClassRef)
    name = "websecure" if request.port == 443 else "web"
    if route.attach.entry_points and name not in route.attach.entry_points:
        return False
    annotated = any(use.origin.path[:1] == ("metadata",) for use in route.tls)
    asks = bool(route.tls) if route.dialect is Dialect.TRAEFIK else annotated
    return request.encrypted == (name == "websecure" or asks)


def _by_characters(match: Match) -> Match:
    kinds = {PathKind.PREFIX: PathKind.RAW_PREFIX}
    return structs.replace(match, paths=tuple(structs.replace(p, kind=kinds.get(p.kind, p.kind)) for p in match.paths))


def _dropped(objects: Objects, gateway: Gateway, route: RouteIntent, rule: RuleIntent) -> bool:
    return any(_broken(objects, gateway, route, ref) for ref in rule.backends)


def _broken(objects: Objects, gateway: Gateway, route: RouteIntent, ref: BackendRef) -> bool:
    found = objects.get(ref.target)
    if ref.target.namespace != route.key.namespace and not gateway.allow_cross_namespace:
        return True
    if isinstance(found, BackendGroupIntent):
        return any(_broken(objects, gateway, route, inner) for inner in found.backends)
    return not isinstance(found, ServiceIntent) or not any(ref.port in (p.port, p.name) for p in found.ports)


# --- ingress-nginx: the most specific server, then its paths ------------------------------------------


def _nginx(objects: Objects, gateway: Gateway, request: Request) -> Iterator[Candidate]:
    own = [r for r in _routes(objects) if isinstance(r.attach, ClassRef) and r.attach.name == "nginx"]
    servers = {_host(match) for route in own for rule in route.rules for match in rule.matches}
    server = max(
        (s for s in servers if hostnames.matches(s, request.host, Depth.ONE)), key=hostnames.specificity, default="*"
    )
    for route in own:
        hosts = {_host(match) for rule in route.rules for match in rule.matches}
        for rule in route.rules:
            if rule.default:
                if server in (hosts or {"*"}):
                    yield order(gateway, route, rule, Match(), 0), _id(route, rule)
                continue
            for position, match in enumerate(rule.matches):
                if _host(match) == server and _matches(as_read(match, gateway, route), request, Depth.ONE):
                    yield order(gateway, route, rule, match, position), _id(route, rule)


def _host(match: Match) -> str:
    return match.hosts[0].value if match.hosts else "*"


# --- Gateway API: the most specific listener, the most specific hostname, then the rules ----------------


def _gateway_api(objects: Objects, gateway: Gateway, request: Request) -> Iterator[Candidate]:
    intent = objects[Key("Gateway", "infra", "gw")]
    assert isinstance(intent, GatewayIntent)
    on_port = [item for item in intent.listeners if item.port == request.port]
    covering = [item for item in on_port if hostnames.matches(item.hostname, request.host, Depth.MANY)]
    found: list[tuple[tuple[int, int], Order, str]] = []
    if not covering:
        return
    listener = max(covering, key=lambda item: hostnames.specificity(item.hostname))
    for route in _routes(objects):
        if isinstance(route.attach, ClassRef):
            continue
        if not any(not ref.section or ref.section == listener.name for ref in route.attach):
            continue
        for name in route.hostnames or ("*",):
            shared = hostnames.intersect(listener.hostname, name, Depth.MANY)
            if shared is None or not _matches(Match(hosts=(HostMatch(HostKind.EXACT, shared),)), request, Depth.MANY):
                continue
            if any(o is not listener and _inside(listener.hostname, o.hostname, shared) for o in on_port):
                continue
            found += [
                (hostnames.specificity(shared), order(gateway, route, rule, match, position), _id(route, rule))
                for rule in route.rules
                for position, match in enumerate(rule.matches or (Match(),))
            ]
    best = max(
        (specific for specific, _, _ in found), default=None
    )  # a more specific hostname shuts out the others, matched or not
    rules = {_id(route, rule): rule for route in _routes(objects) for rule in route.rules}
    for specific, rank, name in found:
        if specific == best:
            rule = rules[name]
            position = rank[-1]
            assert isinstance(position, int)
            if _matches((rule.matches or (Match(),))[position], request, Depth.MANY):
                yield rank, name


def _inside(own: str, other: str, shared: str) -> bool:
    """Does another listener, more specific than our own, own this name?"""
    narrower = hostnames.specificity(other) > hostnames.specificity(own)
    return narrower and hostnames.covers(other, shared, Depth.MANY)


# --- the property ---------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_a_trace_equals_brute_force(seed: int, random: Random) -> None:
    _compare(intents(installation(seed, PAIR.cert_pem, PAIR.key_pem)), seed, random, asked)


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_so_it_does_where_paths_can_be_written_in_several_ways(seed: int, random: Random) -> None:
    documents = oddly(installation(seed, PAIR.cert_pem, PAIR.key_pem), seed)
    _compare(intents(documents), seed, random, asked_oddly(asked))


def _compare(objects: Objects, seed: int, random: Random, ask: Callable[[Random], Asked]) -> None:
    model = Modelled()
    model.apply(dict(objects))
    for _ in range(40):
        one = ask(random)
        request = as_traced(one)
        gateway = model.graph.gateways[one.gateway]
        told = walk(model.graph, gateway, request).outcome
        if told.status == 421 or (told.status in (0, 307) and told.virtual_host is None):
            continue  # decided before any rule is asked
        if told.rule is not None and told.rule.endswith(" without slash"):
            continue  # ingress-nginx adds a rule that no Ingress has
        assert told.rule == _best(objects, gateway, request), f"seed {seed}: {one}\n{told}"


def test_the_filters_of_the_installations_are_used() -> None:
    """The property above would say little if no rule had conditions or filters."""
    rules = [rule for seed in range(5) for route in _routes(intents(installation(seed))) for rule in route.rules]
    assert any(isinstance(item, FilterRef) for rule in rules for item in rule.filters)
    assert any(match.headers and match.paths for rule in rules for match in rule.matches)
