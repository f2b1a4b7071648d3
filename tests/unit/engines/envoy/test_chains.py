"""Which filter chain an SNI takes: the listed exceptions lead where the graph's own lookup leads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.engines.envoy.chains import default_chain, exceptions

LABELS = st.sampled_from(["a", "b"])
CONCRETE = st.lists(LABELS, min_size=1, max_size=3).map(".".join)
PATTERNS = st.one_of(CONCRETE, CONCRETE.map("*.{}".format), st.just("*"))
OWNED = st.dictionaries(PATTERNS, st.sampled_from(["https", "passthrough", "terminated"]), min_size=2, max_size=8)


def taken(listed: dict[str, str], default: str, sni: str, depth: Depth) -> str:
    return next((listed[p] for p in hostnames.parents(sni, depth) if p in listed), default)


@given(OWNED, CONCRETE, st.sampled_from(Depth))
def test_every_served_name_takes_its_own_chain(owned: dict[str, str], sni: str, depth: Depth) -> None:
    owners: dict[str, list[str]] = {chain: [] for chain in {*owned.values(), "https"}}
    for pattern, chain in owned.items():
        owners[chain].append(pattern)
    default = default_chain(owners, owners)
    listed = exceptions(owners, default, depth)
    wanted = next((owned[p] for p in hostnames.parents(sni, depth) if p in owned), None)
    if wanted is not None:
        assert taken(listed, default, sni, depth) == wanted


def test_the_smaller_set_is_listed_folded() -> None:
    owners = {"https": [f"h{n}.test" for n in range(9)], "passthrough": ["*.x.test", "a.x.test", "b.x.test", "p.test"]}
    default = default_chain(owners, owners)
    assert default == "https"
    assert exceptions(owners, default, Depth.MANY) == {"*.x.test": "passthrough", "p.test": "passthrough"}


def test_a_listed_wildcard_takes_no_name_from_the_default_chain() -> None:
    owners = {"https": ["a.x.test", "b.test", "c.test"], "passthrough": ["*.x.test"]}
    assert exceptions(owners, "https", Depth.MANY) == {"*.x.test": "passthrough", "a.x.test": "https"}


def test_a_chain_that_does_not_look_at_names_takes_the_rest_only_where_every_name_is_its_own() -> None:
    own = "passthrough|a.test"
    assert default_chain({own: ["a.test"], "passthrough": []}, ["passthrough"]) == "passthrough"
    assert default_chain({own: ["*"], "passthrough": ["a.test"]}, ["passthrough"]) == own
