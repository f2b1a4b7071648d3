"""Go expressions as full-match RE2, and Go templates as RE2 rewrites."""

from __future__ import annotations

import pytest
import re2

from gatewright.kinds.traefik.regex import full_match, replacement


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a", "(?s:.*)(?:a)(?s:.*)"),
        ("^a", "(?:^a)(?s:.*)"),
        ("a$", "(?s:.*)(?:a$)"),
        ("^a$", "^a$"),
        ("^a|b$", "(?s:.*)(?:^a|b$)(?s:.*)"),
        (r"^a\$", r"(?:^a\$)(?s:.*)"),
        (r"^a\\$", r"^a\\$"),
        ("(?m)^a$", "(?s:.*)(?:(?m)^a$)(?s:.*)"),
        ("^*a$", "(?s:.*)(?:^*a$)"),
        (r"^\Qa$", r"(?s:.*)(?:^\Qa$)(?s:.*)"),
    ],
)
def test_a_search_becomes_a_full_match(pattern: str, expected: str) -> None:
    assert full_match(pattern) == expected


@pytest.mark.parametrize("pattern", ["a", "^a", "a$", "^a$", "^a|b$", "(?m)^a$", "^*a$", "(?i)A", "^(a|b)$", "^$"])
@pytest.mark.parametrize("value", ["", "a", "ab", "ba", "xax", "b\na", "b", "a\n"])
def test_the_full_match_finds_what_the_search_finds(pattern: str, value: str) -> None:
    assert (re2.fullmatch(full_match(pattern), value) is None) == (re2.search(pattern, value) is None)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("$1-${1}-$2", r"\1-\1-\2"),
        ("$0", r"\0"),
        ("${name}$name", r"\1\1"),
        ("$1x", ""),
        ("${1}x", r"\1x"),
        ("$$1", "$1"),
        ("$3$unknown", ""),
        ("a\\1b", "a\\\\1b"),
        ("100%$", "100%$"),
        ("${1", "${1"),
    ],
)
def test_templates(template: str, expected: str) -> None:
    assert replacement(template, "(?P<name>a)(b)") == (expected, "")


def test_templates_that_re2_cannot_write() -> None:
    pattern = "(a)" * 10
    assert replacement("$9", pattern) == (r"\9", "")
    assert "not 10" in replacement("$10", pattern)[1]
    assert replacement("$1", "(")[1]
