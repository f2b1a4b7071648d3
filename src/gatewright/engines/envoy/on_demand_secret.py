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

from gatewright.engines.envoy.bootstrap import XDS_CLUSTER

SELECTOR: Final = "envoy.tls.certificate_selectors.on_demand_secret"
MAPPER: Final = "envoy.tls.certificate_mappers.sni"

PLACE_METADATA: Final = "gatewright-place"
"""gRPC metadata of a stream for the Secrets of one place (gateway and port)."""

_V3: Final = config_source_pb2.ApiVersion.Value("V3")
_TLS: Final = "envoy.extensions.transport_sockets.tls."
_BYTES: Final = FieldDescriptorProto.TYPE_BYTES
_STRING: Final = FieldDescriptorProto.TYPE_STRING


def certificate_selector(default_name: str, place: str = "") -> extension_pb2.TypedExtensionConfig:
    """For `common_tls_context.custom_tls_certificate_selector`: the Secret named as the SNI.

    Without a `place` it is asked for over ADS, where the SNI is all that tells Secrets apart.  With one, over streams
    that carry the place as gRPC metadata, one for each name: the names of that place are its own.  A connection
    without SNI asks for `default_name`.  The selector needs session resumption to be
    off: `disable_stateless_session_resumption` and `disable_stateful_session_resumption`.
    """
    source = _of_its_own(place) if place else _common()
    sni = _message(_TLS + "cert_mappers.sni.v3", "SNI", {"default_value": _STRING})
    config = _message(
        _TLS + "cert_selectors.on_demand_secret.v3",
        "Config",
        {"config_source": _BYTES, "certificate_mapper": _BYTES},
    )
    mapper = _extension(MAPPER, sni(default_value=default_name))
    return _extension(
        SELECTOR,
        config(config_source=source.SerializeToString(), certificate_mapper=mapper.SerializeToString()),
    )


def _common() -> config_source_pb2.ConfigSource:
    return config_source_pb2.ConfigSource(ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=_V3)


def _of_its_own(place: str) -> config_source_pb2.ConfigSource:
    source = config_source_pb2.ConfigSource(resource_api_version=_V3)
    api = source.api_config_source
    api.api_type = config_source_pb2.ApiConfigSource.DELTA_GRPC
    api.transport_api_version = _V3
    service = api.grpc_services.add()
    service.envoy_grpc.cluster_name = XDS_CLUSTER
    service.initial_metadata.add(key=PLACE_METADATA, value=place)
    return source


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
