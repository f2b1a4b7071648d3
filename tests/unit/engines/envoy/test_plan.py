"""What a change makes the compiler do: as much as the change, whatever else there is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.route.v3.scoped_route_pb2 import ScopedRouteConfiguration
from msgspec import structs

from gatewright.engines.envoy import names
from gatewright.engines.envoy.bindings import Bindings, PortKey, Socket
from gatewright.engines.envoy.plan import Plan, State, plan, resolver
from gatewright.engines.envoy.types import CLUSTER, ENDPOINTS, EXTENSION, LISTENER, SCOPE, short_name
from gatewright.graph.nodes import Change, Endpoint, Family, Graph, Respond, UpstreamProtocol
from gatewright.kinds.intents.routing import (
    Match,
    PathKind,
    PathMatch,
    Protocol,
)
from support import compiled as c

HOSTS = [c.host(f"h{n}.test", c.entry(c.to("one"))) for n in range(50)]
AT = (Endpoint("192.0.2.1", 8080),)


def bound(of: Graph) -> Bindings:
    keys = [PortKey(g.id, p.number, p.udp) for g in of.gateways.values() for p in g.ports]
    return Bindings({key: (Socket("127.0.0.1", 10_000 + key.port),) for key in keys}, access_log="")


def web(hosts: Iterable[Any] = HOSTS, endpoints: tuple[Endpoint, ...] = AT) -> Graph:
    return c.graph([c.gateway(c.http_port())], list(hosts), [c.backend("one", endpoints=endpoints)])


def first(of: Graph, bindings: Bindings | None = None) -> Plan:
    return plan(of, c.everything(of), bindings or bound(of), State())


def then(before: Plan, old: Graph, new: Graph, bindings: Bindings | None = None) -> Plan:
    return plan(new, c.everything(new, old), bindings or bound(new), before.state)


def made(by: Plan) -> set[tuple[str, str, bool]]:
    """(type, name, is it there afterwards) of everything that a plan says."""
    return {(short_name(r.type_url), r.name, r.value is not None) for r in by.changes}


def held(*plans: Plan) -> dict[tuple[str, str], bytes]:
    """What an Envoy has after these plans."""
    found: dict[tuple[str, str], bytes | None] = {}
    for one in plans:
        found.update({(r.type_url, r.name): r.value for r in one.changes})
    return {key: value for key, value in found.items() if value is not None}


def test_a_cold_start_makes_one_resource_of_each_thing() -> None:
    types = [r.type_url for r in first(web()).changes if r.value is not None]
    assert {t: types.count(t) for t in set(types)} == {SCOPE: 50, CLUSTER: 1, ENDPOINTS: 1, LISTENER: 1, EXTENSION: 2}


def test_an_endpoint_change_touches_one_load_assignment() -> None:
    old, new = web(), web(endpoints=(*AT, Endpoint("192.0.2.2", 8080)))
    before = first(old)
    after = then(before, old, new)
    differing = {key for key, value in held(before, after).items() if held(before).get(key) != value}
    assert differing == {(ENDPOINTS, "apps/one:80")}


def test_a_new_host_is_one_scope_and_nothing_else() -> None:
    old, new = web(), web([*HOSTS, c.host("new.test", c.entry(c.to("one")))])
    key = c.host("new.test").key
    assert made(then(first(old), old, new)) == {("ScopedRouteConfiguration", names.scope_resource(key), True)}


def test_a_new_wildcard_is_its_scope_and_the_fallback_table() -> None:
    old, new = web(), web([*HOSTS, c.host("*.wild.test", c.entry(c.to("one")))])
    types = {kind for kind, _, _ in made(then(first(old), old, new))}
    assert types == {"ScopedRouteConfiguration", "TypedExtensionConfig"}


def test_what_goes_is_removed() -> None:
    old = web()
    before = first(old)
    assert held(before, then(before, old, c.graph([], []))) == {}


def test_steps_end_where_a_cold_start_begins() -> None:
    steps = [
        web(HOSTS[:3]),
        web([*HOSTS[1:9], c.host("*", c.entry(c.to("one")))]),
        web([]),
        web([*HOSTS[:2], c.host("*.wild.test", c.entry(c.to("one")))], endpoints=()),
    ]
    bindings = bound(steps[0])
    plans, old, state = [], c.graph([], []), State()
    for new in steps:
        plans.append(plan(new, c.everything(new, old), bindings, state))
        old, state = new, plans[-1].state
    assert held(*plans) == held(first(steps[-1], bindings))


def test_other_bindings_move_the_listener() -> None:
    graph = web()
    before = first(graph)
    moved = Bindings({PortKey(c.GATEWAY, 80): (Socket("127.0.0.9", 8080),)}, access_log="")
    after = plan(graph, Change(), moved, before.state)
    assert any(r.type_url == LISTENER and b"127.0.0.9" in (r.value or b"") for r in after.changes)


def test_a_port_that_is_not_bound_is_not_served() -> None:
    unbound = first(web(), Bindings())
    assert not {SCOPE, LISTENER} & {type_url for type_url, _ in held(unbound)}


def test_passed_through_names_have_clusters_and_endpoints_of_their_own() -> None:
    listener = c.tls_listener(protocol=Protocol.TLS, passthrough=True)
    gateway = c.gateway(c.tls_port(http=False), listeners=[listener])
    hosts = [
        c.host(name, c.entry(c.to("one")), family=Family.PASSTHROUGH, port=443) for name in ("a.test", "*.wild.test")
    ]

    def graph(*endpoints: Endpoint) -> Graph:
        return c.graph([gateway], hosts, [c.backend("one", protocol=UpstreamProtocol.TCP, endpoints=endpoints)])

    old, new = graph(*AT), graph(*AT, Endpoint("192.0.2.2", 8080))
    before = first(old)
    name = names.scope(hosts[0].key)
    assert Cluster.FromString(held(before)[CLUSTER, name]).name == name
    after = then(before, old, new)
    endpoints = ClusterLoadAssignment.FromString(held(after)[ENDPOINTS, name])
    assert (endpoints.cluster_name, len(endpoints.endpoints[0].lb_endpoints)) == (name, 2)
    # What Envoy has asked for under the wildcard follows by a refresh.
    assert after.refresh == {CLUSTER, ENDPOINTS}
    resolve = resolver(new, bound(new))
    under = names.scope_prefix(c.GATEWAY, 443, Family.PASSTHROUGH) + "X.wild.test"
    assert Cluster.FromString(resolve(CLUSTER, under) or b"").name == under
    for foreign in ("apps/one:80", "refused", names.scope_prefix(c.GATEWAY, 443, Family.HTTPS) + "a.test", "x|y|z"):
        assert resolve(CLUSTER, foreign) is None, foreign


def test_several_paths_where_no_listener_notes_the_path_refuse_all_that_they_could_mean() -> None:
    paths = (PathMatch(PathKind.PREFIX, "/a"), PathMatch(PathKind.PREFIX, "/a/b", negate=True))
    graph = web([c.host("a.test", c.entry(c.to("one"), Match(paths=paths)), c.entry(Respond(200, "open")))])
    after = first(graph)
    scope = ScopedRouteConfiguration.FromString(held(after)[SCOPE, names.scope_resource(c.host("a.test").key)])
    refused = scope.route_configuration.virtual_hosts[0].routes[0]
    assert (refused.direct_response.status, refused.match.prefix, len(refused.match.headers)) == (500, "", 0)
    assert [p.id for found in after.problems.values() for p in found] == ["not-carried-over"]


def test_problems_go_when_their_cause_goes() -> None:
    bad = c.entry(c.to("one", c.share("one", pass_host=False)))
    old, new = web([c.host("a.test", bad)]), web([c.host("a.test", c.entry(c.to("one")))])
    before = first(old)
    key = f"http {c.host('a.test').key}"
    assert [p.id for p in before.problems[key]] == ["not-carried-over"]
    assert then(before, old, new).problems[key] == ()


def test_problems_of_a_host_stand_apart_from_those_of_its_namesake_with_tls_at_the_same_port() -> None:
    """A Traefik port may serve one name both ways."""
    bad = c.entry(c.to("one", c.share("one", pass_host=False)))
    sniffing = c.gateway(c.tls_port(80, plain=True))
    secure = c.host("a.test", c.entry(c.to("one")), family=Family.HTTPS)
    of = c.graph([sniffing], [c.host("a.test", bad), secure], [c.backend("one")])
    found = first(of).problems
    assert [p.id for p in found[f"http {secure.key}"]] == ["not-carried-over"]
    assert found[f"https {secure.key}"] == ()


def test_equal_graphs_make_equal_bytes() -> None:
    host = c.host("a.test", c.entry(c.to("one", "two"), websocket=False))
    graph = c.graph([c.gateway(c.http_port())], [host], [c.backend("one"), c.backend("two")])
    again = structs.replace(graph, virtual_hosts=c.graph([], [host]).virtual_hosts)
    assert held(first(graph)) == held(first(again))


def test_a_backend_has_a_cluster_of_its_own_only_while_something_else_than_a_passed_through_name_needs_it() -> None:
    listener = c.tls_listener(protocol=Protocol.TLS, passthrough=True)
    gateway = c.gateway(c.http_port(), c.tls_port(http=False), listeners=[listener])
    passed = c.host("a.test", c.entry(c.to("one")), family=Family.PASSTHROUGH, port=443)
    web_too = c.host("a.test", c.entry(c.to("one")))
    one = c.backend("one", endpoints=AT)
    quiet, busy = c.graph([gateway], [passed], [one]), c.graph([gateway], [passed, web_too], [one])
    own = {(CLUSTER, "apps/one:80"), (ENDPOINTS, "apps/one:80")}
    start = first(quiet)
    assert not own & held(start).keys()
    more = then(start, quiet, busy)
    assert own <= held(start, more).keys()
    less = then(more, busy, quiet)
    assert not own & held(start, more, less).keys()
    assert held(start, more, less) == held(start)


def test_a_new_passed_through_name_leaves_the_listener_alone_until_it_needs_a_chain_of_its_own() -> None:
    listener = c.tls_listener(protocol=Protocol.TLS, passthrough=True)
    gateway = c.gateway(c.tls_port(http=False), listeners=[listener])
    backends = [c.backend("one", endpoints=AT), c.backend("two", endpoints=AT)]

    def graph(*hosts: Any) -> Graph:
        return c.graph([gateway], hosts, backends)

    def passed(name: str, *to: str) -> Any:
        return c.host(name, c.entry(c.to(*to)), family=Family.PASSTHROUGH, port=443)

    plain, more = graph(passed("a.test", "one")), graph(passed("a.test", "one"), passed("b.test", "one"))
    start = first(plain)
    second = then(start, plain, more)
    assert "Listener" not in {kind for kind, _, _ in made(second)}
    split = graph(passed("a.test", "one"), passed("b.test", "one", "two"))
    third = then(second, more, split)
    assert "Listener" in {kind for kind, _, _ in made(third)}
    assert held(start, second, third) == held(first(split))
    back = then(third, split, more)
    assert held(start, second, third, back) == held(first(more))


def test_a_scope_has_a_name_that_fits_into_a_cpp_string() -> None:
    """Longer ones make Envoy allocate for each scope there is whenever one changes (see `names.scope_resource`)."""
    scopes = [
        ScopedRouteConfiguration.FromString(r.value) for r in first(web()).changes if r.value and r.type_url == SCOPE
    ]
    assert len({scope.name for scope in scopes}) == len(HOSTS)
    assert {len(scope.name) for scope in scopes} == {22}
