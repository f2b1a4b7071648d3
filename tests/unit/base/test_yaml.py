"""What a document's text means, and what is said when it means nothing."""

import tracemalloc

import pytest
import yaml

from gatewright.base import yaml as subject
from gatewright.base.yaml import MAX_DEPTH, parse, split


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes", {"a": True}),
        ("a: Off", {"a": False}),
        ("a: [y, n]", {"a": [True, False]}),
        ("a: 'yes'", {"a": "yes"}),
        ("a:\n  yes", {"a": True}),
        ("on: x", {"true": "x"}),
        ("a: 0777", {"a": 0o777}),
        ("a: 0o17", {"a": 15}),
        ("a: 0b11", {"a": 3}),
        ("a: 1_000", {"a": 1000}),
        ("a: -0x1F", {"a": -31}),
        ("a: +5", {"a": 5}),
        ("a: 08", {"a": 8.0}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: 2001-01-01", {"a": "2001-01-01"}),
        ("a: 1:30", {"a": "1:30"}),
        ("a: ~\nb:", {"a": None, "b": None}),
        ("3: x", {"3": "x"}),
        ("a: !!str 1", {"a": "1"}),
        ("a: &x 1\nb: *x\nc: &x 2\nd: *x", {"a": 1, "b": 1, "c": 2, "d": 2}),
        ("x: &x {a: 1, b: 2}\nz:\n  <<: *x\n  a: 3", {"x": {"a": 1, "b": 2}, "z": {"a": 3, "b": 2}}),
        ("x: {<<: [{a: 1}, {a: 2, b: 2}]}", {"x": {"a": 1, "b": 2}}),
        ("--- {a: 1} # comment", {"a": 1}),
        ('{"a": "\\ud83d\\ude00",\n\t"b": [1, 2.5, null]}', {"a": "😀", "b": [1, 2.5, None]}),
        ("match: Host(`a`) && !Path(`/b`)", {"match": "Host(`a`) && !Path(`/b`)"}),
        ("a: |\n  x: 1\n  --- y\nb: '# no comment: here'", {"a": "x: 1\n--- y\n", "b": "# no comment: here"}),
    ],
)
def test_values_are_typed_as_kubectl_types_them(text: str, value: object) -> None:
    parsed = parse(text)
    assert parsed.value == value
    assert parsed.faults == ()


@pytest.mark.parametrize(
    ("text", "id", "line"),
    [
        ("a: 1\na: 2", "duplicate-key", 2),
        ("a:\n  b: {c: 1, c: 2}", "duplicate-key", 2),
        ('{"a": 1, "a": 2}', "duplicate-key", 0),
        ("# note: x\na: 1\nb: 2\na: 3", "duplicate-key", 4),
        ("a: [", "yaml-syntax", 1),
        ("a: 1\nb:\n\tc: 1", "yaml-syntax", 3),
        ("a: b: c", "yaml-syntax", 1),
        ("a: \0", "control-character", 1),
        ("a: !custom x", "yaml-tag", 1),
        ("? [1]\n: 2", "yaml-key", 1),
        ("a: *nowhere", "unknown-anchor", 1),
        ("a: &a [*a]", "unknown-anchor", 1),
        ("<<: 3", "merge-key", 1),
        ("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), "document-too-deep", 1),
        ("- " * (MAX_DEPTH + 1) + "x", "document-too-deep", 1),
        ('{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1), "document-too-deep", 0),
        ("\n".join(" " * depth + "a:" for depth in range(MAX_DEPTH + 2)), "document-too-deep", MAX_DEPTH + 1),
        ('{"a": "\\ud83d"}', "yaml-syntax", 0),
        ("{{ .Values.x }}: 1", "yaml-key", 1),
    ],
)
def test_a_mistake_is_one_fault_with_its_line(text: str, id: str, line: int) -> None:
    (fault,) = parse(text).faults
    assert (fault.id, fault.line) == (id, line)


def test_of_a_repeated_key_the_last_is_used() -> None:
    assert parse("a: 1\na: 2").value == {"a": 2}


@pytest.mark.parametrize("opening", ["&", "&&"])
def test_an_alias_bomb_costs_nothing(opening: str) -> None:
    prefix = opening[1:]
    lines = [f"a0: {opening}a0 x"]
    lines += [f"a{i}: {opening}a{i} [{', '.join([f'*{prefix}a{i - 1}'] * 10)}]" for i in range(1, 30)]
    tracemalloc.start()
    try:
        parsed = parse("\n".join(lines))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [fault.id for fault in parsed.faults] in (["alias-bomb"], ["yaml-syntax"])
    assert peak < 5_000_000


def test_a_document_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_DOCUMENT_CHARACTERS", 100)
    assert [fault.id for fault in parse("a: " + "b" * 100).faults] == ["document-too-large"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a\n---\nb\n", ["a\n", "---\nb\n"]),
        ("---\na\n--- # comment\nb", ["---\na\n", "--- # comment\nb"]),
        ("a\n...\nb\n", ["a\n...\n", "b\n"]),
        ("a: |\n  x\n  ---\n  y\n", ["a: |\n  x\n  ---\n  y\n"]),
        ("a: ---\n----\n---b\n", ["a: ---\n----\n---b\n"]),
        ("a\n---", ["a\n", "---"]),
        ('{"a": 1}{"b": "}{"}', ['{"a": 1}', '{"b": "}{"}']),
        ('{"a": {}}\n\n{"b": 2}\n', ['{"a": {}}\n\n', '{"b": 2}\n']),
        ('--- {"a": 1} {}\n---\nb: "}{"\n', ['--- {"a": 1} ', "{}\n", '---\nb: "}{"\n']),
        ('{"a": 1}{"b": }{"c": 3}', ['{"a": 1}', '{"b": }{"c": 3}']),
        ("{a: 1} {b: 2}", ["{a: 1} {b: 2}"]),
        ("", []),
    ],
)
def test_a_file_is_cut_at_markers_only(text: str, parts: list[str]) -> None:
    assert list(split(text)) == parts
    assert "".join(split(text)) == text


@pytest.mark.parametrize("text", ["", "---\n", "# x\n\n---\n", "%YAML 1.1\n", "---\n# x\n...\n", "--- # x\n"])
def test_comments_and_directives_are_no_document(text: str) -> None:
    assert all(subject.is_blank(part) for part in split(text))


@pytest.mark.parametrize("text", ["a", "--- a", "---a", "--- {}", "[]"])
def test_everything_else_is(text: str) -> None:
    assert not subject.is_blank(text)


@pytest.mark.parametrize("item", ['["a", b]', "['a', b]", "[[a], {b: c}]", '["[", "]"]'])
def test_many_lists_are_not_deep(item: str) -> None:
    text = "a:\n" + f"- {item}\n" * 300
    assert parse(text).value == {"a": [yaml.safe_load(item)] * 300}


@pytest.mark.parametrize("closed", ['"]]]"', '"[]"', "[]", '"[", "]"', "'\"', ']', '\"'"])
def test_what_looks_closed_hides_no_depth(closed: str) -> None:
    text = "a: " + f"[{closed}, " * 500 + "]" * 500
    assert [fault.id for fault in parse(text).faults] == ["document-too-deep"]
