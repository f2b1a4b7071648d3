"""The network: where things are, which addresses they have, and whether packets get from one to the other.

Questions (first argument a `Sight`), each in its own file:

- `topology.topology(sight) -> Topology`: the site map joined with what manifests say
- `spots.places(sight, spot) -> tuple[Place, ...]`: the places that a name of the site map stands for
- `addresses.allocations(sight) -> Mapping[Key, Allocation]`: what MetalLB, Cilium and ServiceLB give each Service
- `doors.door_addresses(sight, gateway_id) -> tuple[str, ...]`: where clients reach a gateway (addresses, hostnames)
- `doors.gateways_at(sight, address) -> tuple[str, ...]`: which gateways answer at an address or hostname
- `doors.place_of(sight, gateway_id) -> tuple[Place, ...]`: where a gateway runs, for the ways that start there
- `ways.way(sight, place, address, port, protocol) -> Way`: from a Place to an address, over networks, links, firewalls
- `policies.admitted(sight, source, target, port, protocol) -> Verdict`: do network policies let one Party to another?
  `parties.party_of(place)` makes a Party of a Place
- `entry.entered(sight, gateway_id, place, source, port, protocol) -> Verdict`: do policies let a client into a gateway?
- `placement.home(sight, namespace) -> Home`: the cluster and machines on which the pods of a namespace run
- `starts.starts(sight, gateway_id) -> tuple[Start, ...]`: where a gateway's own connections start, and as which Party
- `outages.down(sight) -> Down`: what is supposed not to work; `topology` and the ways know it
- `announcing.unannounced(sight, place, address) -> str`: why nobody is left to announce a load balancer's address
- `twice.ends_elsewhere(sight, way, places) -> bool`: does a way end on a network that is not theirs who are meant?
- `stays.stays(sight) -> Stays`: on which machines pods have been seen that may run on several

Inside: `routing` (where a packet goes next), `walker` (the stations that pass it on), `firewalls` and `crossing` (who
refuses it), `forwarding` and `internet` (who translates it), `carriers` (what carries links), `answers` (what comes
back through them), `packets` (all that is known of it).
Counterparts: `graph.names`, which says which address a name leads to; `graph.reach`, which asks both.
"""
