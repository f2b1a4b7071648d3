"""TXT records of ACME challenges in zones of BIND and PowerDNS: one value at a time, seen at the servers themselves."""

import contextlib
import threading

import pytest

from gatewright.base.errors import UsageError
from gatewright.engines.publish.challenges import ZoneRecords
from gatewright.engines.publish.failures import PublishError
from support import zonehosts
from support.needs import package
from support.ports import free_port

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

DOMAIN = "example.com"
NAME = f"_acme-challenge.{DOMAIN}"


@pytest.fixture(params=["rfc2136", "powerdns"])
def zone(request, tmp_path, monkeypatch):
    for needed in ("octodns", "octodns_bind", "octodns_powerdns"):
        package(needed)
    with contextlib.ExitStack() as stack:
        if request.param == "rfc2136":
            host = stack.enter_context(zonehosts.bind(tmp_path, DOMAIN, '_acme-challenge TXT "theirs"\n'))
            monkeypatch.setenv("TSIG_SECRET", host.secret)
        else:
            host = stack.enter_context(zonehosts.powerdns(tmp_path, DOMAIN, ((NAME, "TXT", '"theirs"'),)))
            monkeypatch.setenv("POWERDNS_API_KEY", host.secret)
        yield ZoneRecords(request.param, host.settings, DOMAIN, [("127.0.0.1", host.port)]), host


def test_values_come_and_go_one_by_one(zone):
    records, host = zone
    for value in ("one", "two", "two"):
        records.add(NAME, value)
    assert host.ask(NAME, "TXT") == ['"one"', '"theirs"', '"two"']
    records.wait_visible(NAME, "one", 20)
    records.wait_visible(NAME, "two", 20)
    records.remove(NAME, "one")
    records.remove(NAME, "one")
    assert host.ask(NAME, "TXT") == ['"theirs"', '"two"']
    records.remove(NAME, "two")
    assert host.ask(NAME, "TXT") == ['"theirs"']


def test_names_of_their_own_come_and_go(zone):
    records, host = zone
    records.add(f"_acme-challenge.www.{DOMAIN}", "x")
    assert host.ask(f"_acme-challenge.www.{DOMAIN}", "TXT") == ['"x"']
    records.remove(f"_acme-challenge.www.{DOMAIN}", "x")
    assert host.ask(f"_acme-challenge.www.{DOMAIN}", "TXT") == []


def test_threads_do_not_undo_each_other(zone):
    records, host = zone
    threads = [threading.Thread(target=records.add, args=(NAME, f"value-{number}")) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert host.ask(NAME, "TXT") == ['"theirs"', *sorted(f'"value-{number}"' for number in range(6))]


def test_what_is_not_there_is_not_seen(zone):
    records, _ = zone
    with pytest.raises(PublishError, match=r"is not shown by 127\.0\.0\.1 after 0\.5 s"):
        records.wait_visible(NAME, "never", 0.5)


def test_nobody_to_ask_is_no_yes(zone, monkeypatch):
    _, host = zone
    records = ZoneRecords(
        "rfc2136" if "key_name" in host.settings else "powerdns",
        host.settings,
        DOMAIN,
        [("127.0.0.1", free_port())],
    )
    with pytest.raises(PublishError, match="is not shown"):
        records.wait_visible(NAME, "theirs", 0.5)


def test_a_wrong_key_is_one_line(zone, monkeypatch):
    _, host = zone
    wrong = zonehosts.tsig_secret()
    monkeypatch.setenv("TSIG_SECRET", wrong)
    monkeypatch.setenv("POWERDNS_API_KEY", wrong)
    records = ZoneRecords("rfc2136" if "key_name" in host.settings else "powerdns", host.settings, DOMAIN)
    with pytest.raises(PublishError) as caught:
        records.add(NAME, "x")
    assert wrong not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_provider_that_nobody_knows():
    with pytest.raises(UsageError, match="nobody-knows is none that Gatewright writes to"):
        ZoneRecords("nobody-knows", {}, DOMAIN)
