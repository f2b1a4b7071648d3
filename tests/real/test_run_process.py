"""`gatewright run` as a program: how it starts and ends, what it leaves, what it writes where, what it refuses."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import needs
from support import session as s
from support.live import program
from support.ports import free_port
from support.session import GATEWAY, Session

pytestmark = pytest.mark.real

ANSWERS_AFTER = "/?delay=2s"
"""Long enough that a request is certain to be in flight when the run is told to end."""


@pytest.fixture
def run() -> Iterator[Session]:
    with s.session() as made:
        made.write("gateway.yaml", s.gateway(s.listener("http", 80), s.https()))
        made.write("web.yaml", s.service("web"))
        made.write("a.yaml", s.route("a"))
        yield made


def test_sigterm_lets_a_request_in_flight_complete_and_leaves_nothing(run: Session) -> None:
    async def scenario() -> None:
        async with s.backends("web") as at:
            run.write("web.yaml", s.service("web", at["web"]))
            live = await s.beside(run.start)
            where = live.socket_of(GATEWAY, 80)
            assert where is not None
            reader, writer = await asyncio.open_connection(*where)
            slow = asyncio.create_task(s.exchange(reader, writer, "a.example.com", ANSWERS_AFTER))
            slow.add_done_callback(lambda _: writer.close())
            await s.until(lambda: is_active(run))
            envoy = run.envoy()
            assert await s.beside(run.stop) == 0
            assert await slow == (200, "web")
            assert not is_running(envoy)

    asyncio.run(scenario())
    assert not run.ready_file.exists()
    assert run.command("status", "--state", str(run.state)).returncode == 2


def is_running(pid: int | None) -> bool:
    return pid is not None and Path(f"/proc/{pid}").exists()


async def is_active(run: Session) -> bool:
    return await s.beside(active, run) > 0


def active(run: Session) -> int:
    """Requests that Envoy is busy with."""
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(str(run.state / "envoy" / "admin.sock"))
        admin.sendall(b"GET /stats?filter=downstream_rq_active HTTP/1.1\r\nHost: envoy\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: admin.recv(65536), b"")).decode()
    lines = [line for line in answer.splitlines() if line.startswith("http.") and "http.admin" not in line]
    return sum(int(line.rpartition(" ")[2]) for line in lines)


def test_a_second_sigterm_ends_at_once(run: Session) -> None:
    async def scenario() -> None:
        async with s.backends("web") as at:
            run.write("web.yaml", s.service("web", at["web"]))
            live = await s.beside(run.start, "--drain", "600")
            where = live.socket_of(GATEWAY, 80)
            assert where is not None
            async with s.websocket(where, "a.example.com"):
                assert run.process is not None
                run.process.terminate()
                await s.until(lambda: is_closed(where))
                assert run.process.poll() is None
                assert await s.beside(run.stop) == 0
            assert run.envoy() is None

    asyncio.run(scenario())


async def is_closed(where: tuple[str, int]) -> bool:
    try:
        _, writer = await asyncio.open_connection(*where)
    except OSError:
        return True
    writer.close()
    return False


def test_two_runs_on_one_state_folder(run: Session) -> None:
    live = run.start("--echo")
    second = run.command("run", str(run.manifests), "--state", str(run.state))
    assert second.returncode == 3
    assert b"in use by another gatewright" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert live.ask(GATEWAY, "http://a.example.com/").status == 200
    run.write("b.yaml", s.route("b"))
    s.wait(lambda: live.ask(GATEWAY, "http://b.example.com/").status == 200)
    assert run.status()[0] == 0


def test_two_runs_beside_each_other_do_not_meet(run: Session) -> None:
    first = run.start("--echo")
    with s.session() as other:
        other.write("all.yaml", s.gateway(s.listener("http", 80)), s.service("web"), s.route("a"))
        second = other.start("--echo")
        here, there = first.socket_of(GATEWAY, 80), second.socket_of(GATEWAY, 80)
        assert here is not None
        assert there is not None
        assert here[0] != there[0]


def test_only_the_chosen_gateway_runs(run: Session) -> None:
    run.write("inner.yaml", s.gateway(s.listener("http", 80), name="inner"), s.route("i", gateway="inner"))
    live = run.start("--echo", "--gateway", "inner")
    assert {item["gateway"] for item in live.ready["listeners"]} == {"infra/inner"}  # type: ignore[attr-defined]
    assert live.ask("infra/inner", "http://i.example.com/").status == 200
    assert live.ready["virtualHosts"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--gateway", "outer"), ("there is no gateway outer", "infra/edge")),
        (("--bind", "site"), ("infra/edge", "no address on this machine", "--bind loopback")),
        (("--metrics", "nowhere"), ("--metrics nowhere", "ADDRESS:PORT")),
    ],
)
def test_what_cannot_be_started_says_why(run: Session, arguments: tuple[str, ...], said: tuple[str, ...]) -> None:
    done = run.command("run", str(run.manifests), "--state", str(run.state), *arguments)
    assert done.returncode == 2
    errors = [line for line in done.stderr.decode().splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert all(word in errors[0] for word in said)
    assert run.envoy() is None


def test_a_path_that_is_missing_and_manifests_without_gateways(run: Session) -> None:
    missing = run.command("run", str(run.manifests / "nowhere"), "--state", str(run.state))
    assert missing.returncode == 2
    assert b"nowhere" in missing.stderr
    (run.manifests / "gateway.yaml").unlink()
    none = run.command("run", str(run.manifests), "--state", str(run.state))
    assert none.returncode == 2
    assert b"no gateways" in none.stderr


def test_a_taken_metrics_port_leaves_no_envoy(run: Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run.command("run", str(run.manifests), "--state", str(run.state), "--metrics", where)
    assert done.returncode == 3
    assert b"metrics cannot be served" in done.stderr
    assert run.envoy() is None


def test_metrics_are_ours_beside_envoys(run: Session) -> None:
    where = f"127.0.0.1:{free_port()}"
    live = run.start("--echo", "--metrics", where)
    assert live.ask(GATEWAY, "http://a.example.com/").status == 200
    run.write("b.yaml", s.route("b"))
    s.wait(lambda: live.ask(GATEWAY, "http://b.example.com/").status == 200)

    def text() -> str:
        with urllib.request.urlopen(f"http://{where}/metrics") as response:
            said: str = response.read().decode()
            return said

    # Envoy serves the change a moment before its answer to us is in.
    s.wait(lambda: "gatewright_live_seconds_count 1.0" in text())
    told = text()
    assert "gatewright_changes_total 1.0" in told
    for name in METRICS:
        assert f"\n{name}" in told, name


METRICS = (
    "gatewright_apply_seconds",
    "gatewright_virtual_hosts",
    "gatewright_problems",
    "gatewright_envoy_streams",
    "gatewright_envoy_pushes_total",
    "gatewright_envoy_acks_total",
    "gatewright_envoy_push_seconds",
    "gatewright_envoy_held_resources",
    "envoy_server_live",
    "envoy_http_downstream_rq_total",
)


def test_what_is_private_is_so_and_the_access_log_is_json_without_secrets(run: Session) -> None:
    live = run.start("--echo")
    told = ("authorization: Bearer c2VjcmV0", "cookie: session=c2VjcmV0")
    url = "https://a.example.com/x?token=c2VjcmV0"
    assert live.ask(GATEWAY, url, headers=told).status == 200
    log = run.state / "access.log"
    s.wait(lambda: log.exists() and log.read_text().endswith("\n"))
    (line,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert (line["host"], line["status"], line["gateway"], line["backend"]) == (
        "a.example.com", 200, GATEWAY, "apps/web:80",
    )  # fmt: skip
    assert "c2VjcmV0" not in log.read_text()
    for path in (run.state, *run.state.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode & 0o077 == 0 or path.name == "ca.crt", f"{path} {mode:o}"
    for path in run.state.rglob("*"):
        if path.is_file() and path.parent.name not in ("ca", "leaves"):
            assert "PRIVATE KEY" not in path.read_text(errors="replace"), path


def test_the_ready_file_says_where_everything_listens(run: Session) -> None:
    run.start("--echo")
    ready = json.loads(run.ready_file.read_bytes())
    assert ready["version"] == 1
    plain, secure = ready["listeners"]
    assert (plain["gateway"], plain["listener"], plain["protocol"]) == (GATEWAY, "http", "HTTP")
    assert plain["described"] == {"addresses": [], "port": 80}
    assert plain["hostnames"] == ["a.example.com"]
    assert secure["tls"] == "terminate"
    assert Path(secure["caFile"]).read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert ready["envoy"] == {"pid": run.envoy(), "connected": True}
    # Written in one step: nothing but the file itself is there.
    assert [path.name for path in run.ready_file.parent.iterdir() if "ready" in path.name] == ["ready.json"]


def test_manifests_from_standard_input(run: Session) -> None:
    manifests = s.gateway(s.listener("http", 80)) + s.service("web") + s.route("piped")
    live = run.start("--echo", stdin=manifests.encode(), paths=("-",))
    assert live.ask(GATEWAY, "http://piped.example.com/").status == 200
    assert run.stop() == 0


def test_sighup_looks_at_everything_again(run: Session) -> None:
    """What a link leads to can change without an event in the folder that is watched."""
    outside = run.manifests.with_name("outside.yaml")
    outside.write_text(s.route("b"))
    (run.manifests / "b.yaml").symlink_to(outside)
    live = run.start("--echo")
    assert live.ask(GATEWAY, "http://b.example.com/").status == 200
    outside.write_text(s.route("b", host="other.example.com"))
    assert run.process is not None
    run.process.send_signal(signal.SIGHUP)
    s.wait(lambda: live.ask(GATEWAY, "http://other.example.com/").status == 200)
    assert run.process.poll() is None


def test_status_tells_what_is_there_and_what_is_not(run: Session) -> None:
    nothing = run.command("status", "--state", str(run.state))
    assert nothing.returncode == 2
    assert b"no gatewright run uses" in nothing.stderr
    run.start("--echo")
    table = run.command("status", "--state", str(run.state)).stdout.decode()
    assert "1 backend (1 answered by the echo backend)" in table
    assert "Envoy is connected" in table
    envoy = run.envoy()
    run.kill()
    orphan = run.command("status", "--state", str(run.state))
    assert orphan.returncode == 2
    assert f"its Envoy (pid {envoy}) goes on" in orphan.stderr.decode()


def test_on_a_terminal_it_shows_what_it_does_and_ends_with_it(run: Session) -> None:
    ours, its = pty.openpty()

    # A session of its own whose terminal it is: closing that is what closing a window does.
    command = [needs.binary("setsid"), "--ctty", *program(), "run", str(run.manifests), "--state", str(run.state)]
    run.process = subprocess.Popen([*command, "--echo"], stdin=its, stdout=its, stderr=its)
    os.close(its)
    shown = b""
    while b"ready" not in shown:
        shown += os.read(ours, 65536)
    for doing in (b"reading ", b"compiling ", b"waiting for Envoy"):
        assert doing in shown
    assert run.envoy() is not None
    os.close(ours)
    assert run.process.wait(s.DEADLINE) == 0
    assert run.envoy() is None


def test_nobody_has_to_read_what_it_says(run: Session) -> None:
    command = [*program(), "run", str(run.manifests), "--state", str(run.state), "--echo"]
    with subprocess.Popen(
        [*command, "--ready-file", str(run.ready_file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as run.process:
        assert run.process.stdout is not None
        run.process.stdout.close()
        s.wait(run.ready_file.exists)
        live = run.live()
        run.write("b.yaml", s.route("b"))
        s.wait(lambda: live.ask(GATEWAY, "http://b.example.com/").status == 200)
        run.write("b.yaml", s.route("b", host="other.example.com"))
        s.wait(lambda: live.ask(GATEWAY, "http://other.example.com/").status == 200)
        assert run.stop() == 0


FAULTY = """
import os
from gatewright.cli import main
from gatewright.pipeline import Model

refresh = Model.refresh

def fail_at_boom(self, changed):
    paths = list(changed)
    if any(path.endswith("boom.yaml") or os.path.exists(path + "/boom.yaml") for path in paths):
        raise RuntimeError("boom")
    return refresh(self, paths)

Model.refresh = fail_at_boom
main()
"""


def test_a_bug_of_ours_ends_the_control_plane_but_not_the_gateways(run: Session) -> None:
    command = [sys.executable, "-c", FAULTY, "run", str(run.manifests), "--state", str(run.state), "--echo-all"]
    with run.errors_file.open("wb") as errors:
        run.process = subprocess.Popen([*command, "--ready-file", str(run.ready_file)], stderr=errors)
    s.wait(run.ready_file.exists)
    envoy, live = run.envoy(), run.live()
    run.write("boom.yaml", s.route("b"))
    assert run.process.wait(s.DEADLINE) == 3
    assert run.lines("RuntimeError: boom")
    assert run.lines("this is a bug in Gatewright")
    assert envoy is not None
    assert run.envoy() == envoy
    # The echo backends were the control plane's own.
    assert live.ask(GATEWAY, "http://a.example.com/").status == 503
    again = run.start("--echo")
    assert run.envoy() == envoy
    assert again.ask(GATEWAY, "http://b.example.com/").status == 200


def test_what_keeps_the_next_run_from_starting_leaves_envoy_alone(run: Session) -> None:
    live = run.start("--echo")
    envoy = run.envoy()
    assert envoy is not None
    run.kill()
    assert run.ready_file.exists()
    done = run.command("run", str(run.manifests), "--state", str(run.state), "--gateway", "outer")
    assert done.returncode == 2
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        arguments = ("--state", str(run.state), "--ready-file", str(run.ready_file), "--metrics", where)
        done = run.command("run", str(run.manifests), *arguments)
    assert done.returncode == 3
    assert not run.ready_file.exists()
    os.kill(envoy, 0)
    again = run.start("--echo")
    assert run.envoy() == envoy
    assert again.socket_of(GATEWAY, 80) == live.socket_of(GATEWAY, 80)
    assert again.ask(GATEWAY, "http://a.example.com/").status == 200
