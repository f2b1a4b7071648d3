"""Which backends are asked who may pass, as rules come and go."""

from __future__ import annotations

import immutables
from msgspec import structs

from gatewright.base.origin import Origin
from gatewright.graph.builder import empty_graph
from gatewright.graph.nodes import (
    AskAuth,
    BackendKey,
    Change,
    Entry,
    Family,
    Graph,
    Respond,
    Rule,
    Step,
    TokenCheck,
    VirtualHost,
    VirtualHostKey,
)
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import ForwardAuth, Jwt
from gatewright.kinds.intents.routing import Match
from gatewright.runtime.questions import Questions

ORIGIN = Origin("a.yaml")
WHO, KEYS = BackendKey("apps", "who", 80), BackendKey("apps", "keys", 443)
HOSTS = tuple(VirtualHostKey("infra/edge", 80, Family.HTTP, f"{name}.test") for name in "ab")
ALL = Change(virtual_hosts=frozenset(HOSTS))
ASK = AskAuth(ForwardAuth(ORIGIN, ("http://who/",)), WHO, (), ("/",))
CHECK = TokenCheck(Jwt(ORIGIN, ()), (("own", "{}"), ("theirs", (KEYS, "keys.test", "/jwks"))))


def graph(*steps: tuple[Step, ...]) -> Graph:
    """A rule with these steps on each of the hosts."""
    hosts = {}
    for key, some in zip(HOSTS, steps, strict=False):
        rule = Rule("r", Key("Route", "apps", "r"), ORIGIN, Respond(200, "", ORIGIN), steps=some)
        hosts[key] = VirtualHost(key, "http", ORIGIN, (Entry(Match(), rule, ORIGIN),))
    return structs.replace(empty_graph(), virtual_hosts=immutables.Map(hosts))


def test_who_is_asked_is_so_until_envoy_has_taken_that_it_is_not() -> None:
    questions = Questions()
    assert questions.apply(graph((ASK,), (ASK, CHECK)), ALL) == {WHO, KEYS}
    assert questions.forget() == frozenset()
    assert questions.apply(graph((ASK,)), ALL) == frozenset()
    assert KEYS in questions
    assert questions.forget() == {KEYS}
    assert (WHO in questions, KEYS in questions) == (True, False)
    assert questions.apply(graph(), ALL) == frozenset()
    assert questions.apply(graph((), (ASK,)), ALL) == frozenset()
    assert questions.forget() == frozenset()
    assert WHO in questions
