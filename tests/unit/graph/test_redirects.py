import pytest
import re2

from gatewright.graph.resolve.rules.redirects import never_matches, residual

PATHS = ["/", "/a", "/a/b", "/docs", "/docs/", "/docs/x", "/old", "/foo/b", "/old/old/x", "/a/.well-known/carddav/x"]


def by_hand(pattern: str, replacement: str, url: str) -> str | None:
    """What a redirect by the whole URL does: every match replaced, None when there is none."""
    return re2.sub(pattern, replacement, url) if re2.search(pattern, url) else None


@pytest.mark.parametrize(
    ("pattern", "replacement", "base"),
    [
        (r"^https?://www\.(.*)", r"https://\1", "https://www.example.com"),
        (r"^https://old\.example\.com/(.*)", r"https://new.example.com/\1", "https://old.example.com"),
        (r"^https?://(www|old)\.x\.test/foo/(.*)$", r"https://\1.new.test/\2", "https://old.x.test"),
        (r"old\.example\.com", "new.example.com", "https://old.example.com"),
        (r"^http://([^/]+)/(.*)", r"https://\1/\2", "http://a.test"),
        (r"^https?://[^/]+/$", "https://a.test/web/", "https://a.test"),
        (r"^(https?://[^/]+)/old$", r"\1/new", "https://a.test:8443"),
        (r"^https://a\.test/docs", "https://b.test/wiki", "https://a.test"),
        (r"(?i)^https://A\.test/(.*)", r"https://b.test/\1", "https://a.test"),
        (r"^https://a\.test(.*)", r"https://b.test/x\1", "https://a.test"),
        (r"https://(.*)/.well-known/(card|cal)dav", r"https://\1/remote.php/dav/", "https://cloud.a.test"),
        (r"^https?://(.*)/old(.*)$", r"https://\1/new\2", "http://a.test:8080"),
    ],
)
def test_a_split_pattern_does_what_the_whole_one_does(pattern: str, replacement: str, base: str) -> None:
    split = residual(pattern, replacement, base)
    assert split is not None
    for path in PATHS:
        matched = re2.fullmatch(split.pattern, path) is not None
        new = (split.base or base) + re2.sub(f"^(?:{split.pattern})$", split.replacement, path) if matched else None
        assert new == by_hand(pattern, replacement, base + path)


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"^https://(.*)\.a\.test/(.*)", r"https://\1.b.test/\2"),  # the first group may reach into the path
        (r"^https://x\.a\.test/|/y", "https://b.test/"),  # an alternation over everything
        (r"^https://x\.a\.test/(.*)\?(.*)", r"https://b.test/\1"),  # looks at the query
        (r"^https://x\.a\.test/(.*)", r"https://b.test/?from=\1"),  # writes a query
        (r"^https://(.*)/?old", r"https://\1/new"),  # the first group may end in the host
        (r"^https://x\.a\.test/([^/]+)/(.*)", r"https://\1.b.test/\2"),  # the new host depends on the path
    ],
)
def test_what_cannot_be_split_is_not_split(pattern: str, replacement: str) -> None:
    assert residual(pattern, replacement, "https://x.a.test") is None


def test_a_redirect_to_where_the_request_is_changes_nothing() -> None:
    https = residual(r"^https?://([^/]+)/(.*)", r"https://\1/\2", "https://a.test")
    http = residual(r"^https?://([^/]+)/(.*)", r"https://\1/\2", "http://a.test")
    assert https is not None
    assert http is not None
    assert https.changes_nothing("https://a.test")
    assert not http.changes_nothing("http://a.test")


@pytest.mark.parametrize(
    ("pattern", "base", "never"),
    [
        (r"^https?://www\.(.*)", "https://example.com", True),
        (r"^https?://www\.(.*)", "https://www.example.com", False),
        (r"^http://(.*)", "https://example.com", True),
        (r"^https?://[^/]+\.old\.test/(.*)", "https://a.new.test", True),
        (r"^https?://[^/]+\.old\.test/(.*)", "https://a.old.test", False),
        (r"www\.(.*)", "https://example.com", False),  # may match in the path
        (r"^https?://(.*)/www/(.*)", "https://example.com", False),
    ],
)
def test_patterns_that_never_match_are_known(pattern: str, base: str, never: bool) -> None:
    assert never_matches(pattern, base) is never
    if never:
        assert not any(re2.search(pattern, base + path) for path in PATHS)
