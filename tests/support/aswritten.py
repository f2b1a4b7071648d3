"""The installations of five documents as they are written, faults included, and what check says of them.

`fixtures/as-written/<document>/` holds the input; `fixtures/as-written/<case>.txt` the findings that somebody has
reviewed, one in a line: severity, id, the place to mend first, the hosts.  A document that describes alternatives has
several cases, each of some folders below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gatewright.base.origin import Locator
from gatewright.check.finding import Finding
from support import checked

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "as-written"


@dataclass(frozen=True)
class Case:
    """One installation: `folders` below FIXTURES.  `faults`: the rules that have to find something in it."""

    name: str
    folders: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def expected(self) -> Path:
        return FIXTURES / f"{self.name}.txt"


def tenant(controller: str, way_in: str) -> Case:
    """A tenant behind one kind of controller, reached from outside in one way."""
    folders = tuple(f"tenant-ingress-mode/{part}" for part in ("common", controller, way_in))
    faults = ["advertise-address-hostname"]
    if controller != "traefik":
        faults.append("konnectivity-without-route")
    if way_in == "cloudflare-tunnel":
        faults += ["tunnel-drops-sni", "wildcard-depth"]
    return Case(f"tenant-{controller}-{way_in}", folders, tuple(faults))


LABS = ("annotation-unknown", "snippet-disabled", "certificate-per-host")
CASES = (
    Case(
        "dual-ingress",
        ("dual-ingress",),
        ("cidr-overlap", "external-name-refused", "host-port-surge", "wildcard-depth"),
    ),
    Case("hybrid-nginx", ("hybrid-ingress-labs/common", "hybrid-ingress-labs/nginx"), LABS),
    Case(
        "hybrid-nginx-behind-alb",
        ("hybrid-ingress-labs/common", "hybrid-ingress-labs/nginx-behind-alb"),
        (*LABS, "wildcard-depth"),
    ),
    Case(
        "dual-stack-edge",
        ("dual-stack-edge",),
        ("served-twice", "tls-entry-point-without-tls", "split-view-one-family", "pool-sizes-differ"),
    ),
    Case(
        "gateway-api-split-dns",
        ("gateway-api-split-dns",),
        ("resolver-points-at-resolver", "path-blocked", "certificate-from-route-hostname"),
    ),
    *(tenant(controller, "cloudflare-tunnel") for controller in ("traefik", "haproxy", "nginx", "generic")),
    tenant("traefik", "public-address"),
)


def findings(case: Case) -> tuple[tuple[Finding, ...], Locator]:
    """What check finds, and where the lines are."""
    report, model = checked.examined(*(FIXTURES / folder for folder in case.folders))
    return report.findings, model.locator


def produce(case: Case) -> str:
    """The findings as the reviewed list has them."""
    found, locator = findings(case)
    lines = []
    for one in found:
        where = str(locator.locate(one.origins[0])).removeprefix(f"{FIXTURES}/")
        lines.append(" ".join((str(one.severity), one.id, where, *one.hosts)) + "\n")
    return "".join(sorted(lines))
