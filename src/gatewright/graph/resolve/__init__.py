"""Resolution: one file per question, each a pure function from a View of the objects to nodes of the graph.

`doors` what listens where · `placement` where a route answers, and why not elsewhere · `rules` what a rule does to a
request, and which one wins · `upstreams` who gets it · `references` may this refer to that? · `certificates` is this
Secret usable? · `virtual_hosts` all of it for one hostname.
"""
