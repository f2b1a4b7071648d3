"""The whole graph, and what differs between two of them.

Counterpart: `graph.builder`, which makes both.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from msgspec import Struct

from gatewright.base.problem import Problem
from gatewright.graph.nodes.backends import Backend, BackendKey
from gatewright.graph.nodes.gateways import Attachment, Gateway
from gatewright.graph.nodes.hosts import Certificate, VirtualHost, VirtualHostKey
from gatewright.kinds.identity import Key


class Graph(Struct, frozen=True):
    """The whole, immutable; successive graphs share what did not change.

    Mappings are persistent (immutables.Map) keyed as typed; iteration order is unspecified: sort to print.
    `certificate_names`: which certificates routes brought to a gateway, by (gateway id, name pattern).
    `problems` are those of resolution, by the node (its string form) that has them.
    `tls_sockets`: the (gateway id, port) of which some VirtualHost looks into TLS.
    """

    gateways: Mapping[str, Gateway]
    virtual_hosts: Mapping[VirtualHostKey, VirtualHost]
    backends: Mapping[BackendKey, Backend]
    certificates: Mapping[Key, Certificate]
    certificate_names: Mapping[tuple[str, str], tuple[Key, ...]]
    attachments: Mapping[Key, Attachment]
    problems: Mapping[str, tuple[Problem, ...]]
    tls_sockets: frozenset[tuple[str, int]] = frozenset()


class Change(Struct, frozen=True):
    """What differs between two successive graphs: only these nodes need compiling, pushing, printing.

    `pooled`: the (gateway id, name pattern) whose certificates differ; `objects`: the tokens of the objects that differ
    (see `objects.Objects.update`), for whoever reads more of them than the graph holds.
    """

    gateways: frozenset[str] = frozenset()
    virtual_hosts: frozenset[VirtualHostKey] = frozenset()
    backends: frozenset[BackendKey] = frozenset()
    certificates: frozenset[Key] = frozenset()
    attachments: frozenset[Key] = frozenset()
    pooled: frozenset[tuple[str, str]] = frozenset()
    objects: frozenset[Hashable] = frozenset()


def merged(first: Change, second: Change) -> Change:
    """What differs after two changes in a row."""
    return Change(*(getattr(first, name) | getattr(second, name) for name in Change.__struct_fields__))
