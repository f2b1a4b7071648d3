"""`gatewright run --echo` and servers that say who may pass: an echo lets everybody, so none stands in for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import session as s
from support.session import GATEWAY, Session

pytestmark = pytest.mark.real


@pytest.fixture
def run() -> Iterator[Session]:
    with s.session() as made:
        made.write("gateway.yaml", s.gateway(s.listener("http", 80)))
        made.write("services.yaml", s.service("web"), s.service("who"), s.service("other"))
        yield made


def asking(service: str) -> str:
    """A Middleware that asks a Service."""
    address = f"http://{service}.apps.svc.cluster.local/verify"
    meta = {"name": "ask", "namespace": "apps"}
    spec = {"forwardAuth": {"address": address}}
    return s.documents({"apiVersion": "traefik.io/v1alpha1", "kind": "Middleware", "metadata": meta, "spec": spec})


def protected(name: str, service: str = "web", host: str = "") -> str:
    reference = {"group": "traefik.io", "kind": "Middleware", "name": "ask"}
    return s.route(name, service, host=host, rule={"filters": [{"type": "ExtensionRef", "extensionRef": reference}]})


@pytest.mark.parametrize("echo", ["--echo", "--echo-all"])
def test_nobody_passes_because_an_echo_was_asked(run: Session, echo: str) -> None:
    run.write("ask.yaml", asking("who"))
    run.write("routes.yaml", protected("a"), protected("w", host="*.w.example.com"), s.route("login", "who"))
    run.write("open.yaml", s.route("open"), s.route("other", "other"))
    live = run.start(echo)

    def status(name: str) -> int:
        return live.ask(GATEWAY, f"http://{name}.example.com/").status

    assert [status(name) for name in ("a", "x.w", "login", "open", "other")] == [500, 500, 200, 200, 200]
    (line,) = run.lines("is asked who may pass")
    assert "apps/who" in line
    assert run.live().ready["standIns"] == 3
    # Another is asked, and then nobody.
    run.write("ask.yaml", asking("other"))
    s.wait(lambda: run.lines("apps/other", "is asked who may pass"))
    assert [status(name) for name in ("a", "x.w", "login", "open", "other")] == [500, 500, 200, 200, 200]
    run.write("routes.yaml", s.route("a"), s.route("login", "who"))
    s.wait(lambda: status("a") == 200)
    s.wait(lambda: not [fault for fault in run.status()[1]["problems"] if fault["id"] == "no-endpoints"])


def test_who_is_there_is_asked(run: Session) -> None:
    run.write("ask.yaml", asking("who"))
    run.write("routes.yaml", protected("a"))
    run.write("services.yaml", s.service("web"), s.service("who", ("127.0.0.1", 9)))
    live = run.start("--echo-all")
    assert live.ask(GATEWAY, "http://a.example.com/").status == 500
    assert run.live().ready["standIns"] == 1
