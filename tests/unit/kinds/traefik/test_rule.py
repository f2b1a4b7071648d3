"""The grammar of Traefik's rules: what parses, into what, and what is said about the rest."""

from __future__ import annotations

import pytest

from gatewright.base.origin import Origin
from gatewright.kinds.traefik.rule import MATCHERS, And, Expression, Matcher, Not, Or, Syntax, parse

HERE = Origin("routes.yaml", "0", ("spec", "routes", 0, "match"))


def host(value: str, column: int = 0) -> Matcher:
    return Matcher("Host", (value,), column)


def without_columns(expression: Expression) -> Expression:
    match expression:
        case Matcher(name, values):
            return Matcher(name, values)
        case Not(part):
            return Not(without_columns(part))
        case And(parts):
            return And(tuple(without_columns(part) for part in parts))
        case Or(parts):
            return Or(tuple(without_columns(part) for part in parts))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("Host(`a`)", host("a")),
        ('Host("a")', host("a")),
        (r'Host("a\u002ecom\t\"\x41\101")', host('a.com\t"AA')),
        ("Host(`a\\d`)", host("a\\d")),
        ("host(`a`)", host("a")),
        ("HOST(`a`)", host("a")),
        ("Pathprefix(`/a`)", Matcher("PathPrefix", ("/a",))),
        ("Host(`a`,)", host("a")),
        ("Header(`a`, `b`)", Matcher("Header", ("a", "b"))),
        ("!Host(`a`)", Not(host("a"))),
        ("!!Host(`a`)", host("a")),
        ("! ( Host(`a`) )", Not(host("a"))),
        ("Host(`a`) || Host(`b`) && Host(`c`)", Or((host("a"), And((host("b"), host("c")))))),
        ("(Host(`a`) || Host(`b`)) && Host(`c`)", And((Or((host("a"), host("b"))), host("c")))),
        ("!Host(`a`) && Host(`b`)", And((Not(host("a")), host("b")))),
        ("Host(`a`) ||\n  Host(`b`)\n\n", Or((host("a"), host("b")))),
        ("Host(\n`a`,\n)", host("a")),
        ("Host()", Matcher("Host", ())),
    ],
)
def test_rules_parse_as_go_expressions(rule: str, expected: Expression) -> None:
    expression, problems = parse(rule, Syntax.HTTP, HERE)
    assert problems == ()
    assert expression is not None
    assert without_columns(expression) == expected


def test_matchers_know_their_column() -> None:
    expression, _ = parse("Host(`a`) && Path(`/`)", Syntax.HTTP, HERE)
    assert expression == And((host("a", 1), Matcher("Path", ("/",), 14)))


@pytest.mark.parametrize(
    ("rule", "column", "said"),
    [
        ("", 1, "the rule is empty"),
        ("  \n ", 1, "the rule is empty"),
        ("Host('a')", 6, "not single quotes"),
        ("Host(`a", 6, "no closing backtick"),
        ('Host("a', 6, "no closing double quote"),
        ("Host(`a`) & Host(`b`)", 11, "did you mean '&&'"),
        ("Host(`a`) | Host(`b`)", 11, "did you mean '||'"),
        ("Host(`a`) Host(`b`)", 11, "expected '&&', '||' or the end of the rule"),
        ("Host(`a`) &&", 13, "found the end of the rule"),
        ("(Host(`a`)", 11, "expected ')'"),
        ("Host(`a`))", 10, "found ')'"),
        ("Host", 5, "expected '(' after Host"),
        ("Host(a)", 6, "a string in backticks"),
        ("Host(`a` `b`)", 10, "expected ',' or ')'"),
        ("`a`", 1, "a matcher such as"),
        ("Host(`a`)\n|| Host(`b`)", 10, "a line may end only after"),
        ("Host(`a`\n)", 9, "a line may end only after"),
        ("Hots(`a`)", 1, "did you mean Host?"),
        ("PathStrip(`/a`)", 1, "is no HTTP matcher"),
        ("pathPrefix(`/a`)", 1, "did you mean PathPrefix?"),
        ("Headers(`a`, `b`)", 1, "did you mean Header?"),
        ("ALPN(`h2`)", 1, "it belongs to tcp rules"),
        (r'Host("\xff")', 7, "unsupported escape"),
        (r'Host("\ud800")', 7, "unsupported escape"),
        (r'Host("\q")', 7, "unsupported escape"),
        ("(" * 65 + "Host(`a`)" + ")" * 65, 65, "nested deeper"),
    ],
)
def test_mistakes_name_their_column(rule: str, column: int, said: str) -> None:
    expression, (problem,) = parse(rule, Syntax.HTTP, HERE)
    assert expression is None
    assert problem.id == "traefik-rule-syntax"
    assert problem.origin == HERE
    assert f"column {column}: " in problem.message
    assert said in problem.message


@pytest.mark.parametrize("syntax", list(Syntax))
def test_every_matcher_has_its_four_spellings(syntax: Syntax) -> None:
    for name in MATCHERS[syntax]:
        for spelling in (name, name.lower(), name.upper(), name.lower().capitalize()):
            assert parse(f"{spelling}(`a`)", syntax, HERE)[0] == Matcher(name, ("a",), 1)
