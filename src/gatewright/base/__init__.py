"""Values that every layer may use: where things come from, what is wrong with them, names and secrets.

Nothing here does I/O, and nothing here knows a Kubernetes kind or Envoy.
"""
