"""Names: what a resolver answers, answer by answer.

- `zones.lookup(sight, view, name, type) -> Found | None`: what the zones of a view say (records, external-dns ...)
- `zones.names(sight) -> frozenset[str]`: every name that some zone or resolver has a record of its own for
- `resolvers.resolutions(sight, resolvers, name, type, place) -> tuple[Resolution, ...]`: every answer that a client
  with these resolvers can get; `type` "A" or "AAAA".  Empty `resolvers`: the public DNS.

Counterpart: `graph.network`, which says whether packets get to the address.
"""
