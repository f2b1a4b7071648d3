"""The examples: check finds nothing, their Expectations hold, and what their READMEs promise is so.

One table per example says where requests end up.  The model is asked, and `gatewright run --echo` is asked for real;
both have to give the table's answer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gatewright.base.hostnames import Depth, matches
from gatewright.check.expectations import verdicts
from gatewright.kinds.intents.asking import ExpectationIntent
from gatewright.pipeline import Model, State
from gatewright.trace.hops import Outcome, OutcomeKind
from gatewright.trace.request import request
from gatewright.trace.walk import gateways_for, walk
from support import checked, needs
from support.live import Live, issued, running
from support.pebble import pebble
from support.ports import free_port

EXAMPLES = needs.REPOSITORY / "examples"


@dataclass(frozen=True)
class Ask:
    """A request to a gateway and where it ends: at a backend (`to`), in a redirect, or refused with a status."""

    gateway: str
    url: str
    to: str = ""
    status: int = 200
    location: str | None = None
    method: str = "GET"
    headers: tuple[str, ...] = ()
    sent: str = ""  # the path that the backend sees, where it differs from the one asked for
    passed: bool = False
    grpc: bool = False
    shared: bool = False  # several backends share these requests; `to` gets most of them

    def __str__(self) -> str:
        return f"{self.gateway} {self.method} {self.url}" + "".join(f" {h}" for h in self.headers)


@dataclass(frozen=True)
class Example:
    """What is expected of one example.  `views`: in which one names lead to each gateway, "" for all of them."""

    name: str
    gateways: tuple[str, ...]
    asks: tuple[Ask, ...]
    chats: tuple[tuple[str, str], ...] = ()
    echo: str = "--echo"
    views: Mapping[str, str] = field(default_factory=dict)


HOME, AWS = "traefik/homelab", "traefik-aws/aws"
DUAL_INGRESS = Example(
    "dual-ingress",
    (AWS, HOME),
    (
        # AWS direct
        Ask(AWS, "https://test.aws.example.com/", "test-services-aws/whoami:80"),
        Ask(AWS, "https://ollama.aws.example.com/api/chat", "catalyst-llm/ollama:11434", method="POST"),
        Ask(AWS, "https://ollama.aws.example.com/api/pull", status=403, method="POST"),
        Ask(AWS, "http://test.aws.example.com/a?b=c", status=301, location="https://test.aws.example.com/a?b=c"),
        # homelab via Liqo, and direct
        Ask(HOME, "https://ollama.talos00.home.arpa/api/tags", "ai/ollama:11434"),
        Ask(HOME, "https://whoami.talos00.home.arpa/", "test-services/whoami:80"),
        Ask(HOME, "https://grafana.talos00.home.arpa/", "monitoring/grafana:3000"),
        Ask(HOME, "http://grafana.talos00.home.arpa/", status=301, location="https://grafana.talos00.home.arpa/"),
        # AWS to homelab
        Ask(AWS, "https://grafana.aws.example.com/d/home", "monitoring-aws/grafana:3000"),
        # each name at its own door only
        Ask(HOME, "https://test.aws.example.com/", status=404),
        Ask(AWS, "https://whoami.talos00.home.arpa/", status=404),
        Ask(AWS, "https://a.test.aws.example.com/", status=404),
    ),
    chats=((AWS, "wss://grafana.aws.example.com/api/live/ws"),),
    views={AWS: "public", HOME: "homelab"},
    echo="--echo-all",  # the GPU pods have endpoints, in AWS
)

ALB, NGINX = "ingress/alb", "ingress/nginx"
LABS = "projectlabs-api.example.com"
HYBRID_LABS = Example(
    "hybrid-labs",
    (ALB, NGINX),
    (
        Ask(ALB, "https://labcontroller-api.example.com/health", "lab-controller/lab-controller:80"),
        Ask(ALB, "https://labcontroller-api.example.com/labs/start", "lab-controller/lab-controller:80", method="POST"),
        Ask(ALB, "https://labcontroller-api.example.com/metrics", status=404),
        Ask(NGINX, f"https://7f3a9c.{LABS}/", "labs/lab-7f3a9c:7681"),
        Ask(NGINX, f"https://b41e02.{LABS}/?folder=/work", "labs/lab-b41e02:8080"),
        Ask(NGINX, f"https://c90d77.{LABS}/tree", "labs/lab-c90d77:8888"),
        Ask(NGINX, f"https://ended.{LABS}/", "labs/lab-not-running:80"),
        Ask(NGINX, f"https://a.b.{LABS}/", status=404),
        Ask(NGINX, "https://labcontroller-api.example.com/health", status=404),
        Ask(ALB, f"https://7f3a9c.{LABS}/", status=404),
    ),
    chats=((NGINX, f"wss://b41e02.{LABS}/vscode-remote"), (NGINX, f"wss://c90d77.{LABS}/api/kernels/1/channels")),
    views={ALB: "public", NGINX: "public"},
)

INSIDE, OUTSIDE = "kube-system/traefik", "traefik-external/traefik"
DUAL_STACK_EDGE = Example(
    "dual-stack-edge",
    (INSIDE, OUTSIDE),
    (
        *(
            Ask(door, f"{scheme}://{app}.example.com/login", f"apps/{app}:80")
            for door in (INSIDE, OUTSIDE)
            for app in ("grafana", "paperless")
            for scheme in ("http", "https")
        ),
        Ask(INSIDE, "http://grafana.home.arpa/", "apps/grafana:80"),
        Ask(INSIDE, "http://paperless.home.arpa/", "apps/paperless:80"),
        Ask(OUTSIDE, "http://grafana.home.arpa/", status=404),
        Ask(OUTSIDE, "https://paperless.home.arpa/", status=404),
    ),
    chats=((OUTSIDE, "wss://paperless.example.com/ws/status/"), (INSIDE, "ws://grafana.home.arpa/api/live/ws")),
    views={OUTSIDE: "public", INSIDE: "home"},
)

CONTROLLERS = {"01": "ingress/traefik", "02": "ingress/haproxy", "03": "ingress/nginx", "04": "ingress/traefik"}
TENANT_INGRESS = Example(
    "tenant-ingress",
    ("ingress/haproxy", "ingress/nginx", "ingress/traefik"),
    (
        *(
            Ask(door, f"https://tenant-{number}.k8s.example.com/version", f"tenants/tenant-{number}:6443", passed=True)
            for number, door in CONTROLLERS.items()
        ),
        *(
            Ask(
                door,
                f"tls://tenant-{number}.konnectivity.example.com:443",
                f"tenants/tenant-{number}:8132",
                passed=True,
            )
            for number, door in CONTROLLERS.items()
        ),
        *(
            Ask(door, "https://tenant-09.k8s.example.com/version", status=404)
            for door in sorted(set(CONTROLLERS.values()))
        ),
        Ask("ingress/nginx", "https://tenant-01.k8s.example.com/version", status=404),
    ),
    views=dict.fromkeys(CONTROLLERS.values(), "dc"),
)

HOUSE, TUNNEL = "network/envoy-internal", "network/envoy-external"
GATEWAY_SPLIT_DNS = Example(
    "gateway-split-dns",
    (TUNNEL, HOUSE),
    (
        Ask(HOUSE, "https://myapp.example.org/", "default/my-app:80"),
        Ask(HOUSE, "https://example.org/", "default/my-app:80"),
        Ask(HOUSE, "https://grafana.example.org/d/1", "observability/grafana:80"),
        Ask(HOUSE, "https://home.example.org/", "home/home-assistant:8123"),
        Ask(HOUSE, "https://vault.example.org/v1/sys/health", "vault/vault:8200", passed=True),
        Ask(
            HOUSE,
            "https://otlp.example.org/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            "observability/otel-collector:4317",
            method="POST",
            grpc=True,
        ),
        *(
            ask
            for door in (HOUSE, TUNNEL)
            for ask in (
                Ask(door, "https://photos.example.org/", "photos/photos-web:3000"),
                Ask(door, "https://photos.example.org/api/a?b=c", "photos/photos-api:2283", sent="/a?b=c", shared=True),
                Ask(
                    door,
                    "https://photos.example.org/api/a",
                    "photos/photos-api-next:2283",
                    headers=("X-Photos-Version: next",),
                ),
                Ask(
                    door,
                    "https://photos.example.org/login",
                    status=302,
                    location="https://photos.example.org/auth/login",
                ),
                Ask(door, "http://photos.example.org/a", status=301, location="https://photos.example.org/a"),
            )
        ),
        # not published: their namespaces are not marked as public
        Ask(TUNNEL, "https://home.example.org/", status=404),
        Ask(TUNNEL, "https://myapp.example.org/", status=404),
        Ask(TUNNEL, "https://grafana.example.org/", status=404),
        Ask(HOUSE, "https://otlp.example.org/opentelemetry.proto.collector.logs.v1.LogsService/Export", status=404),
    ),
    chats=((HOUSE, "wss://home.example.org/api/websocket"),),
    views={TUNNEL: "public", HOUSE: "house"},
)


@dataclass(frozen=True)
class Broken:
    """An example with one fault that people make, and the Expectations that meet it."""

    example: str
    file: str
    old: str
    new: str
    fails: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.example} {self.file} {self.old.strip()[:30]}"


BROKEN = (
    # a split view of A records alone
    Broken(
        "dual-stack-edge",
        "site/dnsmasq.conf",
        "grafana.example.com,192.168.178.10,fda8:a1db:5685::10",
        "grafana.example.com,192.168.178.10",
        ("grafana-at-home",),
    ),
    Broken("dual-stack-edge", "site/cloud.yaml", "[22, 80, 443]", "[22, 80]", ("grafana-away", "paperless-away")),
    # pods that may be started on the other end of the tunnel
    Broken(
        "dual-stack-edge",
        "traefik-internal.yaml",
        "      topology.kubernetes.io/zone: home",
        "      kubernetes.io/os: linux",
        ("grafana-at-home", "paperless-at-home"),
    ),
    # a name that only the homelab's DNS knows
    Broken("dual-ingress", "aws/dns.yaml", "10.66.0.54 grafana", "10.66.0.54 loki", ("aws-to-homelab",)),
    Broken(
        "dual-ingress",
        "site/aws.yaml",
        "ports: [80, 443]",
        "ports: [80]",
        ("aws-direct", "aws-to-homelab", "models-are-not-for-everybody"),
    ),
    Broken("dual-ingress", "site/mesh.yaml", "10.52.0.0/16", "10.54.0.0/16", ("homelab-via-liqo",)),
    # the default of nginx, 60 s
    Broken(
        "hybrid-labs",
        "labs/vscode-b41e02.yaml",
        'proxy-read-timeout: "3600"',
        'proxy-read-timeout: "60"',
        ("an-hour-in-vscode",),
    ),
    Broken(
        "hybrid-labs",
        "site/aws.yaml",
        "externalDNS: true",
        "externalDNS: false",
        (
            "an-hour-in-jupyter",
            "an-hour-in-the-terminal",
            "an-hour-in-vscode",
            "labs-are-started",
            "labs-that-have-ended",
            "large-files",
        ),
    ),
    # a wildcard that leads to another tenant's controller
    Broken("tenant-ingress", "site/k8s.example.com.zone", "tenant-02  IN A   10.0.0.51", "", ("tenant-02-api",)),
    # the agents' name has no route
    Broken(
        "tenant-ingress",
        "tenants/tenant-01.yaml",
        "HostSNI(`tenant-01.konnectivity",
        "HostSNI(`konnectivity",
        ("tenant-01-konnectivity",),
    ),
    Broken(
        "tenant-ingress",
        "site/datacentre.yaml",
        "from: [10.40.0.0/24, 10.99.0.0/24]",
        "from: [10.40.0.0/24]",
        ("kubectl-by-vpn", "tenant-01-api", "tenant-02-api", "tenant-03-api", "tenant-04-api"),
    ),
    # one address for each of the gateways of a name
    Broken("gateway-split-dns", "network/k8s-gateway.yaml", "gatewayClasses envoy-internal", "", ("photos-inside",)),
    # a rewrite where a forward is meant
    Broken(
        "gateway-split-dns",
        "site/AdGuardHome.yaml",
        "rewrites: []",
        'rewrites: [{domain: "*.example.org", answer: 172.16.1.60, enabled: true}]',
        (
            "http-is-sent-on",
            "live-updates-inside",
            "my-app-inside",
            "photos-inside",
            "telemetry-inside",
            "the-old-login-is-sent-on",
            "vault-inside",
        ),
    ),
    # a policy that forgets the gateway, and one that forgets the frontend
    Broken(
        "gateway-split-dns",
        "apps/my-app.yaml",
        "gateway-name: envoy-internal",
        "gateway-name: other",
        ("apex-inside", "my-app-inside"),
    ),
    Broken("gateway-split-dns", "apps/my-app.yaml", "app: frontend", "app: front", ("frontend-is-admitted",)),
    # followed to where it leads, and still not where it was meant to
    Broken("gateway-split-dns", "apps/photos.yaml", "Path: /auth/login", "Path: /auth", ("the-old-login-is-sent-on",)),
)

EXPECTED = (DUAL_INGRESS, HYBRID_LABS, DUAL_STACK_EDGE, TENANT_INGRESS, GATEWAY_SPLIT_DNS)


@cache
def read(name: str) -> tuple[Model, State]:
    model = Model()
    return model, model.read([str(EXAMPLES / name)])


def answer(state: State, ask: Ask) -> Outcome:
    wanted = request(ask.url, ask.method, ask.headers)
    return walk(state.graph, state.graph.gateways[ask.gateway], wanted).outcome


def test_every_example_is_expected_here() -> None:
    assert sorted(e.name for e in EXPECTED) == sorted(p.name for p in EXAMPLES.iterdir() if p.is_dir())


@pytest.mark.parametrize("example", EXPECTED, ids=lambda e: e.name)
def test_nothing_is_wrong_with_it(example: Example) -> None:
    report, model = checked.examined(EXAMPLES / example.name)
    assert not report.findings, "\n".join(checked.text(one, model.locator) for one in report.findings)


@pytest.mark.parametrize("example", EXPECTED, ids=lambda e: e.name)
def test_its_expectations_hold(example: Example) -> None:
    assert not failing(EXAMPLES / example.name)


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_a_fault_is_met_by_an_expectation(broken: Broken, tmp_path: Path) -> None:
    copy = shutil.copytree(EXAMPLES / broken.example, tmp_path / broken.example)
    file = copy / broken.file
    text = file.read_text()
    assert broken.old in text
    file.write_text(text.replace(broken.old, broken.new))
    assert {name for name, *_ in failing(copy)} == set(broken.fails)


def failing(folder: Path) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """The Expectations that do not hold, with vantage, family and what is not met; there has to be one at all."""
    model = Model()
    model.read([str(folder)])
    names = sorted(model.analysis.objects.keys_of((ExpectationIntent,)))
    found = [verdict for key in names for verdict in model.analysis.answer(verdicts, key)]
    assert found
    return [(v.expectation, v.vantage, v.family, v.failures) for v in found if not v.holds]


@pytest.mark.parametrize("example", EXPECTED, ids=lambda e: e.name)
def test_every_gateway_is_there(example: Example) -> None:
    assert sorted(read(example.name)[1].graph.gateways) == sorted(example.gateways)


@pytest.mark.parametrize(("example", "ask"), [(e, a) for e in EXPECTED for a in e.asks], ids=str)
def test_the_model_sends_requests_where_the_readme_says(example: Example, ask: Ask) -> None:
    outcome = answer(read(example.name)[1], ask)
    backend = outcome.backend
    found = f"{backend.namespace}/{backend.name}:{backend.port}" if backend else ""
    kind = OutcomeKind.DELIVERED if ask.to else OutcomeKind.RESPONSE if ask.location else OutcomeKind.REFUSED
    assert (outcome.kind, found, outcome.location) == (kind, ask.to, ask.location), outcome.reason
    if not ask.passed:
        assert outcome.status == ask.status
    if ask.sent:
        assert outcome.sent is not None
        assert outcome.sent.path == ask.sent


def test_a_name_with_one_door_needs_no_gateway_named() -> None:
    state = read("dual-ingress")[1]
    found = gateways_for(state.graph, request("https://ollama.talos00.home.arpa/"))
    assert [gateway.id for gateway in found] == [HOME]


@pytest.mark.real
@pytest.mark.parametrize("example", EXPECTED, ids=lambda e: e.name)
def test_real_gateways_answer_as_the_model_does(example: Example) -> None:
    needs.package("envoy")
    state = read(example.name)[1]
    wrong: list[str] = []
    with running(str(EXAMPLES / example.name), example.echo, "--drain", "1") as live:
        for ask in example.asks:
            wrong += disagreements(live, ask, answer(state, ask))
        for gateway, url in example.chats:
            words = ("hello", "again")
            if (heard := live.chat(gateway, url, words)) != words:
                wrong.append(f"{gateway} {url}: said {words}, heard {heard}")
    assert not wrong, "\n".join(wrong)


def disagreements(live: Live, ask: Ask, outcome: Outcome) -> list[str]:
    """How the real answer differs from the model's."""
    # A name that nothing serves is refused below a certificate that nobody can verify.
    strange = ask.passed or outcome.kind is OutcomeKind.REFUSED
    got = live.ask(ask.gateway, ask.url, ask.method, ask.headers, unverified=strange, grpc=ask.grpc)
    expected: dict[str, object] = {"status": 200 if ask.passed else outcome.status, "location": outcome.location}
    found: dict[str, object] = {"status": got.status, "location": got.location}
    if outcome.backend is not None:
        backend = outcome.backend
        expected["backend"] = [f"{backend.namespace}/{backend.name}:{backend.port}"]
        if ask.shared:
            backends = [share.backend for share in outcome.shares if share.backend]
            expected["backend"] = [f"{b.namespace}/{b.name}:{b.port}" for b in backends]
        found["backend"] = expected["backend"] if got.backend in expected["backend"] else got.backend
        if outcome.sent is not None and not ask.passed:  # inside its own TLS the backend sees what was sent
            expected |= {"path": outcome.sent.path or "/", "host": outcome.sent.host}
            found |= {"path": got.echo.get("path"), "host": got.echo.get("host")}
    return [] if found == expected else [f"{ask}: the model says {expected}, the client got {found} {got.error}"]


@pytest.mark.real
@pytest.mark.parametrize("example", EXPECTED, ids=lambda e: e.name)
def test_names_lead_there_and_certificates_are_of_who_was_asked(example: Example, tmp_path: Path) -> None:
    """Every request that is delivered, by the name as the view's clients are told it; TLS is verified against the root
    of a local ACME server where the manifests ask one, else against the private CA."""
    needs.package("envoy")
    port = free_port()
    dns = ["--dns", f"127.0.0.1:{port}"]
    for view in sorted(set(example.views.values())):
        dns += ["--dns", f"127.0.0.1:0={view}"]
    wrong: list[str] = []
    with pebble(tmp_path, dns=f"127.0.0.1:{port}", nonce_reject=5) as authority:
        roots = tmp_path / "roots.pem"
        roots.write_bytes(b"".join(authority.roots()))
        acme = ("--acme-server", authority.directory, "--acme-ca", str(authority.trust_file))
        with running(str(EXAMPLES / example.name), example.echo, "--drain", "1", *dns, *acme) as live:
            names = [str(name) for line in issued(live) for name in line["names"]]  # type: ignore[attr-defined]
            for ask in (one for one in example.asks if one.to):
                host = urlsplit(ask.url).hostname or ""
                client = live.trusting(roots) if any(matches(name, host, Depth.ONE) for name in names) else live
                got = client.ask(
                    ask.gateway, ask.url, ask.method, ask.headers,
                    unverified=ask.passed, grpc=ask.grpc, view=example.views[ask.gateway],
                )  # fmt: skip
                if got.backend != ask.to and not ask.shared:
                    wrong.append(
                        f"{ask} in the view {example.views[ask.gateway]}: {got.status} {got.backend} {got.error}"
                    )
    assert not wrong, "\n".join(wrong)
    assert bool(names) == (example is not TENANT_INGRESS)  # whose TLS is passed through


@pytest.mark.real
def test_the_demo_proves_itself() -> None:
    needs.package("envoy")
    demo = subprocess.run(
        [sys.executable, str(needs.REPOSITORY / "scripts" / "demo")],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
