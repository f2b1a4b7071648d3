"""Mistakes that such systems make, tried in copies of the examples: reality goes wrong as the model says it does.

Each changes a line of a file that an installation really has.  The Expectations named have to fail in the model and for
real, everything else that is asked has to go on, and the two accounts have to agree on all of it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import needs, worlds
from support.live import program

pytestmark = pytest.mark.real

EXAMPLES = needs.REPOSITORY / "examples"
SECONDS = 240


@dataclass(frozen=True)
class Mistake:
    """A line that is otherwise in one file.  `only`: what is asked; `fails`: the Expectations among it that do not hold
    any more; `meets`: what clients meet instead, a part of the words for it.  `patience` seconds of silence."""

    name: str
    file: str
    old: str
    new: str
    only: tuple[str, ...]
    fails: tuple[str, ...]
    meets: str
    patience: int = 0

    @property
    def example(self) -> str:
        return self.file.partition("/")[0]


MISTAKES = (
    # The phone asks for AAAA too, is told the public one, and takes the way through the cloud.
    Mistake(
        "an override of A records alone",
        "dual-stack-edge/site/dnsmasq.conf",
        "host-record=grafana.example.com,192.168.178.10,fda8:a1db:5685::10",
        "host-record=grafana.example.com,192.168.178.10",
        ("grafana-*",),
        ("grafana-at-home",),
        "delivered to apps/grafana:80",
    ),
    Mistake(
        "a firewall without the port of WireGuard",
        "dual-stack-edge/site/cloud.yaml",
        "    - {allow: udp, ports: [56527]} # WireGuard\n",
        "",
        ("grafana-*",),
        ("grafana-away",),
        "answer",  # an error of the gateway, or none in time
    ),
    Mistake(
        "a name that only the other cluster's DNS knows",
        "dual-ingress/aws/dns.yaml",
        "10.66.0.54 grafana",
        "10.66.0.54 loki",
        ("aws-to-homelab", "homelab-direct"),
        ("aws-to-homelab",),
        "answered 503",
    ),
    Mistake(
        "a mesh whose firewall forgot the port",
        "dual-ingress/site/nebula-talos00.yaml",
        "port: 3000, proto: tcp",
        "port: 3001, proto: tcp",
        ("aws-to-homelab", "aws-direct"),
        ("aws-to-homelab",),
        "answer",  # 504 of the gateway, or none in the time that a client has
    ),
    Mistake(
        "ExternalName that the controller does not allow",
        "dual-ingress/aws/traefik.yaml",
        "allowExternalNameServices: {crd: true, ingress: false}",
        "allowExternalNameServices: {crd: false, ingress: false}",
        ("aws-to-homelab", "aws-direct"),
        ("aws-to-homelab",),
        "answered 404",
    ),
    Mistake(
        "a read timeout as short as a pause",
        "hybrid-labs/labs/vscode-b41e02.yaml",
        'proxy-read-timeout: "3600"',
        'proxy-read-timeout: "2"',
        ("an-hour-in-vscode", "an-hour-in-jupyter"),
        ("an-hour-in-vscode",),
        "closed",
        patience=3,
    ),
    Mistake(
        "the usual limit for bodies",
        "hybrid-labs/labs/ubuntu-7f3a9c.yaml",
        'proxy-body-size: "0"',
        'proxy-body-size: "1m"',
        ("large-files", "labs-are-started"),
        ("large-files",),
        "answered 413",
    ),
    Mistake(
        "a wildcard that sends every tenant to one controller",
        "tenant-ingress/site/k8s.example.com.zone",
        "tenant-02  IN A   10.0.0.51",
        "",
        ("tenant-01-api", "tenant-02-*"),
        ("tenant-02-api",),
        "",
    ),
    Mistake(
        "a policy that forgets the gateway",
        "gateway-split-dns/apps/my-app.yaml",
        "gateway-name: envoy-internal",
        "gateway-name: other",
        ("my-app-inside", "apex-inside", "frontend-is-admitted", "photos-inside"),
        ("apex-inside", "my-app-inside"),
        "answered 503",
    ),
    Mistake(
        "a rewrite where a forward is meant",
        "gateway-split-dns/site/AdGuardHome.yaml",
        "rewrites: []",
        'rewrites: [{domain: "*.example.org", answer: 172.16.1.60, enabled: true}]',
        ("vault-inside", "photos-away"),
        ("vault-inside",),
        "refused",
    ),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.name)
def test_reality_goes_wrong_as_the_model_does(mistake: Mistake, tmp_path: Path) -> None:
    worlds.need()
    needs.package("envoy")
    copy = shutil.copytree(EXAMPLES / mistake.example, tmp_path / mistake.example)
    file = tmp_path / mistake.file
    text = file.read_text(encoding="utf-8")
    assert mistake.old in text
    file.write_text(text.replace(mistake.old, mistake.new), encoding="utf-8")

    document = rehearsed(copy, mistake)

    assert [cell for cell in document["cells"] if cell["verdict"] != "agrees"] == []
    failing = [one for one in document["expectations"] if not one["holds"]]
    assert {one["expectation"] for one in failing} == set(mistake.fails)
    for one in failing:
        assert one["model"], f"reality alone: {one}"
        assert one["reality"], f"the model alone: {one}"
    met = [cell["reality"] for cell in document["cells"] if cell["expectation"] in mistake.fails]
    assert any(mistake.meets in words for words in met), met


def rehearsed(folder: Path, mistake: Mistake) -> dict[str, list[dict[str, object]]]:
    options = [word for name in mistake.only for word in ("--only", name)]
    done = subprocess.run(
        [*program(), "rehearse", folder.name, "-o", "json", *options, "--patience", str(mistake.patience)],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )
    assert done.returncode == 1, done.stdout[-4000:] + done.stderr[-4000:]
    return dict(json.loads(done.stdout))
