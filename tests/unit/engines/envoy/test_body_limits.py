"""Where a limit of bodies is said: once for the scope when all rules have it, else by each route."""

from __future__ import annotations

import pytest
from envoy.config.route.v3 import scoped_route_pb2

from gatewright.engines.envoy.filters import RULE, switched_off
from gatewright.engines.envoy.routes import compile_scope
from gatewright.graph.nodes import Action, Entry, RedirectTo, Step
from gatewright.kinds.intents.filters import BodyLimit, InFlight
from support.compiled import ORIGIN, entry, gateway, host, path, to

ONE, TWO = BodyLimit(ORIGIN, 1), BodyLimit(ORIGIN, 2)


def rule(*steps: Step, action: Action | None = None) -> Entry:
    return entry(action or to("app"), path("/"), steps=steps)


def said(*entries: Entry) -> tuple[bool, list[bool]]:
    """Is a limit said for the scope, and by which of its routes?"""
    scope = compile_scope(host("a.test", *entries), gateway(), 80)
    made = scoped_route_pb2.ScopedRouteConfiguration.FromString(scope.value).route_configuration
    routes = [RULE in one.typed_per_filter_config for one in made.virtual_hosts[0].routes]
    return made.typed_per_filter_config[RULE] != switched_off(), routes


def test_what_all_rules_have_is_said_once() -> None:
    assert said(rule(ONE), rule(ONE)) == (True, [False, False, False])


def test_what_answers_by_itself_may_have_it_or_not() -> None:
    redirect = RedirectTo(ORIGIN, 301, host="b.test")
    assert said(rule(action=redirect), rule(ONE)) == (True, [False, False, False])
    assert said(rule(ONE, action=redirect), rule(ONE)) == (True, [False, False, False])


@pytest.mark.parametrize(
    ("entries", "routes"),
    [
        ((rule(ONE), rule(TWO)), [True, True, False]),
        ((rule(ONE), rule()), [True, False, False]),
        ((rule(), rule(ONE)), [False, True, False]),
        ((rule(ONE, InFlight(ORIGIN, 1)), rule(ONE)), [True, True, False]),
        ((rule(),), [False, False]),
    ],
)
def test_rules_that_differ_say_it_themselves(entries: tuple[Entry, ...], routes: list[bool]) -> None:
    assert said(*entries) == (False, routes)
