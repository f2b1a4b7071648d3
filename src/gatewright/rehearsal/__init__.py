"""Rehearsal: the described world built in network namespaces of this machine, and asked what the model was asked.

    graph ──► plan (pure) ──► World ──► builder ──► namespaces, links, firewalls      all of it inside namespaces
                                 ├────► servers: echo backends, resolvers             of our own (`isolation`), gone
                                 ├────► daemons: WireGuard, Nebula, BIND, pebble ...   with the process that made them
                                 └────► gateways: Envoy under our own engine
    questions ──► clients (real) ──► observations ──┐
              └─► trace (the model) ────────────────┴──► compare ──► report

`world` is the contract between those who plan and those who build; `asking` the one between those who ask and those
who compare.  Read both first.  README.md tells how each thing of the site map becomes real.
"""
