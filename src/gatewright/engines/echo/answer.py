"""What the echo backend says to an HTTP request; pure, its counterparts `http1` and `http2` do the talking.

The answer has the shape of the echo server of Gateway API's conformance tests, so that whoever knows that one
knows this one: the request as JSON, `/status/NNN` to be answered with a status, `?delay=1s` to wait, and the
request header `X-Echo-Set-Header: name:value, name:value` to be sent response headers.
"""

from __future__ import annotations

import functools
import http
import re
from collections.abc import Iterable
from urllib.parse import parse_qs

import msgspec
from google.protobuf.wrappers_pb2 import StringValue
from msgspec import Struct

from gatewright.engines.echo.service import EchoService

Headers = list[tuple[bytes, bytes]]

_STATUS = re.compile(r"/status/(\d{3})(?:\?|$)")
_DELAY = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_LONGEST_DELAY = 300.0
_JSON: Headers = [(b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff")]


class TlsFacts(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How the connection was secured."""

    version: str
    server_name: str
    cipher_suite: str
    negotiated_protocol: str = ""


class Request(Struct, frozen=True):
    """A request as it arrived.  `headers` in order, without pseudo headers and Host; `peer` the address of whoever
    opened the connection."""

    method: str
    path: str
    host: str
    proto: str
    headers: Headers
    tls: TlsFacts | None = None
    peer: str = ""


class Answer(Struct, frozen=True):
    """What to send back, `delay` seconds from now.  Header names are lower-case where HTTP/2 wants them so."""

    status: int
    headers: Headers
    body: bytes
    delay: float = 0.0


class _Echo(Struct, frozen=True, rename="camel"):
    """The JSON document; its field order is what people read."""

    path: str
    host: str
    method: str
    proto: str
    headers: dict[str, list[str]]
    http_port: str
    namespace: str
    ingress: str
    service: str
    pod: str
    peer: str
    sni: str
    tls: TlsFacts | msgspec.UnsetType


def answer(request: Request, service: EchoService) -> Answer:
    """The answer of `service` to an HTTP request."""
    if forced := _STATUS.match(request.path):
        status = int(forced[1])
        headers = [*_asked_headers(request.headers), (b"content-length", b"0")]
        return Answer(status if status >= http.HTTPStatus.OK else 400, headers, b"")
    body = describe(request, service)
    headers = [*_JSON, *_asked_headers(request.headers), (b"content-length", b"%d" % len(body))]
    return Answer(200, headers, body, _asked_delay(request.path))


def grpc_message(request: Request, service: EchoService) -> bytes:
    """The same as one length-prefixed gRPC message: a google.protobuf.StringValue that holds the JSON."""
    message = StringValue(value=describe(request, service).decode()).SerializeToString()
    return b"\x00" + len(message).to_bytes(4, "big") + message


def describe(request: Request, service: EchoService) -> bytes:
    """The request and who received it, as JSON."""
    return msgspec.json.encode(
        _Echo(
            path=request.path,
            host=request.host,
            method=request.method,
            proto=request.proto,
            headers=_grouped(request.headers),
            http_port=str(service.port),
            namespace=service.namespace,
            ingress="",
            service=service.name,
            pod=service.pod,
            peer=request.peer,
            sni=request.tls.server_name if request.tls else "",
            tls=request.tls or msgspec.UNSET,
        )
    )


def _grouped(headers: Headers) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(canonical(name), []).append(value.decode("latin-1"))
    return grouped


@functools.lru_cache(maxsize=1024)
def canonical(name: bytes) -> str:
    """`x-request-id` as `X-Request-Id`, however it was written."""
    return "-".join(part.capitalize() for part in name.decode("latin-1").split("-"))


def _asked_headers(headers: Headers) -> Iterable[tuple[bytes, bytes]]:
    for name, text in headers:
        if name.lower() == b"x-echo-set-header":
            for pair in text.split(b","):
                key, colon, value = pair.strip().partition(b":")
                if colon and re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+", key):
                    yield key.lower(), value.strip()


def _asked_delay(path: str) -> float:
    query = path.partition("?")[2]
    if "delay=" not in query:
        return 0.0
    asked = _DELAY.fullmatch(parse_qs(query).get("delay", [""])[-1])
    return min(float(asked[1]) * _SECONDS[asked[2]], _LONGEST_DELAY) if asked else 0.0
