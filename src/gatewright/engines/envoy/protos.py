"""The Envoy messages that `xds-protos` does not have, or not with all of their fields.

Field names and numbers are those of Envoy 1.40's own descriptors.  Sub-messages are declared as bytes, which is the
same on the wire, so each descriptor stands alone in a private pool and cannot collide with a later `xds-protos` that
has it.  Counterpart: `on_demand_secret`, which makes two more for one purpose.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_BYTES: Final = FieldDescriptorProto.TYPE_BYTES
_BOOL: Final = FieldDescriptorProto.TYPE_BOOL
_STRING: Final = FieldDescriptorProto.TYPE_STRING
_HTTP: Final = "envoy.extensions.filters.http."


def _message(
    package: str, name: str, fields: dict[str, tuple[int, FieldDescriptorProto.Type.ValueType]]
) -> type[Message]:
    file = FileDescriptorProto(name=f"{package}.{name}.proto", package=package, syntax="proto3")
    message = file.message_type.add(name=name)
    for field, (number, kind) in fields.items():
        message.field.add(name=field, number=number, type=kind, label=FieldDescriptorProto.LABEL_OPTIONAL)
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))


CompositePerRoute: Final = _message(_HTTP + "composite.v3", "CompositePerRoute", {"matcher": (1, _BYTES)})
"""`matcher`: xds.type.matcher.v3.Matcher, whose actions are ExecuteFilterAction."""

BodySizeLimit: Final = _message(_HTTP + "body_size_limit.v3", "BodySizeLimit", {"max_request_bytes": (1, _BYTES)})
"""`max_request_bytes`: google.protobuf.UInt64Value."""

BasicAuth: Final = _message(
    _HTTP + "basic_auth.v3",
    "BasicAuth",
    {"users": (1, _BYTES), "forward_username_header": (2, _STRING), "realm": (6, _STRING)},
)
"""`users`: envoy.config.core.v3.DataSource."""

RetryAfter: Final = _message(_HTTP + "local_ratelimit.v3", "LocalRateLimit", {"enable_retry_after_header": (19, _BOOL)})
"""The field that LocalRateLimit lacks: to be merged into one, as its bytes."""
