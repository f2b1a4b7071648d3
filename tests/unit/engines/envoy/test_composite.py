"""The carrier: which filters run under which conditions, whatever the set of them."""

from __future__ import annotations

from envoy.extensions.filters.http.composite.v3 import composite_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from google.protobuf.any_pb2 import Any
from hypothesis import given
from hypothesis import strategies as st
from xds.type.matcher.v3 import matcher_pb2 as xds

from gatewright.engines.envoy.composite import carrier
from gatewright.engines.envoy.protos import CompositePerRoute
from gatewright.engines.envoy.steps.conditions import Condition, Part, header
from gatewright.engines.envoy.wire import extension

CONDITIONS = [header(f"x-{number}", "1") for number in range(4)]


def part(name: str, unless: int | None) -> Part:
    made = extension(name, header_mutation_pb2.HeaderMutation())
    return Part(made, None if unless is None else CONDITIONS[unless])


def holds(predicate: Condition, held: set[int]) -> bool:
    if predicate.HasField("and_matcher"):
        return all(holds(one, held) for one in predicate.and_matcher.predicate)
    return any(predicate == CONDITIONS[number] for number in held)


def run(config: Any, held: set[int]) -> list[str]:
    """The names of the filters that run while these conditions hold."""
    per_route = CompositePerRoute.FromString(config.value)
    matcher = xds.Matcher.FromString(per_route.matcher)  # type: ignore[attr-defined]
    matched = (one.on_match for one in matcher.matcher_list.matchers if holds(one.predicate, held))
    chosen = next(matched, matcher.on_no_match)
    action = composite_pb2.ExecuteFilterAction.FromString(chosen.action.typed_config.value)
    return [one.name for one in action.filter_chain.typed_config]


@given(st.lists(st.none() | st.integers(0, 3), min_size=1, max_size=6), st.sets(st.integers(0, 3)))
def test_a_filter_runs_unless_its_condition_holds(unless: list[int | None], held: set[int]) -> None:
    config = carrier([part(f"filter {n}", one) for n, one in enumerate(unless)])
    assert config is not None
    wanted = [f"filter {n}" for n, one in enumerate(unless) if one is None or one not in held]
    assert run(config, held) == (wanted or ["envoy.filters.http.header_mutation"])


def test_more_conditions_than_chains_can_be_made_for_are_refused() -> None:
    found = [Part(part("filter", None).filter, header(f"y-{number}", "1")) for number in range(5)]
    assert carrier(found) is None
