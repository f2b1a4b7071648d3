"""Prometheus metrics: our own beside Envoy's, on one endpoint, only where the user asked for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gatewright.base.errors import EngineError, UsageError
from gatewright.base.problem import Problem, Severity

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class RunMetrics:
    """What the control plane counts about itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.changes = Counter("gatewright_changes", "Saves that changed something", registry=registry)
        self.apply_seconds = Histogram(
            "gatewright_apply_seconds", "From a noticed save to its push", buckets=BUCKETS, registry=registry
        )
        self.live_seconds = Histogram(
            "gatewright_live_seconds", "From a noticed save to Envoy's answer", buckets=BUCKETS, registry=registry
        )
        self.virtual_hosts = Gauge("gatewright_virtual_hosts", "VirtualHosts in the graph", registry=registry)
        self._problems = Gauge("gatewright_problems", "Problems by severity", ["severity"], registry=registry)

    def count_problems(self, problems: Iterable[Problem]) -> None:
        """Set the gauge of problems."""
        found = [problem.severity for problem in problems]
        for severity in Severity:
            self._problems.labels(severity.value).set(found.count(severity))


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are no news."""


def serve(where: str, registry: CollectorRegistry, envoy: Callable[[], bytes]) -> WSGIServer:
    """Serve GET /metrics at ADDRESS:PORT in a thread.  `envoy` fetches Envoy's own; it may fail without harm.

    Raises UsageError for an address that is none, EngineError when it cannot be bound.
    """
    host, _, port = where.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit():
        raise UsageError(f"--metrics {where}: write it as ADDRESS:PORT, such as 127.0.0.1:9900")

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        if environ.get("PATH_INFO") != "/metrics":
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"metrics are at /metrics\n"]
        body = generate_latest(registry)
        with suppress(OSError):
            body += envoy()
        start("200 OK", [("Content-Type", CONTENT_TYPE)])
        return [body]

    kind = _Server6 if ":" in host else _Server
    try:
        server = make_server(host, int(port), app, server_class=kind, handler_class=_Quiet)
    except OSError as error:
        raise EngineError(f"metrics cannot be served at {where}: {error.strerror}") from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
