"""From a gateway to each endpoint of a backend: pod networks, policies, and the ways to what is outside of the cluster.

What is judged is what a gateway connects to, the pod and its own port, never the Service's address.  Without a site map
only policies are judged, for nobody knows any way then.  Counterparts: `graph.names`, for backends that are names; in
`graph.network`, `placement` (where pods run), `policies` (which judges) and `ways` (addresses that are no pod's).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, structs

from gatewright.base.origin import Origin
from gatewright.graph.names.kept import kept
from gatewright.graph.names.nodes import Resolution, Status
from gatewright.graph.names.resolvers import resolutions
from gatewright.graph.names.servers import cluster_resolver
from gatewright.graph.network import parties
from gatewright.graph.network.nodes import Machine, Mtu, Place, Step, StepKind
from gatewright.graph.network.parties import Party, PartyKind
from gatewright.graph.network.placement import NOWHERE, Home, candidates, clusters, crossing, home, home_of
from gatewright.graph.network.policies import admitted
from gatewright.graph.network.starts import Start, node_of, starts, visitor, workloads_of
from gatewright.graph.network.topology import topology
from gatewright.graph.network.ways import way
from gatewright.graph.nodes import BackendKey, Endpoint
from gatewright.graph.resolve.upstreams.backends import port_of
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import EndpointsIntent, ServiceIntent, ServicePort, WorkloadIntent
from gatewright.kinds.intents.policies import HttpAllow

CLUSTER_DOMAIN = ".svc.cluster.local"


class Reached(Struct, frozen=True, gc=False):
    """What became of one endpoint.  `address` is that of an endpoint, a name that has none, or the pods in words."""

    address: str
    port: int | str
    ok: bool
    reason: str = ""


class Reach(Struct, frozen=True):
    """How a gateway gets to the endpoints of a backend.  `reached`: all of them, as far as the map tells; of the
    addresses of an external name one, for whoever looks up names tries one address after the other.

    `unknown`: the map does not say where some of it is, which is held against nobody.
    `origins`: what decided, the first cause first.  `http`: only requests that fit one of each group pass network
    policies (see `policies.passes`).  `name` and `resolved`: where an ExternalName leads outside of the cluster,
    what the gateway's resolver says of it; its addresses are among `endpoints`.
    """

    reached: bool
    steps: tuple[Step, ...] = ()
    reason: str = ""
    unknown: bool = False
    mtu: Mtu | None = None
    links: tuple[str, ...] = ()
    http: tuple[tuple[HttpAllow, ...], ...] = ()
    origins: tuple[Origin, ...] = ()
    endpoints: tuple[Reached, ...] = ()
    name: str = ""
    resolved: tuple[Resolution, ...] = ()


class Target(Struct, frozen=True):
    """Pods, or one address, that serve a backend.  `pods`: they are on the pod network (or on the nodes) of `home`.

    `shown` are the endpoint addresses that are listed, or words.
    """

    party: Party
    port: int | str
    protocol: str
    shown: tuple[str, ...]
    home: Home | None = None
    machines: tuple[str, ...] = ()


class Found(Struct, frozen=True):
    """Where a Service leads.  `reason`: why it leads nowhere.  `name`: an external one, with `port`."""

    targets: tuple[Target, ...] = ()
    reason: str = ""
    name: str = ""
    port: int = 0
    origins: tuple[Origin, ...] = ()


def reach(sight: Sight, gateway_id: str, key: BackendKey) -> Reach:
    """How a gateway gets to a backend, endpoint by endpoint."""
    backend = sight.backend(key)
    if backend is None or not backend.usable:
        return Reach(False, reason=backend.reason if backend else f"there is no Service {key.namespace}/{key.name}")
    found = _found(sight, key)
    if found.reason:
        return Reach(False, reason=found.reason, origins=found.origins)
    tally = Tally()
    for start in sight.ask(starts, gateway_id):
        if found.name:
            _outside_by_name(sight, gateway_id, start, found, tally)
        for target in found.targets:
            tally.add(target, *_judged(sight, start, target))
    return tally.reach(found)


def targets(sight: Sight, key: BackendKey) -> tuple[Target, ...]:
    """What serves a backend, as far as the input tells."""
    return _found(sight, key).targets


def reach_from(sight: Sight, place: Place, key: BackendKey) -> Reach:
    """A question: how a pod gets to the pods of a Service without a gateway between."""
    found = _found(sight, key)
    workloads = workloads_of(sight, place.namespace, place.labels)
    machines = dict.fromkeys(
        id_ for w in workloads for id_ in sight.ask(candidates, place.id, w.node_name, w.node_selector)
    )
    start = Start(place, visitor(sight, place), place.id, tuple(machines) or sight.ask(candidates, place.id, "", ()))
    tally = Tally()
    for target in found.targets:
        tally.add(target, *_judged(sight, start, target))
    return tally.reach(found)


class Tally:
    """What all pairs of starts and targets come to."""

    __slots__ = ("_endpoints", "_http", "_links", "_mtu", "_origins", "_steps", "_unknown", "resolved")

    def __init__(self) -> None:
        self._endpoints: dict[tuple[str, int | str], Reached] = {}
        self._http: dict[tuple[HttpAllow, ...], None] = {}
        self._links: dict[str, None] = {}
        self._mtu: Mtu | None = None
        self._origins: dict[Origin, None] = {}
        self._steps: dict[Step, None] = {}
        self._unknown = False
        self.resolved: dict[Resolution, None] = {}

    def add(self, target: Target, reason: str, parts: tuple[Part, ...]) -> None:
        """The outcome for one target: "" when it is reached, and what was passed."""
        for address in target.shown:
            before = self._endpoints.get((address, target.port))
            if before is None or before.ok:
                self._endpoints[address, target.port] = Reached(address, target.port, not reason, reason)
        for part in parts:
            self._unknown |= part.unknown
            self._steps.update(dict.fromkeys(part.steps))
            self._links.update(dict.fromkeys(part.links))
            self._http.update(dict.fromkeys(part.http))
            self._origins.update(dict.fromkeys(part.origins))
            if part.mtu is not None and (self._mtu is None or part.mtu.value < self._mtu.value):
                self._mtu = part.mtu

    def reach(self, found: Found) -> Reach:
        endpoints = tuple(self._endpoints.values())
        failed = next((one for one in endpoints if not one.ok), None)
        if found.name and any(one.ok for one in endpoints):
            failed = None
        return Reach(
            reached=failed is None,
            steps=tuple(self._steps),
            reason=failed.reason if failed else "",
            unknown=self._unknown,
            mtu=self._mtu,
            links=tuple(self._links),
            http=tuple(self._http),
            origins=tuple(self._origins),
            endpoints=endpoints,
            name=found.name,
            resolved=tuple(self.resolved),
        )


class Part(Struct, frozen=True):
    """What one stretch adds."""

    steps: tuple[Step, ...] = ()
    mtu: Mtu | None = None
    links: tuple[str, ...] = ()
    http: tuple[tuple[HttpAllow, ...], ...] = ()
    origins: tuple[Origin, ...] = ()
    unknown: bool = False


UNKNOWN = Part(unknown=True)


# --- one gateway, one target --------------------------------------------------------------------


def _judged(sight: Sight, start: Start, target: Target) -> tuple[str, tuple[Part, ...]]:
    """Why a target is not reached ("" when it is), and what was passed."""
    allowed, said = _policies(sight, start, target)
    if allowed:
        return allowed, said
    if target.home is None:
        reason, passed = _by_way(sight, start, target.shown[0], target)
    elif not target.home.cluster or start.place is None:
        reason, passed = "", UNKNOWN
    elif start.cluster == target.home.cluster:
        over = sight.ask(crossing, start.cluster, start.machines, target.machines)
        reason, passed = over.reason, Part(over.steps, over.mtu, over.links, (), over.origins if over.reason else ())
    else:
        reason, passed = _by_way(sight, start, _some_address(target), target)
    return reason, (passed, *said)


def _policies(sight: Sight, start: Start, target: Target) -> tuple[str, tuple[Part, ...]]:
    verdict = admitted(sight, start.party, target.party, target.port, target.protocol)
    if verdict.allowed and not verdict.reason and not verdict.http:
        return "", ()
    origin = verdict.origins[0] if verdict.origins else None
    step = Step(StepKind.POLICY, verdict.reason, origin)
    return "" if verdict.allowed else verdict.reason, (Part((step,), None, (), verdict.http, verdict.origins),)


def _by_way(sight: Sight, start: Start, address: str, target: Target) -> tuple[str, Part]:
    """Over networks, links and firewalls; what the map does not know is not held against anybody."""
    if start.place is None or not address or not isinstance(target.port, int):
        return "", UNKNOWN
    found = sight.ask(way, start.place, address, target.port, target.protocol.lower())
    blocked = (found.blocked_by,) if found.blocked_by else ()
    reason = "" if found.reached or found.unknown else found.reason
    return reason, Part(found.steps, found.mtu, found.links, (), blocked, found.unknown)


def _some_address(target: Target) -> str:
    """An address to look for on the way to pods of another cluster: theirs, or the first that they may have."""
    found = parties.nets(target.party.addresses)
    return str(found[0].network_address) if found else ""


# --- what serves a backend ----------------------------------------------------------------------


def _found(sight: Sight, key: BackendKey) -> Found:
    """What a Service leads to; ExternalNames of Services of the cluster are followed, but not in a circle."""
    namespace, name, number = key.namespace, key.name, key.port
    udp = "udp" in key.variant.split("+")
    passed: dict[Key, Origin] = {}
    while True:
        at = Key("Service", namespace, name)
        service = sight.get(at, ServiceIntent)
        if service is None:
            return Found(reason=f"there is no {at}", origins=tuple(passed.values()))
        if at in passed:
            circle = " → ".join(str(one) for one in (*passed, at))
            return Found(reason=f"ExternalName leads in a circle: {circle}", origins=tuple(passed.values()))
        passed[at] = service.origin
        port = port_of(service, number, udp=udp)
        if port is None:
            return Found(reason=f"{at} has no port {number}", origins=tuple(passed.values()))
        if service.type != "ExternalName":
            break
        inner = service.external_name.lower().rstrip(".").removesuffix(CLUSTER_DOMAIN).removesuffix(".svc")
        if inner == service.external_name or inner.count(".") != 1:
            return Found(name=service.external_name.lower().rstrip("."), port=number)
        name, namespace = inner.split(".")
    targets = tuple(_targets(sight, service, port))
    return Found(targets, "" if targets else f"{at} has no ready endpoints", origins=tuple(passed.values()))


class Group(Struct, frozen=True):
    """Endpoints that are alike: their pods' workload, node and port; `number` None and no `addresses`: none listed."""

    workload: WorkloadIntent | None
    node: str = ""
    number: int | None = None
    addresses: tuple[str, ...] = ()


def _targets(sight: Sight, service: ServiceIntent, port: ServicePort) -> Iterator[Target]:
    """The listed endpoints; without any the pods that the Service selects."""
    listed = _listed(sight, service, port)
    if not service.selector:
        for endpoint in listed:
            yield _address(sight, endpoint, port.protocol)
        return
    workloads = workloads_of(sight, service.key.namespace, service.selector)
    alike: dict[tuple[WorkloadIntent | None, str, int], list[str]] = {}
    here = sight.ask(home, service.key.namespace).cluster
    several = bool(here) and len(sight.ask(clusters)) > 1
    for endpoint in listed:
        there = sight.ask(home_of, endpoint.address) if several else NOWHERE
        if there.cluster not in ("", here):
            yield _mirrored(service, port, endpoint, there)
            continue
        of = _made_by(workloads, endpoint.pod), endpoint.node, endpoint.port
        alike.setdefault(of, []).append(endpoint.address)
    groups = [Group(*of, tuple(addresses)) for of, addresses in alike.items()]
    for group in groups or ([] if listed else [Group(workload) for workload in workloads or (None,)]):
        yield _pods(sight, service, port, group)


def _mirrored(service: ServiceIntent, port: ServicePort, endpoint: Endpoint, there: Home) -> Target:
    """A pod of another cluster, as Liqo and Submariner list them among a Service's own."""
    party = parties.pod(service.key.namespace, service.selector, addresses=(endpoint.address,))
    party = structs.replace(party, partial=True)
    return Target(party, endpoint.port, port.protocol, (endpoint.address,), there, there.machines)


def _pods(sight: Sight, service: ServiceIntent, port: ServicePort, group: Group) -> Target:
    """Pods of a workload, or with the labels that a Service wants where no workload is among the input."""
    at = sight.ask(home, service.key.namespace)
    workload = group.workload
    node = group.node or (workload.node_name if workload else "")
    machines = sight.ask(candidates, at.cluster, node, workload.node_selector if workload else ())
    only = machines[0] if len(machines) == 1 else ""
    if workload is not None and workload.host_network:
        party = node_of(sight, machines)
    else:
        party = parties.pod(
            service.key.namespace,
            workload.labels if workload else service.selector,
            addresses=group.addresses or at.pod_cidrs,
            ports=workload.ports if workload else None,
            machine=only,
            name=f"pods of {workload.key}" if workload else "",
        )
        party = structs.replace(party, partial=workload is None)
    number = group.number if group.number is not None else _number(workload, port)
    return Target(party, number, port.protocol, group.addresses or (party.name,), at, machines)


def _number(workload: WorkloadIntent | None, port: ServicePort) -> int | str:
    """The pod's own port; a name stays one when no container has it."""
    if port.target is None:
        return port.port
    for container in workload.ports if workload and isinstance(port.target, str) else ():
        if container.name == port.target and container.protocol == port.protocol:
            return container.port
    return port.target


def _address(sight: Sight, endpoint: Endpoint, protocol: str) -> Target:
    """An address that somebody listed for a Service without selector: a node's, or outside of the cluster."""
    machine = sight.ask(owner_of, endpoint.address)
    party = parties.outside(endpoint.address)
    if machine is not None:
        party = parties.node(machine.id, machine.addresses, machine.labels)
    return Target(party, endpoint.port, protocol, (endpoint.address,))


def owner_of(sight: Sight, address: str) -> Machine | None:
    """The machine that has an address, when it is one of a cluster."""
    world = sight.ask(topology)
    owner = world.owners.get(address)
    if owner is None or not any(owner in cluster.machines for cluster in world.clusters.values()):
        return None
    return world.machines[owner]


def _listed(sight: Sight, service: ServiceIntent, port: ServicePort) -> list[Endpoint]:
    """The ready endpoints of a port, each once, sorted."""
    found: set[Endpoint] = set()
    for slice_ in sight.listed("endpoints", service.key, EndpointsIntent):
        for group in (slice_, *slice_.more):
            numbers = [number for name, number in group.ports if name == port.name]
            if not numbers and len(service.ports) == 1 and len(group.ports) == 1:
                numbers = [group.ports[0][1]]
            for number in numbers[:1]:
                found.update(Endpoint(a.address, number, a.pod, a.node) for a in group.addresses if a.ready)
    return sorted(found)


def _made_by(workloads: tuple[WorkloadIntent, ...], pod: str) -> WorkloadIntent | None:
    """The workload that a pod comes from: itself, or the one whose name its name starts with."""
    named = [w for w in workloads if pod == w.key.name or pod.startswith(w.key.name + "-")]
    return max(named, key=lambda w: len(w.key.name), default=workloads[0] if workloads else None)


# --- outside of the cluster ---------------------------------------------------------------------

BROKEN = {
    Status.NXDOMAIN: "does not exist",
    Status.REFUSED: "is refused by the resolver",
    Status.LOOP: "is resolved in a circle",
    Status.UNREACHED: "is known to nobody whom the resolver reaches",
    Status.NODATA: "has no address",
}


def _outside_by_name(sight: Sight, gateway_id: str, start: Start, found: Found, tally: Tally) -> None:
    """Each answer that the gateway's resolver may give for an external name, and the way to each address."""
    servers, answers = resolvers_of(sight, start), list[Resolution]()
    for type_ in ("A", "AAAA"):
        lookup = (servers, found.name, type_, start.place)
        answers += kept(sight, gateway_id, lookup, sight.ask(resolutions, *lookup))
    tally.resolved.update(dict.fromkeys(answers))
    addresses = tuple(dict.fromkeys(address for answer in answers for address in answer.addresses))
    for address in addresses:
        target = _external(sight, address, found)
        tally.add(target, *_judged(sight, start, target))
    if addresses:
        return
    # Nobody has it: that is told, unless a part of the world that the map does not describe may.
    unknown = any(answer.status in (Status.UNKNOWN, Status.EDGE) for answer in answers)
    told = BROKEN if _resolver_described(sight, start) else {Status.LOOP: BROKEN[Status.LOOP]}
    first = next((answer for answer in answers if answer.status in told), None)
    target = Target(parties.outside(found.name, found.name), found.port, "TCP", (found.name,))
    if first is None or unknown:
        tally.add(target, "", (UNKNOWN,))
    else:
        origins = (first.origin,) if first.origin else ()
        tally.add(target, f"{found.name} {BROKEN[first.status]}", (Part(origins=origins),))


def resolvers_of(sight: Sight, start: Start) -> tuple[str, ...]:
    """Whom a gateway asks for names: its pods ask their cluster's resolver, wherever they listen; () the usual one."""
    on_machine = start.place is not None and start.place.kind == "machine"
    pods = start.cluster and start.party.kind is PartyKind.POD
    return (sight.ask(cluster_resolver, start.cluster),) if on_machine and pods else ()


def _resolver_described(sight: Sight, start: Start) -> bool:
    """Does the map say whom the gateway asks?  Otherwise a name that the public does not know may be known there."""
    cluster = sight.ask(clusters).get(start.cluster)
    return cluster is not None and bool(cluster.resolver)


def _external(sight: Sight, address: str, found: Found) -> Target:
    target = _address(sight, Endpoint(address, found.port), "TCP")
    if target.party.kind is PartyKind.ADDRESS:
        return structs.replace(target, party=parties.outside(address, found.name))
    return target
