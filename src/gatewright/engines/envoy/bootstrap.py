"""Envoy's bootstrap configuration: where its control plane and its admin socket are, and its limits.

Pure.  Everything else (listeners, clusters, routes, secrets) comes over xDS; the counterpart that
writes and starts it is `process`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, field

XDS_CLUSTER: Final = "gatewright_xds"
DEFAULT_HEAP_BYTES: Final = 2 * 1024**3
DEFAULT_CONNECTIONS: Final = 50_000
RUNTIME: Final[Mapping[str, bool | int | float | str]] = {
    # Envoy's default of 100 refuses many a regular expression that other gateways take; RE2 is linear in any case.
    "re2.max_program_size.error_level": 10_000,
}


class Bootstrap(Struct, frozen=True):
    """What an Envoy needs to know before it can ask for the rest."""

    node_id: str
    xds_socket: str
    admin_socket: str
    cluster: str = "gatewright"
    max_heap_bytes: int = DEFAULT_HEAP_BYTES
    max_downstream_connections: int = DEFAULT_CONNECTIONS
    runtime: Mapping[str, bool | int | float | str] = field(default_factory=lambda: RUNTIME)
    dns_resolvers: tuple[str, ...] = ()
    """Addresses; empty: those of /etc/resolv.conf."""


def bootstrap(options: Bootstrap) -> dict[str, Any]:
    """The bootstrap as plain data, in Envoy's JSON form."""
    ads = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "15s"}
    made: dict[str, Any] = {
        "node": {"id": options.node_id, "cluster": options.cluster},
        "admin": {"address": {"pipe": {"path": options.admin_socket, "mode": 0o600}}},
        "dynamic_resources": {"ads_config": _ads(), "lds_config": ads, "cds_config": ads},
        "static_resources": {"clusters": [_xds_cluster(options.xds_socket)]},
        "layered_runtime": {"layers": [{"name": "gatewright", "static_layer": dict(options.runtime)}]},
        "overload_manager": _overload_manager(options),
        "stats_config": _stats_config(),
    }
    if options.dns_resolvers:
        made["typed_dns_resolver_config"] = _resolver(options.dns_resolvers)
    return made


def bootstrap_json(options: Bootstrap) -> bytes:
    """The bootstrap as the file that Envoy reads."""
    return msgspec.json.encode(bootstrap(options))


def _ads() -> dict[str, Any]:
    return {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "grpc_services": [
            {
                "envoy_grpc": {
                    "cluster_name": XDS_CLUSTER,
                    # A restarted control plane is found again at once; Envoy's defaults are 0.5 to 30 s.
                    "retry_policy": {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}},
                }
            }
        ],
    }


def _resolver(addresses: tuple[str, ...]) -> dict[str, Any]:
    """Only these are asked, for names as they are."""
    extension = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
    return {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {
            "@type": f"type.googleapis.com/{extension}",
            "resolvers": [{"socket_address": {"address": one, "port_value": 53}} for one in addresses],
            "dns_resolver_options": {"no_default_search_domain": True},
        },
    }


def _xds_cluster(socket: str) -> dict[str, Any]:
    http2 = {"connection_keepalive": {"interval": "10s", "timeout": "10s"}}
    extension = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    options = {
        "@type": f"type.googleapis.com/{extension}",
        "explicit_http_config": {"http2_protocol_options": http2},
    }
    return {
        "name": XDS_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {extension: options},
        "load_assignment": {
            "cluster_name": XDS_CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": socket}}}}]}],
        },
    }


def _overload_manager(options: Bootstrap) -> dict[str, Any]:
    """Envoy's advice for edges: give memory back, then refuse work, and never take endless connections."""
    heap = "envoy.resource_monitors.fixed_heap"
    connections = "envoy.resource_monitors.global_downstream_max_connections"
    prefix = "type.googleapis.com/envoy.extensions.resource_monitors"
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {
                "name": heap,
                "typed_config": {
                    "@type": f"{prefix}.fixed_heap.v3.FixedHeapConfig",
                    "max_heap_size_bytes": str(options.max_heap_bytes),
                },
            },
            {
                "name": connections,
                "typed_config": {
                    "@type": f"{prefix}.downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": str(options.max_downstream_connections),
                },
            },
        ],
        "actions": [
            {
                "name": f"envoy.overload_actions.{action}",
                "triggers": [{"name": heap, "threshold": {"value": threshold}}],
            }
            for action, threshold in (
                ("shrink_heap", 0.92),
                ("disable_http_keepalive", 0.94),
                ("stop_accepting_requests", 0.97),
                ("stop_accepting_connections", 0.98),
            )
        ],
    }


def _stats_config() -> dict[str, Any]:
    """No statistics per cluster: from some 4,000 clusters on they stall Envoy's main thread.

    None per secret either, because strangers choose the names.  The totals of the cluster manager,
    listeners, HTTP connection managers and the server remain.
    """
    names = [{"prefix": "cluster."}, {"prefix": "sds."}, {"contains": ".on_demand_secret.ssl."}]
    return {"stats_matcher": {"exclusion_list": {"patterns": names}}}
