"""The resource cache, and how its frames become a response."""

from __future__ import annotations

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from gatewright.engines.envoy.messages import Request, Response, reason
from gatewright.engines.envoy.resources import Change, Resources
from gatewright.engines.envoy.types import SCOPE, SECRET


def test_only_names_that_differ_are_reported() -> None:
    cache = Resources()
    assert cache.apply([Change(SCOPE, "a", b"1"), Change(SCOPE, "b", b"1")]) == {SCOPE: ["a", "b"]}
    assert cache.apply([Change(SCOPE, "a", b"1"), Change(SCOPE, "b", b"2")]) == {SCOPE: ["b"]}
    assert cache.apply([Change(SCOPE, "a"), Change(SCOPE, "never there")]) == {SCOPE: ["a"]}


def test_versions_depend_on_nothing_but_the_bytes() -> None:
    first, second = Resources(), Resources()
    first.apply([Change(SCOPE, "a", b"other"), Change(SCOPE, "a", b"1")])
    second.apply([Change(SCOPE, "a", b"1")])
    assert first.get(SCOPE, "a") == second.get(SCOPE, "a")


def test_a_response_is_what_envoy_would_expect() -> None:
    cache = Resources()
    cache.apply([Change(SCOPE, "a", b"1"), Change(SCOPE, "b", b"2")])
    wire = DeltaDiscoveryResponse.FromString(Response(SCOPE, "7", tuple(cache.all(SCOPE)), ("gone",)).encode())
    assert [(each.name, each.resource.type_url, each.resource.value) for each in wire.resources] == [
        ("a", SCOPE, b"1"),
        ("b", SCOPE, b"2"),
    ]
    assert (wire.type_url, wire.nonce, list(wire.removed_resources)) == (SCOPE, "7", ["gone"])


def test_refusing_falls_back_to_the_last_accepted_version_and_forgiving_offers_again() -> None:
    cache = Resources()
    cache.apply([Change(SCOPE, "a", b"good")])
    good = cache.get(SCOPE, "a")
    assert good is not None
    cache.accept(SCOPE, {"a": good.version})
    cache.apply([Change(SCOPE, "a", b"bad")])
    bad = cache.get(SCOPE, "a")
    assert bad is not None
    assert not cache.refuse(SCOPE, "a", "some older version")
    assert cache.refuse(SCOPE, "a", bad.version)
    assert cache.get(SCOPE, "a") == good
    assert [(held.name, held.version, held.serving) for held in cache.held()] == [("a", bad.version, good.version)]
    assert cache.forgive(SCOPE, "a")
    assert cache.get(SCOPE, "a") == bad


def test_removing_a_held_resource_forgets_it() -> None:
    cache = Resources()
    cache.apply([Change(SCOPE, "a", b"bad")])
    bad = cache.get(SCOPE, "a")
    assert bad is not None
    cache.refuse(SCOPE, "a", bad.version)
    assert cache.is_held(SCOPE, "a")
    assert cache.apply([Change(SCOPE, "a")]) == {SCOPE: ["a"]}
    assert not cache.is_held(SCOPE, "a")


def test_reasons_leave_out_the_dumped_resource() -> None:
    assert reason('goo.gle/debugstr\nname: "a"\n: Proto validation failed (x)') == "Proto validation failed (x)"
    assert reason("Failed to load\n  a key") == "Failed to load a key"
    assert "BEGIN" not in reason("bad -----BEGIN PRIVATE KEY----- abc")


def test_requests_are_decoded() -> None:
    wire = DeltaDiscoveryRequest(
        type_url=SECRET, response_nonce="3", resource_names_subscribe=["a"], resource_names_unsubscribe=["b"]
    )
    wire.initial_resource_versions["a"] = "1"
    assert Request.decode(wire.SerializeToString()) == Request(SECRET, ("a",), ("b",), {"a": "1"}, "3")
    wire.error_detail.message = "no"
    assert Request.decode(wire.SerializeToString()).error == "no"
