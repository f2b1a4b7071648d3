"""Gatewright keeps every way into your services right: it checks, traces and runs gateways from manifests.

ARCHITECTURE.md tells how the packages below depend on each other; `pipeline` composes them and is read first.
"""

__version__ = "0.1.0"
