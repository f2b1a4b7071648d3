"""Hand-written Envoys: the backends that answer by themselves, and the floor that Gatewright is compared with."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec import Struct, structs

from benchmarks import support
from gatewright.engines.envoy.process import envoy_binary

_TYPE = "type.googleapis.com/envoy"


class Backends(Struct, frozen=True):
    """Ports of 127.0.0.1 that answer 200 with the body "a" or "b"; `tls` answers "tls" over TLS."""

    a: int
    b: int
    tls: int


@contextlib.contextmanager
def backends(folder: Path) -> Iterator[Backends]:
    """An Envoy of one thread that is every backend."""
    found = Backends(*(support.free_port() for _ in range(3)))
    listeners = [
        _listener("a", found.a, _direct("a")),
        _listener("b", found.b, _direct("b")),
        _listener("tls", found.tls, _direct("tls"), tls=_certificate(folder)),
    ]
    with envoy(folder / "backend.json", listeners, [], found.a):
        yield found


class Floor(Struct, frozen=True):
    """A proxy of one hand-written route for each of these."""

    plain: int
    filtered: int
    tls: int
    pid: int = 0


@contextlib.contextmanager
def floor(folder: Path, backend: int, hosts: Sequence[str]) -> Iterator[Floor]:
    """The least configuration that proxies these hosts to the backend."""
    found = Floor(support.free_port(), support.free_port(), support.free_port())
    header = {"header": {"key": "x-site", "value": "home"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    listeners = [
        _listener("plain", found.plain, _proxied(hosts)),
        _listener("filtered", found.filtered, _proxied(hosts, request_headers_to_add=[header])),
        _listener("tls", found.tls, _proxied(hosts), tls=_certificate(folder)),
    ]
    with envoy(folder / "floor.json", listeners, [_cluster("backend", backend)], found.plain) as pid:
        yield structs.replace(found, pid=pid)


@contextlib.contextmanager
def envoy(
    file: Path, listeners: Sequence[Mapping[str, Any]], clusters: Sequence[Mapping[str, Any]], port: int
) -> Iterator[int]:
    """Run an Envoy of one worker thread until the block is left; gives its process id."""
    file.write_text(json.dumps({"static_resources": {"listeners": listeners, "clusters": clusters}}))
    command = [
        *(str(envoy_binary()), "--config-path", str(file), "--concurrency", "1"),
        *("--disable-hot-restart", "--log-level", "error"),
    ]
    with support.running(command, file.with_suffix(".log")) as process:
        support.wait_for(lambda: support.listens(port), f"Envoy with {file}", process)
        yield process.pid


def _listener(name: str, port: int, routes: Sequence[Mapping[str, Any]], tls: Mapping[str, Any] | None = None) -> Any:
    manager = {
        "@type": f"{_TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": {"name": name, "virtual_hosts": routes},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_TYPE}.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    chain: dict[str, Any] = {
        "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    }
    if tls is not None:
        chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": tls}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"name": name, "address": address, "filter_chains": [chain]}


def _direct(body: str) -> list[dict[str, Any]]:
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": body}}}
    return [{"name": "all", "domains": ["*"], "routes": [answer]}]


def _proxied(hosts: Sequence[str], **more: Any) -> list[dict[str, Any]]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "backend"}, **more}
    return [{"name": host, "domains": [host, f"{host}:*"], "routes": [route]} for host in hosts]


def _cluster(name: str, port: int) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    load = {"cluster_name": name, "endpoints": endpoints}
    return {"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": load}


def _certificate(folder: Path) -> dict[str, Any]:
    """A TLS context with a key pair made for this run."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("*.bench.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "tls.crt", folder / "tls.key"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.touch(0o600)
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    pair = {"certificate_chain": {"filename": str(chain)}, "private_key": {"filename": str(private)}}
    return {
        "@type": f"{_TYPE}.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificates": [pair]},
    }
