"""Owner marks: what may be touched, for every mix of ours, theirs and wanted."""

from hypothesis import given
from hypothesis import strategies as st

from gatewright.engines.publish import marks
from gatewright.engines.publish.content import RecordSet

DOMAIN = "example.com"
OURS = "gatewright"


def record_set(name: str, type_: str = "A", value: str = "192.0.2.1") -> RecordSet:
    return RecordSet(f"{name}.{DOMAIN}" if name else DOMAIN, type_, 300, (value,))


def mark(identity, owner=OURS):
    name, type_ = marks.mark_of(identity, DOMAIN)
    return RecordSet(name, type_, 300, (marks.mark_value(owner),))


def by_identity(*sets):
    return {item.identity: item for item in sets}


def test_names_of_marks():
    assert marks.mark_of((f"www.{DOMAIN}", "AAAA"), DOMAIN) == (f"www.aaaa._owner.{DOMAIN}", "TXT")
    assert marks.mark_of((DOMAIN, "MX"), DOMAIN) == (f"mx._owner.{DOMAIN}", "TXT")
    assert marks.mark_of((f"*.{DOMAIN}", "A"), DOMAIN) == (f"_wildcard.a._owner.{DOMAIN}", "TXT")
    assert marks.mark_of((f"*.apps.{DOMAIN}", "A"), DOMAIN) == (f"_wildcard.apps.a._owner.{DOMAIN}", "TXT")


labels = st.lists(st.sampled_from(["a", "txt", "www", "_x", "example", "com"]), max_size=3)
names = st.builds(lambda star, parts: ".".join([*(["*"] if star else []), *parts, DOMAIN]), st.booleans(), labels)
types = st.sampled_from(["A", "AAAA", "CNAME", "TXT", "MX", "ALIAS", "NS"])


@given(names, types)
def test_a_mark_says_what_it_is_of(name, type_):
    found = marks.mark_of((name, type_), DOMAIN)
    assert marks.is_mark(found, DOMAIN)
    assert marks.marked(found, DOMAIN) == (name, type_)
    assert not marks.is_mark((name, type_), DOMAIN)


identities = st.tuples(names, types)


@given(
    st.sets(identities, max_size=6),
    st.dictionaries(identities, st.sampled_from(["ours", "theirs", "none"]), max_size=6),
)
def test_without_adoption_nothing_of_others_is_compared(wanted, present):
    existing = [RecordSet(*identity, 300, ("x",)) for identity in present]
    existing += [
        mark(identity, OURS if owner == "ours" else "them") for identity, owner in present.items() if owner != "none"
    ]
    wanted_sets = by_identity(*(RecordSet(*identity, 300, ("y",)) for identity in wanted))
    decision = marks.decide(wanted_sets, by_identity(*existing), DOMAIN, OURS)
    allowed = {identity for identity, owner in present.items() if owner == "ours"}
    assert decision.ours <= allowed | {marks.mark_of(identity, DOMAIN) for identity in allowed}
    left = {item.wanted.identity for item in decision.left}
    assert decision.marks == {marks.mark_of(identity, DOMAIN) for identity in wanted - left}
    assert all(present.get(identity) == "ours" or identity not in present for identity in wanted - left)


def test_a_cname_waits_for_what_others_have_beside_it_and_our_old_answer_stays():
    ours = record_set("www")
    existing = by_identity(ours, mark(ours.identity), record_set("www", "TXT", '"theirs"'))
    wanted = by_identity(record_set("www", "CNAME", "x.example.net."))
    decision = marks.decide(wanted, existing, DOMAIN, OURS)
    assert [left.wanted.type for left in decision.left] == ["CNAME"]
    assert decision.ours == set()
    adopted = marks.decide(wanted, existing, DOMAIN, OURS, {f"www.{DOMAIN}"})
    assert adopted.left == ()
    assert {(f"www.{DOMAIN}", "A"), (f"www.{DOMAIN}", "TXT")} <= adopted.ours


def test_what_others_have_beside_addresses_is_in_nobodys_way():
    existing = by_identity(record_set("www", "TXT", '"theirs"'), record_set("www", "AAAA", "2001:db8::1"))
    assert marks.decide(by_identity(record_set("www")), existing, DOMAIN, OURS).left == ()


def test_a_providers_own_kind_of_record_stands_for_addresses():
    existing = by_identity(record_set("www", "Route53Provider/ALIAS", "x"))
    (left,) = marks.decide(by_identity(record_set("www")), existing, DOMAIN, OURS).left
    assert left.found == tuple(existing.values())


def test_the_mark_of_somebody_else_is_enough():
    identity = (f"www.{DOMAIN}", "A")
    (left,) = marks.decide(by_identity(record_set("www")), by_identity(mark(identity, "them")), DOMAIN, OURS).left
    assert left.reason == 'marked as owned by "them"'


def test_a_mark_whose_record_is_gone_is_removed_with_it():
    identity = (f"www.{DOMAIN}", "A")
    assert marks.decide({}, by_identity(mark(identity)), DOMAIN, OURS).ours == {marks.mark_of(identity, DOMAIN)}
