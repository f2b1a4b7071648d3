"""What clients get when a backend cannot be reached or hangs up: the status that the door's original answers.

Envoy says 503 for all of it.  Where a backend has no endpoints, 503 is what everybody says; an answer that takes too
long is 504 everywhere.  Measured with nginx and HAProxy; Traefik and ALB as they document it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.extensions.access_loggers.filters.cel.v3 import cel_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm

from gatewright.engines.envoy.wire import pack
from gatewright.trace.answer import TELL_APART

_NOT_CONNECTED: Final = "UF"
_HUNG_UP: Final = ("UC", "UR")
_TOO_MANY: Final = "UO"
_TRAEFIK: Final = "traefik"
_HAPROXY: Final = frozenset({"haproxy", "haproxy-ingress"})


def local_replies(implementation: str) -> hcm.LocalReplyConfig | None:
    """The statuses of a gateway's implementation (`graph.nodes.Gateway.implementation`); None: Envoy's own."""
    mappers = []
    if implementation in TELL_APART:
        mappers.append(_mapper(HTTPStatus.GATEWAY_TIMEOUT, _in_vain()))
        mappers.append(_mapper(HTTPStatus.BAD_GATEWAY, _flags(_NOT_CONNECTED)))
    if implementation == _TRAEFIK:  # nothing but inFlightReq limits there what a backend gets
        mappers.append(_mapper(HTTPStatus.TOO_MANY_REQUESTS, _flags(_TOO_MANY)))
    if implementation in TELL_APART | _HAPROXY:
        mappers.append(_mapper(HTTPStatus.BAD_GATEWAY, _flags(*_HUNG_UP)))
    return hcm.LocalReplyConfig(mappers=mappers) if mappers else None


def _mapper(status: HTTPStatus, filter_: accesslog_pb2.AccessLogFilter) -> hcm.ResponseMapper:
    made = hcm.ResponseMapper(filter=filter_)
    made.status_code.value = status
    made.body.inline_string = f"{status.value} {status.phrase}\n"
    return made


def _flags(*flags: str) -> accesslog_pb2.AccessLogFilter:
    return accesslog_pb2.AccessLogFilter(response_flag_filter=accesslog_pb2.ResponseFlagFilter(flags=flags))


def _in_vain() -> accesslog_pb2.AccessLogFilter:
    """No connection within the time for it: only the details tell, as the flag is that of a refused one."""
    late = cel_pb2.ExpressionFilter(expression='response.code_details.contains("connection_timeout")')
    extension = accesslog_pb2.ExtensionFilter(
        name="envoy.access_loggers.extension_filters.cel", typed_config=pack(late)
    )
    return accesslog_pb2.AccessLogFilter(extension_filter=extension)
