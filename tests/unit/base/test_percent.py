"""What is compared of a path, by who decodes and by who has only an expression: the same paths, for every reading."""

from __future__ import annotations

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base import percent
from gatewright.base.percent import Reading
from gatewright.trace.paths import normalise

DECODED, KEPT = Reading.DECODED, Reading.RESERVED_KEPT
PIECES = ["/", "a", "b", "+", "%2B", "%2b", "%25", "2B", "%C3%A9", "%c3%a9", "%20", "|", "'", "%27", ";", "%3f", "%"]
TEXTS = ["/", "a", "b", "+", "%2B", "%2b", "%25", "%", "%2", "\u00e9", " ", "|", "'", ";", "?", ".", "%20", "%C3"]


@given(st.lists(st.sampled_from(TEXTS), max_size=4), st.lists(st.sampled_from(PIECES), max_size=5))
@pytest.mark.parametrize("reading", [DECODED, KEPT])
def test_what_is_spelt_is_what_is_read(reading: Reading, texts: list[str], pieces: list[str]) -> None:
    text, path = "/" + "".join(texts), normalise("/" + "".join(pieces))[0]
    read, wanted = percent.read(path, reading), percent.wanted(text, reading)
    spelt, begun = percent.spelt(text, reading), percent.spelt(text, reading, more=True)
    assert (spelt is not None and re2.fullmatch(spelt, path) is not None) == (read == wanted)
    assert (begun is not None and re2.fullmatch(f"{begun}(?s:.*)", path) is not None) == read.startswith(wanted)


@given(st.lists(st.sampled_from(TEXTS), max_size=4))
def test_one_way_to_write_a_path_is_one_that_is_read_as_it(texts: list[str]) -> None:
    text = "/" + "".join(texts)
    assert percent.read(percent.written(text, DECODED), DECODED) == percent.wanted(text, DECODED)


@pytest.mark.parametrize("reading", list(Reading))
@pytest.mark.parametrize("text", ["/", "/a/b", "/a.b-c_d~e", "/api/v1.0"])
def test_unreserved_paths_are_what_they_were(reading: Reading, text: str) -> None:
    assert not percent.matters(text, reading)
    assert percent.spelt(text, reading) == re2.escape(text)


@pytest.mark.parametrize("reading", [DECODED, KEPT])
@pytest.mark.parametrize(
    "pattern",
    ["(?i:/foo(/|$)(.*))(?s:.*)", r"/v\d+/[^/]+", "/[a-z]+", "(?s:.*)(?:/x)(?s:.*)", r"/(?P<n>\w{2,4})$", r"/a\.b\b"],
)
def test_expressions_that_see_no_difference_stay(reading: Reading, pattern: str) -> None:
    assert percent.expression(pattern, reading) == pattern


@pytest.mark.parametrize(
    ("pattern", "path", "matched"),
    [
        ("/r.s", "/r%2Bs", True),
        ("/r.s", "/r+s", True),
        ("/r.s", "/r%C3%A9s", False),
        ("/r.s", "/r%0As", True),
        ("(?i:/r[b])s", "/rBs", True),
        ("(?i:/r(?-i:[^b;])X)", "/rBx", True),
        ("(?i:/r(?-i:[^b;])x)", "/rbx", False),
        ("(?i)/[^a]b", "/Ab", False),
        ("(?i)/[^a]b", "/%2BB", True),
        (r"/a\+b", "/a%2bb", True),
        (r"/a\x2bb", "/a%2bb", True),
        (r"/a\+b\b", "/a%2bb/c", False),
        (r"/a\+b\b.*", "/a%2bb/c", True),
        ("/caf\u00e9", "/caf%C3%a9", True),
        ("/caf[\u00e9]+", "/caf%C3%a9", True),
        ("/a[]+]b", "/a%2Bb", True),
        ("/a[[:space:]]b", "/a%20b", True),
        ("/a{2}{", "/aa%7B", True),
        (r"/a\Sb", "/a%20b", False),
        (r"/a\Sb", "/a%22b", True),
        (r"/\Qa+b\E+", "/a%2Bbb", True),
        (r"/\Qa+b", "/aab", False),
        (r"/a\x{2b}\053", "/a%2b+", True),
        (r"/\C\C", "/%C3%A9", True),
        (r"/\pL\PL", "/%C3%A9", True),
        (r"/[\pL]", "/%A9", False),
        (r"/\x{100}", "/%C4%80", False),
        ("/a%2Bb", "/a%252Bb", True),
        ("/a%2Bb", "/a%2Bb", False),
        ("/[^/+]*b", "/a%2Bb", False),
    ],
)
def test_expressions_over_what_nginx_sees(pattern: str, path: str, matched: bool) -> None:
    assert (re2.fullmatch(percent.expression(pattern, DECODED), path) is not None) == matched


@pytest.mark.parametrize(
    ("pattern", "path", "matched"),
    [
        (r"/a\+b", "/a+b", True),
        (r"/a\+b", "/a%2Bb", False),
        ("/a%2Bb", "/a%2Bb", True),
        ("/a[ +]b", "/a%20b", True),
        ("/a[^/]b", "/a%2Bb", True),
        ("/caf\u00e9", "/caf%c3%A9", True),
        ("/\u00e9+", "/%C3%A9%C3%A9", True),
        (r"/\xe9\x{e9}\351", "/%C3%A9%C3%A9%C3%A9", True),
        ("/(?i:\u00e9)", "/%C3%89", True),
        ("/.", "/%C3%A9", True),
        ("/[^a]", "/%E2%82%AC", True),
        ("/..", "/%F0%9F%98%80", False),
        (r"/\pL", "/a", True),
        (r"/\pL", "/%C3%A9", False),
        ("/[x\u00e0-\u00fc]", "/x", True),
        (r"/[\x{100}-\x{200}a]", "/a", True),
    ],
)
def test_expressions_over_what_traefik_sees(pattern: str, path: str, matched: bool) -> None:
    assert (re2.fullmatch(percent.expression(pattern, KEPT), path) is not None) == matched


@pytest.mark.parametrize(
    ("pattern", "reading", "path"),
    [
        (r"/\pL+", KEPT, "/a%C3%A9"),
        (r"/\PL", KEPT, "/%E2%82%AC"),
        ("/[\u00e0-\u00fc]", KEPT, "/%C3%A9"),
        (r"/[\x{100}-\x{200}a]", KEPT, "/%C4%80"),
        (r"/.*\bx", KEPT, "/%22x"),
        (r"/.*\bx", DECODED, "/%22x"),
        (r"/\x{100}", DECODED, "/%C4%80"),
    ],
)
def test_what_cannot_be_decided_is_possible(pattern: str, reading: Reading, path: str) -> None:
    assert re2.fullmatch(percent.expression(pattern, reading), path) is None
    assert re2.fullmatch(percent.possible(pattern, reading) or "", path) is not None


@pytest.mark.parametrize("pattern", ["/a.b", r"/\d+\x2b\Q*\E[^/+]\.(?:x|" "\u00e9)$"])
@pytest.mark.parametrize("reading", list(Reading))
def test_most_is_decided(pattern: str, reading: Reading) -> None:
    assert percent.possible(pattern, reading) is None


ATOMS = ["a", "b", r"\+", ".", "[^a]", "[+ ]", r"\w", r"\W", "\u00e9", "/", "%", "(?:a|;)", "[^/]", "(?i:A)"]


@given(st.lists(st.sampled_from(ATOMS), max_size=4), st.lists(st.sampled_from(PIECES), max_size=5))
def test_translated_expressions_match_what_is_read(atoms: list[str], pieces: list[str]) -> None:
    pattern, path = "/" + "".join(atoms), normalise("/" + "".join(pieces))[0]
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    read = percent.read(path, DECODED)
    if "\ufffd" in read:  # nginx refuses it
        return
    original = re2.compile(pattern.encode(), options).fullmatch(read.encode("latin-1")) is not None
    assert (re2.fullmatch(percent.expression(pattern, DECODED), path) is not None) == original


@pytest.mark.parametrize(
    ("path", "prefix", "left"),
    [("/a%2Bb/c", "/a+b", "/c"), ("/a+b", "/a+b", ""), ("/a", "/a+b", None), ("/a%25", "/a%", ""), ("/x", "/a", None)],
)
def test_what_is_behind_a_prefix(path: str, prefix: str, left: str | None) -> None:
    assert percent.behind(path, prefix) == left


@pytest.mark.parametrize(
    ("text", "normal", "decoded", "kept"),
    [
        ("/a/b-1_~.x", None, None, None),
        ("/w+v", None, None, None),
        ("/w%2Bv", None, "/w+v", None),
        ("/%61%2fb", "/a/b", "/a/b", "/a/b"),
        ("/caf\u00e9", "/caf%C3%A9", None, None),
        ("/caf%C3%A9", None, "/caf\u00e9", "/caf\u00e9"),
        ("/in%20side", None, "/in side", "/in side"),
        ("/in side", "/in%20side", None, None),
        ("/why?", "/why%3F", None, "/why%3F"),
        ("/100%25", None, "/100%", None),
        ("/100%", None, None, None),
        ("/caf%E9", None, "", ""),
    ],
)
def test_what_is_meant_by_a_path_that_none_is_read_as(
    text: str, normal: str | None, decoded: str | None, kept: str | None
) -> None:
    assert [percent.meant(text, reading) for reading in (Reading.NORMAL, DECODED, KEPT)] == [normal, decoded, kept]


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        (r"/a\+b", None),
        (r"/a[%2B]b", None),
        (r"/a\\\d%", None),
        (r"/w%2Bv/(\d+)", r"/w\+v/(\d+)"),
        (r"/w\%2Bv", r"/w\+v"),
        (r"/caf%C3%A9", "/caf\u00e9"),
        (r"/caf%E9", r"/caf\xE9"),
    ],
)
def test_what_is_meant_by_an_expression(pattern: str, meant: str | None) -> None:
    assert percent.meant_by_expression(pattern, DECODED) == meant
