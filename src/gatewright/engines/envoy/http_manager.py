"""The HTTP connection manager: how every HTTP listener reads requests, and its limits as an edge.

All listeners share one scoped-routes subscription; a listener's own part of the key is put in front of
the host on arrival.  Follows Envoy's advice for edge proxies; departures are explained where they are.
"""

from __future__ import annotations

from typing import Final

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import base_pb2, extension_pb2, protocol_pb2, substitution_format_string_pb2
from envoy.config.listener.v3 import listener_components_pb2 as listener
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from envoy.extensions.formatter.req_without_query.v3 import req_without_query_pb2
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import header_mutation_pb2
from msgspec import Struct

from gatewright.engines.envoy import filters, forwarded, names
from gatewright.engines.envoy.bindings import Bindings
from gatewright.engines.envoy.forwarded import Peers
from gatewright.engines.envoy.local_replies import local_replies
from gatewright.engines.envoy.wire import ads, extension, pack, seconds
from gatewright.graph.nodes import Family, Gateway, TlsSettings

HTTP: Final = "envoy.filters.network.http_connection_manager"
_HEADERS_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 3600.0
_STREAMS: Final = 100
_STREAM_WINDOW: Final = 64 * 1024
_CONNECTION_WINDOW: Final = 1024 * 1024
_NO_HOST: Final = "_"
"""The Host of an HTTP/1.0 request that has none: no hostname, so that only a catch-all serves it."""

_FIELDS: Final = {
    "time": "%START_TIME%",
    "host": "%REQ(:AUTHORITY)%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "rule": "%ROUTE_NAME%",
    "backend": "%UPSTREAM_CLUSTER_RAW%",
    "endpoint": "%UPSTREAM_HOST%",
    "duration_ms": "%DURATION%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "user_agent": "%REQ(USER-AGENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "sni": "%REQUESTED_SERVER_NAME%",
    "tls": "%DOWNSTREAM_TLS_VERSION%",
}


class Taken(Struct, frozen=True):
    """Which connections a manager is for: of which peers, and with which TLS; `apart`: other than the port's."""

    peers: Peers = Peers.ANYBODY
    settings: TlsSettings | None = None
    apart: bool = False


def manager(
    door: Gateway,
    port: int,
    family: Family,
    bindings: Bindings,
    taken: Taken,
) -> listener.Filter:
    """The network filter that serves the HTTP (or HTTPS) VirtualHosts of one port on such connections."""
    gateway, peers, settings = door.id, taken.peers, taken.settings
    prefix = names.scope_prefix(gateway, port, family, settings if taken.apart else None)
    made = hcm.HttpConnectionManager(
        stat_prefix=prefix.rstrip("|").replace("|", "_"),
        scoped_routes=_scoped_routes(),
        http_filters=_chain(door, port, family, peers),
        early_header_mutation_extensions=[_arrival(door, port, family, prefix, taken)],
        strip_any_host_port=True,
        strip_trailing_host_dot=True,
        merge_slashes=True,
        server_header_transformation=hcm.HttpConnectionManager.PASS_THROUGH,
        path_with_escaped_slashes_action=hcm.HttpConnectionManager.UNESCAPE_AND_REDIRECT,
        request_headers_timeout=seconds(_HEADERS_SECONDS),
        upgrade_configs=[hcm.HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
    )
    forwarded.detect(made, door, port, peers, forwarded.trusted_hops(door, port, bindings.trusted_hops))
    made.normalize_path.value = True
    if forwarded.drops_underscores(door):
        dropped = protocol_pb2.HttpProtocolOptions.DROP_HEADER
        made.common_http_protocol_options.headers_with_underscores_action = dropped
    _times(made, door, port)
    _protocols(made)
    if settings is not None and settings.client_mode:
        _client_certificate(made)
    if (replies := local_replies(door.implementation)) is not None:
        made.local_reply_config.CopyFrom(replies)
    if bindings.access_log:
        made.access_log.append(_access_log(gateway, port, bindings.access_log, _FIELDS))
    return listener.Filter(name=HTTP, typed_config=pack(made))


def _chain(door: Gateway, port: int, family: Family, peers: Peers) -> list[hcm.HttpFilter]:
    """What access lists see is the way here as it arrived, also of routes that are found late.

    Envoy looks for such a route when the next filter asks for it: CORS does, and only then headers are written.
    """
    chain = filters.chain(door.id, port, family)
    asked = next(number for number, one in enumerate(chain, 1) if one.name == filters.CORS)
    return [*chain[:asked], *forwarded.filters(door, port, peers), *chain[asked:]]


def tcp_access_log(gateway: str, port: int, path: str) -> accesslog_pb2.AccessLog:
    """The same line for connections that carry no HTTP that we see."""
    left_out = ("host", "method", "path", "status", "rule", "user_agent", "request_id", "protocol")
    return _access_log(gateway, port, path, {k: v for k, v in _FIELDS.items() if k not in left_out})


def _scoped_routes() -> hcm.ScopedRoutes:
    made = hcm.ScopedRoutes(name="gatewright", rds_config_source=ads())
    made.scoped_rds.scoped_rds_config_source.CopyFrom(ads())
    fragment = made.scope_key_builder.fragments.add()
    fragment.header_value_extractor.name = names.SCOPE_HEADER
    fragment.header_value_extractor.index = 0
    return made


def _times(made: hcm.HttpConnectionManager, door: Gateway, port: int) -> None:
    """Connections without traffic end; long polls and WebSockets may be quiet for an hour, if the door says nothing."""
    own = forwarded.own_settings(door, port)
    idle = door.settings.idle_timeout if own.idle_timeout is None else own.idle_timeout
    kept = own.keepalive_timeout
    made.stream_idle_timeout.CopyFrom(seconds(_IDLE_SECONDS if idle is None else idle))
    made.common_http_protocol_options.idle_timeout.CopyFrom(seconds(_IDLE_SECONDS if kept is None else kept))
    if own.request_timeout:
        made.request_timeout.CopyFrom(seconds(own.request_timeout))


def _arrival(
    gateway: Gateway, port: int, family: Family, prefix: str, taken: Taken
) -> extension_pb2.TypedExtensionConfig:
    """Overwrites (or clears) the headers that select scope and rule, so that no client chooses its own, and those that
    speak of the client."""
    notes = names.arrival_notes(gateway.dialect)
    mutations = [_overwrite(names.SCOPE_HEADER, prefix.replace("%", "%%") + "%REQ(:AUTHORITY)%")]
    if names.HOST_HEADER in notes:
        mutations.append(mutation_rules_pb2.HeaderMutation(remove=names.HOST_HEADER))
    if names.PATH_HEADER in notes:
        mutations.append(_overwrite(names.PATH_HEADER, "%PATH(NQ)%"))
    if taken.apart and taken.settings is not None and taken.settings.client_mode:
        mutations.append(mutation_rules_pb2.HeaderMutation(remove=names.SUBJECT_HEADER))
        mutations.append(_overwrite(names.SUBJECT_HEADER, "%DOWNSTREAM_PEER_SUBJECT%"))
    mutations += forwarded.on_arrival(gateway, port, family, taken.peers)
    return extension(
        "envoy.http.early_header_mutation.header_mutation",
        header_mutation_pb2.HeaderMutation(mutations=mutations),
    )


def _overwrite(name: str, value: str) -> mutation_rules_pb2.HeaderMutation:
    return mutation_rules_pb2.HeaderMutation(
        append=base_pb2.HeaderValueOption(
            header=base_pb2.HeaderValue(key=name, value=value),
            append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        )
    )


def _protocols(made: hcm.HttpConnectionManager) -> None:
    # HTTP/1.0 clients (health checks, old devices) are served as every other proxy serves them.
    made.http_protocol_options.accept_http_10 = True
    made.http_protocol_options.default_host_for_http_10 = _NO_HOST
    http2 = made.http2_protocol_options
    http2.max_concurrent_streams.value = _STREAMS
    http2.initial_stream_window_size.value = _STREAM_WINDOW
    http2.initial_connection_window_size.value = _CONNECTION_WINDOW


def _client_certificate(made: hcm.HttpConnectionManager) -> None:
    made.forward_client_cert_details = hcm.HttpConnectionManager.SANITIZE_SET
    details = made.set_current_client_cert_details
    details.subject.value = True
    details.dns = details.uri = True


def _access_log(gateway: str, port: int, path: str, fields: dict[str, str]) -> accesslog_pb2.AccessLog:
    own = {"gateway": gateway.replace("%", "%%"), "port": str(port)}
    formats = substitution_format_string_pb2.SubstitutionFormatString(
        formatters=[extension("envoy.formatter.req_without_query", req_without_query_pb2.ReqWithoutQuery())],
        omit_empty_values=True,
    )
    formats.json_format.update({**own, **fields})
    log = file_pb2.FileAccessLog(path=path, log_format=formats)
    return accesslog_pb2.AccessLog(name="envoy.access_loggers.file", typed_config=pack(log))
