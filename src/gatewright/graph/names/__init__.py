"""Names: what a resolver answers, answer by answer.

- `zones.lookup(sight, view, name, type) -> Found | None`: what the zones of a view say (records, external-dns ...)
- `zones.names(sight) -> frozenset[str]`: every name that some zone or resolver has a record of its own for
- `zones.conflicts(sight) -> tuple[Problem, ...]`: zones that claim one domain in one view
- `resolvers.resolutions(sight, resolvers, name, type, place) -> tuple[Resolution, ...]`: every answer that a client
  with these resolvers can get; `type` "A" or "AAAA".  Empty `resolvers`: those of the place's cluster, else the public
  DNS.
- `kept.kept(sight, gateway, now, ...)`: what a gateway goes by that nobody answers while something is down
- `serving`: what is served of the zones, view by view (its docstring lists the questions)
- `views.seen(sight, resolver, asked_at, asker) -> tuple[str, ...]`: which of our views somebody sees
- `servers.server(sight, ref) -> Server`: who is meant by a name or address in a list of resolvers or upstreams

Inside: `table` (names in pieces, and how DNS looks one up), `servers` (their configurations), `queries` (a walk from
resolver to resolver so far), `filtering` (what becomes of answers from upstream), `cluster` (names of Services),
`announced` (names that external-dns and k8s_gateway find in routes and Services), `k8s_gateway` (what such a plugin
has for one), `routed` (names of routes in zones with gateways), `recorddata` (what values of records mean).
Counterpart: `graph.network`, which says whether packets get to the address.
"""
