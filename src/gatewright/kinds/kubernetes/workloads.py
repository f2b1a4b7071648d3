"""Deployment, StatefulSet, DaemonSet, ReplicaSet and Pod: what stands behind a Service's selector.

Of a pod's specification only what says where it runs, what it listens on, with which arguments and how it is replaced
concerns a gateway, so the schema is lenient: everything else is accepted unread.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds.decode import Lenient, LenientObject, Metadata, Report, decode, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.material import ContainerPort, WorkloadIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.traefik import static_features


class _Port(Lenient, frozen=True):
    container_port: Annotated[int, Meta(ge=1, le=65535)]
    name: str = ""
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    host_port: Annotated[int, Meta(ge=0, le=65535)] = 0


class _Container(Lenient, frozen=True):
    ports: tuple[_Port, ...] | None = ()
    restart_policy: str | None = None
    image: str | None = ""
    command: tuple[str, ...] | None = ()
    args: tuple[str, ...] | None = ()


class _PodSpec(Lenient, frozen=True):
    containers: tuple[_Container, ...] | None = ()
    init_containers: tuple[_Container, ...] | None = ()
    host_network: bool | None = False
    node_name: str | None = ""
    node_selector: dict[str, str] | None = field(default_factory=dict)


class _Rolling(Lenient, frozen=True):
    max_surge: int | str | None = None
    max_unavailable: int | str | None = None


class _Strategy(Lenient, frozen=True):
    type: str | None = ""
    rolling_update: _Rolling | None = None


class _Template(Lenient, frozen=True):
    metadata: Metadata | None = None
    spec: _PodSpec = _PodSpec()


class _Spec(Lenient, frozen=True):
    template: _Template = _Template()
    replicas: Annotated[int, Meta(ge=0)] = 1
    strategy: _Strategy | None = None  # of a Deployment
    update_strategy: _Strategy | None = None  # of a StatefulSet or DaemonSet


class Workload(LenientObject, frozen=True):
    """Anything that makes pods from a template."""

    spec: _Spec = _Spec()


class Pod(LenientObject, frozen=True):
    spec: _PodSpec = _PodSpec()


def _lower_workload(document: Document) -> Lowered:
    workload, problems = decode(document, Workload)
    report = Report(document, problems)
    if workload is None:
        return report.lowered(None)
    template = workload.spec.template
    labels = template.metadata.labels if template.metadata else {}
    strategy = workload.spec.strategy or workload.spec.update_strategy or _Strategy()
    _unheeded(template.spec, report, "spec", "template", "spec")
    return report.lowered(_intent(document, labels, template.spec, workload.spec.replicas, strategy))


def _lower_pod(document: Document) -> Lowered:
    pod, problems = decode(document, Pod)
    report = Report(document, problems)
    if pod is None:
        return report.lowered(None)
    _unheeded(pod.spec, report, "spec")
    return report.lowered(_intent(document, pod.metadata.labels, pod.spec, 1, _Strategy()))


def _unheeded(spec: _PodSpec, report: Report, *path: str | int) -> None:
    """Options of a Traefik that nothing here follows."""
    for number, container in enumerate(spec.containers or ()):
        if "traefik" in (container.image or ""):
            own = (*path, "containers", number)
            static_features.judge_arguments(container.command or (), report, *own, "command")
            static_features.judge_arguments(container.args or (), report, *own, "args")


def _intent(
    document: Document, labels: dict[str, str], spec: _PodSpec, replicas: int, strategy: _Strategy
) -> WorkloadIntent:
    # An init container that restarts always is a sidecar: it serves as long as the pod does.
    sidecars = [c for c in spec.init_containers or () if c.restart_policy == "Always"]
    containers = (*(spec.containers or ()), *sidecars)
    rolling = strategy.rolling_update or _Rolling()
    ports = tuple(
        ContainerPort(
            port.name,
            port.container_port,
            port.protocol,
            port.host_port or (port.container_port if spec.host_network else 0),
        )
        for container in containers
        for port in container.ports or ()
    )
    return WorkloadIntent(
        key=key_of(document),
        origin=document.origin,
        labels=tuple(sorted(labels.items())),
        ports=ports,
        host_network=bool(spec.host_network),
        replicas=replicas,
        strategy=strategy.type or "",
        max_surge=_text(rolling.max_surge),
        max_unavailable=_text(rolling.max_unavailable),
        node_selector=tuple(sorted((spec.node_selector or {}).items())),
        node_name=spec.node_name or "",
        args=tuple(word for container in containers for word in (*(container.command or ()), *(container.args or ()))),
        images=tuple(container.image for container in containers if container.image),
    )


def _text(value: int | str | None) -> str:
    return "" if value is None else str(value)


KINDS = (
    Kind("Deployment", ("apps/v1", "apps/v1beta2", "apps/v1beta1", "extensions/v1beta1"), _lower_workload),
    Kind("StatefulSet", ("apps/v1", "apps/v1beta2", "apps/v1beta1"), _lower_workload),
    Kind("DaemonSet", ("apps/v1", "apps/v1beta2", "extensions/v1beta1"), _lower_workload),
    Kind("ReplicaSet", ("apps/v1", "apps/v1beta2", "extensions/v1beta1"), _lower_workload),
    Kind("Pod", ("v1",), _lower_pod),
)
