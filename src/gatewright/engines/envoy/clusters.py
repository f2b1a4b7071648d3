"""Backends as Envoy clusters: one Cluster and one ClusterLoadAssignment each.

Endpoints change often, clusters hardly ever: the cluster says only how to speak to the backend, the load
assignment says where it is.  A backend with a DNS name has no load assignment; Envoy resolves the name.
Limits on connections and requests, health checks and ejections are set where somebody asked for them: the
edge has limits of its own, and a backend's capacity is not ours to guess.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2
from envoy.config.core.v3 import address_pb2, base_pb2, protocol_pb2, proxy_protocol_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2 as endpoint_pb2
from envoy.config.endpoint.v3 import endpoint_pb2 as assignment_pb2
from envoy.extensions.transport_sockets.proxy_protocol.v3 import upstream_proxy_protocol_pb2
from envoy.extensions.transport_sockets.raw_buffer.v3 import raw_buffer_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as upstream
from envoy.type.matcher.v3 import string_pb2
from envoy.type.v3 import http_pb2, range_pb2
from google.protobuf.any_pb2 import Any

from gatewright.engines.envoy import names
from gatewright.engines.envoy.wire import ads, pack, seconds, serialise
from gatewright.graph.nodes import Backend, BackendTls, Endpoint, UpstreamProtocol
from gatewright.graph.resolve.upstreams.variants import USUAL
from gatewright.kinds.intents.routing import HealthCheck, Upstream
from gatewright.kinds.syntax import is_ip

_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_TLS: Final = "envoy.transport_sockets.tls"
_RAW: Final = "envoy.transport_sockets.raw_buffer"
_PROXY: Final = "envoy.transport_sockets.upstream_proxy_protocol"
_SYSTEM_CA: Final = "/etc/ssl/certs/ca-certificates.crt"
_BUFFER_BYTES: Final = 32 * 1024
_UNLIMITED: Final = 2**32 - 1
_BALANCES: Final = {
    "round-robin": cluster_pb2.Cluster.ROUND_ROBIN,
    "least-request": cluster_pb2.Cluster.LEAST_REQUEST,
    "random": cluster_pb2.Cluster.RANDOM,
    "ring-hash": cluster_pb2.Cluster.RING_HASH,
    "maglev": cluster_pb2.Cluster.MAGLEV,
}
_HTTP: Final = (UpstreamProtocol.HTTP1, UpstreamProtocol.H2)
_EJECTION_SECONDS: Final = 30.0
_STATUSES_END: Final = 600
_SANS: Final = {
    "uri": common_pb2.SubjectAltNameMatcher.URI,
    "ip": common_pb2.SubjectAltNameMatcher.IP_ADDRESS,
}
_WELL: Final = ((200, 399),)
"""The statuses that say that an endpoint is well, where nobody says otherwise."""


def compile_cluster(backend: Backend, name: str = "") -> bytes:
    """The cluster of a backend; `name` for another cluster than the backend's own, with endpoints under that name.

    (Two clusters cannot share a load assignment: Envoy asks for it once, and the second waits in vain.)
    """
    made = cluster_pb2.Cluster(
        name=name or names.cluster(backend.key),
        connect_timeout=seconds(backend.connect_timeout),
        lb_policy=_BALANCES[backend.upstream.balance or USUAL.balance],
    )
    made.per_connection_buffer_limit_bytes.value = _BUFFER_BYTES
    # An endpoint that is gone from the load assignment is gone, whatever its connections are doing.
    made.ignore_health_on_host_removal = True
    _limits(made, backend.upstream)
    if backend.upstream.health is not None:
        _health(made, backend.upstream.health, backend.protocol)
    if backend.upstream.outlier_errors:
        _ejections(made, backend.upstream)
    _find(made, backend)
    if backend.protocol in _HTTP:
        made.typed_extension_protocol_options[_HTTP_OPTIONS].CopyFrom(_http(backend))
    _secure(made, backend)
    return serialise(made)


def compile_endpoints(backend: Backend, name: str = "") -> bytes | None:
    """The load assignment of a backend: its ready endpoints; None where Envoy looks them up itself."""
    if resolved_by_dns(backend):
        return None
    made = assignment_pb2.ClusterLoadAssignment(cluster_name=name or names.cluster(backend.key))
    if backend.endpoints:
        udp = backend.protocol is UpstreamProtocol.UDP
        made.endpoints.add(lb_endpoints=[_endpoint(e, backend, udp=udp) for e in backend.endpoints])
    return serialise(made)


def socket_address(address: str, port: int, *, udp: bool = False) -> address_pb2.Address:
    protocol = address_pb2.SocketAddress.UDP if udp else address_pb2.SocketAddress.TCP
    return address_pb2.Address(
        socket_address=address_pb2.SocketAddress(address=address, port_value=port, protocol=protocol)
    )


def resolved_by_dns(backend: Backend) -> bool:
    """Does Envoy look the endpoints up itself?  Then there is no load assignment."""
    return bool(backend.dns_name) or any(not is_ip(e.address) for e in backend.endpoints)


def _endpoint(endpoint: Endpoint, backend: Backend, *, udp: bool = False) -> endpoint_pb2.LbEndpoint:
    authority = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    made = endpoint_pb2.Endpoint(
        address=socket_address(endpoint.address, endpoint.port, udp=udp), hostname=f"{authority}:{endpoint.port}"
    )
    _health_port(made, backend)
    return endpoint_pb2.LbEndpoint(endpoint=made)


def _health_port(made: endpoint_pb2.Endpoint, backend: Backend) -> None:
    if backend.upstream.health is not None and backend.upstream.health.port:
        made.health_check_config.port_value = backend.upstream.health.port


def _find(made: cluster_pb2.Cluster, backend: Backend) -> None:
    """How endpoints are found: by load assignment over ADS, or by DNS."""
    if not resolved_by_dns(backend):
        made.type = cluster_pb2.Cluster.EDS
        made.eds_cluster_config.eds_config.CopyFrom(ads())
        return
    made.type = cluster_pb2.Cluster.STRICT_DNS
    made.dns_lookup_family = cluster_pb2.Cluster.ALL
    # A name that does not resolve must not hold up the start of everything else.
    made.wait_for_warm_on_init.value = False
    made.load_assignment.cluster_name = made.name
    locality = made.load_assignment.endpoints.add()
    udp = backend.protocol is UpstreamProtocol.UDP
    endpoints = backend.endpoints or (Endpoint(backend.dns_name, backend.key.port),)
    for one in endpoints:
        found = locality.lb_endpoints.add()
        found.endpoint.address.CopyFrom(socket_address(one.address, one.port, udp=udp))
        found.endpoint.hostname = one.address
        _health_port(found.endpoint, backend)


def _limits(made: cluster_pb2.Cluster, asked: Upstream) -> None:
    """None unless asked for: Envoy's defaults (1024 of each) answer 503 on a busy day; no backend asked for that."""
    limits = circuit_breaker_pb2.CircuitBreakers.Thresholds()
    limits.max_connections.value = _UNLIMITED if asked.max_connections is None else asked.max_connections
    # A request is pending also while a connection is made for it: with none of them, nothing would get through.
    limits.max_pending_requests.value = _UNLIMITED if asked.max_pending is None else max(1, asked.max_pending)
    limits.max_requests.value = _UNLIMITED if asked.max_requests is None else asked.max_requests
    limits.max_retries.value = 1024
    made.circuit_breakers.thresholds.append(limits)


def _health(made: cluster_pb2.Cluster, asked: HealthCheck, protocol: UpstreamProtocol) -> None:
    """Active health checks.  Unwell endpoints get no requests, also when that leaves none, unless `panic` says so."""
    check = made.health_checks.add(
        interval=seconds(asked.interval),
        # Envoy asks only once a minute where there are no requests: a second one would come to a dead endpoint.
        no_traffic_interval=seconds(asked.interval),
        timeout=seconds(asked.timeout),
    )
    check.healthy_threshold.value = asked.healthy
    check.unhealthy_threshold.value = asked.unhealthy
    if asked.path and protocol in _HTTP:
        http = check.http_health_check
        http.path, http.host = _printable(asked.path), _printable(asked.host)
        http.expected_statuses.extend(
            range_pb2.Int64Range(start=first, end=last + 1) for first, last in asked.statuses or _WELL
        )
        # Envoy takes one wrong status for unwell, whatever the threshold, unless it is one to try again.
        http.retriable_statuses.extend(_others(asked.statuses or _WELL))
        if protocol is UpstreamProtocol.H2:
            http.codec_client_type = http_pb2.HTTP2
    else:
        check.tcp_health_check.SetInParent()
    made.common_lb_config.healthy_panic_threshold.value = asked.panic


def _printable(text: str) -> str:
    """Control characters as in a URL: for the sake of one, Envoy would refuse the cluster."""
    return "".join(quote(one) if ord(one) < ord(" ") or one == "\x7f" else one for one in text)


def _others(ranges: tuple[tuple[int, int], ...]) -> list[range_pb2.Int64Range]:
    """The statuses from 100 to 599 that are in none of these ranges, as ranges that exclude their end."""
    found, start = [], 100
    for first, last in sorted(ranges):
        if first > start:
            found.append(range_pb2.Int64Range(start=start, end=first))
        start = max(start, last + 1)
    if start < _STATUSES_END:
        found.append(range_pb2.Int64Range(start=start, end=_STATUSES_END))
    return found


def _ejections(made: cluster_pb2.Cluster, asked: Upstream) -> None:
    """An endpoint with so many errors in a row is left out for a while; where all would be, none is."""
    ejects = made.outlier_detection
    ejects.consecutive_5xx.value = asked.outlier_errors
    ejects.enforcing_consecutive_5xx.value = 100
    ejects.enforcing_consecutive_gateway_failure.value = 0
    ejects.enforcing_success_rate.value = 0
    ejects.max_ejection_percent.value = 100
    away = seconds(asked.outlier_seconds or _EJECTION_SECONDS)
    ejects.base_ejection_time.CopyFrom(away)
    ejects.max_ejection_time.CopyFrom(away)
    ejects.interval.CopyFrom(seconds(1))  # how often it is looked who may come back
    if asked.health is None:
        made.common_lb_config.healthy_panic_threshold.value = 1


def _http(backend: Backend) -> Any:
    asked, h2 = backend.upstream, backend.protocol is UpstreamProtocol.H2
    idle = asked.idle_timeout if asked.idle_timeout is not None else USUAL.idle_timeout
    options = upstream.HttpProtocolOptions(
        common_http_protocol_options=protocol_pb2.HttpProtocolOptions(idle_timeout=seconds(idle or 0))
    )
    if asked.max_requests_per_connection:
        common = options.common_http_protocol_options
        common.max_requests_per_connection.value = asked.max_requests_per_connection
    if backend.tls is not None and backend.tls.follows_host:
        options.upstream_http_protocol_options.auto_sni = True
        options.upstream_http_protocol_options.auto_san_validation = backend.tls.verify and not backend.tls.verify_names
    if h2:
        options.explicit_http_config.http2_protocol_options.SetInParent()
    else:
        options.explicit_http_config.http_protocol_options.SetInParent()
    return pack(options)


def _secure(made: cluster_pb2.Cluster, backend: Backend) -> None:
    """TLS, and the PROXY protocol around it."""
    socket = base_pb2.TransportSocket(name=_RAW, typed_config=pack(raw_buffer_pb2.RawBuffer()))
    if backend.tls is not None:
        context = _tls(backend.tls, backend.protocol)
        socket = base_pb2.TransportSocket(name=_TLS, typed_config=pack(context))
    if backend.proxy_protocol:
        config = proxy_protocol_pb2.ProxyProtocolConfig(version=backend.proxy_protocol - 1)
        wrapped = upstream_proxy_protocol_pb2.ProxyProtocolUpstreamTransport(config=config, transport_socket=socket)
        socket = base_pb2.TransportSocket(name=_PROXY, typed_config=pack(wrapped))
    if socket.name != _RAW:
        made.transport_socket.CopyFrom(socket)


def _tls(tls: BackendTls, protocol: UpstreamProtocol) -> tls_pb2.UpstreamTlsContext:
    made = tls_pb2.UpstreamTlsContext(sni=tls.server_name)
    common = made.common_tls_context
    default = {UpstreamProtocol.H2: ("h2",), UpstreamProtocol.HTTP1: ("http/1.1",)}.get(protocol, ())
    common.alpn_protocols.extend(tls.alpn or default)
    common.tls_params.tls_minimum_protocol_version = common_pb2.TlsParameters.TLSv1_2
    if tls.verify:
        _verify(common.validation_context, tls)
    if tls.client_certificate and tls.client_key:
        pair = common.tls_certificates.add()
        pair.certificate_chain.inline_bytes = tls.client_certificate
        pair.private_key.inline_bytes = tls.client_key.reveal()
    return made


def _verify(context: common_pb2.CertificateValidationContext, tls: BackendTls) -> None:
    """Against the given authorities, else the system's; the name is always checked."""
    if tls.ca:
        context.trusted_ca.inline_bytes = tls.ca
    else:
        context.trusted_ca.filename = _SYSTEM_CA
    wanted = tls.verify_names or ((("Hostname", tls.server_name),) if tls.server_name else ())
    for kind, value in wanted:
        context.match_typed_subject_alt_names.add(
            san_type=_SANS.get(kind.lower(), common_pb2.SubjectAltNameMatcher.DNS),
            matcher=string_pb2.StringMatcher(exact=value),
        )
