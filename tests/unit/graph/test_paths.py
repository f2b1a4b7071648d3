import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from gatewright.graph.paths import Substitution, Uncomposable, compose, stripped, uncomposable
from gatewright.kinds.intents.filters import PathEdit, PathEditKind
from gatewright.kinds.intents.routing import Match, PathKind, PathMatch
from gatewright.trace.paths import edit

PREFIXES = st.sampled_from(["/a", "/a/", "/api", "/api/v1", "/a/b"])
EDITS = st.one_of(
    st.sampled_from(["/", "/new", "/deep/er"]).map(lambda v: PathEdit(PathEditKind.REPLACE, v)),
    st.sampled_from(["/v2", "/v2/", "/a"]).map(lambda v: PathEdit(PathEditKind.ADD_PREFIX, v)),
    st.lists(PREFIXES, min_size=1, max_size=2).map(lambda p: PathEdit(PathEditKind.STRIP_PREFIX, prefixes=tuple(p))),
    st.just(PathEdit(PathEditKind.REGEX, r"/new/\1", pattern="^/a/(.*)")),
    st.sampled_from(["/", "/new", "/new/"]).map(lambda v: PathEdit(PathEditKind.REPLACE_PREFIX, v)),
)
PATHS = st.lists(st.sampled_from(["a", "api", "v1", "b", "x"]), max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(st.lists(EDITS, max_size=3), st.sampled_from(["/", "/a", "/api"]), PATHS)
def test_composed_edits_do_what_they_do_one_by_one(edits: list[PathEdit], matched: str, path: str) -> None:
    if path != matched and not path.startswith(matched.rstrip("/") + "/"):
        return  # the match guarantees the prefix
    composed = compose(edits, matched)
    expected = path
    for one in edits:
        expected = edit(expected, one, matched)
    if composed is None:
        assert expected == path
    elif isinstance(composed, Substitution):
        assert re2.sub(composed.pattern, composed.value, path) == expected


def test_what_does_not_compose_is_told() -> None:
    regex = PathEdit(PathEditKind.REGEX, r"/\1", pattern="^/a/(.*)")
    add = PathEdit(PathEditKind.ADD_PREFIX, "/v2")
    assert isinstance(compose([regex, add], None), Uncomposable)
    assert uncomposable([regex, add], Match())
    assert uncomposable([PathEdit(PathEditKind.REPLACE_PREFIX, "/x")], Match())
    prefix = Match(paths=(PathMatch(PathKind.PREFIX, "/a"),))
    assert not uncomposable([PathEdit(PathEditKind.REPLACE_PREFIX, "/x")], prefix)


@pytest.mark.parametrize(
    ("path", "prefixes", "known"),
    [
        (PathMatch(PathKind.RAW_PREFIX, "/app"), ["/app"], "/app"),
        (PathMatch(PathKind.EXACT, "/app/x"), ["/other", "/app"], "/app"),
        (PathMatch(PathKind.RAW_PREFIX, "/a"), ["/app"], None),
        (PathMatch(PathKind.RAW_PREFIX, "/x"), ["/app"], ""),
        (PathMatch(PathKind.REGEX, "/app/.*"), ["/app"], None),
        (PathMatch(PathKind.RAW_PREFIX, "/app", negate=True), ["/app"], None),
    ],
)
def test_what_stripping_takes_is_known_from_the_match(path: PathMatch, prefixes: list[str], known: str | None) -> None:
    assert stripped(Match(paths=(path,)), prefixes) == known
