import pytest

from gatewright.trace.paths import has_prefix, normalise


@pytest.mark.parametrize(
    ("sent", "seen", "redirected"),
    [
        ("/", "/", False),
        ("//a", "/a", False),
        ("/a//b", "/a/b", False),
        ("/a/./b/", "/a/b/", False),
        ("/a/../b", "/b", False),
        ("/..", "/", False),
        ("/a/..", "/", False),
        ("/%61", "/a", False),
        ("/%2e%2e/a", "/a", False),
        ("/a%20b", "/a%20b", False),
        ("/a%2fb", "/a/b", True),
        ("/a%5Cb", "/a/b", True),
    ],
)
def test_paths_are_normalised_before_rules_see_them(sent: str, seen: str, redirected: bool) -> None:
    assert normalise(sent) == (seen, redirected)


@pytest.mark.parametrize(
    ("path", "prefix", "held"),
    [("/a", "/a", True), ("/a/", "/a", True), ("/ab", "/a", False), ("/a", "/a/", True), ("/x", "/", True)],
)
def test_prefixes_go_by_segments(path: str, prefix: str, held: bool) -> None:
    assert has_prefix(path, prefix) is held
