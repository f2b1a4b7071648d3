"""The installations of five documents as they are written, faults included, rehearsed: what goes wrong in the model
goes wrong for real, in the same way.

`tests/docs/test_as_written.py` has what check finds in them.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

import pytest

from support import needs, worlds
from support.aswritten import CASES, FIXTURES
from support.live import program

pytestmark = pytest.mark.real

SECONDS = 120


@dataclass(frozen=True)
class Fault:
    """What becomes of a request because of a mistake of its document: words of the model and of reality."""

    case: str
    vantage: str
    url: str
    model: str
    reality: str
    family: str = "4"


FAULTS = (
    # *.aws.yourdomain.com is one label deeper than what a CDN has certificates for.
    Fault("dual-ingress", "user", "https://ollama.aws.yourdomain.com/", "no certificate for", "TLS handshake fails"),
    # So is *.projectlabs-api.talentos.darey.io for the wildcard of ACM.
    Fault(
        "hybrid-nginx-behind-alb",
        "student",
        "https://session-b2.projectlabs-api.talentos.darey.io/",
        "a wildcard covers exactly one label",
        "name-mismatch",
    ),
    # The override is of A alone: over IPv6 the device at home goes out and comes back to the other Traefik.
    Fault(
        "dual-stack-edge",
        "device-at-home",
        "https://grafana.yourdomain.com/",
        "404 no rule matches via traefik-external/traefik",
        "name-mismatch",
        "6",
    ),
    # The policy admits the pods of a gateway that has no such pods.
    Fault(
        "gateway-api-split-dns",
        "client-of-k8s-gateway",
        "https://myapp.ragas.cc/",
        "allow-web does not admit",
        "answered 503",
    ),
    # Only the API's name is forwarded from outside.
    Fault(
        "tenant-traefik-public-address",
        "remote",
        "tls://tenant-01.konnectivity.example.com:443",
        "does not exist",
        "NXDOMAIN",
    ),
    Fault(
        "tenant-haproxy-cloudflare-tunnel",
        "remote",
        "tls://tenant-01.k8s.example.com:443",
        "no certificate for",
        "TLS handshake fails",
    ),
)
OTHERS = ("hybrid-nginx", "tenant-traefik-cloudflare-tunnel")
"""Rehearsed too; the tenants of the other controllers differ from the one above in their doors alone."""


@pytest.mark.parametrize("name", [*(fault.case for fault in FAULTS), *OTHERS])
def test_reality_agrees_with_the_model_in_everything(name: str) -> None:
    worlds.need()
    needs.package("envoy")
    case = next(case for case in CASES if case.name == name)
    done = subprocess.run(
        [*program(), "rehearse", "-o", "json", *case.folders],
        cwd=FIXTURES,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr[-4000:]
    document = json.loads(done.stdout)
    assert [cell for cell in document["cells"] if cell["verdict"] == "differs"] == []
    assert document["counts"]["agrees"] > 0
    for fault in FAULTS:
        if fault.case == name:
            asked = (fault.vantage, fault.url, fault.family)
            (cell,) = (c for c in document["cells"] if (c["vantage"], c["url"], c["family"]) == asked and _of_matrix(c))
            assert fault.model in cell["model"]
            assert fault.reality in cell["reality"]


def _of_matrix(cell: dict[str, object]) -> bool:
    return cell["expectation"] is None
