"""The program `gatewright rehearse`, as users start it, interrupt it and look into it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_interface
from pathlib import Path

import pytest

from support import needs
from support.rehearsed_reports import SMALL

from support import worlds  # isort: skip

pytestmark = pytest.mark.real

GATEWRIGHT = (sys.executable, "-P", "-m", "gatewright.cli")
SECONDS = 240.0
SUMMARY = "2 questions: 2 agree, 0 differ · 1 of 1 Expectations hold · "


@pytest.fixture(autouse=True)
def _allowed() -> None:
    worlds.need()


def start(folder: Path, *words: str, **others: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [*GATEWRIGHT, "rehearse", *words], cwd=folder, text=True, start_new_session=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **others},
    )  # fmt: skip


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    process = start(folder, *words)
    out, err = process.communicate(timeout=SECONDS)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def session(process: subprocess.Popen[str]) -> list[int]:
    """Who of a session is left, the dead whom nobody has asked about aside."""
    left = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                if int(fields[3]) == process.pid and fields[0] not in "ZX":
                    left.append(int(entry.name))
    return left


@contextlib.contextmanager
def keeping(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A rehearsal that stands and has told what it found."""
    with (folder / "kept.out").open("w") as out, (folder / "kept.err").open("w") as err:
        process = start(folder, "--keep", *words, stdout=out, stderr=err)
        try:
            until(lambda: "the world stands" in (folder / "kept.err").read_text() or process.poll() is not None)
            assert process.poll() is None, (folder / "kept.err").read_text()
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    until(lambda: not session(process))


# --- what it finds ------------------------------------------------------------------------------


def test_model_and_reality_agree(tmp_path: Path) -> None:
    done = run(tmp_path, str(SMALL))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(SUMMARY)
    stages = [line.partition(":")[0] for line in done.stderr.splitlines()]
    assert stages == list(dict.fromkeys(stages))
    assert {"building", "asking"} <= set(stages)


def test_an_expectation_that_does_not_hold(tmp_path: Path) -> None:
    text = (SMALL / "map.yaml").read_text(encoding="utf-8").replace("backend: web/app}", "backend: web/other}")
    (tmp_path / "map.yaml").write_text(text, encoding="utf-8")
    done = run(tmp_path, "map.yaml", "--report", "found.json")
    assert done.returncode == 1, done.stderr
    assert "reality: expected backend web/other, but delivered to web/app:80" in done.stdout
    document = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert (document["agrees"], document["holds"]) == (True, False)


def test_addresses_of_this_machine_clash_with_nothing(tmp_path: Path) -> None:
    """The world has its own of everything, also of an address that is in use outside."""
    shown = subprocess.run(["ip", "-json", "-4", "addr", "show", "up"], capture_output=True, text=True, check=True)
    own = [one["local"] for device in json.loads(shown.stdout) for one in device["addr_info"] if "local" in one]
    address = next((one for one in own if not one.startswith("127.")), "")
    if not address:
        pytest.skip("this machine has no address beside loopback")
    network = str(ip_interface(f"{address}/24").network)
    written = (
        (SMALL / "map.yaml")
        .read_text(encoding="utf-8")
        .replace("192.168.7.0/24", network)
        .replace("192.168.7.2", address)
    )
    (tmp_path / "map.yaml").write_text(written, encoding="utf-8")

    done = run(tmp_path, str(tmp_path / "map.yaml"))

    assert (done.returncode, "2 agree, 0 differ" in done.stdout) == (0, True), done.stdout + done.stderr
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))  # it is still ours


def test_from_standard_input_and_with_a_page(tmp_path: Path) -> None:
    with (SMALL / "map.yaml").open(encoding="utf-8") as given:
        process = start(tmp_path, "-", "--report", "page.html", "--no-matrix", stdin=given)
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    assert out.splitlines()[-1].startswith("1 question: 1 agree")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_captures_are_the_owner_s_and_have_packets(tmp_path: Path) -> None:
    done = run(tmp_path, str(SMALL), "--capture", "packets", "--capture-all")
    assert done.returncode == 0, done.stderr
    files = {file.name: file for file in (tmp_path / "packets").iterdir()}
    assert set(files) == {"internet.pcap", "network-home-lan.pcap", "node-home-door.pcap"}
    assert {file.stat().st_mode & 0o777 for file in files.values()} == {0o600}
    told = subprocess.run(
        [needs.binary("tcpdump"), "-nr", files["network-home-lan.pcap"], "tcp port 80"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert re.search(r"192\.168\.7\.\d+\.\d+ > 192\.168\.7\.2\.80: Flags \[S\]", told.stdout)


def test_two_at_a_time(tmp_path: Path) -> None:
    both = [start(tmp_path, str(SMALL)) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, err
        assert out.splitlines()[-1].startswith(SUMMARY)


@pytest.mark.skipif(os.geteuid() != 0, reason="whoever runs the tests is not root, so that all of them show it")
@pytest.mark.parametrize("path", [SMALL, needs.REPOSITORY / "examples" / "dual-ingress"], ids=lambda path: path.name)
def test_without_root(path: Path, tmp_path: Path) -> None:
    """An ordinary user of a user namespace, who has no others to become."""
    for name in ("nebula", "wireguard-go", "dnsmasq"):
        needs.binary(name)
    done = subprocess.run(
        ["unshare", "--user", "--map-user=1000", "--map-group=1000", *GATEWRIGHT, "rehearse", str(path),
         "--capture", "packets", "--capture-all"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "packets" / "internet.pcap").stat().st_size > 24


def test_a_folder_s_own_modules_are_not_imported(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    done = run(tmp_path, "--estimate", str(SMALL))
    assert done.returncode == 0, done.stderr
    assert run(tmp_path, "--only", "app-is-there", "-o", "yaml", str(SMALL)).returncode == 0


def test_an_estimate_also_knows_what_there_is_to_break(tmp_path: Path) -> None:
    done = run(tmp_path, "--estimate", "--break", "link:nope", str(SMALL))
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no link nope to break" in done.stderr


def test_whoever_reads_it_may_have_enough(tmp_path: Path) -> None:
    process = start(tmp_path, str(SMALL), stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(SECONDS) == 0
    until(lambda: not session(process))


# --- on a terminal ------------------------------------------------------------------------------


def test_the_live_view_is_on_terminals_only_and_leaves_them_as_they_were(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = start(tmp_path, str(SMALL), stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal is gone once nobody has it open
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, shown.decode() + out
    assert b"building" in shown
    assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h") == 1
    assert "\x1b" not in out


def test_ctrl_c_on_a_terminal_leaves_it_as_it_was(tmp_path: Path) -> None:
    """It comes to all of them, and once more from the outer process."""
    terminal, theirs = pty.openpty()
    process = start(
        tmp_path, "--keep", str(needs.REPOSITORY / "examples" / "hybrid-labs"), stdin=theirs, stdout=theirs,
        stderr=theirs, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    shown, is_asked = b"", False
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 65536):
            shown += piece
            if b"building" in shown and not is_asked:
                os.write(terminal, b"\x03")
                is_asked = True
    os.close(terminal)
    assert process.wait(SECONDS) == 130
    assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h") == 1


# --- how it ends --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "number", "code"),
    [
        ("", signal.SIGINT, 130),
        ("", signal.SIGTERM, 143),
        ("planning", signal.SIGTERM, 143),
        ("building", signal.SIGINT, 130),
    ],
)
def test_interrupted(stage: str, number: signal.Signals, code: int, tmp_path: Path) -> None:
    with (tmp_path / "err").open("w") as err:
        process = start(tmp_path, str(SMALL), stderr=err)
        until(lambda: len(session(process)) > 1 and stage in (tmp_path / "err").read_text())
        process.send_signal(number)
        out, _ = process.communicate(timeout=SECONDS)
    # Before anything is there to be ended, a signal does what signals do: a shell says 128 and its number, too.
    assert process.returncode in ((code,) if stage else (code, -number))
    assert out == ""
    assert "Traceback" not in (tmp_path / "err").read_text()
    until(lambda: not session(process))


@pytest.mark.parametrize("victim", ["outer", "unshare", "inner"])
def test_killed(victim: str, tmp_path: Path) -> None:
    with keeping(tmp_path, str(SMALL)) as process:
        chain = [process.pid]
        for _ in range(2):
            children = Path(f"/proc/{chain[-1]}/task/{chain[-1]}/children").read_text(encoding="ascii").split()
            chain.append(int(children[0]))
        os.kill(chain[["outer", "unshare", "inner"].index(victim)], signal.SIGKILL)
        code = process.wait(SECONDS)
    assert code == (-9 if victim == "outer" else 3)
    if victim != "outer":
        assert "ended from outside" in (tmp_path / "kept.err").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_kept_until_ctrl_c_and_entered(number: signal.Signals, tmp_path: Path) -> None:
    with keeping(tmp_path, str(SMALL)) as process:
        entered = subprocess.run(
            [*GATEWRIGHT, "enter", "--pid", str(process.pid), "home/door", "ip", "-br", "-4", "address"],
            capture_output=True, text=True, check=False, timeout=SECONDS,
        )  # fmt: skip
        process.send_signal(number)
        assert process.wait(SECONDS) == 0
    assert entered.returncode == 0, entered.stderr
    assert "192.168.7.2/24" in entered.stdout
    assert SUMMARY in (tmp_path / "kept.out").read_text()
