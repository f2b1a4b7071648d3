"""Whatever is published over whatever others have: theirs stay, ours become what is wanted, then nothing is to do."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base.origin import Origin
from gatewright.engines.publish import marks, providers
from gatewright.engines.publish.content import PublicZone, RecordSet
from gatewright.engines.publish.planning import Publication
from gatewright.engines.publish.providers.provider import Alias, Provider
from gatewright.kinds.intents.naming import Record
from support.needs import package

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DOMAIN = "example.com"
HERE = Origin("zones.yaml", 0)
VALUES = {
    "A": ("192.0.2.1", "192.0.2.2"),
    "AAAA": ("2001:db8::1", "2001:db8::2"),
    "CNAME": ("x.example.net.", "y.example.net."),
    "TXT": ('"one"', '"two; \\"quoted\\""'),
    "MX": ("10 mail.example.net.",),
    "ALIAS": ("z.example.net.",),
}
NAMES = ("", "www", "*", "apps", "*.apps", "a.apps")


@dataclasses.dataclass
class Memory:
    """A zone in memory, as octoDNS's clients see one."""

    sets: dict[tuple[str, str], RecordSet]

    def text(self, client, domain, name, value, present):
        raise NotImplementedError

    def open(self, label, values, patient):
        from octodns.provider.base import BaseProvider
        from octodns.record import Rrset
        from octodns.record.base import Record as Made

        sets = self.sets

        class Client(BaseProvider):
            SUPPORTS = frozenset(VALUES)
            SUPPORTS_GEO = SUPPORTS_DYNAMIC = False

            def __init__(self):
                import logging

                self.log = logging.getLogger("memory")
                super().__init__("memory", root_ns_warnings=False)

            def populate(self, zone, target=False, lenient=False):
                for item in sets.values():
                    rrset = Rrset(f"{item.name}.", item.type, item.ttl, list(item.values))
                    zone.add_record(Made.from_rrset(zone, rrset, lenient=True), lenient=True)
                return True

            def _apply(self, plan):
                from gatewright.engines.publish.records import record_set

                for change in plan.changes:
                    if change.existing is not None:
                        del sets[record_set(change.existing).identity]
                for change in plan.changes:
                    if change.new is not None:
                        new = record_set(change.new)
                        assert new.identity not in sets
                        sets[new.identity] = new

        return Client()


def _full(name: str) -> str:
    return f"{name}.{DOMAIN}" if name else DOMAIN


@st.composite
def zones(draw, least: int = 0):
    """Record sets that can be together, by name and type."""
    found = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=least)):
        kinds = draw(st.sampled_from([("A",), ("A", "AAAA", "TXT"), ("CNAME",), ("TXT", "MX"), ("ALIAS", "TXT")]))
        for kind in ("ALIAS",) if (name, kinds) == ("", ("CNAME",)) else kinds:
            values = draw(st.lists(st.sampled_from(VALUES[kind]), min_size=1, unique=True))
            values = values[:1] if kind in ("CNAME", "ALIAS") else values
            item = RecordSet(_full(name), kind, draw(st.sampled_from([60, 300])), tuple(sorted(values)))
            found[item.identity] = item
    return found


def publish(memory: Memory, wanted: dict[tuple[str, str], RecordSet], owner: str = "gatewright", adopt=()):
    provider = Provider("memory", (), memory.open, memory.text, alias=Alias.ANYWHERE)
    records = tuple(Record(item.name, item.type, item.values, HERE, item.ttl) for item in wanted.values())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(providers, "PROVIDERS", (provider,))
        found = Publication(PublicZone(f"{DOMAIN}/public", DOMAIN, "memory", {}, owner, records), adopt)
    assert found.plan.refused == ()
    found.apply()
    return found.plan


@settings(max_examples=60, deadline=None)
@given(theirs=zones(), steps=st.lists(zones(), min_size=1, max_size=3))
def test_theirs_stay_and_ours_become_what_is_wanted(theirs, steps):
    package("octodns")
    memory = Memory(dict(theirs))
    for wanted in steps:
        left = {item.wanted.identity for item in publish(memory, wanted).left}
        for identity, item in theirs.items():
            assert memory.sets[identity] == item
        for identity in wanted.keys() - left:
            assert memory.sets[identity] == wanted[identity]
        assert publish(memory, wanted).changes == ()
    publish(memory, {})
    assert memory.sets == theirs


@settings(max_examples=60, deadline=None)
@given(theirs=zones(least=1), wanted=zones(least=1))
def test_what_is_adopted_is_ours_and_the_rest_stays(theirs, wanted):
    package("octodns")
    memory = Memory(dict(theirs))
    plan = publish(memory, wanted, adopt={_full(name) for name in NAMES})
    assert plan.left == ()
    ours = {identity for identity in memory.sets if marks.mark_of(identity, DOMAIN) in memory.sets}
    assert {identity: memory.sets[identity] for identity in ours} == wanted
    rest = {k: v for k, v in memory.sets.items() if k not in ours and not marks.is_mark(k, DOMAIN)}
    assert all(theirs[identity] == item for identity, item in rest.items())


@settings(max_examples=60, deadline=None)
@given(first=zones(), second=zones())
def test_two_owners_share_a_zone(first, second):
    package("octodns")
    memory = Memory({})
    publish(memory, first, "first")
    before = dict(memory.sets)
    publish(memory, second, "second")
    assert before.items() <= memory.sets.items()
    publish(memory, {}, "second")
    assert memory.sets == before
