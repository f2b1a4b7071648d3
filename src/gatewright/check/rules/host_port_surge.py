"""A workload with host ports on one node can never roll.

A rolling update starts the new pod before it ends the old one (`maxSurge`), but a host port, or a port of a pod in the
host's network, is free only when the old pod is gone.  With as many nodes as pods, or one node that both are bound to,
the new pod stays Pending ("didn't have free ports") and the rollout never ends; the old version serves on unnoticed.

    kind: Deployment
    spec:
      replicas: 1
      # strategy: RollingUpdate with maxSurge 25 %, rounded up to 1, unless said otherwise
      template:
        spec:
          containers:
            - ports: [{containerPort: 443, hostPort: 443}]

or, in the values of Traefik's Helm chart, whose own default is maxSurge 1 and maxUnavailable 0,

    deployment: {kind: Deployment, replicas: 1}
    ports: {websecure: {port: 443, hostPort: 443}}

Mend it with `strategy: {type: Recreate}` (a short gap), or `rollingUpdate: {maxSurge: 0, maxUnavailable: 1}`, or a
DaemonSet, whose default ends the old pod first; in values, with `updateStrategy.rollingUpdate`.  More nodes than pods
that may run it help only as long as that holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding, Patch
from gatewright.check.rule import Rule, Scope
from gatewright.graph.network import placement
from gatewright.graph.network.topology import topology
from gatewright.graph.resolve.doors import helm_values
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.material import WorkloadIntent
from gatewright.kinds.intents.programs import HelmIntent

ID = "host-port-surge"
CHARTS = frozenset(helm_values.TRAEFIK + helm_values.NGINX)


def check(sight: Sight, subject: WorkloadIntent | HelmIntent) -> Iterable[Finding]:
    """A Deployment or DaemonSet that surges while its pods hold ports of their nodes; or the values that make one."""
    if isinstance(subject, WorkloadIntent):
        yield from _judged(sight, subject)
    elif subject.chart in CHARTS:
        made = sight.ask(_made_by_charts).get(subject.origin)
        if made is not None:
            yield from _judged(sight, made, chart=subject.chart)


def _made_by_charts(sight: Sight) -> Mapping[Origin, WorkloadIntent]:
    """The workload of each release, by the values that make it."""
    return {one.controller.origin: one.workload for one in sight.ask(helm_values.installed).values()}


def _judged(sight: Sight, workload: WorkloadIntent, *, chart: str = "") -> Iterable[Finding]:
    """`chart` is the one that makes it, "" for a manifest."""
    ports = sorted({port.host_port for port in workload.ports if port.host_port})
    if not ports or not _surges(workload) or _has_room(sight, workload):
        return
    named = ", ".join(map(str, ports))
    what = ("on the host's port" if workload.host_network else "on host port") + ("s" if len(ports) > 1 else "")
    recreates = workload.key.kind == "Deployment" and not chart
    patch = Patch(workload.origin.at("spec", "strategy", "type"), "Recreate")
    yield Finding(
        ID,
        Severity.ERROR,
        f"{workload.key} {f'of the chart {chart} ' if chart else ''}listens {what} {named} and starts its new pod "
        "before the old one ends",
        "the new pod finds the port taken and stays Pending: the next rollout never ends",
        "set spec.strategy.type to Recreate, or rollingUpdate to maxSurge 0 and maxUnavailable 1"
        if recreates
        else f"set {_rolling(chart)} to maxSurge 0 and maxUnavailable 1",
        (workload.origin,),
        patch=patch if recreates and not workload.strategy else None,
    )


def _rolling(chart: str) -> str:
    """The field that says how many pods a rollout starts and ends at once."""
    if not chart:
        return "spec.updateStrategy.rollingUpdate"
    return f"{'' if chart in helm_values.TRAEFIK else 'controller.'}updateStrategy.rollingUpdate"


def _surges(workload: WorkloadIntent) -> bool:
    """Does a rollout start pods before it ends others?  By default a Deployment does and a DaemonSet does not."""
    if workload.key.kind not in ("Deployment", "DaemonSet") or workload.strategy in ("Recreate", "OnDelete"):
        return False
    surge = workload.max_surge.rstrip("%")
    return surge not in ("", "0") if workload.max_surge else workload.key.kind == "Deployment"


def _has_room(sight: Sight, workload: WorkloadIntent) -> bool:
    """Does the map show more nodes that may run it than it has pods?  Those of its cluster, where that is known."""
    if workload.key.kind == "DaemonSet" or workload.node_name:
        return False
    machines = sight.ask(topology).machines
    mine = sight.ask(placement.home, workload.key.namespace).machines or tuple(machines)
    wanted = dict(workload.node_selector)
    fitting = [name for name in mine if name in machines and wanted.items() <= dict(machines[name].labels).items()]
    return len(fitting) > max(workload.replicas, 1)


RULE = Rule(
    ID, "host ports and a rollout that needs two pods at once", Severity.ERROR, Scope.OBJECT, __doc__, check,
    (WorkloadIntent, HelmIntent),
)  # fmt: skip
