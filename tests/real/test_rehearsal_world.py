"""Worlds in namespaces: built as planned, apart from the machine, and gone with whoever made them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support import worlds

from gatewright.base.errors import EngineError
from gatewright.rehearsal import builder, isolation, readiness, spaces
from gatewright.rehearsal.daemons import Daemons
from gatewright.rehearsal.plan.links import wireguard
from gatewright.rehearsal.world import INTERNET, Chain, Daemon, Draft, Role, default_routes, node, site, vantage

pytestmark = pytest.mark.real


def _two_sites() -> Draft:
    """A site behind address translation, one open, and somebody on the internet."""
    draft = Draft()
    for number, name in enumerate(("home", "cloud")):
        draft.network(f"{name}/lan")
        router = draft.space(site(name), Role.ROUTER)
        router.routes()
        lan = draft.join(f"{name}/lan", router, ["fe80::1/64"])
        router.ip("addr add 192.0.0.8/32 dev lo", f"route add 10.{number}.0.0/24 dev {lan}")
        up, _ = draft.uplink(router, draft.spaces[INTERNET], [f"203.0.113.{number + 1}"])
        default_routes(router, up)
        router.rule(Chain.POSTROUTING, f'oifname "{up}" masquerade')
        machine = draft.space(node(f"{name}/one"), Role.MACHINE)
        default_routes(machine, draft.join(f"{name}/lan", machine, [f"10.{number}.0.2/24"]))
    far = draft.space(vantage("far"), Role.VANTAGE)
    up, _ = draft.uplink(far, draft.spaces[INTERNET], ["198.18.0.1", "2001:2::1"])
    default_routes(far, up)
    return draft


def reaches() -> list[str]:
    """From a machine at home to somebody on the internet: the address that it comes from; and to another's LAN."""
    asyncio.run(builder.build(_two_sites().world(), lambda _: None))
    listener = spaces.listener(vantage("far"), "198.18.0.1", 80)
    client = spaces.make_socket(node("home/one"), socket.AF_INET, socket.SOCK_STREAM)
    client.settimeout(20)
    client.connect(("198.18.0.1", 80))
    listener.settimeout(20)
    source = listener.accept()[1][0]
    stranger = spaces.make_socket(vantage("far"), socket.AF_INET, socket.SOCK_STREAM)
    stranger.settimeout(20)
    try:
        stranger.connect(("10.0.0.2", 80))
    except OSError as error:
        return [source, type(error).__name__]
    return [source, "connected"]


def test_packets_go_where_the_world_leads_them() -> None:
    assert worlds.run(reaches) == ["203.0.113.1", "OSError"]


def refused() -> str:
    """What is said of a line that the kernel refuses."""
    draft = Draft()
    draft.space(node("a/b"), Role.MACHINE).ip("addr add 10.0.0.1/24 dev nothing")
    try:
        asyncio.run(builder.build(draft.world(), lambda _: None))
    except EngineError as error:
        return str(error)
    return ""


def test_a_line_that_the_kernel_refuses_is_named() -> None:
    said = worlds.run(refused)

    assert "node:a/b" in said
    assert "addr add 10.0.0.1/24 dev nothing" in said


def many() -> int:
    """Two hundred namespaces on a segment."""
    draft = Draft()
    draft.network("a/lan")
    for number in range(200):
        machine = draft.space(node(f"a/n{number}"), Role.MACHINE)
        default_routes(machine, draft.join("a/lan", machine, [f"10.9.0.{number + 1}/24"]))
    asyncio.run(builder.build(draft.world(), lambda _: None))
    return len(list(Path("/run/netns").iterdir()))


def test_hundreds_of_namespaces_stand() -> None:
    assert worlds.run(many) == 202


def held() -> list[bool]:
    """Whether there is a device that the kernel makes: while its daemon runs, after it has been stopped, and again; and
    whether the kernel makes devices of a type that there is, and of one that there is not."""
    draft = Draft()
    draft.space(node("a/b"), Role.MACHINE)
    asyncio.run(builder.build(draft.world(), lambda _: None))
    daemon = wireguard.by_kernel(Daemon("link:x@a", node("a/b"), ()), "held", "bridge")
    return asyncio.run(_held(Daemons([daemon], Path("/run/held"))))


async def _held(running: Daemons) -> list[bool]:
    found = []
    for change in (running.start, running.stop, running.start):
        await change("link:x@a")
        with spaces.inside(node("a/b")):
            found.append("held" in {name for _, name in socket.if_nameindex()})
    return [*found, builder.kernel_makes("bridge"), builder.kernel_makes("nonsense")]


def test_devices_of_the_kernel_are_there_as_long_as_their_daemon_runs() -> None:
    """As those of its own WireGuard are, where it has that."""
    assert worlds.run(held) == [True, False, True, True, False]


LATE = """
import socket, sys, time
late = socket.socket(socket.AF_UNIX)
late.bind(sys.argv[1])
time.sleep(0.5)
late.listen()
time.sleep(60)
"""
"""A program that binds its socket some time before it listens there."""


def asked_early() -> str:
    """What is said to somebody who asks such a program as soon as it is ready."""
    draft = Draft()
    draft.space(node("a/b"), Role.MACHINE)
    asyncio.run(builder.build(draft.world(), lambda _: None))
    path = "/run/late.sock"
    asks = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    daemon = Daemon(
        "late", node("a/b"), (sys.executable, "-c", LATE, path),
        ready=(f"unix:{path}",), then=((sys.executable, "-c", asks, path),),
    )  # fmt: skip
    try:
        asyncio.run(Daemons([daemon], Path("/run/held")).start("late"))
    except EngineError as error:
        return str(error)
    return "answered"


def test_a_socket_is_ready_only_when_it_listens() -> None:
    """`wg` removes the socket of a wireguard-go that has bound it and does not listen yet."""
    assert worlds.run(asked_early) == "answered"


def told() -> dict[str, bool]:
    """Which conditions hold in a space where something is bound, listens and leads somewhere."""
    draft = Draft()
    draft.space(node("a/b"), Role.MACHINE)
    asyncio.run(builder.build(draft.world(), lambda _: None))
    space = node("a/b")
    # Addresses of others can be bound in a world, so that it needs none of its own.
    wire = ["link add wire type veth peer name end", "link set end up", "addr add 198.51.100.1/25 dev wire"]
    asyncio.run(builder.batch(space, wire))
    found = {}

    def look(when: str, *conditions: str) -> None:
        found.update({f"{when} {one}": readiness.holds(one, space, "starting\nserves\n") for one in conditions})

    datagrams = [spaces.listener(space, address, 53, socket.SOCK_DGRAM) for address in ("192.0.2.1", "2001:db8::1")]
    look("one", "udp:192.0.2.1:53", "udp:2001:db8::1:53", "udp:192.0.2.1:54", "udp:192.0.2.2:53", "udp:2001:db8::2:53")
    with contextlib.closing(spaces.make_socket(space, socket.AF_INET, socket.SOCK_STREAM)) as bound:
        bound.bind(("192.0.2.1", 80))
        look("bound", "tcp:192.0.2.1:80")
        bound.listen()
        look("listening", "tcp:192.0.2.1:80", "tcp:192.0.2.2:80")
    everywhere = spaces.listener(space, "::", 80)
    look("everywhere", "tcp:2001:db8::2:80")
    look("down", "device:wire", "device:other", "route:wire:198.51.100.0/25")
    asyncio.run(builder.batch(space, ["link set wire up"]))
    look("up", "route:wire:198.51.100.0/25", "route:wire:198.51.100.0/24", "route:lo:198.51.100.0/25")
    look("said", "says:^serves$", "says:^serve$")
    for one in (*datagrams, everywhere):
        one.close()
    return found


def test_what_is_ready_is_so_there_and_nowhere_else() -> None:
    found = worlds.run(told)
    true = {words for words, holds in found.items() if holds}
    assert true == {
        "one udp:192.0.2.1:53", "one udp:2001:db8::1:53", "listening tcp:192.0.2.1:80", "everywhere tcp:2001:db8::2:80",
        "down device:wire", "up route:wire:198.51.100.0/25", "said says:^serves$",
    }  # fmt: skip
    assert len(found) == 17


def heard() -> list[int]:
    """How often a program had said that it serves when it was taken to, in each of its lives."""
    draft = Draft()
    draft.space(node("a/b"), Role.MACHINE)
    asyncio.run(builder.build(draft.world(), lambda _: None))
    command = ("sh", "-c", "sleep 0.2; echo serves; exec sleep 60")
    running = Daemons([Daemon("slow", node("a/b"), command, (readiness.OURS,))], Path("/run/held"))
    found = []
    for _ in range(2):
        asyncio.run(running.start("slow"))
        (log,) = Path("/run/held/logs").iterdir()
        found.append(log.read_text().count("serves"))
        asyncio.run(running.stop("slow"))
    return found


def test_what_was_said_in_an_earlier_life_counts_for_nothing() -> None:
    assert worlds.run(heard) == [1, 2]


def waits() -> None:
    """Stand until somebody ends it."""
    asyncio.run(builder.build(_two_sites().world(), lambda _: None))
    subprocess.Popen(["sleep", "300"])
    print("standing", flush=True)
    time.sleep(300)


def _holders(mark: str) -> list[int]:
    """The processes that belong to a rehearsal."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"{isolation.MARK}={mark}".encode() in environment.split(b"\0"):
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("who", ["outer", "inner"])
def test_nothing_is_left_after_a_kill(who: str) -> None:
    worlds.need()
    before = _namespaces()
    devices = {name for _, name in socket.if_nameindex()}
    mark = f"9{os.getpid()}{who == 'outer':d}"
    command = isolation.command_line([sys.executable, "-m", "tests.support.worlds", __name__, "waits", "[]"])
    environment = isolation.environment() | {isolation.MARK: mark, "PYTHONPATH": str(worlds.ROOT)}
    with subprocess.Popen(command, cwd=worlds.ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "standing"
        holders = _holders(mark)
        assert len(holders) >= 3  # unshare, process 1, and what that started
        inner = next(pid for pid in holders if pid != process.pid and b"waits" in _command(pid))
        os.kill(process.pid if who == "outer" else inner, signal.SIGKILL)
        process.wait(60)

    deadline = time.monotonic() + 60
    while _holders(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert _holders(mark) == []
    assert _namespaces() == before
    assert {name for _, name in socket.if_nameindex()} == devices


def _namespaces() -> set[str]:
    """Those of this machine that have names."""
    folder = Path("/run/netns")
    return {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
