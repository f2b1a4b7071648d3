"""What is served where the manifests and dynamic records meet, and that dynamic records are kept."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base.errors import EngineError
from gatewright.engines.dns.content import RRset, RRsets
from gatewright.engines.dns.overlay import CNAME, Overlay, merged, with_record, without_record
from support.zonal import rrset, wire

VALUES = st.frozensets(st.sampled_from([b"a", b"b", b"c"]), min_size=1)


@st.composite
def record_sets(draw: st.DrawFn) -> RRsets:
    """A name's sets: nothing, a CNAME, or others."""
    if draw(st.booleans()):
        return draw(st.sampled_from([(), (RRset(CNAME, 60, (b"x",)),)]))
    types = draw(st.frozensets(st.sampled_from([1, 16, 28])))
    return tuple(RRset(type, draw(st.sampled_from([60, 300])), tuple(sorted(draw(VALUES)))) for type in sorted(types))


@given(record_sets(), record_sets())
def test_a_merger(static: RRsets, dynamic: RRsets) -> None:
    sets = merged(static, dynamic)
    types = [one.type for one in sets]
    assert types == sorted(set(types))
    assert CNAME not in types or types == [CNAME]
    served = {one.type: one for one in sets}
    for one in static:
        assert set(one.rdata) <= set(served[one.type].rdata)
        assert served[one.type].ttl == one.ttl
    if CNAME not in [one.type for one in (*static, *dynamic)]:
        for one in dynamic:
            assert set(one.rdata) <= set(served[one.type].rdata)


@given(record_sets(), st.sampled_from([1, 16]), st.sampled_from([b"a", b"d"]))
def test_what_is_added_can_be_removed(sets: RRsets, type: int, rdata: bytes) -> None:
    more = with_record(sets, type, 60, rdata)
    assert next(one.rdata for one in more if one.type == type).count(rdata) == 1
    assert not any(one.type == type and rdata in one.rdata for one in without_record(more, type, rdata))


def test_a_cname_has_one_value() -> None:
    sets = with_record(with_record((), CNAME, 60, b"a"), CNAME, 60, b"b")
    assert sets == (RRset(CNAME, 60, (b"b",)),)


def test_everything_is_kept(tmp_path: Path) -> None:
    overlay = Overlay(tmp_path / "f")
    sets = (rrset("A", "192.0.2.1"), rrset("TXT", '"\\255\\000"', "two"))
    overlay.change("a/public", {wire("x.a"): sets, wire("y.a"): sets})
    overlay.change("b/public", {wire("x.b"): sets})
    overlay.change("a/public", {wire("y.a"): ()})
    again = Overlay(tmp_path / "f")
    assert dict(again.names("a/public")) == {wire("x.a"): sets}
    assert dict(again.names("b/public")) == {wire("x.b"): sets}


def test_a_damaged_file_loses_nothing_in_silence(tmp_path: Path) -> None:
    (tmp_path / "f").write_text('[{"zone": 1}]')
    with pytest.raises(EngineError, match="damaged"):
        Overlay(tmp_path / "f")
