"""How a backend is spoken to, in words: what differs from plain HTTP/1.1 to an endpoint that is free.

Counterpart: `walk`, which shows it below the backend that a request goes to.
"""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.graph.nodes import Backend, BackendTls, UpstreamProtocol
from gatewright.graph.resolve.upstreams.variants import USUAL
from gatewright.kinds.intents.routing import HealthCheck, Upstream


def in_words(backend: Backend) -> str:
    """One line, "" where everything is as usual."""
    return "; ".join(_parts(backend))


def _parts(backend: Backend) -> Iterator[str]:
    if backend.protocol is UpstreamProtocol.H2:
        yield "HTTP/2"
    if backend.tls is not None:
        yield _tls(backend.tls)
    if backend.proxy_protocol:
        yield f"told of the client by PROXY protocol {backend.proxy_protocol}"
    if backend.connect_timeout != USUAL.connect_timeout:
        yield f"connects within {backend.connect_timeout:g} s" if backend.connect_timeout else "no time to connect in"
    yield from _limits(backend.upstream)
    if backend.upstream.health is not None:
        yield _health(backend.upstream.health)


def _tls(tls: BackendTls) -> str:
    name = " for the host asked for" if tls.follows_host else f" for {tls.server_name}" if tls.server_name else ""
    said = f"TLS{name}"
    if tls.client_certificate:
        said += " with a client certificate"
    if not tls.verify:
        return f"{said}, whose certificate is not verified"
    whose = "the system's authorities" if tls.system_ca else "the authorities that are given"
    names = ", ".join(dict.fromkeys(value for _, value in tls.verify_names if value != tls.server_name))
    return f"{said}, verified by {whose}" + (f" as {names}" if names else "")


def _limits(upstream: Upstream) -> Iterator[str]:
    if upstream.balance not in ("", USUAL.balance):
        yield f"balanced by {upstream.balance}"
    if upstream.idle_timeout not in (None, USUAL.idle_timeout):
        yield f"idle connections end after {upstream.idle_timeout:g} s"
    for most, what in (
        (upstream.max_connections, "connections"),
        (upstream.max_requests, "requests at the same time"),
        (upstream.max_pending, "requests that wait for a connection"),
        (upstream.max_requests_per_connection, "requests for each connection"),
    ):
        if most is not None:
            yield f"at most {most} {what}"
    if upstream.outlier_errors:
        yield f"an endpoint is left out for {upstream.outlier_seconds:g} s after {upstream.outlier_errors} errors"


def _health(check: HealthCheck) -> str:
    what = f"GET {check.path}" if check.path else "a connection"
    wanted = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in check.statuses)
    return f"checked by {what} every {check.interval:g} s" + (f", well with {wanted}" if wanted else "")
