"""A client for Envoy's admin interface, which listens on a Unix socket and nowhere else.

Blocking, with a time-out: callers on an event loop use `asyncio.to_thread`.
"""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any, Final

from gatewright.base.errors import EngineError

TIMEOUT_SECONDS: Final = 5.0


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("envoy", timeout=timeout)
        self._path = path
        self._seconds = timeout

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._seconds)
        self.sock.connect(str(self._path))


class AdminClient:
    """Asks one Envoy about itself, or tells it to drain."""

    def __init__(self, path: Path, timeout: float = TIMEOUT_SECONDS) -> None:
        self._path = path
        self._timeout = timeout

    def is_ready(self) -> bool:
        """Is Envoy up, with its first listeners and clusters in place?"""
        try:
            return self._request("GET", "/ready")[0] == http.HTTPStatus.OK
        except EngineError:
            return False

    def stats(self, pattern: str = "") -> dict[str, int]:
        """Counters and gauges whose names match an RE2 pattern."""
        body = self.get(f"/stats?format=json&filter={pattern}" if pattern else "/stats?format=json")
        entries = json.loads(body)["stats"]
        return {entry["name"]: entry["value"] for entry in entries if "name" in entry}

    def prometheus(self) -> bytes:
        """All of Envoy's metrics in Prometheus's text format."""
        return self.get("/stats/prometheus")

    def config(self, resource: str) -> list[dict[str, Any]]:
        """A part of /config_dump, such as `dynamic_active_clusters`.  Private keys are redacted by Envoy."""
        dump = json.loads(self.get(f"/config_dump?resource={resource}"))
        entries: list[dict[str, Any]] = dump.get("configs", [])
        return entries

    def drain(self) -> None:
        """Stop accepting, and ask clients to go: `Connection: close`, GOAWAY.

        Not the `graceful` drain of listeners, which goes on accepting for the whole drain time.
        """
        self._post("/healthcheck/fail")
        self._post("/drain_listeners")

    def open_connections(self) -> int:
        """How many clients are connected.  (`server.total_connections` lags by a flush interval.)"""
        stats = self.stats(r"^listener\..*\.downstream_cx_active$")
        workers = (name for name in stats if ".worker_" in name and not name.startswith("listener.admin."))
        return sum(stats[name] for name in workers)

    def quit(self) -> None:
        """End Envoy."""
        self._post("/quitquitquit")

    def get(self, path: str) -> bytes:
        """The body of an admin page."""
        status, body = self._request("GET", path)
        if status != http.HTTPStatus.OK:
            raise EngineError(f"Envoy's admin interface answered {status} to {path}")
        return body

    def _post(self, path: str) -> None:
        status, _ = self._request("POST", path)
        if status != http.HTTPStatus.OK:
            raise EngineError(f"Envoy's admin interface answered {status} to {path}")

    def _request(self, method: str, path: str) -> tuple[int, bytes]:
        connection = _UnixConnection(self._path, self._timeout)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"Envoy's admin interface at {self._path} does not answer: {error}") from error
        finally:
            connection.close()
