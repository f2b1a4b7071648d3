"""Names, durations and patterns: what is well formed."""

from __future__ import annotations

import pytest

from gatewright.kinds import syntax


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0.0),
        ("10s", 10.0),
        ("500ms", 0.5),
        ("1h30m", 5400.0),
        ("1h1m1s1ms", 3661.001),
        ("10s30m1h", 5410.0),
        ("", None),
        ("10", None),
        ("1.5s", None),
        ("-1s", None),
        ("1d", None),
        ("100000s", None),
        ("1h1h1h1h1h", None),
        ("1 s", None),
        ("1us", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert syntax.duration(text) == (pytest.approx(seconds) if seconds is not None else None)


@pytest.mark.parametrize("name", ["a", "a.b", "*.a.b", "xn--bcher-kva.example", "a-b.c1", "x.${DOMAIN}", "1.2.3.4a"])
def test_hostnames(name: str) -> None:
    assert syntax.is_hostname(name)


@pytest.mark.parametrize(
    "name", ["", "*", "*.", "a..b", "a.*", "A", "-a", "a-", "a_b", "1.2.3.4", "a:1", "a b", "a.", "ä"]
)
def test_not_hostnames(name: str) -> None:
    assert not syntax.is_hostname(name)


@pytest.mark.parametrize(
    ("pattern", "valid"),
    [("a+", True), ("(?i)a", True), ("(?:abcdefghij){1000}", False), ("(", False), ("(?=a)", False), ("\ud800", False)],
)
def test_patterns(pattern: str, valid: bool) -> None:
    assert (syntax.regex_error(pattern) == "") is valid


def test_header_values_hold_no_line_break() -> None:
    assert syntax.is_header_value("a b\tc ü")
    assert not syntax.is_header_value("a\nb")
    assert not syntax.is_header_value("a\x00")
