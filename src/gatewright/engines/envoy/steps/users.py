"""Users whose passwords Envoy cannot check: a question to our own server, asked like any other.

Counterparts: the engine `users`, which answers it, and tells which users by the digest that is asked for;
`forward_auth`, which carries it.
"""

from __future__ import annotations

from typing import Final

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import address_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as upstream

from gatewright.base import htpasswd
from gatewright.engines.envoy.steps.forward_auth import Question, named, networks, pieces
from gatewright.engines.envoy.wire import pack, seconds, serialise
from gatewright.graph.nodes import BasicAuthUsers
from gatewright.kinds.intents.filters import Variable

CLUSTER: Final = "gatewright_users"
"""The server's cluster; no backend's is called so, for theirs have a slash."""

_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_SECONDS: Final = 20.0
"""For the slowest hash that is taken, behind some others."""
_UNAVAILABLE: Final = "503"


def question(auth: BasicAuthUsers) -> Question:
    """Who is it?  What these users are is told to the server by other means than the request."""
    rule = htpasswd.digest(auth.users.reveal(), auth.realm, auth.user_header)
    data = {
        "cluster": CLUSTER,
        "method": "GET",
        "scheme": "http",
        "host": ["users"],
        "path": ["/"],
        "tells": [
            {"name": "x-gatewright-users", "value": [rule]},
            {"name": "x-gatewright-client", "value": pieces((Variable.CLIENT,))},
        ],
        "sends": named(("authorization",)),
        "body": 0,
        "copies": named((auth.user_header,)) if auth.user_header else {},
        "matching": [],
        "drops": ["authorization"] if auth.remove_header else [],
        "cookies": {},
        "denials": {"401": True},
        "error": _UNAVAILABLE,
        "timeout": round(_SECONDS * 1000),
    }
    return {**data, "excepts": networks(auth.excepts)} if auth.excepts else data


def cluster(socket: str) -> bytes:
    """The cluster of the server that listens on this Unix socket.

    Each question has a connection of its own: it goes to whoever has the socket now, and none is cut off when one
    server takes over from another.
    """
    options = upstream.HttpProtocolOptions()
    options.common_http_protocol_options.max_requests_per_connection.value = 1
    options.explicit_http_config.http_protocol_options.SetInParent()
    made = cluster_pb2.Cluster(name=CLUSTER, type=cluster_pb2.Cluster.STATIC, connect_timeout=seconds(1))
    made.typed_extension_protocol_options[_HTTP_OPTIONS].CopyFrom(pack(options))
    address = address_pb2.Address(pipe=address_pb2.Pipe(path=socket))
    endpoint = endpoint_components_pb2.LbEndpoint(endpoint=endpoint_components_pb2.Endpoint(address=address))
    made.load_assignment.CopyFrom(endpoint_pb2.ClusterLoadAssignment(cluster_name=CLUSTER))
    made.load_assignment.endpoints.add(lb_endpoints=[endpoint])
    return serialise(made)
