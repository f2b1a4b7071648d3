"""`gatewright check` on N hosts from four vantages in both families: from exec to the report, and after one change.

Each host is a file with an HTTPRoute, a Service and an EndpointSlice; beside them lies a site map: a home with the
cluster behind a WireGuard link, an edge that forwards, split DNS, a firewall, a network policy.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import manifests, model, support
from benchmarks.support import Row
from gatewright.check.rules import RULES
from gatewright.check.run import Checker
from gatewright.pipeline import Model
from gatewright.trace.journey import Walks, journey
from gatewright.trace.request import request

BAR = 10.0
BAR_CHANGE = 0.1
BAR_MEMORY = 600
BAR_TRACE = 0.001

VANTAGES = 4

SITE_MAP = """\
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: public, namespace: edge}
spec:
  implementation: gateway-api
  addresses: [192.168.178.50, "fd00:1::50"]
  settings: {runsOn: [{cluster: home/k3s}]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: home}
spec:
  networks:
    - {name: lan, cidrs: [192.168.178.0/24, "fd00:1::/64"]}
  nodes:
    - {name: one, addresses: [192.168.178.5, "fd00:1::5"]}
    - {name: two, addresses: [192.168.178.6, "fd00:1::6"]}
  clusters:
    - {name: k3s, podCIDRs: [127.0.0.0/8, "fd01::/48"], serviceCIDRs: [10.43.0.0/16], nodes: [one, two]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: cloud}
spec:
  nodes:
    - {name: edge, addresses: [203.0.113.20, "2001:db8::20"]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Link
metadata: {name: wg}
spec:
  type: WireGuard
  ends:
    - {node: cloud/edge, addresses: [10.99.0.2, "fd00:99::2"]}
    - {node: home/one, addresses: [10.99.0.1, "fd00:99::1"], routes: [192.168.178.0/24, "fd00:1::/64"]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Firewall
metadata: {name: edge}
spec:
  protects: [{node: cloud/edge}]
  default: {inbound: deny}
  inbound: [{allow: tcp, ports: [22, 80, 443]}]
  forwards:
    - {address: 203.0.113.20, port: 80, to: 192.168.178.50, toPort: 80}
    - {address: "2001:db8::20", port: 80, to: "fd00:1::50", toPort: 80}
---
apiVersion: gatewright.dev/v1alpha1
kind: Zone
metadata: {name: bench}
spec:
  domain: bench.example
  records:
    - {name: "*", type: A, values: [203.0.113.20]}
    - {name: "*", type: AAAA, values: ["2001:db8::20"]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Resolver
metadata: {name: adguard}
spec:
  implementation: AdGuardHome
  addresses: [192.168.178.11]
  forwards: [{domain: bench.example, to: [gateways]}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Resolver
metadata: {name: gateways}
spec:
  implementation: k8s_gateway
  addresses: [192.168.178.60]
  gatewayNames: {domains: [bench.example]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: laptop}
spec: {network: home/lan, resolvers: [adguard]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: guest}
spec: {network: home/lan}
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: phone}
spec: {network: internet}
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: edge}
spec: {node: cloud/edge}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: from-the-gateway, namespace: apps}
spec:
  podSelector: {}
  ingress: [{}]
"""

_LAST_RECORD = '    - {name: "*", type: AAAA, values: ["2001:db8::20"]}\n'
MAP_CHANGES = (
    (
        "a record appended to the zone",
        _LAST_RECORD,
        _LAST_RECORD + "    - {name: host-5, type: A, values: [203.0.113.20]}\n",
    ),
    ("a firewall rule that concerns nobody", "ports: [22, 80, 443]", "ports: [80, 443]"),
    ("a port forward by which every name's fate changes at one vantage", "toPort: 80}", "toPort: 81}"),
)
"""What is changed in the site map: how it is called, and the text before and after."""


def write(folder: Path, size: int) -> None:
    """N hosts and the site map."""
    model.write(folder, size, 8080)
    (folder / "site-map.yaml").write_text(SITE_MAP)


def measure(sizes: list[int], times: int) -> Iterator[Row]:
    """Rows for each size: the whole program, one change, one trace."""
    first = 0.0
    for size in sizes:
        with support.folder() as folder:
            where = folder / "m"
            write(where, size)
            yield from _cold(where, folder / "log", size)
            read = Model()
            read.read([str(where)])
            checker = Checker(read.analysis, RULES)
            checker.run()
            gc.collect()
            gc.freeze()
            found = _changes(read, checker, where, size, times)
            first = first or found.mean
            yield Row("check after one change: file → report", size, str(found), found.mean / first,
                      f"mean at {sizes[0]:,}", f"≤ {BAR_CHANGE * 1000:g} ms, flat")  # fmt: skip
            for what, before, after in MAP_CHANGES:
                found = _map_changes(read, checker, where, (before, after), max(2, times // 10))
                yield Row(f"the same, {what}", size, str(found), found.mean / 1000 / BAR_CHANGE,
                          f"{BAR_CHANGE * 1000:g} ms", f"≤ {BAR_CHANGE * 1000:g} ms")  # fmt: skip
            del checker
            read = Model()
            read.read([str(where)])
            gc.collect()
            gc.freeze()
            first_trace, *others = _traces(read, size, times + 1)
            traced = support.figures(others)
            yield Row("one trace from one vantage, both families", size,
                      f"{traced}; the first after loading {first_trace * 1000:.2f} ms", traced.p50 / 1000 / BAR_TRACE,
                      "1 ms at p50", "≤ 1 ms")  # fmt: skip
            del read
            gc.unfreeze()
            gc.collect()


def _cold(where: Path, log: Path, size: int) -> Iterator[Row]:
    """The program as users start it."""
    started = time.perf_counter()
    command = (str(Path(sys.executable).with_name("gatewright")), "check", "-o", "json", str(where))
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, support.memory(process.pid, "VmHWM"))
            time.sleep(0.02)
    seconds = time.perf_counter() - started
    assert process.returncode in (0, 1), process.returncode
    cells = log.read_bytes().count(b'"vantage":')
    figure = f"{seconds:.2f} s for {cells:,} cells; {peak} MB at most"
    yield Row(
        "check, from exec to report", size, figure, seconds / BAR, f"{BAR:g} s", f"≤ {BAR:g} s, ≤ {BAR_MEMORY} MB"
    )


def _changes(read: Model, checker: Checker, where: Path, size: int, times: int) -> support.Figures:
    """A route moves to another Service; the clock stops when the report is there, matrix and all."""
    took = []
    for turn in range(times):
        number = turn * 7919 % size
        file = model.file(where, number)
        file.write_text(model.host(number, 8080, f"service-{(number + 1 + turn % 2) % size}"))
        started = time.perf_counter()
        state = read.refresh([str(file)])
        assert state is not None
        checker.update(state.change, state.concerned)
        report = checker.report(read.problems(), read.suppressions(), read.analysis.today)
        took.append(time.perf_counter() - started)
        assert len(report.matrix) >= size
    return support.figures(took)


def _map_changes(read: Model, checker: Checker, where: Path, edit: tuple[str, str], times: int) -> support.Figures:
    """The site map is edited back and forth."""
    file, took = where / "site-map.yaml", []
    for turn in range(2 * times):
        file.write_text(SITE_MAP.replace(*edit) if turn % 2 == 0 else SITE_MAP)
        started = time.perf_counter()
        state = read.refresh([str(file)])
        assert state is not None
        checker.update(state.change, state.concerned)
        checker.report(read.problems(), read.suppressions(), read.analysis.today)
        took.append(time.perf_counter() - started)
    return support.figures(took)


def _traces(read: Model, size: int, times: int) -> list[float]:
    """Journeys of names that nobody has asked for since the model was read, in seconds each."""
    took = []
    for turn in range(times):
        asked = request(f"http://{manifests.hostname(turn * 104_729 % size)}/page")
        started = time.perf_counter()
        found = read.analysis.answer(journey, "laptop", asked, ("4", "6"), Walks())
        took.append(time.perf_counter() - started)
        assert found.branches
    return took
