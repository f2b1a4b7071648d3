"""Texts that Envoy would refuse a whole scope for refuse their rule alone."""

from __future__ import annotations

import pytest

from gatewright.engines.envoy.actions import Place, answer
from gatewright.graph.nodes import Action, RedirectTo, Rule
from gatewright.kinds.intents.filters import HeaderEdit, PathEdit, PathEditKind
from support import compiled as c

TO = c.to("one")
BAD = ["a\r\nx-evil: 1", "a\nb", "a\x00b", "a" * (16 * 1024 + 1), "é" * (8 * 1024 + 1)]


def status(action: Action, **rule: tuple[HeaderEdit, ...]) -> int:
    made = answer(Rule("rule", c.ROUTE, c.ORIGIN, action, **rule), None, Place("http", 80))
    (only,) = made.routes
    assert bool(made.problems) == (only.direct_response.status == 500)
    return int(only.direct_response.status)


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_texts_with_lines_and_endless_ones_are_refused(text: str) -> None:
    edit = (HeaderEdit(set=(("x-a", text),)),)
    assert status(TO, request_headers=edit) == 500
    assert status(TO, response_headers=edit) == 500
    assert status(c.to("one", host=text)) == 500
    assert status(RedirectTo(c.ORIGIN, 302, host=text)) == 500
    assert status(RedirectTo(c.ORIGIN, 302, path=PathEdit(PathEditKind.REPLACE, f"/{text}"))) == 500


def test_others_are_passed_on() -> None:
    edit = (HeaderEdit(set=(("x-a", "a" * 16 * 1024), ("x-b", "a\tb é %"))),)
    assert not status(TO, request_headers=edit, response_headers=edit)
