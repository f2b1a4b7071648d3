"""What an answer tells of who gave it: the echo backend's own words as `EchoSeen`."""

from __future__ import annotations

import msgspec
from google.protobuf.message import DecodeError
from google.protobuf.wrappers_pb2 import StringValue
from msgspec import Struct

from gatewright.rehearsal.asking import EchoSeen

FRAME = 5
"""Octets before a gRPC message: whether it is compressed, and its length."""


class _Echo(Struct, rename="camel"):
    """The part of `engines.echo.answer`'s document that is compared."""

    namespace: str
    service: str
    http_port: str
    pod: str = ""
    peer: str = ""
    host: str = ""
    path: str = ""
    headers: dict[str, list[str]] = {}


def echo(body: bytes) -> EchoSeen | None:
    """Who answered; None when it is no echo backend's answer."""
    try:
        said = msgspec.json.decode(body, type=_Echo)
        port = int(said.http_port)
    except (msgspec.DecodeError, ValueError):
        return None
    headers = tuple((name.lower(), value) for name, values in said.headers.items() for value in values)
    return EchoSeen(said.namespace, said.service, port, said.pod, said.peer, said.host, said.path, headers)


def grpc_echo(body: bytes) -> EchoSeen | None:
    """The same from a gRPC message."""
    try:
        return echo(StringValue.FromString(body[FRAME:]).value.encode())
    except DecodeError:
        return None
