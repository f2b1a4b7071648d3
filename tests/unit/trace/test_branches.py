"""Branches: limits add up to the smallest."""

from __future__ import annotations

from gatewright.trace.branches import Limit, Limits, smaller, tightest
from support.home_and_cloud import World


def test_the_smallest_limit_counts_and_says_whose_it_is() -> None:
    loose, tight, none = Limit(180, "a"), Limit(60, "b"), Limit(0, "c")
    assert smaller(loose, tight) is tight
    assert smaller(tight, loose) is tight
    assert smaller(none, tight) is tight
    assert smaller(tight, none) is tight
    assert smaller(None, loose) is loose
    assert tightest(Limits(loose), Limits(tight, body=loose)) == Limits(tight, loose)


def test_the_limits_of_a_way_are_those_of_its_hops(world: World) -> None:
    (branch,) = world()("phone", "http://app.example.com/", "4")
    assert branch.limits.idle_timeout is not None
    assert (branch.limits.idle_timeout.value, branch.limits.idle_timeout.hop) == (0, "traefik web/edge")
    assert branch.limits.mtu is not None
    assert branch.limits.mtu.value == 1370
