"""Zones published to BIND (RFC 2136, TSIG) and PowerDNS (API) for real, by the library.

test_dns_publish_commands.py does it by the commands.
"""

import contextlib

import pytest

from gatewright.base.errors import UsageError
from gatewright.base.origin import Origin
from gatewright.engines.publish.content import Action, PublicZone
from gatewright.engines.publish.failures import PublishError
from gatewright.engines.publish.planning import Publication
from gatewright.engines.publish.reviewed import differences
from gatewright.kinds.intents.naming import Record
from support import zonehosts
from support.needs import package
from support.ports import free_port

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

DOMAIN = "example.com"
HERE = Origin("zones.yaml", 0)
PROVIDERS = {"bind": "rfc2136", "powerdns": "powerdns"}


def record(name: str, type_: str, *values: str, ttl: int = 300) -> Record:
    return Record(f"{name}.{DOMAIN}" if name else DOMAIN, type_, values, HERE, ttl)


WANTED = (
    record("", "A", "203.0.113.1"),
    record("", "NS", f"ns.{DOMAIN}"),
    record("www", "A", "203.0.113.1", "203.0.113.2"),
    record("www", "AAAA", "2001:db8::1"),
    record("*", "CNAME", f"www.{DOMAIN}"),
    record("mail", "A", "203.0.113.5"),
    record("", "MX", f"10 mail.{DOMAIN}"),
    record("", "TXT", 'v=spf1 include:"x"; -all', "k" * 300),
    record("_imap._tcp", "SRV", f"0 1 993 mail.{DOMAIN}."),
    record("", "CAA", '0 issue "ca.example.net"'),
)


@pytest.fixture(params=["bind", "powerdns"])
def host(request, tmp_path, monkeypatch):
    for needed in ("octodns", "octodns_bind", "octodns_powerdns"):
        package(needed)
    with contextlib.ExitStack() as stack:
        if request.param == "bind":
            others = 'theirs A 192.0.2.7\ntheirs TXT "keep me"\nother CNAME theirs\n'
            host = stack.enter_context(zonehosts.bind(tmp_path, DOMAIN, others))
            monkeypatch.setenv("TSIG_SECRET", host.secret)
        else:
            rows = (
                (f"theirs.{DOMAIN}", "A", "192.0.2.7"),
                (f"theirs.{DOMAIN}", "TXT", '"keep me"'),
                (f"other.{DOMAIN}", "CNAME", f"theirs.{DOMAIN}"),
            )
            host = stack.enter_context(zonehosts.powerdns(tmp_path, DOMAIN, rows))
            monkeypatch.setenv("POWERDNS_API_KEY", host.secret)
        yield request.param, host


def publication(host, records, adopt=(), owner="gatewright", **settings):
    name, server = host
    written = {**server.settings, **settings}
    return Publication(PublicZone(f"{DOMAIN}/public", DOMAIN, PROVIDERS[name], written, owner, tuple(records)), adopt)


def actions(plan):
    return {(change.action, change.name, change.type) for change in plan.changes if not change.mark}


def test_publishes_once(host):
    found = publication(host, WANTED)
    assert not found.plan.refused
    assert not found.plan.left
    assert found.apply() == len(found.plan.changes) == 2 * (len(WANTED) - 1)
    server = host[1]
    assert server.ask(f"www.{DOMAIN}", "A") == ["203.0.113.1", "203.0.113.2"]
    assert server.ask(f"www.{DOMAIN}", "AAAA") == ["2001:db8::1"]
    assert server.ask(f"anything.{DOMAIN}", "CNAME") == [f"www.{DOMAIN}."]
    assert server.ask(DOMAIN, "MX") == [f"10 mail.{DOMAIN}."]
    assert server.ask(DOMAIN, "TXT") == [f'"{"k" * 255}" "{"k" * 45}"', '"v=spf1 include:\\"x\\"; -all"']
    assert server.ask(f"_imap._tcp.{DOMAIN}", "SRV") == [f"0 1 993 mail.{DOMAIN}."]
    assert server.ask(DOMAIN, "CAA") == ['0 issue "ca.example.net"']
    assert server.ask(f"www.a._owner.{DOMAIN}", "TXT") == ['"gatewright"']
    assert server.ask(f"_wildcard.cname._owner.{DOMAIN}", "TXT") == ['"gatewright"']
    again = publication(host, WANTED)
    assert again.plan.changes == ()
    assert again.apply() == 0


def test_marks_keep_no_wildcard_from_covering(host):
    publication(host, [record("apps", "A", "203.0.113.1"), record("*.apps", "A", "203.0.113.2")]).apply()
    assert host[1].ask(f"a.apps.{DOMAIN}", "A") == ["203.0.113.2"]


@pytest.mark.parametrize("host", ["powerdns"], indirect=True)
def test_an_alias_may_be_anywhere_at_powerdns(host):
    wanted = [record("", "ALIAS", f"ns.{DOMAIN}"), record("below", "ALIAS", f"ns.{DOMAIN}")]
    found = publication(host, wanted)
    assert found.plan.refused == ()
    found.apply()
    assert publication(host, wanted).plan.changes == ()


def test_changes_and_removes_only_what_is_ours(host):
    publication(host, WANTED).apply()
    fewer = [record("www", "A", "203.0.113.9", ttl=60), record("*", "A", "203.0.113.3")]
    plan = publication(host, fewer)
    assert (Action.UPDATE, f"www.{DOMAIN}", "A") in actions(plan.plan)
    assert (Action.DELETE, f"*.{DOMAIN}", "CNAME") in actions(plan.plan)
    assert (Action.CREATE, f"*.{DOMAIN}", "A") in actions(plan.plan)
    plan.apply()
    server = host[1]
    assert server.ask(f"www.{DOMAIN}", "A") == ["203.0.113.9"]
    assert server.ttl(f"www.{DOMAIN}", "A") == 60
    assert server.ask(f"www.{DOMAIN}", "AAAA") == []
    assert server.ask(f"anything.{DOMAIN}", "A") == ["203.0.113.3"]
    assert server.ask(f"theirs.{DOMAIN}", "TXT") == ['"keep me"']
    publication(host, []).apply()
    assert server.ask(f"www.{DOMAIN}", "A") == []
    assert server.ask(f"www.a._owner.{DOMAIN}", "TXT") == []
    assert server.ask(DOMAIN, "NS") == [f"ns.{DOMAIN}."]
    assert server.ask(f"theirs.{DOMAIN}", "A") == ["192.0.2.7"]
    assert server.ask(f"other.{DOMAIN}", "CNAME") == [f"theirs.{DOMAIN}."]


def test_what_others_have_is_left_alone_until_it_is_adopted(host):
    wanted = [
        record("theirs", "A", "203.0.113.1"),
        record("theirs", "AAAA", "2001:db8::1"),
        record("other", "A", "203.0.113.1"),
    ]
    first = publication(host, wanted)
    assert {left.wanted.identity for left in first.plan.left} == {
        (f"theirs.{DOMAIN}", "A"), (f"other.{DOMAIN}", "A"),
    }  # fmt: skip
    assert all(left.differs for left in first.plan.left)
    first.apply()
    server = host[1]
    assert server.ask(f"theirs.{DOMAIN}", "A") == ["192.0.2.7"]
    assert server.ask(f"theirs.{DOMAIN}", "AAAA") == ["2001:db8::1"]
    adopted = publication(host, wanted, {f"theirs.{DOMAIN}", f"other.{DOMAIN}"})
    assert adopted.plan.left == ()
    assert actions(adopted.plan) == {
        (Action.UPDATE, f"theirs.{DOMAIN}", "A"),
        (Action.DELETE, f"other.{DOMAIN}", "CNAME"),
        (Action.CREATE, f"other.{DOMAIN}", "A"),
    }
    adopted.apply()
    assert server.ask(f"theirs.{DOMAIN}", "A") == ["203.0.113.1"]
    assert server.ask(f"theirs.{DOMAIN}", "TXT") == ['"keep me"']
    assert server.ask(f"other.{DOMAIN}", "A") == ["203.0.113.1"]
    assert publication(host, wanted).plan.changes == ()


def test_what_is_already_as_wanted_but_not_ours_gets_no_mark(host):
    plan = publication(host, [record("theirs", "A", "192.0.2.7")]).plan
    assert plan.changes == ()
    assert [left.differs for left in plan.left] == [False]


def test_two_owners_do_not_touch_each_other(host):
    publication(host, [record("one", "A", "203.0.113.1")], owner="one").apply()
    other = publication(host, [record("one", "A", "203.0.113.2"), record("two", "A", "203.0.113.2")], owner="two")
    assert [left.reason for left in other.plan.left] == ['marked as owned by "one"']
    other.apply()
    publication(host, [], owner="two").apply()
    assert host[1].ask(f"one.{DOMAIN}", "A") == ["203.0.113.1"]
    assert host[1].ask(f"two.{DOMAIN}", "A") == []


def test_a_change_in_between_is_seen(host):
    reviewed = publication(host, WANTED).plan
    assert differences([reviewed], [publication(host, WANTED).plan]) == ()
    assert "has changed" in differences([reviewed], [publication(host, WANTED[:-1]).plan])[0]
    publication(host, [record("www", "A", "203.0.113.9")], owner="somebody").apply()
    assert "was changed at" in differences([reviewed], [publication(host, WANTED).plan])[0]


def test_too_many_deletions_are_refused(host):
    many = [record(f"host{number}", "A", "203.0.113.1") for number in range(20)]
    publication(host, many).apply()
    assert not publication(host, many[:15]).plan.unsafe
    assert "Too many deletes" in publication(host, many[:5]).plan.unsafe
    changed = [record(f"host{number}", "A", "203.0.113.2") for number in range(20)]
    assert "Too many updates" in publication(host, changed).plan.unsafe


def test_a_wrong_key_is_one_line(host, monkeypatch):
    variable = "TSIG_SECRET" if host[0] == "bind" else "POWERDNS_API_KEY"
    wrong = zonehosts.tsig_secret()
    monkeypatch.setenv(variable, wrong)
    with pytest.raises(PublishError) as caught:
        publication(host, WANTED)
    assert "\n" not in str(caught.value)
    assert wrong not in str(caught.value)
    assert "accept" in str(caught.value) or "unauthorized" in str(caught.value)
    monkeypatch.delenv(variable)
    with pytest.raises(UsageError, match=f"environment variable {variable} is not set"):
        publication(host, WANTED)


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("key_secret", "env/NOT_BASE64", "key_secret is not base64"),
        ("key_algorithm", "hmac-sha999", "key_algorithm is one of .*hmac-sha256"),
    ],
)
@pytest.mark.parametrize("host", ["bind"], indirect=True)
def test_keys_that_cannot_be_are_told_before_anybody_is_asked(host, monkeypatch, setting, value, words):
    monkeypatch.setenv("NOT_BASE64", "not base64!")
    with pytest.raises(UsageError, match=words) as caught:
        publication(host, WANTED, **{setting: value})
    assert "not base64!" not in str(caught.value)


def test_a_server_that_is_not_there_is_one_line(host):
    with pytest.raises(PublishError, match=r"reached|refused"):
        publication(host, WANTED, port=str(free_port()), timeout="2")


def test_a_zone_that_is_not_there_is_not_created(host):
    name, server = host
    with pytest.raises(PublishError, match=r"no such zone|NOTAUTH|REFUSED"):
        Publication(
            PublicZone("x/public", "not-there.test", PROVIDERS[name], server.settings, "gatewright",
                       (Record("www.not-there.test", "A", ("203.0.113.1",), HERE, 300),))
        )  # fmt: skip
