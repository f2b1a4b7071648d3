"""Limits of request bodies.  WebSockets have no body: their octets are not counted."""

from __future__ import annotations

from envoy.extensions.filters.http.buffer.v3 import buffer_pb2
from google.protobuf.wrappers_pb2 import UInt64Value

from gatewright.engines.envoy.protos import BodySizeLimit
from gatewright.engines.envoy.steps.conditions import Part, websocket
from gatewright.engines.envoy.steps.context import Context, Refused
from gatewright.engines.envoy.wire import extension, serialise
from gatewright.kinds.intents.filters import BodyLimit

_MOST_BUFFERED = 2**32 - 1


def filters(step: BodyLimit, context: Context) -> list[Part] | Refused:
    """Counted as it passes, unless the backend shall see nothing of what is too long."""
    if not step.buffered:
        limit = BodySizeLimit(max_request_bytes=serialise(UInt64Value(value=step.octets)))
        return [Part(extension("envoy.filters.http.body_size_limit", limit), websocket())]
    if not 0 < step.octets <= _MOST_BUFFERED:
        return Refused(f"bodies of {step.octets} octets cannot be held back", step.origin)
    buffer = buffer_pb2.Buffer()
    buffer.max_request_bytes.value = step.octets
    return [Part(extension("envoy.filters.http.buffer", buffer), websocket())]
