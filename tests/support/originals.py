"""Real nginx and HAProxy, configured by hand, for the same asks as Gatewright's Envoy.

Each listens on two free ports of 127.0.0.1 (plain and TLS) and sends to echo backends.  `@BACKEND@`, or
`@BACKEND:name@`, stands for one: a URL in nginx, address:port in HAProxy.  In `@FOLDER@`, clients.pem is the authority
of client certificates and users has the password of joe, test; `haproxy-bind` has more words for the TLS
listener.  Everything runs in the foreground, as this user, in a folder of its own, and is ended by its PID.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import textwrap
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from gatewright.engines.echo.server import EchoServer
from gatewright.engines.echo.service import EchoService
from support import needs
from support.dialects import Case, Got, certificates, send, wrong
from support.handmade import eventually
from support.keys import pair
from support.ports import free_ports

_BACKEND = re.compile(r"@BACKEND(?::([a-z0-9-]+))?@")
_NGINX = """\
daemon off; master_process off; worker_processes 1;
pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    absolute_redirect off;
{http}
    server {{
        listen 127.0.0.1:{plain}; listen 127.0.0.1:{secure} ssl;
        server_name _;
        ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
{server}
    }}
}}
"""
_HAPROXY = """\
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend front
    bind 127.0.0.1:{plain}
    bind 127.0.0.1:{secure} ssl crt {folder}/both.pem {bind}
{front}
{own}
"""
_OWN = """\
    default_backend app
backend app
    server app @BACKEND@
{back}
"""


@dataclass(frozen=True)
class Original:
    """A server that runs: its two ports."""

    plain: int
    secure: int


@contextlib.asynccontextmanager
async def running(case: Case, program: str, folder: Path) -> AsyncIterator[Original]:
    """The case's configuration in the real `program` ("nginx" or "haproxy")."""
    path = needs.binary(program)
    texts = case.originals
    names = {found or "app" for text in texts.values() for found in _BACKEND.findall(text)} | {"app"}
    services = [EchoService("apps", name, 80) for name in sorted(names)]
    echo = EchoServer(services)
    await echo.start()
    plain, secure = free_ports(2)
    key_pair = pair("original.test")
    (folder / "cert.pem").write_bytes(key_pair.cert_pem)
    (folder / "key.pem").write_bytes(key_pair.key_pem)
    (folder / "both.pem").write_bytes(key_pair.cert_pem + key_pair.key_pem)
    (folder / "users").write_text("joe:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n", encoding="utf-8")  # joe:test
    (folder / "clients.pem").write_bytes(certificates()["authority"].cert_pem)
    text = _nginx(case) if program == "nginx" else _haproxy(case)
    text = text.replace("@PLAIN@", str(plain)).replace("@SECURE@", str(secure)).replace("@FOLDER@", str(folder))
    addresses = {one.name: echo.addresses[one] for one in services}

    def backend(found: re.Match[str]) -> str:
        address = addresses[found[1] or "app"]
        return f"{'http://' if program == 'nginx' else ''}{address.host}:{address.port}"

    configuration = folder / f"{program}.conf"
    configuration.write_text(_BACKEND.sub(backend, text), encoding="utf-8")
    arguments = (
        ["-p", str(folder), "-c", str(configuration)] if program == "nginx" else ["-db", "-f", str(configuration)]
    )
    process = await asyncio.create_subprocess_exec(
        path, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        await eventually(lambda: _listens(process, plain))
        yield Original(plain, secure)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await echo.close()


async def _listens(process: asyncio.subprocess.Process, port: int) -> bool:
    if process.returncode is not None:
        assert process.stderr is not None
        raise AssertionError((await process.stderr.read()).decode()[-2000:])
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False


def _fill(template: str, **parts: str) -> str:
    names = {"folder": "@FOLDER@", "plain": "@PLAIN@", "secure": "@SECURE@"}
    return template.format(**names, **parts)


def _nginx(case: Case) -> str:
    http, server = (textwrap.indent(case.originals.get(key, ""), "    ") for key in ("nginx-http", "nginx"))
    return _fill(_NGINX, http=http, server=server)


def _haproxy(case: Case) -> str:
    front, back = (textwrap.indent(case.originals.get(key, ""), "    ") for key in ("haproxy", "haproxy-backend"))
    bind = case.originals.get("haproxy-bind", "").strip()
    if re.search(r"^backend ", case.originals.get("haproxy", ""), re.MULTILINE):
        return _fill(_HAPROXY, front=case.originals["haproxy"], own="", bind=bind)
    return _fill(_HAPROXY, front=front, own=_OWN.format(back=back), bind=bind)


async def through_original(case: Case, program: str, folder: Path) -> list[str]:
    """What is wrong with the original's answers to a case's asks."""
    found: list[str] = []
    async with running(case, program, folder) as server:
        for ask in case.asks:
            port = server.secure if ask.secure else server.plain
            got = [await send(ask, "127.0.0.1", port) for _ in range(ask.times)]
            found += wrong(ask, [_described(one, port) for one in got], program)
    return found


def _described(got: Got, local: int) -> Got:
    headers = tuple((n, v.replace(f":{local}", "") if n == "location" else v) for n, v in got.headers)
    return Got(got.status, headers, got.body, got.seconds)
