"""cloudflared's config.yml: what it accepts, refuses and falls back to."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.intents.programs import TunnelIntent
from gatewright.kinds.programs import cloudflared
from support.resolved import noted

ORIGIN = Origin("config.yml", "1")

TUNNEL = """
tunnel: 6ff42ae2-765d-4adf-8112-31c55c1551ef
credentials-file: /etc/cloudflared/creds.json
metrics: 0.0.0.0:2000
no-autoupdate: true
warp-routing: {enabled: true}
originRequest:
  connectTimeout: 30s
  noTLSVerify: true
  originServerName: origin.example.com
ingress:
- hostname: "*.K8s.example.com"
  service: https://10.0.0.50:443
  originRequest: {matchSNItoHost: true, noTLSVerify: false, http2Origin: true}
- hostname: a.example.com
  path: \\.(jpg|png)$
  service: http://static.web.svc:8080
  originRequest: {originServerName: "", httpHostHeader: static}
- hostname: ssh.example.com
  service: ssh://10.0.0.3:22
- hostname: sock.example.com
  service: unix:/run/app.sock
- service: http_status:404
"""


def parsed(text: str) -> tuple[TunnelIntent | None, list[tuple[str, str, object]]]:
    data: Any = yaml.safe_load(text)
    intent, problems = cloudflared.parse(data, ORIGIN)
    return intent, noted(problems)


def test_a_tunnel() -> None:
    intent, problems = parsed(TUNNEL)
    assert problems == []
    assert intent is not None
    assert intent.tunnel == "6ff42ae2-765d-4adf-8112-31c55c1551ef"
    assert [
        (r.hostname, r.path, r.service, r.server_name, r.match_sni, r.verify, r.host_header, r.http2)
        for r in intent.rules
    ] == [
        ("*.k8s.example.com", "", "https://10.0.0.50:443", "origin.example.com", True, True, "", True),
        ("a.example.com", "\\.(jpg|png)$", "http://static.web.svc:8080", "", False, False, "static", False),
        ("ssh.example.com", "", "ssh://10.0.0.3:22", "origin.example.com", False, False, "", False),
        ("sock.example.com", "", "unix:/run/app.sock", "origin.example.com", False, False, "", False),
        ("", "", "http_status:404", "origin.example.com", False, False, "", False),
    ]
    assert intent.rules[1].origin.path == ("ingress", 1)


LAST = "- service: http_status:404"


@pytest.mark.parametrize(
    ("rules", "where"),
    [
        ("- hostname: a.example.com\n  service: http://x", 0),  # nothing takes the rest
        (f"- service: http://x\n{LAST}", 0),  # what follows can never match
        (f"- hostname: '*'\n  service: http://x\n{LAST}", 0),
        (f"- hostname: a.*.com\n  service: http://x\n{LAST}", "hostname"),
        (f"- hostname: a.com:443\n  service: http://x\n{LAST}", "hostname"),
        (f"- hostname: a.com\n  path: a(b\n  service: http://x\n{LAST}", "path"),
        (f"- hostname: a.com\n  service: http://x/app\n{LAST}", "service"),
        (f"- hostname: a.com\n  service: 10.0.0.1\n{LAST}", "service"),
        (f"- hostname: a.com\n  service: http_status:99\n{LAST}", "service"),
    ],
)
def test_a_mistake_costs_the_file(rules: str, where: object) -> None:
    intent, problems = parsed(f"tunnel: x\ningress:\n{rules}\n")
    assert intent is None
    assert problems == [("error", "invalid-value", where)]


@pytest.mark.parametrize("service", ["https://<CONTROLLER_IP>:443", "http://x/", "hello_world", "tcp://x:1", "${V}"])
def test_services_that_are_accepted(service: str) -> None:
    intent, problems = parsed(f"tunnel: x\ningress: [{{service: '{service}'}}]")
    assert problems == []
    assert intent is not None
    assert intent.rules[0].service == service


def test_fields_that_are_not_known() -> None:
    intent, problems = parsed(
        "tunnel: x\noriginrequest: {}\ningress: [{service: http://x, originRequest: {access: {}}}]"
    )
    assert intent is None
    assert problems == [
        ("error", "unknown-field", "originrequest"),
        ("warning", "unsupported-field", "access"),
    ]


def test_one_service_for_everything() -> None:
    intent, problems = parsed("tunnel: x\nurl: http://localhost:80\nno-tls-verify: true")
    assert (intent is not None and intent.rules[0].service, problems) == ("http://localhost:80", [])
    assert intent is not None
    assert not intent.rules[0].verify


def test_no_service_at_all() -> None:
    intent, problems = parsed("tunnel: x")
    assert intent is not None
    assert [rule.service for rule in intent.rules] == ["http_status:503"]
    assert problems == [("warning", "no-rules", "ingress")]


def test_secrets_are_not_shown() -> None:
    _, problems = cloudflared.parse({"tunnel": "x", "token": ["s3cret"], "credentials-contents": 5, "url": 7}, ORIGIN)
    assert "s3cret" not in repr(problems)
