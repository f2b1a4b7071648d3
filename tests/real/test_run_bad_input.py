"""Mistakes in the files and on the machine: each is told in one clear line, the rest goes on, what was live stays."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import session as s
from support.live import Live
from support.session import GATEWAY, Session

pytestmark = pytest.mark.real

BIG = 100 * 1024 * 1024
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(12)
)


@pytest.fixture
def run() -> Iterator[Session]:
    """Two routes of one gateway, and echo backends."""
    with s.session() as made:
        made.write("gateway.yaml", s.gateway(s.listener("http", 80)))
        made.write("web.yaml", s.service("web"))
        made.write("a.yaml", s.route("a"))
        made.write("b.yaml", s.route("b"))
        yield made


def status_of(live: Live, host: str) -> int:
    return live.ask(GATEWAY, f"http://{host}/").status


MISTAKES = {
    "broken YAML": b"apiVersion: v1\nkind: [\n",
    "wrong type": s.route("a", rule={"matches": 7}).encode(),
    "unknown field": s.route("a").replace('"backendRefs"', '"backendRef"').encode(),
    "not UTF-8": s.route("a").encode().replace(b"example", b"ex\xffmple"),
    "document bomb": BOMB.encode(),
    "100 MB": b"",
}


def test_a_bad_file_over_a_good_one_changes_nothing_and_is_told_in_one_line(run: Session) -> None:
    live = run.start("--echo")
    for name, content in MISTAKES.items():
        said = len(run.errors())
        save(run.manifests / "a.yaml", content)
        s.wait(lambda said=said: "error" in run.errors()[said:])
        code, found = run.status()
        assert code == 1, name
        errors = [fault for fault in found["problems"] if fault["severity"] == "error"]
        assert errors, name
        assert all(fault["file"].endswith("a.yaml") for fault in errors), name
        lines = [line for line in run.errors()[said:].splitlines() if "a.yaml" in line]
        assert len(lines) == 1, (name, lines)
        assert re.match(r".*/a\.yaml(:\d+)?: error: \S", lines[0]), (name, lines)
        assert "stays live" in lines[0], (name, lines)
        assert status_of(live, "a.example.com") == 200, name
        assert status_of(live, "b.example.com") == 200, name
        # Others still go live meanwhile.
        run.write("new.yaml", s.route("new", host=f"{re.sub('[^a-z0-9]', '', name.lower())}.example.com"))
        s.wait(lambda name=name: status_of(live, f"{re.sub('[^a-z0-9]', '', name.lower())}.example.com") == 200)
        run.write("a.yaml", s.route("a"))
        s.wait(lambda: run.status()[0] == 0)
    run.write("a.yaml", s.route("a", host="repaired.example.com"))
    s.wait(lambda: status_of(live, "repaired.example.com") == 200)
    assert status_of(live, "a.example.com") == 404


def save(path: Path, content: bytes) -> None:
    """In one step; a large file is mostly a hole."""
    draft = path.with_name(".draft")
    draft.write_bytes(content)
    if not content:
        with draft.open("r+b") as file:
            file.truncate(BIG)
    draft.replace(path)


def test_a_missing_service_is_told_and_only_its_requests_fail(run: Session) -> None:
    live = run.start("--echo")
    run.write("c.yaml", s.route("c", "other"), s.service("other"))
    s.wait(lambda: status_of(live, "c.example.com") == 200)
    run.write("c.yaml", s.route("c", "other"))
    s.wait(lambda: status_of(live, "c.example.com") == 500)
    s.wait(lambda: run.lines("c.yaml:", "other"))
    assert status_of(live, "a.example.com") == 200


def test_a_service_without_endpoints_answers_503_and_is_told_until_it_has_some(run: Session) -> None:
    live = run.start()
    assert status_of(live, "a.example.com") == 503
    told = run.lines("warning", "Service apps/web has no endpoints", "503", "--echo")
    assert len(told) == 1
    assert re.search(r"web\.yaml:\d+:", told[0])
    run.write("web.yaml", s.service("web", ("127.0.0.1", 9)))
    s.wait(lambda: not [fault for fault in run.status()[1]["problems"] if fault["id"] == "no-endpoints"])


def test_a_folder_that_vanishes_stays_live_until_it_is_back(run: Session) -> None:
    live = run.start("--echo")
    aside = run.manifests.with_name("aside")
    run.manifests.rename(aside)
    s.wait(lambda: run.lines("is gone", "stays live"))
    assert status_of(live, "a.example.com") == 200
    assert run.status()[0] == 1
    (aside / "a.yaml").write_text(s.route("a", host="moved.example.com"))
    (aside / "b.yaml").unlink()
    aside.rename(run.manifests)
    s.wait(lambda: status_of(live, "moved.example.com") == 200)
    s.wait(lambda: status_of(live, "b.example.com") == 404)
    s.wait(lambda: run.status()[0] == 0)
    shutil.rmtree(run.manifests)
    s.wait(lambda: len(run.lines("is gone")) == 2)
    assert status_of(live, "moved.example.com") == 200


def test_what_envoy_would_refuse_is_refused_alone(run: Session) -> None:
    """A regular expression of more steps than Envoy takes, although RE2 has nothing against it.

    (What Envoy refuses all the same is held back: see the tests of the transport.)
    """
    live = run.start("--echo")
    too_much = {"matches": [{"path": {"type": "RegularExpression", "value": "/" + "[a-z]{500}" * 25}}]}
    run.write("a.yaml", s.route("a", rule=too_much))
    run.write("c.yaml", s.route("c", rule=too_much))
    run.write("d.yaml", s.route("d"))
    s.wait(lambda: status_of(live, "d.example.com") == 200)
    for name in ("a", "c"):
        s.wait(lambda name=name: run.lines(f"{name}.yaml:", "at most 9000 are taken", "the rule answers 500"))
        s.wait(lambda name=name: status_of(live, f"{name}.example.com") == 500)
    assert not run.lines("Envoy refuses")
    assert run.status()[0] == 1
    run.write("a.yaml", s.route("a"))
    run.write("c.yaml", s.route("c"))
    s.wait(lambda: status_of(live, "c.example.com") == 200)
    s.wait(lambda: run.status()[0] == 0)


def test_a_taken_port_is_replaced_on_loopback(run: Session) -> None:
    live = run.start("--echo")
    where = live.socket_of(GATEWAY, 80)
    assert where is not None
    assert run.stop() == 0
    with socket.create_server(where):
        live = run.start("--echo")
        other = live.socket_of(GATEWAY, 80)
        assert other is not None
        assert other[1] != where[1]
        assert len(run.lines("port 80", "is taken by another process", str(other[1]))) == 1
        assert status_of(live, "a.example.com") == 200
    # Free again: what is placed stays where it is, whatever changes.
    run.write("gateway.yaml", s.gateway(s.listener("http", 80), s.listener("more", 81)))
    s.wait(lambda: run.live().socket_of(GATEWAY, 81))
    assert run.live().socket_of(GATEWAY, 80) == other
    assert status_of(live, "a.example.com") == 200


def test_on_site_a_taken_port_is_told_and_goes_live_once_it_is_free(run: Session) -> None:
    address = "127.66.0.1"
    with socket.create_server((address, 0)) as taken:
        port = taken.getsockname()[1]
        with socket.create_server((address, 0)) as free:
            other = free.getsockname()[1]
        run.write("gateway.yaml", s.gateway(s.listener("http", port), s.listener("other", other), addresses=(address,)))
        live = run.start("--echo", "--bind", "site")
        assert live.ask(GATEWAY, f"http://a.example.com:{other}/").status == 200
        assert live.socket_of(GATEWAY, port) is None
        assert len(run.lines("gateway.yaml:", f"port {port}", "is taken by another process")) == 1
        assert run.status()[0] == 1
    run.write("b.yaml", s.route("b", host="other.example.com"))
    s.wait(lambda: run.live().socket_of(GATEWAY, port) == (address, port))
    s.wait(lambda: run.live().ask(GATEWAY, f"http://a.example.com:{port}/").status == 200)
    # An edit of the gateway must not mistake our own Envoy for somebody who took its ports.
    run.write("gateway.yaml", s.gateway(s.listener("http", port), addresses=(address,)))
    s.wait(lambda: run.live().socket_of(GATEWAY, other) is None)
    assert run.live().ask(GATEWAY, f"http://a.example.com:{port}/").status == 200
    s.wait(lambda: run.status()[0] == 0)


def test_a_port_that_envoy_cannot_have_is_held_back_and_tried_again(run: Session) -> None:
    """Somebody takes the port while the run is dead and its Envoy gone: nobody is asked before Envoy is."""
    address = "127.66.0.2"
    with socket.create_server((address, 0)) as free:
        port = free.getsockname()[1]
    run.write("gateway.yaml", s.gateway(s.listener("http", port), addresses=(address,)))
    run.start("--echo", "--bind", "site")
    run.write("gateway.yaml", s.gateway(s.listener("http", port + 1), addresses=(address,)))
    s.wait(lambda: run.live().socket_of(GATEWAY, port + 1))
    s.wait(lambda: can_listen(address, port))
    with socket.create_server((address, port)):
        run.write("gateway.yaml", s.gateway(s.listener("http", port), addresses=(address,)))
        s.wait(lambda: run.status()[0] == 1)
        s.wait(lambda: len(run.lines("gateway.yaml:", f"port {port}")) == 1)
    run.write("b.yaml", s.route("b", host="other.example.com"))
    s.wait(lambda: run.status()[0] == 0)
    assert run.live().ask(GATEWAY, f"http://a.example.com:{port}/").status == 200


def can_listen(address: str, port: int) -> bool:
    try:
        with socket.create_server((address, port)):
            return True
    except OSError:
        return False


FILES = 10_000


def test_ten_thousand_files_at_once_are_all_live(run: Session) -> None:
    live = run.start("--echo")
    folder = run.manifests / "many"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number}.yaml").write_text(s.route(f"r{number}"))
    s.wait(lambda: run.status()[1]["virtualHosts"] == FILES + 2, 120)
    for number in range(0, FILES, 997):
        s.wait(lambda number=number: status_of(live, f"r{number}.example.com") == 200)
    assert run.process is not None
    assert resident_mb(run.process.pid) < 500
    said = [line for line in run.errors().splitlines() if not line.startswith("live:")]
    assert len(said) < 10, said


def resident_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) // 1024
