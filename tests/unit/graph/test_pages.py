"""Error pages behind steps that answer by themselves: what is left of their statuses, and what is told."""

from __future__ import annotations

import pytest

from gatewright.base.origin import Origin
from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import BasicAuthUsers
from gatewright.graph.resolve.rules.pages import behind_denials
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import ErrorPages, LimitBy, RateLimit
from gatewright.kinds.intents.routing import BackendRef

ORIGIN = Origin("pages.yaml")
USERS = BasicAuthUsers(ORIGIN, Sensitive(b"ann:x"))
RATE = RateLimit(ORIGIN, 1, 1.0, 1, LimitBy.CLIENT, status=429)
Ranges = tuple[tuple[int, int], ...]


def pages(*statuses: tuple[int, int]) -> ErrorPages:
    return ErrorPages(ORIGIN, statuses, BackendRef(Key("Service", "apps", "pages"), 80, ORIGIN), ("/",))


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (((401, 401),), ()),
        (((400, 499), (500, 500)), ((400, 400), (402, 499), (500, 500))),
        (((401, 403),), ((402, 403),)),
        (((400, 401), (404, 404)), ((400, 400), (404, 404))),
        (((500, 599),), ((500, 599),)),
    ],
)
def test_a_question_for_credentials_has_no_page(asked: Ranges, left: Ranges) -> None:
    made, problems = behind_denials(pages(*asked), [USERS])
    assert made.statuses == left
    assert [one.id for one in problems] == ([] if asked == left else ["step-differs"])


def test_other_denials_are_shown_as_pages_and_told() -> None:
    made, problems = behind_denials(pages((400, 499)), [RATE])
    assert made.statuses == ((400, 499),)
    assert [one.id for one in problems] == ["step-differs"]


def test_pages_with_nothing_before_them_are_as_they_are_written() -> None:
    assert behind_denials(pages((400, 599)), []) == (pages((400, 599)), [])
