"""Envoy, the data plane: resources compiled from the graph, a delta xDS server, and the Envoy process.

See README.md in this folder for the files and the facts that they rely on.
"""
