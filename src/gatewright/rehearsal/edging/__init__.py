"""CDNs of a rehearsal and their tunnels: small proxies that do what the model says of the real ones.

    client ──TLS──► edge ──────────────────────► origin
                      ▲ ╲
                      │  ╲ a stream
    connector ──dials─┘   ╰──► connector ──► Service of its cluster

`edge` ends TLS and goes by the settings of zones, `connector` is a cloudflared: it dials the edge and goes by its
ingress rules.  Each is a process (`python -m`) in a space of the world that reads one file (`settings`); `proxy` passes
requests on.  Counterparts: `plan.edges`, which writes the files; `trace.edges` and `trace.tunnels`, the model.
"""
