"""Who the pod in a space is: its namespace, labels and ports, told by the name of the space.

`pod:NAMESPACE/vantage-NAME` is the Vantage; other pods are of a workload that the Service which lists them selects, or
whose name theirs begins with.  Gateways are told by `plan.policies`, since they have pods without names.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from gatewright.graph.network.starts import workloads_of
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.kinds.intents.material import ContainerPort, ServiceIntent, WorkloadIntent
from gatewright.rehearsal import ranges

PREFIX = "pod:"
VANTAGE = "vantage-"
"""What the names of Vantages' pods begin with."""


class Pod(Struct, frozen=True):
    """A pod as policies see it.  `ports` None: nobody says; `workload` None: no manifest has it; `told`: all of its
    labels are said nevertheless."""

    namespace: str
    labels: tuple[tuple[str, str], ...]
    ports: tuple[ContainerPort, ...] | None = None
    workload: WorkloadIntent | None = None
    told: bool = False


def identify(sight: Sight, space: str) -> Pod | None:
    """The pod of a space, None for spaces that are none."""
    if not space.startswith(PREFIX):
        return None
    namespace, _, name = space.removeprefix(PREFIX).partition("/")
    if name.startswith(VANTAGE):
        vantage = sight.get(Key("Vantage", "", name.removeprefix(VANTAGE)), VantageIntent)
        if vantage is not None:
            return Pod(vantage.namespace, vantage.labels, told=True)
    service = _service(sight, namespace, name)
    if service is None:
        made = _named(sight.listed("workloads-in", namespace, WorkloadIntent), name)
        return Pod(namespace, made.labels, made.ports, made) if made is not None else Pod(namespace, ())
    selected = workloads_of(sight, namespace, service.selector)
    made = _named(selected, name) or next(iter(selected), None)
    return Pod(namespace, made.labels, made.ports, made) if made is not None else Pod(namespace, service.selector)


def _named(workloads: Iterable[WorkloadIntent], name: str) -> WorkloadIntent | None:
    """The workload with the longest name that the pod's name begins with."""
    named = [w for w in workloads if name == w.key.name or name.startswith(w.key.name + "-")]
    return max(named, key=lambda w: len(w.key.name), default=None)


def _service(sight: Sight, namespace: str, name: str) -> ServiceIntent | None:
    """The Service that lists a pod, by its name or by the address in it."""
    for service in ranges.services(sight):
        if service.key.namespace != namespace:
            continue
        for group in ranges.endpoints(sight, service.key):
            if any(name in (a.pod, f"{service.key.name}-{a.address}") for a in group.addresses):
                return service
    return None
