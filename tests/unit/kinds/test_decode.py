"""Strict decoding: every fault is named with its field; what can be used is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import pytest
from msgspec import Meta

from gatewright.base.problem import Severity
from gatewright.kinds.decode import Ignored, Lenient, Object, Report, Schema, decode, dotted, suggest
from support.lowering import document, told


class Part(Schema, frozen=True):
    port: Annotated[int, Meta(ge=1, le=65535)]
    name: str = ""
    protocol: Literal["TCP", "UDP"] = "TCP"
    target_port: int | str | None = None


class Loose(Lenient, frozen=True):
    size: int = 0


class Spec(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {"oldWay": "", "newWay": "not before next year"}

    ports: Annotated[tuple[Part, ...], Meta(max_length=3)] = ()
    selector: dict[str, str] = {}  # noqa: RUF012
    flag: bool = False
    loose: Loose = Loose()
    ignored: Ignored = None


class Thing(Object, frozen=True, kw_only=True):
    spec: Spec


def run(spec: Any, **more: Any) -> tuple[Thing | None, list[tuple[str, str]], list[str]]:
    data = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec, **more}
    thing, problems = decode(document(data), Thing)
    return thing, told(problems), [f"{p.message} [{p.hint}]" for p in problems]


def test_a_good_document_has_no_problems() -> None:
    thing, problems, _ = run({"ports": [{"port": 80, "targetPort": "web"}], "selector": {"a": "b"}})
    assert problems == []
    assert thing is not None
    assert thing.spec.ports == (Part(80, target_port="web"),)


def test_a_misspelt_field_rejects_the_document() -> None:
    thing, problems, messages = run({"prots": [], "selector": {"a": "b"}, "ports": [{"port": 1, "Nmae": "x"}]})
    assert thing is None
    assert problems == [("unknown-field", "spec.prots"), ("unknown-field", "spec.ports.0.Nmae")]
    assert messages[0] == "spec.prots: unknown field [did you mean ports?]"
    assert "did you mean name?" in messages[1]


def test_an_unknown_field_like_no_other_is_a_warning_and_the_rest_is_used() -> None:
    thing, problems, messages = run({"quantumLeap": 1, "selector": {"a": "b"}})
    assert thing is not None
    assert thing.spec.selector == {"a": "b"}
    assert problems == [("unknown-field", "spec.quantumLeap")]
    assert "unknown field, ignored" in messages[0]


def test_an_unsupported_field_says_so() -> None:
    thing, problems, messages = run({"oldWay": 1, "newWay": {}})
    assert thing is not None
    assert problems == [("unsupported-field", "spec.oldWay"), ("unsupported-field", "spec.newWay")]
    assert "not supported" in messages[0]
    assert "next year" in messages[1]


def test_all_faults_are_collected_not_only_the_first() -> None:
    thing, problems, _ = run(
        {"ports": [{"port": "80"}, {"port": 0}, {"name": "x"}, {"port": 1, "protocol": "TPC"}], "flag": "yes"}
    )
    assert thing is None
    assert problems == [
        ("wrong-type", "spec.ports.0.port"),
        ("invalid-value", "spec.ports.1.port"),
        ("missing-field", "spec.ports.2"),
        ("invalid-value", "spec.ports.3.protocol"),
        ("wrong-type", "spec.flag"),
    ]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"ports": [{"port": "80"}]},
            "spec.ports[0].port: expected a number, got the text '80' [write it without quotes]",
        ),
        ({"selector": {"a": 1}}, "spec.selector.a: expected text, got the number 1 [put it in quotes]"),
        ({"selector": {"a": True}}, "spec.selector.a: expected text, got true [put it in quotes]"),
        ({"ports": {}}, "spec.ports: expected a list, got a mapping []"),
        ({"ports": "http"}, "spec.ports: expected a list, got the text 'http' []"),
        ({"selector": []}, "spec.selector: expected a mapping, got a list []"),
        ({"ports": [None]}, "spec.ports[0]: expected a mapping, got null []"),
        ({"ports": [{"port": 70000}]}, "spec.ports[0].port: expected a number <= 65535, got the number 70000 []"),
        (
            {"ports": [{"port": 1, "protocol": "tcp"}]},
            "spec.ports[0].protocol: expected one of TCP, UDP, got 'tcp' [did you mean TCP?]",
        ),
        ({"ports": [{"port": 1}] * 4}, "spec.ports: expected a list of length <= 3 []"),
        (None, "the document: the field spec is required []"),
        ("x", "spec: expected a mapping, got the text 'x' []"),
    ],
)
def test_messages_name_field_expectation_and_value(spec: Any, message: str) -> None:
    thing, _, messages = run(spec)
    assert thing is None
    assert messages == [message]


@pytest.mark.parametrize("spec", [{"ports": [{"port": "${PORT}"}]}, {"ports": "${PORTS}"}, "${SPEC}"])
def test_an_unsubstituted_variable_is_one_clear_problem(spec: Any) -> None:
    thing, problems, messages = run(spec)
    assert thing is None
    assert [problem for problem, _ in problems] == ["unresolved-variable"]
    assert "was not substituted" in messages[0]


def test_null_is_absent_as_in_kubernetes() -> None:
    thing, problems, _ = run({"ports": None, "selector": None, "flag": None, "nonsense": None})
    assert problems == []
    assert thing is not None
    assert thing.spec == Spec()


def test_lenient_parts_and_ignored_fields_take_anything() -> None:
    thing, problems, _ = run({"loose": {"size": 3, "other": 1}, "ignored": [{}]}, status={"x": [1]})
    assert problems == []
    assert thing is not None
    assert thing.spec.loose.size == 3


def test_keys_that_are_not_text_are_reported() -> None:
    thing, problems, _ = run({"selector": {1: "a"}})
    assert (thing, problems) == (None, [("wrong-type", "spec.selector")])


def test_a_rejected_report_holds_back_the_intent() -> None:
    report = Report(document({"apiVersion": "v1", "kind": "Thing"}))
    report.warning("odd", "is odd", "spec", "x")
    assert not report.rejected
    report.invalid("is wrong", "spec", "rules", 0)
    result = report.lowered(None)
    assert [p.message for p in result.problems] == ["spec.x: is odd", "spec.rules[0]: is wrong"]
    assert [p.severity for p in result.problems] == [Severity.WARNING, Severity.ERROR]
    assert report.rejected


def test_dotted_and_suggest() -> None:
    assert dotted(("spec", "rules", 0, "x")) == "spec.rules[0].x"
    assert dotted(()) == "the document"
    assert suggest("hostname", ["hostnames", "rules"]) == "did you mean hostnames?"
    assert suggest("zzz", ["hostnames"]) == ""
