"""What the ConfigMap of an ingress-nginx says of its door, from manifests to the socket of a real Envoy.

Counterparts: `test_doors_tls` and `test_doors_peers`, everything that a door can be.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from support import dialects
from support.handmade import DEADLINE

pytestmark = pytest.mark.real

HOST = "a.test"
CASE = """
title: A door
manifests: |
  apiVersion: networking.k8s.io/v1
  kind: Ingress
  metadata: {name: a, namespace: apps}
  spec:
    ingressClassName: nginx
    tls: [{hosts: [a.test]}]
    rules:
    - host: a.test
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: app, namespace: apps}
  spec: {ports: [{port: 80}]}
"""


def door(folder: Path, values: Mapping[str, str]) -> dialects.Built:
    """An Ingress at a door with these class-wide values."""
    controller = {
        "apiVersion": "gatewright.dev/v1alpha1",
        "kind": "IngressController",
        "metadata": {"name": "nginx", "namespace": "infra"},
        "spec": {"implementation": "ingress-nginx"},
    }
    name = {"name": "ingress-nginx-controller", "namespace": "infra"}
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": name, "data": dict(values)}
    suite, manifests = folder / "suite", folder / "manifests"
    suite.mkdir()
    manifests.mkdir()
    (suite / "door.yaml").write_text(yaml.safe_dump_all([controller, settings]), encoding="utf-8")
    (suite / "case.yaml").write_text(CASE, encoding="utf-8")
    built = dialects.build(suite, manifests)
    assert not any(built.problems.values()), built.problems
    return built


def connected(built: dialects.Built, **wishes: object) -> tuple[str, str, str] | None:
    """TLS version, cipher and protocol that a client with these wishes gets; None without a handshake."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    if "highest" in wishes:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if "ciphers" in wishes:
        context.set_ciphers(str(wishes["ciphers"]))

    async def scenario() -> tuple[str, str, str] | None:
        async with dialects.served(built) as world:
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                _, writer = await asyncio.open_connection(
                    "127.0.0.1", world.port(443, "infra/nginx"), ssl=context, server_hostname=HOST
                )
                made = writer.get_extra_info("ssl_object")
                writer.transport.abort()
                return made.version(), made.cipher()[0], made.selected_alpn_protocol()
        return None

    return asyncio.run(scenario())


STRONG = "ECDHE-ECDSA-AES256-GCM-SHA384"


@pytest.mark.parametrize(
    ("values", "wishes", "expected"),
    [
        ({}, {}, ("TLSv1.3", "h2")),
        ({}, {"highest": "1.2"}, ("TLSv1.2", "h2")),
        ({"ssl-protocols": "TLSv1.3"}, {"highest": "1.2"}, None),
        ({"ssl-protocols": "TLSv1.2"}, {}, ("TLSv1.2", "h2")),
        ({"use-http2": "false"}, {}, ("TLSv1.3", "http/1.1")),
        ({"ssl-ciphers": STRONG}, {"highest": "1.2"}, ("TLSv1.2", "h2")),
        ({"ssl-ciphers": STRONG}, {"highest": "1.2", "ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256"}, None),
    ],
)
def test_tls(tmp_path: Path, values: dict[str, str], wishes: dict[str, str], expected: tuple[str, str] | None) -> None:
    found = connected(door(tmp_path, values), **wishes)
    assert (found and (found[0], found[2])) == expected
    if "ssl-ciphers" in values and found:
        assert found[1] == STRONG


@pytest.mark.parametrize("sends", [True, False])
def test_use_proxy_protocol(tmp_path: Path, sends: bool) -> None:
    """Every connection has to begin with it, and the client is the one that it names."""
    built = door(tmp_path, {"use-proxy-protocol": "true", "ssl-redirect": "false"})

    async def scenario() -> bytes:
        async with dialects.served(built) as world, asyncio.timeout(DEADLINE):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port(80, "infra/nginx"))
            with contextlib.closing(writer):
                writer.write(b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 80\r\n" if sends else b"")
                writer.write(f"GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n".encode())
                with contextlib.suppress(ConnectionError):
                    return await reader.read()
        return b""

    answer = asyncio.run(scenario())
    assert answer.startswith(b"HTTP/1.1 200") == sends
    assert (b'"X-Real-Ip":["192.0.2.7"]' in answer) == sends
