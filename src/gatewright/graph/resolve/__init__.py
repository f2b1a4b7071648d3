"""Resolution: one file per question, each a pure function from a View of the objects to nodes of the graph.

`references` may this refer to that? · `certificates` is this Secret usable? · `gateways` listeners and ports of a
Gateway · `controllers` doors that are not Gateway API, described or inferred · `attachment` where does a route
attach, and why not elsewhere? · `hosts` which of a rule's host conditions hold here? · `precedence` who wins? ·
`filters` one rule's effects · `backends` one upstream · `virtual_hosts` all of it for one hostname.
"""
