"""Names under a running gateway: who is answered what, as manifests are saved, and what outlives the control plane."""

from __future__ import annotations

import os
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatewright.system.processes import start_time_of
from support import naming as n
from support import session as s
from support.ports import free_port
from support.session import GATEWAY, Session

pytestmark = pytest.mark.real

ADDRESSES = ("192.0.2.10", "2001:db8::10")
AT_HOME, STRANGER = "127.0.0.2", "127.0.0.3"
ANY_PORT = "127.0.0.1:0"
ROUTED = {"gateways": ["infra/edge"]}
ZONES = (
    n.view("home", f"{AT_HOME}/32"),
    n.zone("home", "example.com", "home", **ROUTED),
    n.zone("public", "example.com", provider="Cloudflare", records=[n.record("www", "203.0.113.5")]),
)


@pytest.fixture
def run() -> Iterator[Session]:
    with s.session() as made:
        made.write("gateway.yaml", s.gateway(s.listener("http", 80), addresses=ADDRESSES))
        made.write("web.yaml", s.service("web"))
        made.write("a.yaml", s.route("a"))
        made.write("zones.yaml", *ZONES)
        yield made


def dns(*listen: str) -> list[str]:
    return [word for one in listen for word in ("--dns", one)]


def test_a_saved_name_is_answered_in_its_view_and_nowhere_else(run: Session) -> None:
    live = run.start("--echo", *dns(f"{ANY_PORT}=home", f"{ANY_PORT}=public"))
    home, public = live.dns("home"), live.dns("public")
    (here,) = live.resolve("a.example.com", "home")
    assert here == live.socket_of(GATEWAY, 80)[0]
    assert n.values(public, "a.example.com") == "NXDOMAIN"
    assert n.values(home, "b.example.com") == "NXDOMAIN"
    before, elsewhere = n.serial(home, "example.com"), n.serial(public, "example.com")
    run.write("b.yaml", s.route("b"))
    s.wait(lambda: n.values(home, "b.example.com") == [here])
    assert n.serial(home, "example.com") > before
    assert live.ask(GATEWAY, "http://b.example.com/", view="home").status == 200
    assert n.values(public, "b.example.com") == "NXDOMAIN"
    (run.manifests / "b.yaml").unlink()
    s.wait(lambda: n.values(home, "b.example.com") == "NXDOMAIN")
    assert n.values(home, "a.example.com") == [here]
    assert n.serial(public, "example.com") == elsewhere
    assert n.values(home, "a.example.org") == "REFUSED"


@pytest.mark.parametrize("bind", ["loopback", "site"])
def test_names_alone_need_no_gateway(run: Session, bind: str) -> None:
    for file in run.manifests.iterdir():
        file.unlink()
    run.write("zone.yaml", n.zone("home", "example.com", "home", records=[n.record("nas", "192.0.2.5")]))
    live = run.start("--bind", bind, *dns(f"{ANY_PORT}=home"))
    assert n.values(live.dns("home"), "nas.example.com") == ["192.0.2.5"]
    run.write("web.yaml", s.service("web"), s.route("a"))
    assert n.values(live.dns("home"), "nas.example.com") == ["192.0.2.5"]
    assert run.stop() == 0


def test_a_wildcard_answers_what_has_no_name_of_its_own(run: Session) -> None:
    run.write("wild.yaml", s.route("wild", host="*.apps.example.com"), s.route("own", host="own.apps.example.com"))
    live = run.start("--echo", *dns(f"{ANY_PORT}=home"))
    home = live.dns("home")
    (here,) = live.resolve("a.example.com", "home")
    assert n.values(home, "anything.apps.example.com") == [here]
    assert n.values(home, "own.apps.example.com") == [here]
    assert n.values(home, "deep.own.apps.example.com") == "NXDOMAIN"  # RFC 4592: the closest name has no wildcard
    (run.manifests / "wild.yaml").unlink()
    s.wait(lambda: n.values(home, "anything.apps.example.com") == "NXDOMAIN")


def test_names_of_the_zone_itself_and_the_addresses_of_both_families(run: Session) -> None:
    records = [n.record("@", "192.0.2.10"), n.record("both", *ADDRESSES), n.record("away", "2001:db8:9::1")]
    run.write("zones.yaml", n.zone("public", "example.com", records=records))
    live = run.start(*dns(ANY_PORT))
    where, here = live.dns(""), live.socket_of(GATEWAY, 80)[0]
    # What is described at the gateway's addresses is where the gateway is here; the rest is as it is described.
    assert n.values(where, "example.com") == [here]
    assert n.values(where, "both.example.com") == [here]
    assert n.values(where, "both.example.com", "AAAA") == []
    assert n.values(where, "away.example.com", "AAAA") == ["2001:db8:9::1"]


def test_who_asks_decides_on_the_view(run: Session) -> None:
    live = run.start(*dns("0.0.0.0:0"))
    where = ("127.0.0.1", live.dns("")[1])
    assert n.values(where, "a.example.com", source=AT_HOME) == [live.socket_of(GATEWAY, 80)[0]]
    assert n.values(where, "a.example.com", source=STRANGER) == "NXDOMAIN"
    assert n.values(where, "www.example.com", source=STRANGER) == ["203.0.113.5"]
    assert n.values(where, "www.example.com", source=AT_HOME) == "NXDOMAIN"
    run.write("zones.yaml", n.view("home", f"{STRANGER}/32"), *ZONES[1:])
    # The workers take the change one after the other.
    s.wait(lambda: n.values(where, "a.example.com", source=STRANGER) == [live.socket_of(GATEWAY, 80)[0]])
    s.wait(lambda: n.values(where, "a.example.com", source=AT_HOME) == "NXDOMAIN")


def test_a_zone_that_is_saved_broken_keeps_its_last_good_version(run: Session) -> None:
    run.write("zones.yaml", *ZONES[:2], n.zone("public", "example.com", records=[n.record("www", "203.0.113.5")]))
    live = run.start(*dns(f"{ANY_PORT}=public"))
    where = live.dns("public")
    broken = (
        n.zone("public", "example.com", records=[n.record("www", "203.0.113.5"), {"name": "www2", "values": "no"}]),
        n.zone("public", "", records=[n.record("www", "203.0.113.6")]),
        "apiVersion: gatewright.dev/v1alpha1\nkind: Zone\nmetadata: {name: public\n",
    )
    for number, text in enumerate(broken):
        said = len(run.errors())
        run.write("zones.yaml", text)
        s.wait(lambda said=said: "zones.yaml" in run.errors()[said:])
        run.write(f"after{number}.yaml", s.route(f"after{number}"))
        s.wait(lambda number=number: run.lines("live:", f"after{number}.example.com"))
        lines = [line for line in run.errors()[said:].splitlines() if "zones.yaml" in line]
        assert len(lines) == 1, lines
        assert ": error: " in lines[0]
        assert n.values(where, "www.example.com") == ["203.0.113.5"]
        assert run.status()[0] == 1
    run.write("zones.yaml", n.zone("public", "example.com", records=[n.record("www", "203.0.113.7")]))
    s.wait(lambda: n.values(where, "www.example.com") == ["203.0.113.7"])
    assert run.status()[0] == 0


def test_at_described_addresses_only_our_own_zones_are_served_with_what_is_described(run: Session) -> None:
    here = "127.99.7.1"
    with socket.socket() as probe:
        probe.bind((here, 0))
        port = probe.getsockname()[1]
    run.write("gateway.yaml", s.gateway(s.listener("http", port), addresses=(here,)))
    run.write(
        "zones.yaml", *ZONES[:2],
        n.zone("ours", "example.net", records=[n.record("www", "203.0.113.9", "2001:db8::9")]),
        n.zone("theirs", "example.com", provider="Cloudflare", records=[n.record("www", "203.0.113.5")]),
    )  # fmt: skip
    live = run.start("--echo", "--bind", "site", *dns(f"{ANY_PORT}=home", f"{ANY_PORT}=public"))
    home, public = live.dns("home"), live.dns("public")
    assert n.values(home, "a.example.com") == [here]
    assert live.ask(GATEWAY, f"http://a.example.com:{port}/", view="home").status == 200
    assert n.values(public, "www.example.net") == ["203.0.113.9"]
    assert n.values(public, "www.example.net", "AAAA") == ["2001:db8::9"]
    assert n.values(public, "www.example.com") == "REFUSED"
    # What is left when ours is gone is another's to answer, which is told.
    run.write("zones.yaml", *ZONES)
    s.wait(lambda: n.values(public, "www.example.net") == "REFUSED")
    s.wait(lambda: run.lines("warning", "the view public has no zone that is served here"))


def test_all_addresses_of_both_families_and_one_of_them_by_itself(run: Session) -> None:
    port = free_port()
    run.start(*dns(f"0.0.0.0:{port}", f"[::]:{port}=public", f"127.0.0.1:{port}=home"))
    here = run.live().socket_of(GATEWAY, 80)[0]
    assert [n.values(("127.0.0.1", port), "a.example.com") for _ in range(10)] == [[here]] * 10
    assert n.values(("127.0.0.4", port), "www.example.com", source=STRANGER) == ["203.0.113.5"]
    if Path("/proc/net/if_inet6").exists():
        assert n.values(("::1", port), "www.example.com") == ["203.0.113.5"]


def test_ipv6_clients_are_answered(run: Session) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 on this machine")
    live = run.start(*dns("[::1]:0=home", ANY_PORT))
    where = live.dns("home")
    assert where[0] == "::1"
    assert n.values(where, "a.example.com") == [live.socket_of(GATEWAY, 80)[0]]
    assert n.values(live.dns(""), "www.example.com") == ["203.0.113.5"]


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_an_address_that_is_taken_is_told_in_one_line(run: Session, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        done = run.spawn(*dns(f"127.0.0.1:{port}"))
        assert done.wait(s.DEADLINE) == 3
    said = run.errors()
    assert len(said.splitlines()) == 1, said
    assert "127.0.0.1" in said
    assert str(port) in said
    assert run.answering() == ()
    assert run.envoy() is None


def test_another_run_s_address_is_taken_too(run: Session) -> None:
    """Sockets that may be shared would share queries out between the two."""
    live = run.start(*dns(f"{ANY_PORT}=home"))
    where = live.dns("home")
    with s.session() as other:
        for file in run.manifests.iterdir():
            other.write(file.name, file.read_text())
        done = other.spawn(*dns(f"127.0.0.1:{where[1]}=public"))
        assert done.wait(s.DEADLINE) == 3
        assert str(where[1]) in other.errors()
        assert other.answering() == ()
    for _ in range(20):
        assert n.values(where, "a.example.com") == [live.socket_of(GATEWAY, 80)[0]]


def test_an_address_that_is_given_twice_is_told(run: Session) -> None:
    done = run.spawn(*dns("127.0.0.1:5300=home", "127.0.0.1:5300=public"))
    assert done.wait(s.DEADLINE) == 2
    (line,) = run.errors().splitlines()
    assert "127.0.0.1 port 5300 is given twice" in line


def test_an_address_that_is_not_ours_is_told_in_one_line(run: Session) -> None:
    done = run.spawn(*dns("203.0.113.77:0"))
    assert done.wait(s.DEADLINE) == 3
    (line,) = run.errors().splitlines()
    assert "203.0.113.77" in line
    assert run.answering() == ()
    assert run.envoy() is None


def test_a_view_that_nobody_has_is_told_with_those_that_there_are(run: Session) -> None:
    done = run.spawn(*dns(f"{ANY_PORT}=hoem"))
    assert done.wait(s.DEADLINE) == 2
    (line,) = run.errors().splitlines()
    assert "hoem" in line
    assert "home" in line
    assert "public" in line
    assert run.answering() == ()


def test_a_view_that_is_removed_while_it_is_served_is_told_of(run: Session) -> None:
    live = run.start(*dns(f"{ANY_PORT}=home"))
    where = live.dns("home")
    run.write("zones.yaml", ZONES[2])
    s.wait(lambda: n.values(where, "a.example.com") == "REFUSED")
    s.wait(lambda: run.lines("error", "home", "--dns"))
    assert run.status()[0] == 1
    run.write("zones.yaml", *ZONES)
    s.wait(lambda: n.values(where, "a.example.com") == [live.socket_of(GATEWAY, 80)[0]])
    s.wait(lambda: run.status()[0] == 0)


def test_names_outlive_a_killed_control_plane_and_a_new_one_takes_over(run: Session) -> None:
    live = run.start("--echo", *dns(f"{ANY_PORT}=home"))
    where = live.dns("home")
    (here,) = live.resolve("a.example.com", "home")
    again = dns(f"127.0.0.1:{where[1]}=home")
    before = run.answering()
    with n.Asking(where, "a.example.com", [here]) as client:
        run.write("b.yaml", s.route("b"))
        s.wait(lambda: n.values(where, "b.example.com") == [here])
        told = n.serial(where, "example.com")
        run.kill()
        client.more(50)
        assert n.serial(where, "example.com") == told
        (run.manifests / "b.yaml").unlink()
        run.write("c.yaml", s.route("c"))
        run.start("--echo", *again)
        s.wait(lambda: not set(run.answering()) & set(before))
        client.more(50)
        assert n.values(where, "c.example.com") == [here]
        assert n.values(where, "b.example.com") == "NXDOMAIN"
        assert n.serial(where, "example.com") > told
    assert client.failures == []
    workers = run.answering()
    assert workers
    assert run.stop() == 0
    assert [pid for pid in (*before, *workers) if start_time_of(pid) is not None] == []
    assert n.is_silent(where)


def test_a_restart_that_cannot_start_leaves_what_answers(run: Session) -> None:
    live = run.start("--echo", *dns(f"{ANY_PORT}=home"))
    where, here = live.dns("home"), live.resolve("a.example.com", "home")
    run.kill()
    with n.Asking(where, "a.example.com", here) as client:
        failed = run.spawn("--gateway", "nobody", *dns(f"127.0.0.1:{where[1]}=home"))
        assert failed.wait(s.DEADLINE) == 2
        client.more(20)
        failed = run.spawn(*dns(f"127.0.0.1:{where[1]}=nobody"))
        assert failed.wait(s.DEADLINE) == 2
        client.more(20)
    assert client.failures == []


def test_a_worker_that_dies_is_replaced(run: Session) -> None:
    live = run.start(*dns(f"{ANY_PORT}=home"), "--dns-workers", "1")
    where, here = live.dns("home"), live.resolve("a.example.com", "home")
    (pid,) = run.answering()
    os.kill(pid, signal.SIGKILL)
    s.wait(lambda: run.answering() not in ((), (pid,)))
    s.wait(lambda: not n.is_silent(where))
    assert n.values(where, "a.example.com") == here


def test_names_follow_a_gateway_that_comes_later(run: Session) -> None:
    live = run.start("--echo", *dns(f"{ANY_PORT}=home"))
    where = live.dns("home")
    run.write("other.yaml", s.gateway(s.listener("http", 80), name="other", addresses=("192.0.2.20",)))
    run.write("o.yaml", s.route("o", gateway="other"))
    run.write("zones.yaml", ZONES[0], n.zone("home", "example.com", "home", gateways=True), ZONES[2])
    s.wait(lambda: isinstance(n.values(where, "o.example.com"), list))
    s.wait(lambda: run.live().socket_of("infra/other", 80) is not None)
    assert n.values(where, "o.example.com") == [run.live().socket_of("infra/other", 80)[0]]
    assert n.values(where, "a.example.com") == [live.socket_of(GATEWAY, 80)[0]]


def test_metrics_and_status_tell_of_names(run: Session) -> None:
    port = free_port()
    live = run.start(*dns(f"{ANY_PORT}=home"), "--metrics", f"127.0.0.1:{port}")
    where = live.dns("home")
    for _ in range(10):
        n.values(where, "a.example.com")
    n.values(where, "nobody.example.com")

    def metric(line: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            found = [one for one in answer.read().decode().splitlines() if one.startswith(line)]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    s.wait(lambda: metric('gatewright_dns_queries_total{rcode="NOERROR",view="home"}') == 10)
    s.wait(lambda: metric('gatewright_dns_queries_total{rcode="NXDOMAIN",view="home"}') == 1)
    serial = n.serial(where, "example.com")
    assert metric('gatewright_dns_zone_serial{view="home",zone="example.com"}') == serial
    assert metric('gatewright_dns_zone_names{view="home",zone="example.com"}') == 2
    (home, _) = run.status()[1]["dns"]
    assert home["view"] == "home"
    assert home["listening"] == [{"address": where[0], "port": where[1]}]
    assert home["zones"] == [{"name": "example.com", "serial": serial, "names": 2, "secondaries": []}]
