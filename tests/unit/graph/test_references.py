import pytest

from gatewright.graph.resolve.references import grant, selects
from gatewright.kinds.identity import Key, Selector
from gatewright.kinds.intents.material import GrantIntent
from support.lowering import good


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (Selector(), True),
        (Selector(labels=(("team", "red"),)), True),
        (Selector(labels=(("team", "blue"),)), False),
        (Selector(expressions=(("team", "In", ("red", "blue")),)), True),
        (Selector(expressions=(("team", "NotIn", ("red",)),)), False),
        (Selector(expressions=(("absent", "NotIn", ("red",)),)), True),
        (Selector(expressions=(("team", "Exists", ()),)), True),
        (Selector(expressions=(("team", "DoesNotExist", ()),)), False),
        (Selector(expressions=(("absent", "In", ("red",)),)), False),
        (Selector(expressions=(("team", "Like", ("red",)),)), False),
    ],
)
def test_selectors(selector: Selector, selected: bool) -> None:
    assert selects(selector, {"team": "red"}) is selected


def test_the_grant_that_is_shown_can_be_pasted() -> None:
    source, target = Key("HTTPRoute", "apps", "r"), Key("Service", "other", "web")
    intent = good(grant(source, target), GrantIntent)
    (allowed,) = intent.grants
    assert intent.key.namespace == "other"
    assert (allowed.from_kind, allowed.from_namespace, allowed.to_kind, allowed.to_name) == (
        "HTTPRoute",
        "apps",
        "Service",
        "web",
    )
