"""Small helpers over Envoy's protobuf messages: packed extensions, durations, configuration sources.

No decisions: what goes into a message is decided by the modules that build it.
"""

from __future__ import annotations

from typing import Final

from envoy.config.core.v3 import config_source_pb2, extension_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

PREFIX: Final = "type.googleapis.com/"


def serialise(message: Message) -> bytes:
    """The same bytes for equal messages, in every run."""
    return message.SerializeToString(deterministic=True)


def pack(message: Message) -> Any:
    """A message as `Any`, serialised deterministically."""
    return Any(type_url=PREFIX + message.DESCRIPTOR.full_name, value=serialise(message))


def extension(name: str, message: Message) -> extension_pb2.TypedExtensionConfig:
    """A named extension with its configuration."""
    return extension_pb2.TypedExtensionConfig(name=name, typed_config=pack(message))


def seconds(value: float) -> Duration:
    """A duration."""
    whole, part = divmod(round(value * 1_000_000_000), 1_000_000_000)
    return Duration(seconds=whole, nanos=part)


def ads() -> config_source_pb2.ConfigSource:
    """Ask the one aggregated stream."""
    return config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(),
        resource_api_version=config_source_pb2.ApiVersion.Value("V3"),
    )
