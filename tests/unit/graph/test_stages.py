"""What a builder keeps: who read what, and who contributes what to whom."""

from __future__ import annotations

from gatewright.graph.stages import Relation, Stage


def test_a_change_concerns_whoever_read_it_last() -> None:
    stage: Stage[str, int] = Stage()
    stage.put("a", 1, {"x", "y"})
    stage.put("b", 2, {"y"})
    assert stage.concerned(["x"]) == {"a"}
    assert stage.concerned(["y", "z"]) == {"a", "b"}
    stage.put("a", 1, {"z"})
    assert stage.concerned(["x", "y"]) == {"b"}
    assert stage.abandoned == {"x"}
    stage.forget("b")
    assert stage.concerned(["y"]) == set()
    assert stage.abandoned == {"x", "y"}


def test_only_another_value_is_a_change() -> None:
    stage: Stage[str, int] = Stage()
    assert stage.put("a", 1, {"x"})
    assert not stage.put("a", 1, {"y"})
    assert not stage.put("nothing", None, {"x"})
    assert (stage.knows("nothing"), stage.without_value()) == (True, {"nothing"})
    assert stage.take_changed() == {"a"}
    assert stage.take_changed() == frozenset()


def test_what_came_and_went_in_between_is_no_change() -> None:
    stage: Stage[str, int] = Stage()
    stage.put("kept", 1, set())
    stage.put("passing", 1, set())
    assert stage.forget("passing")
    assert not stage.forget("passing")
    assert stage.take_changed() == {"kept"}
    stage.put("kept", None, set())
    assert stage.take_changed() == {"kept"}


def test_a_member_stays_while_anybody_contributes_it() -> None:
    relation: Relation[str, int] = Relation()
    assert relation.replace(set(), {("pool", 2), ("pool", 1)}) == {"pool"}
    assert relation.replace(set(), {("pool", 1)}) == set()
    assert relation.of("pool") == (1, 2)
    assert relation.replace({("pool", 1)}, set()) == set()
    assert relation.replace({("pool", 1), ("pool", 2)}, {("other", 2)}) == {"pool", "other"}
    assert (relation.of("pool"), relation.of("other")) == ((), (2,))
