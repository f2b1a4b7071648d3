"""The type URLs of the xDS resources that Gatewright speaks, and which of them Envoy may ask for as a whole.

Only names; the order in which types are sent is `delta`'s business.
"""

from __future__ import annotations

from typing import Final

PREFIX: Final = "type.googleapis.com/"
CLUSTER: Final = PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINTS: Final = PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
SECRET: Final = PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"
EXTENSION: Final = PREFIX + "envoy.config.core.v3.TypedExtensionConfig"
SCOPE: Final = PREFIX + "envoy.config.route.v3.ScopedRouteConfiguration"
ROUTES: Final = PREFIX + "envoy.config.route.v3.RouteConfiguration"
LISTENER: Final = PREFIX + "envoy.config.listener.v3.Listener"

WILDCARD_TYPES: Final = frozenset({CLUSTER, SCOPE, LISTENER})
"""Types whose first subscription, when it names nothing, means "everything"; for others it means nothing."""


def short_name(type_url: str) -> str:
    """The message's own name: `Cluster` for the cluster type URL (metric labels, log lines)."""
    return type_url.rpartition(".")[2]
