"""Kinds of Envoy Gateway (gateway.envoyproxy.io): policies that attach to Gateways and routes, backends, filters."""
