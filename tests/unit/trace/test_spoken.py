"""How a backend is spoken to, in words."""

from __future__ import annotations

import pytest

from gatewright.graph.nodes import Backend, BackendKey, BackendTls, UpstreamProtocol
from gatewright.kinds.intents.routing import HealthCheck, Upstream
from gatewright.trace.hops import BackendName
from gatewright.trace.spoken import in_words

KEY = BackendKey("apps", "web", 80, "https+connect=5s")


def backend(protocol: UpstreamProtocol = UpstreamProtocol.HTTP1, **said: object) -> Backend:
    return Backend(key=KEY, protocol=protocol, origins=(), **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, ""),
        ({"protocol": UpstreamProtocol.H2}, "HTTP/2"),
        ({"connect_timeout": 5.0, "proxy_protocol": 2},
         "told of the client by PROXY protocol 2; connects within 5 s"),
        ({"tls": BackendTls("a.test", verify=False)}, "TLS for a.test, whose certificate is not verified"),
        ({"tls": BackendTls("a.test", system_ca=True, verify_names=(("Hostname", "a.test"),))},
         "TLS for a.test, verified by the system's authorities"),
        ({"tls": BackendTls("a.test", ca=b"x", verify_names=(("Hostname", "b.test"),), client_certificate=b"x")},
         "TLS for a.test with a client certificate, verified by the authorities that are given as b.test"),
        ({"tls": BackendTls(follows_host=True, ca=b"x")},
         "TLS for the host asked for, verified by the authorities that are given"),
        ({"upstream": Upstream(balance="maglev", idle_timeout=30.0, max_connections=3, max_requests=4)},
         "balanced by maglev; idle connections end after 30 s; at most 3 connections;"
         " at most 4 requests at the same time"),
        ({"upstream": Upstream(balance="least-request", idle_timeout=50.0)}, ""),
        ({"upstream": Upstream(outlier_errors=5, outlier_seconds=30.0, health=HealthCheck(statuses=((200, 200),)))},
         "an endpoint is left out for 30 s after 5 errors; checked by a connection every 15 s, well with 200"),
        ({"upstream": Upstream(health=HealthCheck("/health", 10.0, statuses=((200, 204), (301, 301))))},
         "checked by GET /health every 10 s, well with 200-204, 301"),
    ],
)  # fmt: skip
def test_what_is_unusual_is_said(said: dict[str, object], words: str) -> None:
    assert in_words(backend(**said)) == words  # type: ignore[arg-type]


def test_names_leave_out_how_it_is_spoken_to() -> None:
    assert str(BackendName.of(KEY)) == "apps/web:80"
    assert str(BackendName.of(BackendKey("", "login.example.com", 443, "https+external"))) == "login.example.com:443"
