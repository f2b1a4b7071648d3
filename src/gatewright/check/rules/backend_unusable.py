"""A route leads to a backend that cannot answer.

The Service does not exist or has no such port, its selector finds no pod, its `targetPort` names a port that no
container has, or its TLS cannot be verified as asked.  Kubernetes takes all of it: names are only compared when traffic
comes, and a Service without endpoints is a valid one.  Gateway API then answers 500, ingress-nginx 503, and Traefik
drops the router, so that 404 comes or another rule answers.

    kind: Service
    metadata: {name: shop}
    spec:
      selector: {app: shop}                 # the Deployment's pods have app.kubernetes.io/name: shop
      ports: [{port: 80, targetPort: http}] # its container calls the port web

Compare the selector with the labels of the pod template (not those of the Deployment), `targetPort` with the names in
`ports` of the containers, and the port of the route with `port` of the Service (not with `targetPort`).

A number in `targetPort` that no container lists is only mentioned: `containerPort` informs, it opens nothing.  It is no
fault when a chart or an operator makes the Service or the pods.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph.nodes import Backend
from gatewright.graph.resolve.upstreams.backends import port_of
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import ServiceIntent, ServicePort, WorkloadIntent

ID = "backend-unusable"
ALIKE = 0.8
"""From which likeness on two values of a label are taken for one with a slip."""
MOST = 200
"""A namespace with more workloads than this is not searched for a near one."""


def check(sight: Sight, backend: Backend) -> Iterable[Finding]:
    """A Service whose selector nearly fits some pods, or whose targetPort its pods do not have."""
    service = sight.get(Key("Service", backend.key.namespace, backend.key.name), ServiceIntent)
    if service is None or not service.selector or backend.endpoints or backend.dns_name:
        return
    namespace = service.key.namespace
    wanted = set(service.selector)
    labels = tuple((namespace, label) for label in service.selector)
    listed = sight.fewest("workloads", labels, WorkloadIntent)
    pods = [workload for workload in listed if wanted <= set(workload.labels)]
    if pods:
        port = port_of(service, backend.key.port)
        if port is not None:
            yield from _port(service, port, pods)
        return
    near = _nearest(sight, service)
    if near is not None:
        workload, said = near
        yield Finding(
            ID,
            Severity.ERROR,
            f"the selector of {service.key} fits no pod: {said}",
            "the Service has no endpoints, so its routes answer 503",
            f"write the same labels in the selector as in the pod template of {workload.key}",
            (service.origin.at("spec", "selector"), workload.origin),
        )


def _nearest(sight: Sight, service: ServiceIntent) -> tuple[WorkloadIntent, str] | None:
    """The workload that the Service most likely means, and what keeps it from it."""
    for workload in sorted(
        sight.ask(_workloads, service.key.namespace), key=lambda item: item.key.name != service.key.name
    ):
        labels = dict(workload.labels)
        wrong = [(name, value) for name, value in service.selector if labels.get(name) != value]
        if len(wrong) != 1 or not labels:
            continue
        name, value = wrong[0]
        if said := _slip(name, value, labels, same=workload.key.name == service.key.name):
            return workload, f"it asks for {name}={value}, and the pods of {workload.key} have {said}"
    return None


def _workloads(sight: Sight, namespace: str) -> tuple[WorkloadIntent, ...]:
    """A question: the workloads of a namespace, none where there are too many to look for a near one."""
    found = sight.listed("workloads-in", namespace, WorkloadIntent)
    return tuple(found) if len(found) <= MOST else ()


def _slip(name: str, value: str, labels: dict[str, str], *, same: bool) -> str:
    """How the labels differ from what is asked for, when that looks like a slip; else ""."""
    if name in labels:
        close = difflib.SequenceMatcher(None, labels[name], value).ratio() >= ALIKE
        return f"{name}={labels[name]}" if close or same else ""
    other = next((key for key, held in labels.items() if held == value), None)
    if other is not None:
        return f"{other}={value}"
    return "no such label" if same else ""


def _port(service: ServiceIntent, port: ServicePort, pods: list[WorkloadIntent]) -> Iterator[Finding]:
    """A targetPort that none of the pods has."""
    target = port.port if port.target is None else port.target
    ports = [item for workload in pods for item in workload.ports]
    told = ", ".join(dict.fromkeys(f"{p.name}={p.port}" if p.name else str(p.port) for p in ports)) or "none"
    index = service.ports.index(port)
    where = (service.origin.at("spec", "ports", index, "targetPort"), *(workload.origin for workload in pods))
    who = " and ".join(str(workload.key) for workload in pods)
    if isinstance(target, str):
        if not any(item.name == target for item in ports):
            yield Finding(
                ID,
                Severity.ERROR,
                f"port {port.port} of {service.key} goes to the container port {target}, which {who} does not have "
                f"(it has: {told})",
                "the Service has no endpoints for that port, so its routes answer 503",
                f"name the port of the container {target}, or set targetPort to one that it has",
                where,
            )
    elif ports and all(item.port != target for item in ports):
        yield Finding(
            ID,
            Severity.INFO,
            f"port {port.port} of {service.key} goes to port {target}, which no container of {who} lists "
            f"(they list: {told})",
            "connections are refused unless the program listens there all the same",
            "compare targetPort with what the program listens on",
            where,
        )


RULE = Rule(
    ID,
    "a backend that cannot answer",
    Severity.ERROR,
    Scope.BACKEND,
    __doc__,
    check,
    lifts=(
        "backend-missing",
        "backend-port",
        "backend-kind",
        "backend-cycle",
        "backend-filter",
        "backend-tls",
        "no-endpoints",
        "no-service",
        "policy-conflict",
        "unsupported-backend",
        "unsupported-service",
    ),
    consequence="requests that should go there get an error, or in Traefik another rule's answer",
    fix="correct the reference, or make what it refers to fit",
)
