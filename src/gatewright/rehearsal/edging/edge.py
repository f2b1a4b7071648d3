"""The edge of a CDN: `python -m gatewright.rehearsal.edging.edge SETTINGS`, in its space, from the world's folder.

It ends TLS with certificates of the rehearsal's public authority, redirects, and connects to origins as the SSL mode of
the zone says; what goes wrong there is answered as Cloudflare does: 521 refused, 522 no connection, 525 no handshake,
526 not trusted, 530 no tunnel or no address.  Streams to origins behind tunnels are connections that their connectors
have made.
Counterpart: `trace.edges`.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import h11
import msgspec

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.engines.certificates.authority import PrivateAuthority
from gatewright.rehearsal.edging import names, proxy, trust
from gatewright.rehearsal.edging.proxy import Decide, Fields, Onward, Reply
from gatewright.rehearsal.edging.settings import AUTHORITY, TUNNEL_PORT, EdgeSettings, Name, Zone
from gatewright.rehearsal.readiness import SERVES

REFUSED, UNREACHED, HANDSHAKE, UNTRUSTED, NO_TUNNEL, NO_ADDRESS = 521, 522, 525, 526, 530, 530
STREAM_SECONDS: Final = 1.5
MOST_HELLO: Final = 256
MOST_IDLE: Final = 64

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Edge:
    """One edge."""

    def __init__(self, settings: EdgeSettings) -> None:
        self._settings = settings
        self._names = {name.name: (zone, name) for zone in settings.zones for name in zone.names}
        self._streams: dict[str, asyncio.Queue[Stream]] = defaultdict(lambda: asyncio.Queue(MOST_IDLE))

    async def run(self) -> None:
        """Serve until cancelled."""
        context = self._context()
        servers = []
        for address in self._settings.addresses:
            for port in self._settings.encrypted:
                servers.append(await asyncio.start_server(self._handler(port, True), address, port, ssl=context))
            for port in self._settings.plain:
                servers.append(await asyncio.start_server(self._handler(port, False), address, port))
            servers.append(await asyncio.start_server(self._connected, address, TUNNEL_PORT))
        print(SERVES, flush=True)
        await asyncio.gather(*(server.serve_forever() for server in servers))

    # --- TLS ---

    def _context(self) -> ssl.SSLContext:
        """Who asks for a name that no certificate is for gets none."""
        authority = PrivateAuthority(Path(AUTHORITY))
        known = [(zone, _with_certificate(authority, zone)) for zone in self._settings.zones if zone.certificates]

        def chosen(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
            wanted = hostnames.normalize(name or "")
            for zone, context in known:
                if any(hostnames.covers(own, wanted, Depth.ONE) for own in zone.certificates):
                    connection.context = context
                    return None
            return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE

        first = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        first.set_alpn_protocols(["http/1.1"])
        first.sni_callback = chosen
        return first

    # --- requests ---

    def _handler(self, port: int, encrypted: bool) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            client = str(writer.get_extra_info("peername")[0])
            await proxy.serve(reader, writer, self._decide(port, encrypted, client))

        return handle

    def _decide(self, port: int, encrypted: bool, client: str) -> Decide:
        async def decide(request: h11.Request) -> Onward | Reply:
            host = hostnames.normalize(proxy.field(request, b"host").decode("latin-1"))
            found = next((self._names[p] for p in hostnames.parents(host, Depth.MANY) if p in self._names), None)
            if found is None:
                return Reply(NO_TUNNEL, "no zone here has this name")
            zone, name = found
            target = request.target.decode("latin-1")
            if not encrypted and zone.always_https:
                return Reply(301, "always use HTTPS", f"https://{host}{target}")
            if encrypted and zone.mode == "off":
                return Reply(301, "TLS is off in this zone", f"http://{host}{target}")
            length = proxy.field(request, b"content-length")
            if self._settings.body and length.isdigit() and int(length) > self._settings.body:
                return Reply(413, "the upload is too large")
            more = _forwarded(request, client, encrypted)
            if name.tunnel:
                return await self._through_tunnel(name.tunnel, proxy.passed_on(request, more=more))
            return await self._to_origin(zone, name, host, (port, encrypted), proxy.passed_on(request, more=more))

        return decide

    async def _to_origin(
        self, zone: Zone, name: Name, host: str, asked: tuple[int, bool], fields: Fields
    ) -> Onward | Reply:
        port, encrypted = asked
        context = None
        if encrypted and zone.mode == "flexible":
            port = 80
        elif encrypted:
            context = trust.verifying() if zone.mode == "strict" else trust.lenient()
        resolver = self._settings.resolver
        found = [one for origin in name.origins for one in await names.addresses(origin, resolver)]
        if not found:
            return Reply(NO_ADDRESS, "origin DNS error")
        try:
            reader, writer = await proxy.dial(found, port, context, host, self._settings.sources)
        except ssl.SSLCertVerificationError as error:
            return Reply(UNTRUSTED, f"invalid SSL certificate: {error.verify_message}")
        except (ssl.SSLError, ConnectionResetError):
            return Reply(HANDSHAKE, "SSL handshake failed")
        except ConnectionRefusedError:
            return Reply(REFUSED, "web server is down")
        except OSError as error:
            return Reply(UNREACHED, f"connection timed out: {error}")
        return Onward(reader, writer, fields)

    # --- tunnels ---

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connector offers a stream."""
        hello = await reader.readline()
        tunnel = hello[:MOST_HELLO].decode("ascii", "replace").strip()
        known = any(name.tunnel == tunnel for _, name in self._names.values())
        if not known or self._streams[tunnel].full():
            writer.close()
            return
        self._streams[tunnel].put_nowait((reader, writer))

    async def _through_tunnel(self, tunnel: str, fields: Fields) -> Onward | Reply:
        try:
            async with asyncio.timeout(STREAM_SECONDS):
                while True:
                    reader, writer = await self._streams[tunnel].get()
                    if not reader.at_eof() and not writer.is_closing():
                        return Onward(reader, writer, fields)
        except TimeoutError:
            return Reply(NO_TUNNEL, "no connector of the tunnel is there")


def _with_certificate(authority: PrivateAuthority, zone: Zone) -> ssl.SSLContext:
    issued = authority.issue(zone.certificates)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    file = Path("edges") / f"{zone.domain or 'root'}.pem"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(issued.chain + issued.key.reveal())
    context.load_cert_chain(file)
    return context


def _forwarded(request: h11.Request, client: str, encrypted: bool) -> Fields:
    """What an edge tells the origin of the client."""
    before = proxy.field(request, b"x-forwarded-for")
    return [
        (b"x-forwarded-for", b", ".join(item for item in (before, client.encode()) if item)),
        (b"x-forwarded-proto", b"https" if encrypted else b"http"),
        (b"cf-connecting-ip", client.encode()),
    ]


def main(file: str) -> None:
    """Serve by a file of settings."""
    asyncio.run(Edge(msgspec.json.decode(Path(file).read_bytes(), type=EdgeSettings)).run())


if __name__ == "__main__":
    main(sys.argv[1])
