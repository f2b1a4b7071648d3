"""What users write about questions is data: it arrives as it is, and is never read as Lua."""

from __future__ import annotations

import re

import re2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base.origin import Origin
from gatewright.engines.envoy.steps import forward_auth
from gatewright.engines.envoy.steps.ask_script import SCRIPT
from gatewright.graph.nodes import AskAuth, BackendKey
from gatewright.kinds.intents.filters import ForwardAuth, Variable

HOSTILE = st.one_of(
    st.text(max_size=30),
    st.sampled_from(['"', "]]", '"]] .. os.exit() --', "\\", "%s", "${x}", "\r\nx: y", "\0", "]==]", "x y", "\ud800"]),
)
TEMPLATE = st.lists(st.one_of(HOSTILE, st.sampled_from(Variable)), max_size=4).map(tuple)


@given(HOSTILE, TEMPLATE, TEMPLATE, TEMPLATE, HOSTILE)
def test_texts_arrive_as_they_are_or_refuse_the_rule(
    name: str, value: tuple[str, ...], path: tuple[str, ...], signin: tuple[str, ...], regex: str
) -> None:
    intent = ForwardAuth(
        Origin("f"),
        path,
        tells=((name, value),),
        copies=(name,),
        copies_matching=regex,
        cookies=("c",),
        signin=signin,
    )
    question = forward_auth.question(AskAuth(intent, BackendKey("n", "s", 1), (), path))
    if question is None:
        return
    packed = forward_auth.per_route([question])
    told = lua_pb2.LuaPerRoute.FromString(packed.value)
    assert not told.HasField("source_code")
    (read,) = json_format.MessageToDict(told)["filterContext"]["questions"]
    assert read["tells"] == [{"name": name.lower(), "value": forward_auth.pieces(value)}]
    assert read["path"] == forward_auth.pieces(path or ("/",))
    assert read.get("signin", []) == forward_auth.pieces(signin)
    assert not re.search(r"[\r\n\0]", name + "".join(value) + "".join(path) + "".join(signin))
    filter_ = lua_pb2.Lua.FromString(forward_auth.http_filter().typed_config.value)
    assert filter_.source_codes[told.name].inline_string == SCRIPT


ITEM = st.tuples(
    st.sampled_from(["x", "a", "-", "_", ".", "[a-z]", "[^a]", r"\d", r"\w", r"\.", "[0-9a]"]),
    st.sampled_from(["", "", "*", "+", "?"]),
)
BRANCH = st.lists(ITEM, max_size=5).map(lambda items: "".join(a + b for a, b in items))
REGEX = st.tuples(st.sampled_from(["", "^"]), st.lists(BRANCH, min_size=1, max_size=3), st.sampled_from(["", "$"])).map(
    lambda parts: f"{parts[0]}({'|'.join(parts[1])}){parts[2]}"
)


def as_regex(pattern: str) -> str:
    """What a Lua pattern of the kind that is made means, as a regular expression."""
    return pattern.replace("%w", r"\w").replace("%d", r"\d").replace("%-", r"\-").replace("%.", r"\.")


@given(REGEX, st.text("xa-_.b0", max_size=8))
def test_patterns_match_what_the_expression_does(regex: str, name: str) -> None:
    made = forward_auth.patterns(regex)
    assert made is not None
    found = any(re.search(as_regex(one), name, re.A) for one in made)
    assert found == bool(re2.search("(?i)" + regex, name))


@given(st.text("ab|()[]*+?^$\\.{}1,-:", max_size=12), st.text("ab-1", max_size=6))
def test_what_is_not_understood_is_refused(regex: str, name: str) -> None:
    made = forward_auth.patterns(regex)
    try:
        compiled = re2.compile("(?i)" + regex)
    except re2.error:
        return
    if made:
        assert any(re.search(as_regex(one), name, re.A) for one in made) == bool(compiled.search(name))
