"""Backends as Envoy clusters: one Cluster and one ClusterLoadAssignment each.

Endpoints change often, clusters hardly ever: the cluster says only how to speak to the backend, the load
assignment says where it is.  A backend with a DNS name has no load assignment; Envoy resolves the name.
Nothing here sets limits on connections or requests: the edge has its own, and a backend's capacity is
not ours to guess.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2
from envoy.config.core.v3 import address_pb2, base_pb2, protocol_pb2, proxy_protocol_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2 as endpoint_pb2
from envoy.config.endpoint.v3 import endpoint_pb2 as assignment_pb2
from envoy.extensions.transport_sockets.proxy_protocol.v3 import upstream_proxy_protocol_pb2
from envoy.extensions.transport_sockets.raw_buffer.v3 import raw_buffer_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as upstream
from envoy.type.matcher.v3 import string_pb2
from google.protobuf.any_pb2 import Any

from gatewright.engines.envoy import names
from gatewright.engines.envoy.wire import ads, pack, seconds, serialise
from gatewright.graph.nodes import Backend, BackendTls, Endpoint, UpstreamProtocol

_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_TLS: Final = "envoy.transport_sockets.tls"
_RAW: Final = "envoy.transport_sockets.raw_buffer"
_PROXY: Final = "envoy.transport_sockets.upstream_proxy_protocol"
_SYSTEM_CA: Final = "/etc/ssl/certs/ca-certificates.crt"
_BUFFER_BYTES: Final = 32 * 1024
_UNLIMITED: Final = 2**32 - 1
_IDLE_SECONDS: Final = 50.0
"""How long an idle connection to a backend is kept: shorter than the 60 s and more that servers keep theirs."""


def compile_cluster(backend: Backend, name: str = "") -> bytes:
    """The cluster of a backend; `name` for another cluster than the backend's own, with endpoints under that name.

    (Two clusters cannot share a load assignment: Envoy asks for it once, and the second waits in vain.)
    """
    made = cluster_pb2.Cluster(
        name=name or names.cluster(backend.key),
        connect_timeout=seconds(backend.connect_timeout),
        lb_policy=cluster_pb2.Cluster.LEAST_REQUEST,
    )
    made.per_connection_buffer_limit_bytes.value = _BUFFER_BYTES
    # An endpoint that is gone from the load assignment is gone, whatever its connections are doing.
    made.ignore_health_on_host_removal = True
    _no_limits(made)
    _find(made, backend)
    if backend.protocol in (UpstreamProtocol.HTTP1, UpstreamProtocol.H2):
        made.typed_extension_protocol_options[_HTTP_OPTIONS].CopyFrom(_http(backend.protocol))
    _secure(made, backend)
    return serialise(made)


def compile_endpoints(backend: Backend, name: str = "") -> bytes | None:
    """The load assignment of a backend: its ready endpoints; None where Envoy looks them up itself."""
    if resolved_by_dns(backend):
        return None
    made = assignment_pb2.ClusterLoadAssignment(cluster_name=name or names.cluster(backend.key))
    if backend.endpoints:
        udp = backend.protocol is UpstreamProtocol.UDP
        made.endpoints.add(lb_endpoints=[_endpoint(e, udp=udp) for e in backend.endpoints])
    return serialise(made)


def socket_address(address: str, port: int, *, udp: bool = False) -> address_pb2.Address:
    protocol = address_pb2.SocketAddress.UDP if udp else address_pb2.SocketAddress.TCP
    return address_pb2.Address(
        socket_address=address_pb2.SocketAddress(address=address, port_value=port, protocol=protocol)
    )


def resolved_by_dns(backend: Backend) -> bool:
    """Does Envoy look the endpoints up itself?  Then there is no load assignment."""
    return bool(backend.dns_name) or any(not _is_address(e.address) for e in backend.endpoints)


def _endpoint(endpoint: Endpoint, *, udp: bool = False) -> endpoint_pb2.LbEndpoint:
    authority = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return endpoint_pb2.LbEndpoint(
        endpoint=endpoint_pb2.Endpoint(
            address=socket_address(endpoint.address, endpoint.port, udp=udp),
            hostname=f"{authority}:{endpoint.port}",
        )
    )


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


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _no_limits(made: cluster_pb2.Cluster) -> None:
    """Envoy's defaults (1024 of each) answer 503 on a busy day; no backend asked for that."""
    limits = circuit_breaker_pb2.CircuitBreakers.Thresholds()
    for limit in (limits.max_connections, limits.max_pending_requests, limits.max_requests):
        limit.value = _UNLIMITED
    limits.max_retries.value = 1024
    made.circuit_breakers.thresholds.append(limits)


def _http(protocol: UpstreamProtocol) -> Any:
    options = upstream.HttpProtocolOptions(
        common_http_protocol_options=protocol_pb2.HttpProtocolOptions(idle_timeout=seconds(_IDLE_SECONDS))
    )
    if protocol is UpstreamProtocol.H2:
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
        is_uri = kind.lower() == "uri"
        sans = common_pb2.SubjectAltNameMatcher
        context.match_typed_subject_alt_names.add(
            san_type=sans.URI if is_uri else sans.DNS, matcher=string_pb2.StringMatcher(exact=value)
        )
