"""Planning: from the description to a World.  Pure; each file plans its part into a Draft.

In this order, since later ones build on the spaces of earlier ones: `network` internet, sites, machines · `links`
tunnels between them · `clusters` pods, Services, the ways between nodes · `doors` where gateways are · `vantages`
where clients are · `edges` CDNs and their tunnels · `names` who answers for names · `policies` network policies ·
`firewalls` what nodes, networks and sites let through.
"""
