import pytest

from gatewright.base.hostnames import Depth
from gatewright.graph.resolve.placement.hosts import candidates, overlap, specialise
from gatewright.kinds.intents.routing import HostKind, HostMatch, Match


def host(value: str, *, negate: bool = False) -> HostMatch:
    return HostMatch(HostKind.EXACT, value, negate)


REGEX = HostMatch(HostKind.REGEX, r"[a-z]\.x\.test")


@pytest.mark.parametrize(
    ("hosts", "pattern", "left"),
    [
        ((), "a.x.test", ()),
        ((host("a.x.test"),), "a.x.test", ()),
        ((host("b.x.test"),), "a.x.test", None),
        ((host("b.x.test", negate=True),), "a.x.test", ()),
        ((REGEX,), "a.x.test", ()),
        ((REGEX,), "aa.x.test", None),
        ((REGEX,), "*", (REGEX,)),
        ((host("*.x.test"),), "*.x.test", ()),
        ((host("a.x.test"),), "*.x.test", None),  # has a VirtualHost of its own
        ((host("a.x.test", negate=True),), "*.x.test", (host("a.x.test", negate=True),)),
        ((host("y.test", negate=True),), "*.x.test", ()),
    ],
)
def test_conditions_are_decided_as_far_as_the_name_allows(
    hosts: tuple[HostMatch, ...], pattern: str, left: tuple[HostMatch, ...] | None
) -> None:
    found = specialise(Match(hosts=hosts), pattern, Depth.ONE)
    assert (found.hosts if found is not None else None) == left


def test_a_match_belongs_to_its_most_specific_name() -> None:
    assert candidates(Match()) == "*"
    assert candidates(Match(hosts=(REGEX,))) == "*"
    assert candidates(Match(hosts=(host("a.test", negate=True),))) == "*"
    assert candidates(Match(hosts=(host("*.x.test"), host("a.x.test")))) == "a.x.test"


def test_overlap_names_what_is_inside() -> None:
    others = ["*", "*.test", "a.test", "*.x.test", "b.other"]
    assert overlap("*.test", others, Depth.MANY) == ("*.x.test", "a.test")
    assert overlap("a.test", others, Depth.MANY) == ()
