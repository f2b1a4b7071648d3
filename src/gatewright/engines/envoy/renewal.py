"""Scopes that have to be sent again after a refusal that was not theirs.

Envoy notes the scopes of a response one after the other and hands them to its workers at the end.  When it refuses
one, those before it are noted but never handed on, and sent again as they were they are taken for old news.  So they
are sent with a mark that means nothing but makes them differ.  Pure; used by `delta`.
"""

from __future__ import annotations

from envoy.config.route.v3 import scoped_route_pb2
from envoy.service.discovery.v3 import discovery_pb2 as discovery
from msgspec import structs

from gatewright.engines.envoy.resources import Resource

MARK = "gatewright.sent"


def renewed(scope: Resource, mark: str) -> Resource:
    """The same scope of the same version, in bytes that Envoy has not seen."""
    response = discovery.DeltaDiscoveryResponse.FromString(scope.frame)
    marked = scoped_route_pb2.ScopedRouteConfiguration()
    marked.route_configuration.metadata.filter_metadata[MARK]["nonce"] = mark
    # Concatenated protobuf messages merge, so what is added is all that has to be understood here.
    response.resources[0].resource.value += marked.SerializeToString()
    return structs.replace(scope, frame=response.SerializeToString())
