"""A whole graph as text, sorted: two graphs are the same if and only if their texts are.  No key material is in it."""

from __future__ import annotations

import hashlib

from gatewright.graph.nodes import Graph


def rendered(graph: Graph) -> str:
    """Every node, one a line."""
    lines = [f"gateway {key!r} {node!r}" for key, node in sorted(graph.gateways.items())]
    lines += [f"host {key!r} {node!r}" for key, node in sorted(graph.virtual_hosts.items())]
    lines += [f"backend {key!r} {node!r}" for key, node in sorted(graph.backends.items())]
    lines += [f"certificate {key!r} {node.facts.names!r}" for key, node in sorted(graph.certificates.items())]
    lines += [f"pool {key!r} {node!r}" for key, node in sorted(graph.certificate_names.items())]
    lines += [f"attachment {key!r} {node!r}" for key, node in sorted(graph.attachments.items())]
    lines += [f"problems {key!r} {node!r}" for key, node in sorted(graph.problems.items())]
    return "\n".join(lines)


def fingerprint(graph: Graph) -> str:
    return hashlib.sha256(rendered(graph).encode()).hexdigest()
