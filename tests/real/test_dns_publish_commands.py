"""`gatewright dns plan` and `apply` with a real BIND: review, apply, and every reason not to."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from support import fakeproviders, zonehosts
from support.needs import package

pytestmark = pytest.mark.real

DOMAIN = "example.com"
PROGRAM = (sys.executable, "-c", "from gatewright.cli import main; main()")
TIMEOUT_SECONDS = 120
ZONE = """\
apiVersion: gatewright.dev/v1alpha1
kind: Zone
metadata: {{name: public}}
spec:
  domain: example.com
  provider: rfc2136
  settings: {{host: 127.0.0.1, port: {port}, key_name: publish.test, key_secret: env/TSIG_SECRET}}
  gateways: true
  records:
{records}"""
GATEWAY = """\
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra}
spec:
  gatewayClassName: gatewright
  addresses: [{value: 203.0.113.80}, {value: "2001:db8::80"}]
  listeners: [{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: app, namespace: web}
spec:
  parentRefs: [{name: edge, namespace: infra}]
  hostnames: [app.example.com]
  rules: [{backendRefs: [{name: app, port: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: web}
spec: {selector: {app: app}, ports: [{port: 80}]}
"""


class Project:
    """A folder with a Zone and a route, and the command line in it."""

    def __init__(self, folder: Path, host: zonehosts.Host) -> None:
        self.folder = folder
        self.host = host
        self.environment = {**os.environ, "TSIG_SECRET": host.secret, "NO_COLOR": "1", "COLUMNS": "110"}

    def write(self, *records: str) -> None:
        lines = "".join(f"  - {{{record}}}\n" for record in records) or "    []\n"
        self.folder.joinpath("all.yaml").write_text(ZONE.format(port=self.host.port, records=lines) + GATEWAY)

    def __call__(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*PROGRAM, "dns", *words], cwd=self.folder, env=self.environment, text=True,
            capture_output=True, timeout=TIMEOUT_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert self.host.secret not in done.stdout + done.stderr
        return done

    def answer(self, reply: bytes, *words: str) -> tuple[int, str]:
        """The same at a terminal at which somebody types."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*PROGRAM, "dns", *words], cwd=self.folder, env=self.environment, stdin=theirs,
            stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        os.write(ours, reply)
        said = b""
        try:
            while piece := os.read(ours, 4096):
                said += piece
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        return process.wait(TIMEOUT_SECONDS), said.decode(errors="replace")


@pytest.fixture
def project(tmp_path):
    for needed in ("octodns", "octodns_bind"):
        package(needed)
    server = tmp_path / "server"
    folder = tmp_path / "project"
    server.mkdir()
    folder.mkdir()
    with zonehosts.bind(server, DOMAIN, "theirs A 192.0.2.7\n") as host:
        project = Project(folder, host)
        project.write("name: www, values: [203.0.113.1]", "name: old, values: [203.0.113.2]")
        yield project


def test_from_the_plan_to_the_answer_and_back(project):
    told = project("plan", ".", "--save", "plan.json", code=4).stdout
    assert "+ www.example.com A  300  203.0.113.1" in told
    assert "+ app.example.com A  300  203.0.113.80" in told
    assert "4 to create, 4 owner marks beside them" in told
    assert project.host.ask(f"www.{DOMAIN}", "A") == []
    assert "done, 8 changes" in project("apply", "--plan", "plan.json", ".").stdout
    assert project.host.ask(f"www.{DOMAIN}", "A") == ["203.0.113.1"]
    assert project.host.ask(f"app.{DOMAIN}", "AAAA") == ["2001:db8::80"]
    assert "nothing to do" in project("plan", ".").stdout
    project.write("name: www, values: [203.0.113.9], ttl: 60", "name: theirs, values: [203.0.113.9]")
    told = project("plan", ".", "--save", "plan.json", code=4).stdout
    assert "~ www.example.com A  300 → 60  203.0.113.1 → 203.0.113.9" in told
    assert "- old.example.com A  300  203.0.113.2" in told
    assert "! theirs.example.com A is left alone, there is A 192.0.2.7" in told
    project("apply", "--plan", "plan.json", ".")
    assert project.host.ask(f"old.{DOMAIN}", "A") == []
    assert project.host.ask(f"theirs.{DOMAIN}", "A") == ["192.0.2.7"]
    project("plan", ".", "--adopt", f"theirs.{DOMAIN}", "--save", "plan.json", code=4)
    project("apply", "--plan", "plan.json", ".")
    assert project.host.ask(f"theirs.{DOMAIN}", "A") == ["203.0.113.9"]


def test_apply_refuses_what_was_not_reviewed(project):
    project("plan", ".", "--save", "plan.json", code=4)
    zonehosts.change(project.host, ("add", "www", 300, "A", "192.0.2.99"))
    refused = project("apply", "--plan", "plan.json", ".", code=1).stderr
    assert refused.count("\n") == 1
    assert "was changed at rfc2136 since the plan was made; nothing was done" in refused
    zonehosts.change(project.host, ("delete", "www"))
    project.write("name: www, values: [203.0.113.66]")
    assert "what is wanted of example.com has changed" in project("apply", "--plan", "plan.json", ".", code=1).stderr
    assert project.host.ask(f"www.{DOMAIN}", "A") == []
    project.write("name: www, values: [203.0.113.1]", "name: old, values: [203.0.113.2]")
    project("apply", "--plan", "plan.json", ".")
    assert project.host.ask(f"www.{DOMAIN}", "A") == ["203.0.113.1"]


def test_for_programs(project):
    told = json.loads(project("plan", ".", "-o", "json", code=4).stdout)
    (zone,) = told["zones"]
    assert (told["version"], told["failures"], zone["id"], zone["provider"]) == (1, [], "example.com/public", "rfc2136")
    (change,) = [item for item in zone["changes"] if item["name"] == f"www.{DOMAIN}"]
    assert (change["action"], change["old"], change["mark"]) == ("create", None, False)
    assert change["new"] == {
        "name": f"www.{DOMAIN}", "type": "A", "ttl": 300, "values": ["203.0.113.1"], "proxied": False,
    }  # fmt: skip


def test_too_much_at_once_needs_force(project):
    project.write(*(f"name: host{number}, values: [203.0.113.1]" for number in range(20)))
    project("plan", ".", "--save", "plan.json", code=4)
    project("apply", "--plan", "plan.json", ".")
    project.write()
    refused = project("plan", ".", "--save", "less.json", code=1).stdout
    assert "refused as too dangerous: too many deletes" in refused
    assert not project.folder.joinpath("less.json").exists()
    project("plan", ".", "--force", "--save", "less.json", code=4)
    project("apply", "--plan", "less.json", ".")
    assert project.host.ask(f"host1.{DOMAIN}", "A") == []


def test_mistakes_are_one_line(project):
    assert "nobody to ask" in project("apply", ".", code=2).stderr
    assert "did you mean example.com?" in project("plan", ".", "--zone", "exampel.com", code=2).stderr
    assert "nothing to adopt" in project("plan", ".", "--adopt", f"wwww.{DOMAIN}", code=2).stderr
    project.folder.joinpath("bad.json").write_text('{"version": 1}')
    assert "is no saved plan" in project("apply", "--plan", "bad.json", ".", code=2).stderr
    del project.environment["TSIG_SECRET"]
    said = project("plan", ".", code=1).stderr
    assert said == "error: example.com: the environment variable TSIG_SECRET is not set (rfc2136: key_secret)\n"
    project.environment["TSIG_SECRET"] = "bm90IHRoZSBrZXk="
    said = project("plan", ".", code=1).stderr
    assert said.count("\n") == 1
    assert "TSIG key is not accepted" in said


def test_a_terminal_is_asked(project):
    code, said = project.answer(b"n\n", "apply", ".")
    assert code == 1
    assert "Make these changes?" in said
    assert project.host.ask(f"www.{DOMAIN}", "A") == []
    code, said = project.answer(b"y\n", "apply", ".")
    assert code == 0, said
    assert project.host.ask(f"www.{DOMAIN}", "A") == ["203.0.113.1"]


def test_a_zone_that_fails_does_not_keep_the_others_from_being_done(project):
    project.write("name: alias, type: CNAME, values: [www]", 'name: "@", type: MX, values: [10 alias.example.com]')
    fake = fakeproviders.Cloudflare("example.org", "a-token")
    with fakeproviders.serving(fake) as url:
        project.environment["CLOUDFLARE_TOKEN"] = "a-token"
        project.folder.joinpath("other.yaml").write_text(
            "apiVersion: gatewright.dev/v1alpha1\nkind: Zone\nmetadata: {name: other}\nspec:\n"
            "  domain: example.org\n  provider: Cloudflare\n"
            f"  settings: {{endpoint: {url}/client/v4}}\n"
            "  records: [{name: www, values: [203.0.113.1], proxied: true}]\n"
        )
        told = project("plan", ".", "--save", "plan.json", code=4).stdout
        assert "+ www.example.org A  auto  203.0.113.1  proxied" in told
        done = project("apply", "--plan", "plan.json", ".", code=1)
        assert "example.org/public at cloudflare: done, 2 changes" in done.stdout
        assert "example.com at rfc2136: Unable to perform update: REFUSED" in done.stderr
        assert "some of its changes may have been made: plan again" in done.stderr
        assert fake.named("www.example.org", "A")[0]["proxied"]
        assert "example.org was changed at cloudflare" in project("apply", "--plan", "plan.json", ".", code=1).stderr
