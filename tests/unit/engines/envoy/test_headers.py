"""Several header edits as one: like applying them one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatewright.engines.envoy.headers import Headers, compose
from gatewright.kinds.intents.filters import HeaderEdit

Fields = list[tuple[str, str]]
NAMES = st.sampled_from(["x-a", "X-A", "x-b", "X-C"])
PAIRS = st.lists(st.tuples(NAMES, st.sampled_from(["1", "50%", ""])), max_size=2, unique_by=lambda p: p[0].lower())
EDITS = st.builds(lambda s, a, r: HeaderEdit(tuple(s), tuple(a), tuple(r)), PAIRS, PAIRS, st.lists(NAMES, max_size=2))


def one_by_one(edits: list[HeaderEdit], fields: Fields) -> Fields:
    for edit in edits:
        gone = {name.lower() for name in edit.remove} | {name.lower() for name, _ in edit.set}
        fields = [pair for pair in fields if pair[0] not in gone]
        fields += [(name.lower(), value) for name, value in (*edit.set, *edit.add)]
    return fields


def as_envoy_does(edit: Headers, fields: Fields) -> Fields:
    fields = [pair for pair in fields if pair[0] not in {name.lower() for name in edit.remove}]
    for option in edit.add:
        name = option.header.key.lower()
        if option.append_action == option.OVERWRITE_IF_EXISTS_OR_ADD:
            fields = [pair for pair in fields if pair[0] != name]
        fields.append((name, option.header.value.replace("%%", "%")))
    return fields


def by_name(fields: Fields) -> dict[str, list[str]]:
    return {name: [v for n, v in fields if n == name] for name, _ in fields}


@given(st.lists(EDITS, max_size=4), st.lists(st.tuples(st.sampled_from(["x-a", "x-b"]), st.just("0")), max_size=3))
def test_one_edit_does_what_all_do(edits: list[HeaderEdit], fields: Fields) -> None:
    assert by_name(as_envoy_does(compose(edits), fields)) == by_name(one_by_one(edits, fields))


def test_the_host_is_no_header_to_envoy() -> None:
    assert compose([HeaderEdit(set=(("Host", "a.test"),))]) == Headers(host="a.test")
    assert compose([HeaderEdit(remove=("host",))]) == Headers(removes_host=True)
