"""Running gateways for real: one process group on this machine, kept in step with the files.

`run` is the loop; read it first.  `addresses` decides where each gateway listens, `dataplane` drives Envoy, `standins`
puts echo backends behind Services without endpoints, `report` says what is live.  Everything decided about requests
was decided in the graph: nothing here looks at a route.
"""
