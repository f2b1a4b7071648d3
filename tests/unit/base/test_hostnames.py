import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base.hostnames import ANY, Depth, covers, intersect, matches, normalize, parents, specificity

NAMES = st.lists(st.sampled_from(["a", "b", "example", "com"]), min_size=1, max_size=4).map(".".join)
PATTERNS = st.one_of(NAMES, NAMES.map(lambda name: "*." + name), st.just(ANY))
DEPTHS = st.sampled_from(list(Depth))


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("A.Example.COM", "a.example.com"),
        ("a.example.com:8080", "a.example.com"),
        ("a.example.com.", "a.example.com"),
        ("A.example.com.:80", "a.example.com"),
        ("[2001:DB8::1]:443", "[2001:db8::1]"),
        ("", ""),
    ],
)
def test_normal_form(written: str, normal: str) -> None:
    assert normalize(written) == normal


@pytest.mark.parametrize(
    ("pattern", "host", "one", "many"),
    [
        ("*.x.test", "a.x.test", True, True),
        ("*.x.test", "a.b.x.test", False, True),
        ("*.x.test", "x.test", False, False),
        ("*.x.test", "ax.test", False, False),
        ("*", "anything", True, True),
        ("*", "", True, True),
        ("x.test", "x.test", True, True),
        ("x.test", "a.x.test", False, False),
    ],
)
def test_what_a_wildcard_matches(pattern: str, host: str, one: bool, many: bool) -> None:
    assert matches(pattern, host, Depth.ONE) is one
    assert matches(pattern, host, Depth.MANY) is many


@given(PATTERNS, PATTERNS, NAMES, DEPTHS)
def test_an_intersection_matches_what_both_match(a: str, b: str, host: str, depth: Depth) -> None:
    both = intersect(a, b, depth)
    assert (both is not None and matches(both, host, depth)) == (matches(a, host, depth) and matches(b, host, depth))
    assert intersect(b, a, depth) == both


@given(PATTERNS, NAMES, DEPTHS)
def test_parents_are_the_patterns_that_match(pattern: str, host: str, depth: Depth) -> None:
    assert (pattern in list(parents(host, depth))) == matches(pattern, host, depth)


@given(PATTERNS, PATTERNS, DEPTHS)
def test_parents_of_patterns_cover_them(outer: str, inner: str, depth: Depth) -> None:
    assert (outer in list(parents(inner, depth))) == covers(outer, inner, depth)


@given(NAMES, DEPTHS)
def test_parents_come_most_specific_first(host: str, depth: Depth) -> None:
    ranks = [specificity(pattern) for pattern in parents(host, depth)]
    assert ranks == sorted(ranks, reverse=True)
