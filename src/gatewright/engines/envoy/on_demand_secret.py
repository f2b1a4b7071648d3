"""Certificates on demand by SNI: the two Envoy messages that `xds-protos` does not have.

    envoy.extensions.transport_sockets.tls.cert_selectors.on_demand_secret.v3.Config
    envoy.extensions.transport_sockets.tls.cert_mappers.sni.v3.SNI

Field names and numbers are those of Envoy 1.40's own descriptors.  Sub-messages are declared as
bytes, which is the same on the wire, so the descriptors stand alone in a private pool and cannot
collide with a later `xds-protos` that has them.
"""

from __future__ import annotations

from typing import Final

from envoy.config.core.v3 import config_source_pb2, extension_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

SELECTOR: Final = "envoy.tls.certificate_selectors.on_demand_secret"
MAPPER: Final = "envoy.tls.certificate_mappers.sni"

_TLS: Final = "envoy.extensions.transport_sockets.tls."
_BYTES: Final = FieldDescriptorProto.TYPE_BYTES
_STRING: Final = FieldDescriptorProto.TYPE_STRING


def certificate_selector(default_name: str) -> extension_pb2.TypedExtensionConfig:
    """For `common_tls_context.custom_tls_certificate_selector`: over ADS, the Secret named as the SNI.

    A connection without SNI asks for `default_name`.  The selector needs session resumption to be
    off: `disable_stateless_session_resumption` and `disable_stateful_session_resumption`.
    """
    ads = config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(),
        resource_api_version=config_source_pb2.ApiVersion.Value("V3"),
    )
    sni = _message(_TLS + "cert_mappers.sni.v3", "SNI", {"default_value": _STRING})
    config = _message(
        _TLS + "cert_selectors.on_demand_secret.v3",
        "Config",
        {"config_source": _BYTES, "certificate_mapper": _BYTES},
    )
    mapper = _extension(MAPPER, sni(default_value=default_name))
    return _extension(
        SELECTOR,
        config(config_source=ads.SerializeToString(), certificate_mapper=mapper.SerializeToString()),
    )


def _message(package: str, name: str, fields: dict[str, FieldDescriptorProto.Type.ValueType]) -> type[Message]:
    """The class of a message with these fields, numbered from 1."""
    file = FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    message = file.message_type.add(name=name)
    for number, (field, kind) in enumerate(fields.items(), start=1):
        message.field.add(name=field, number=number, type=kind, label=FieldDescriptorProto.LABEL_OPTIONAL)
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))


def _extension(name: str, message: Message) -> extension_pb2.TypedExtensionConfig:
    typed = Any()
    typed.Pack(message)
    return extension_pb2.TypedExtensionConfig(name=name, typed_config=typed)
