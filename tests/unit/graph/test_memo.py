"""Remembered answers: asked again exactly when something that they read came out different."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.graph.memo import Answer, Asked, Memo


class World:
    """Inputs by name, questions over them, and a count of how often each was computed."""

    def __init__(self) -> None:
        self.inputs: dict[str, int] = {}
        self.computed: list[Asked] = []
        self.reads: list[Hashable] = []
        self.below: list[Answer] = []
        self.memo = Memo(self.compute)

    def compute(self, asked: Asked) -> tuple[Any, list[Hashable], list[Answer]]:
        self.computed.append(asked)
        outer, (self.reads, self.below) = (self.reads, self.below), ([], [])
        try:
            question, args = asked
            value = question(self, *args)
            return value, list(dict.fromkeys(self.reads)), list(dict.fromkeys(self.below))
        finally:
            self.reads, self.below = outer

    def input(self, name: str) -> int:
        self.reads.append(name)
        return self.inputs.get(name, 0)

    def ask(self, question: Any, *args: Hashable) -> Any:
        answer = self.memo.answer((question, args))
        self.below.append(answer)
        return answer.value

    def set(self, name: str, value: int) -> set[Asked]:
        self.inputs[name] = value
        self.computed.clear()
        return self.memo.touch([name])


def doubled(world: World, name: str) -> int:
    return 2 * world.input(name)


def sign(world: World, name: str) -> bool:
    return bool(world.ask(doubled, name) > 0)


def both(world: World, a: str, b: str) -> tuple[bool, bool]:
    return world.ask(sign, a), world.ask(sign, b)


def chosen(world: World, switch: str, a: str, b: str) -> int:
    return int(world.ask(doubled, a if world.input(switch) else b))


def round_trip(world: World) -> int:
    return int(world.ask(round_trip_back))


def round_trip_back(world: World) -> int:
    return int(world.ask(round_trip))


def test_an_answer_is_computed_once() -> None:
    world = World()
    assert world.memo.ask((both, ("a", "b"))) == (False, False)
    world.computed.clear()
    assert world.memo.ask((both, ("a", "b"))) == (False, False)
    assert world.computed == []


def test_a_change_concerns_only_its_readers() -> None:
    world = World()
    world.memo.ask((both, ("a", "b")))
    world.set("a", 1)
    assert world.memo.ask((both, ("a", "b"))) == (True, False)
    assert (doubled, ("b",)) not in world.computed
    assert (both, ("a", "b")) in world.computed


def test_a_change_stops_where_the_answer_is_the_same() -> None:
    world = World()
    world.set("a", 1)
    world.memo.ask((both, ("a", "b")))
    world.set("a", 5)
    assert world.memo.ask((both, ("a", "b"))) == (True, False)
    assert world.computed == [(doubled, ("a",)), (sign, ("a",))]


def test_what_is_no_longer_read_no_longer_concerns() -> None:
    world = World()
    world.memo.ask((chosen, ("s", "a", "b")))
    world.set("s", 1)
    world.memo.ask((chosen, ("s", "a", "b")))
    world.set("b", 7)
    world.memo.ask((chosen, ("s", "a", "b")))
    assert (chosen, ("s", "a", "b")) not in world.computed


def test_only_kept_answers_are_reported() -> None:
    world = World()
    root = (both, ("a", "b"))
    world.memo.keep(root)
    world.memo.ask(root)
    world.memo.ask((doubled, ("z",)))
    assert world.set("a", 1) == {root}
    assert world.set("z", 1) == set()


def test_a_question_that_needs_its_own_answer_is_a_bug() -> None:
    world = World()
    with pytest.raises(RuntimeError, match="round_trip"):
        world.memo.ask((round_trip, ()))


def test_what_nobody_needs_is_forgotten() -> None:
    world = World()
    kept, dropped = (both, ("a", "b")), (both, ("b", "c"))
    for root in (kept, dropped):
        world.memo.keep(root)
        world.memo.ask(root)
    world.memo.drop(dropped)
    world.memo.sweep()
    assert len(world.memo) == 5  # both(a, b), sign and doubled of a and b
    assert world.set("c", 1) == set()
    world.set("a", 3)
    assert world.memo.ask(kept) == (True, False)


NAMES = st.sampled_from("abc")


@given(st.lists(st.tuples(st.sampled_from("sabc"), st.integers(-1, 1), st.booleans()), max_size=30))
def test_remembering_never_shows(changes: list[tuple[str, int, bool]]) -> None:
    world = World()
    roots = [(both, ("a", "b")), (chosen, ("s", "a", "b")), (chosen, ("a", "c", "b")), (sign, ("c",))]
    for root in roots:
        world.memo.keep(root)
        world.memo.ask(root)
    for name, value, looked in changes:
        before = {root: world.memo.ask(root) for root in roots} if looked else None
        concerned = world.set(name, value)
        fresh = World()
        fresh.inputs = dict(world.inputs)
        for root in roots:
            answer = fresh.memo.ask(root)
            if before is not None and before[root] != answer:
                assert root in concerned
            if looked:
                assert world.memo.ask(root) == answer
        world.memo.sweep()
    for root in roots:
        fresh = World()
        fresh.inputs = dict(world.inputs)
        assert world.memo.ask(root) == fresh.memo.ask(root)
