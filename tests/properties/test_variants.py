"""Variants of backends: what is written into the name of a cluster is what is read from it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gatewright.graph.resolve.upstreams.variants import USUAL, Variant, decode, encode, limited, unusual
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.routing import HealthCheck, Upstream, UpstreamTls

TEXT = st.text(max_size=12)
NAME = st.text("abcz09-.+=|/% ", min_size=1, max_size=12)
SECONDS = st.floats(0, 1e6, allow_nan=False) | st.integers(0, 10_000).map(float)
COUNT = st.integers(0, 2**31)
KEYS = st.builds(Key, st.sampled_from(["Secret", "ConfigMap"]), NAME, NAME)
TLS = st.builds(UpstreamTls, st.booleans(), TEXT, TEXT, st.none() | KEYS, st.none() | KEYS, TEXT)
STATUSES = st.lists(st.tuples(st.integers(100, 599), st.integers(100, 599)), max_size=3).map(tuple)
HEALTH = st.builds(HealthCheck, TEXT, SECONDS, SECONDS, COUNT, COUNT, STATUSES, TEXT, COUNT, st.integers(0, 100))
UPSTREAMS = st.builds(
    Upstream,
    st.sampled_from(["", "round-robin", "least-request", "random", "ring-hash", "maglev"]),
    st.none() | SECONDS,
    st.none() | SECONDS,
    st.none() | COUNT,
    st.none() | COUNT,
    st.none() | COUNT,
    st.none() | COUNT,
    st.none() | TLS,
    st.none() | HEALTH,
    COUNT,
    SECONDS,
)
VARIANTS = st.builds(
    Variant,
    st.sampled_from(["", "http", "https", "h2c", "grpc", "grpcs", "tls", "tcp", "udp"]),
    st.none() | st.builds(Key, st.sampled_from(["ServersTransport", "ServersTransportTCP"]), NAME, NAME),
    st.booleans(),
    st.integers(0, 2),
    st.booleans(),
    st.booleans(),
    UPSTREAMS,
    TEXT,
)


def test_every_field_is_tried() -> None:
    """One that is new, and in no variant, would be lost between the reference and its backend."""
    assert (len(Upstream.__struct_fields__), len(UpstreamTls.__struct_fields__)) == (11, 6)
    assert (len(HealthCheck.__struct_fields__), len(Variant.__struct_fields__)) == (9, 8)


@given(VARIANTS)
def test_what_was_written_is_read(variant: Variant) -> None:
    assert decode(encode(variant)) == variant


@given(VARIANTS, VARIANTS)
def test_variants_that_differ_have_different_names(one: Variant, other: Variant) -> None:
    assert (encode(one) == encode(other)) == (one == other)


@given(VARIANTS)
def test_names_can_be_read_and_hold_nothing_that_parts_other_names(variant: Variant) -> None:
    text = encode(variant)
    assert text.isascii()
    assert text.isprintable()
    assert not {"|", " "} & set(text)


@given(VARIANTS, COUNT.filter(bool), NAME)
def test_a_limit_counts_for_one_alone_and_nothing_else_changes(variant: Variant, most: int, whose: str) -> None:
    found = decode(limited(encode(variant), most, whose))
    assert found.owner == whose
    assert found.upstream.max_requests == min(most, variant.upstream.max_requests or most)
    kept = structs.replace(found.upstream, max_requests=variant.upstream.max_requests)
    assert structs.replace(found, owner=variant.owner, upstream=kept) == variant


def test_the_usual_makes_no_cluster_of_its_own() -> None:
    assert encode(Variant(upstream=unusual(USUAL))) == ""
    assert encode(Variant(upstream=unusual(None))) == ""
    assert encode(Variant(upstream=unusual(Upstream(connect_timeout=5.0, idle_timeout=USUAL.idle_timeout)))) == (
        "connect=5s"
    )
