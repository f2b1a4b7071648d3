"""Limits of request bodies.  WebSockets have no body: their octets are not counted."""

from __future__ import annotations

from envoy.extensions.filters.http.buffer.v3 import buffer_pb2
from google.protobuf.wrappers_pb2 import UInt64Value

from gatewright.engines.envoy.protos import BodySizeLimit
from gatewright.engines.envoy.steps.conditions import Hold, Part, websocket
from gatewright.engines.envoy.steps.context import Context, Refused
from gatewright.engines.envoy.wire import extension, serialise
from gatewright.kinds.intents.filters import BodyLimit

_MOST_BUFFERED = 2**32 - 1


def filters(step: BodyLimit, context: Context) -> list[Part] | Refused:
    """Counted as it passes, unless the backend shall see nothing of what is too long."""
    if step.buffered and not 0 < step.octets <= _MOST_BUFFERED:
        return Refused(f"bodies of {step.octets} octets cannot be held back", step.origin)
    return limit(step.octets, buffered=step.buffered)


def limit(octets: int, *, buffered: bool) -> list[Part]:
    """The filters of one limit.

    The one that holds bodies back lets pass whatever comes to its end at once: a short one of HTTP/2, and any that was
    held while a server was asked.  So it does not count; the other one does.
    """
    counted = BodySizeLimit(max_request_bytes=serialise(UInt64Value(value=octets)))
    made = [Part(extension("envoy.filters.http.body_size_limit", counted), websocket())]
    if buffered:
        buffer = buffer_pb2.Buffer()
        buffer.max_request_bytes.value = octets
        made.append(Part(extension("envoy.filters.http.buffer", buffer), websocket(), Hold.BODY))
    return made
