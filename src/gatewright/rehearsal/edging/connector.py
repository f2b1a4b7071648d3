"""A cloudflared: `python -m gatewright.rehearsal.edging.connector SETTINGS`, in the space that it runs in.

It keeps some connections to the edge open, all of its own making; over each the edge sends requests, for which the
first ingress rule that takes them says where they go.  Counterpart: `trace.tunnels`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import h11
import msgspec
import re2

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.rehearsal.edging import names, proxy, trust
from gatewright.rehearsal.edging.proxy import Onward, Reply
from gatewright.rehearsal.edging.settings import TUNNEL_PORT, ConnectorSettings, Rule
from gatewright.rehearsal.readiness import SERVES

IDLE: Final = 8
"""Streams that are kept open for requests to come."""

AGAIN_SECONDS: Final = 0.2
BAD_GATEWAY, NOT_FOUND = 502, 404
STATUS: Final = "http_status:"
PORTS: Final = {"http": 80, "https": 443}


class Connector:
    """One cloudflared."""

    def __init__(self, settings: ConnectorSettings) -> None:
        self._settings = settings
        self._paths: dict[str, Any] = {rule.path: re2.compile(rule.path) for rule in settings.rules if rule.path}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_known = False

    async def run(self) -> None:
        """Serve until cancelled."""
        await asyncio.gather(*(self._keep() for _ in range(IDLE)))

    async def _keep(self) -> None:
        """Keep one idle stream: as soon as it is used there is another."""
        while True:
            first = b""
            try:
                reader, writer = await proxy.dial(self._settings.edge, TUNNEL_PORT, None, "")
                writer.write(f"{self._settings.tunnel}\n".encode())
                self._has_tried()
                first = await reader.read(proxy.CHUNK)
            except OSError:
                self._has_tried()
            if not first:
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            task = asyncio.create_task(proxy.serve(reader, writer, self._decide, first))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _has_tried(self) -> None:
        """It serves as soon as there is a stream, and also when the edge cannot be reached: that is to be seen."""
        if not self._is_known:
            print(SERVES, flush=True)
        self._is_known = True

    def _rule(self, host: str, path: str) -> Rule | None:
        """The first rule that takes a request."""
        for rule in self._settings.rules:
            named = not rule.hostname or hostnames.matches(rule.hostname, host, Depth.MANY)
            if named and (not rule.path or self._paths[rule.path].search(path)):
                return rule
        return None

    async def _decide(self, request: h11.Request) -> Onward | Reply:
        host = hostnames.normalize(proxy.field(request, b"host").decode("latin-1"))
        rule = self._rule(host, request.target.decode("latin-1").partition("?")[0])
        if rule is None:
            return Reply(NOT_FOUND, "no rule takes this request")
        if rule.service.startswith(STATUS):
            return Reply(int(rule.service.removeprefix(STATUS)), "as the rule says")
        parts = urlsplit(rule.service)
        if parts.scheme not in PORTS or not parts.hostname:
            return Reply(BAD_GATEWAY, f"{parts.scheme} carries no HTTP")
        context, name = None, ""
        if parts.scheme == "https":
            context = trust.verifying() if rule.verify else trust.lenient()
            name = (rule.host_header or host) if rule.match_sni else (rule.server_name or parts.hostname)
        found = await self._addresses(parts.hostname)
        try:
            reader, writer = await proxy.dial(found, parts.port or PORTS[parts.scheme], context, name)
        except OSError as error:
            return Reply(BAD_GATEWAY, f"unable to reach the origin service: {error}")
        return Onward(reader, writer, proxy.passed_on(request, rule.host_header))

    async def _addresses(self, host: str) -> list[str]:
        if host == "localhost":
            return ["127.0.0.1", "::1"]
        return await names.addresses(host, self._settings.resolver, self._settings.search)


def main(file: str) -> None:
    """Serve by a file of settings."""
    asyncio.run(Connector(msgspec.json.decode(Path(file).read_bytes(), type=ConnectorSettings)).run())


if __name__ == "__main__":
    main(sys.argv[1])
