"""Network policies before a gateway's own pods: do they let a client in that has come all the way to its address?

A load balancer Service may hand connections on with the address of a node instead of the client's: nobody is refused
here whom the policies would admit as either.  What is not known (the pod's own port, the pods themselves) is not held
against anybody.  Counterparts: `ways`, which brings clients to the address; `reach`, which goes on from the gateway.
"""

from __future__ import annotations

from msgspec import structs

from gatewright.graph.network import parties
from gatewright.graph.network.addresses import service_of
from gatewright.graph.network.nodes import Place
from gatewright.graph.network.parties import Party, PartyKind
from gatewright.graph.network.pods import Pods, pods_of
from gatewright.graph.network.policies import OPEN, Verdict, admitted
from gatewright.graph.network.starts import Start, node_of, starts, visitor
from gatewright.graph.network.topology import topology
from gatewright.graph.resolve.doors.helm_values import installed
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.material import ServiceIntent
from gatewright.kinds.intents.places import INTERNET

SOMEBODY = ("198.18.0.1", "2001:2::1")
"""Stand for a client of the internet whose address nobody knows: addresses that no list of clients names."""


def entered(sight: Sight, gateway_id: str, place: Place | None, source: str, port: int, protocol: str) -> Verdict:
    """A question: do policies let whoever comes from a place into the gateway that listens on `port`?

    `source`: the client's address as the gateway's end sees it, "" unknown; `protocol` "tcp" or "udp".
    """
    service = _service(sight, gateway_id)
    verdict = OPEN
    for start in sight.ask(starts, gateway_id):
        own = _own_port(sight, gateway_id, service, start.party, port, protocol.upper())
        if own is None:
            continue
        verdict = admitted(sight, _client(sight, place, source, start), start.party, own, protocol.upper())
        if verdict.allowed:
            return verdict
        if service is not None and service.external_traffic_policy != "Local" and start.machines:
            handed_on = admitted(sight, node_of(sight, start.machines), start.party, own, protocol.upper())
            if handed_on.allowed:
                return handed_on
    return verdict


def _service(sight: Sight, gateway_id: str) -> ServiceIntent | None:
    """The gateway's Service, of the manifests or of its chart."""
    key = sight.ask(service_of, gateway_id)
    found = sight.get(key, ServiceIntent) if key is not None else None
    if found is None and key is not None:
        made = sight.ask(installed).get(gateway_id)
        return made.service if made is not None else None
    return found


def _own_port(
    sight: Sight, gateway_id: str, service: ServiceIntent | None, party: Party, port: int, protocol: str
) -> int | None:
    """The port of the pods behind a port of the gateway, which is what policies speak of; None where nobody says."""
    if party.kind is not PartyKind.POD:
        return port
    pods = sight.ask(pods_of, gateway_id)
    for offered in service.ports if service is not None else ():
        if (offered.port, offered.protocol) == (port, protocol):
            target = offered.port if offered.target is None else offered.target
            return target if isinstance(target, int) else _named(pods, target)
    inside = {c.port for w in pods.workloads for c in w.ports if (c.host_port, c.protocol) == (port, protocol)}
    return inside.pop() if len(inside) == 1 else None


def _named(pods: Pods, name: str) -> int | None:
    numbers = {container.port for workload in pods.workloads for container in workload.ports if container.name == name}
    return numbers.pop() if len(numbers) == 1 else None


def _client(sight: Sight, place: Place | None, source: str, start: Start) -> Party:
    """Who comes, as policies tell clients apart."""
    world = sight.ask(topology)
    if place is None:
        return parties.unknown("somebody")
    if place.kind == "cluster" and place.id == start.cluster:
        return visitor(sight, place) if place.namespace or place.labels else parties.unknown(f"a pod of {place.id}")
    machine = world.machines.get(place.id) if place.kind == "machine" else None
    cluster = world.clusters.get(start.cluster)
    if machine is not None and cluster is not None and machine.id in cluster.machines:
        return parties.node(machine.id, machine.addresses, machine.labels)
    network = world.networks.get(place.id) if place.kind == "network" and place.id != INTERNET else None
    around = tuple(map(str, network.cidrs)) if network is not None else SOMEBODY
    addresses = (source,) if source else place.addresses or around
    return structs.replace(parties.outside(addresses[0]), addresses=addresses)
