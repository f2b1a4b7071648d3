"""How many routes a forward needs, and what each of them allows: most rules need one."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.config.route.v3 import route_components_pb2 as route

from gatewright.engines.envoy import attempts
from gatewright.graph.nodes import Forward, Rule
from gatewright.kinds.intents.routing import HashKey, Retry
from support import compiled as c

CONNECTING = "connect-failure,refused-stream,reset-before-request"
RESETS = Retry(2, resets=True, methods=("GET", "HEAD"))
SOME, SOCKETS, OTHERS = ":method GET|HEAD", "upgrade websocket", "upgrade not websocket"


def ways(*, websocket: bool = True, **forward: Any) -> list[tuple[str, str, float | None, float | None]]:
    """Of each route: its conditions, what is tried again, the time for an answer and that for anything."""
    action = Forward((c.share("one"),), **forward)
    rule = Rule("rule", c.ROUTE, c.ORIGIN, action, websocket=websocket)
    found = []
    for one in attempts.routes(route.Route(route=route.RouteAction(cluster="one")), rule, action):
        asked = [
            f"{h.name} {'not ' * h.invert_match}{h.string_match.exact or h.string_match.safe_regex.regex}"
            for h in one.match.headers
        ]
        policy = one.route.retry_policy
        answer = policy.per_try_idle_timeout.ToTimedelta().total_seconds() or None
        said = one.route.HasField("idle_timeout")
        quiet = one.route.idle_timeout.ToTimedelta().total_seconds() if said else None
        found.append((", ".join(asked), policy.retry_on, answer, quiet))
    return found


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        ({}, [("", "", None, None)]),
        ({"read_timeout": 60.0}, [("", "", None, 60)]),
        ({"read_timeout": 86400.0}, [("", "", None, 86400)]),
        ({"read_timeout": 0.0}, [("", "", None, 0)]),
        ({"read_timeout": 5.0}, [(SOCKETS, "", None, 5), ("", "", 5, None)]),
        ({"read_timeout": 5.0, "websocket": False}, [("", "", 5, None)]),
        ({"read_timeout": 50.0, "tunnel_timeout": 3600.0}, [("", "", 50, 3600)]),
        ({"read_timeout": 50.0, "tunnel_timeout": 86400.0}, [(SOCKETS, "", None, 86400), ("", "", 50, None)]),
        ({"tunnel_timeout": 20.0}, [(SOCKETS, "", None, 20), ("", "", None, None)]),
        ({"retry": Retry(3)}, [("", CONNECTING, None, None)]),
        ({"retry": Retry(3, methods=("GET", "HEAD"))}, [("", CONNECTING, None, None)]),
        ({"retry": Retry(3, (503,))}, [("", f"{CONNECTING},retriable-status-codes", None, None)]),
        (
            {"retry": RESETS},
            [(f"{SOME}, {OTHERS}", f"{CONNECTING},reset", None, None), ("", CONNECTING, None, None)],
        ),
        (
            {"retry": RESETS, "read_timeout": 60.0},
            [(f"{SOME}, {OTHERS}", f"{CONNECTING},reset", 60, None), ("", CONNECTING, None, 60)],
        ),
        (
            {"retry": RESETS, "read_timeout": 5.0},
            [
                (SOCKETS, CONNECTING, None, 5),
                (SOME, f"{CONNECTING},reset", 5, None),
                ("", CONNECTING, 5, None),
            ],
        ),
        (
            {"retry": RESETS, "read_timeout": 5.0, "websocket": False},
            [(SOME, f"{CONNECTING},reset", 5, None), ("", CONNECTING, 5, None)],
        ),
        (
            {"retry": RESETS, "read_timeout": 50.0, "tunnel_timeout": 3600.0},
            [(f"{SOME}, {OTHERS}", f"{CONNECTING},reset", 50, 3600), ("", CONNECTING, 50, 3600)],
        ),
    ],
)
def test_a_rule_has_as_many_routes_as_its_requests_differ(forward: dict[str, Any], expected: list[Any]) -> None:
    assert ways(**forward) == expected


def test_methods_that_decide_about_all_retries_need_no_route_of_their_own() -> None:
    action = Forward((c.share("one"),), retry=Retry(2, resets=True, methods=("GET",), connects_always=False))
    made = attempts.routes(route.Route(), Rule("rule", c.ROUTE, c.ORIGIN, action), action)
    (only,) = made
    (condition,) = only.route.retry_policy.retriable_request_headers
    assert (condition.name, condition.string_match.safe_regex.regex) == (":method", "GET")


@pytest.mark.parametrize(("whole", "each", "expected"), [(None, 2.0, 2), (1.0, 2.0, 1), (3.0, None, 3), (3.0, 0, 3)])
def test_the_shorter_time_for_a_try_holds(whole: float | None, each: float | None, expected: float) -> None:
    action = Forward((c.share("one"),), retry=Retry(2, timeout=each), backend_timeout=whole)
    (only,) = attempts.routes(route.Route(), Rule("rule", c.ROUTE, c.ORIGIN, action), action)
    assert only.route.retry_policy.per_try_timeout.seconds == expected


def test_a_cookie_is_given_only_where_it_has_a_time() -> None:
    action = Forward((c.share("one"),), hash=(HashKey("cookie", "a"), HashKey("cookie", "b", 0)))
    (only,) = attempts.routes(route.Route(), Rule("rule", c.ROUTE, c.ORIGIN, action), action)
    assert [policy.cookie.HasField("ttl") for policy in only.route.hash_policy] == [False, True]
