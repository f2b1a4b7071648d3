"""What a delta xDS stream says, as values: requests in; responses, acks and nacks out.

The counterpart is the wire (DeltaDiscoveryRequest, DeltaDiscoveryResponse); only `Request.decode`
and `Response.encode` know it, so the protocol in `delta` is tested with plain values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from envoy.service.discovery.v3 import discovery_pb2 as discovery
from msgspec import Struct, field

from gatewright.base.observed import Ack, Nack
from gatewright.engines.envoy.resources import Resource


class Request(Struct, frozen=True):
    """A client's message: changed interest, and the answer to a response (`nonce`, `error` if refused)."""

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""
    error: str | None = None

    @staticmethod
    def decode(data: bytes) -> Request:
        """Read a DeltaDiscoveryRequest."""
        wire = discovery.DeltaDiscoveryRequest.FromString(data)
        return Request(
            type_url=wire.type_url,
            subscribe=tuple(wire.resource_names_subscribe),
            unsubscribe=tuple(wire.resource_names_unsubscribe),
            initial_versions=dict(wire.initial_resource_versions),
            nonce=wire.response_nonce,
            error=wire.error_detail.message if wire.HasField("error_detail") else None,
        )


class Response(Struct, frozen=True):
    """A server's message: resources to hold, and names to forget or that do not exist."""

    type_url: str
    nonce: str
    resources: tuple[Resource, ...] = ()
    removed: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Write a DeltaDiscoveryResponse: the cached frames, then the rest of the message."""
        rest = discovery.DeltaDiscoveryResponse(
            type_url=self.type_url, nonce=self.nonce, removed_resources=self.removed
        )
        return b"".join([*(resource.frame for resource in self.resources), rest.SerializeToString()])


Output = Response | Ack | Nack

_DUMP_END: Final = "\n: "
_PEM: Final = "-----BEGIN"


def reason(error: str) -> str:
    """What Envoy says is wrong, on one line, without the dump of the whole resource that may precede it.

    A dumped Secret holds its private key, and this text goes to users and logs.
    """
    text = " ".join(error.rpartition(_DUMP_END)[2].split())
    return "refused; the explanation is withheld because it quotes key material" if _PEM in text else text
