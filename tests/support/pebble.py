"""A local ACME server: Debian's pebble, with a certificate of its own, in the foreground."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from support import keys
from support.needs import binary
from support.ports import free_ports

_START_SECONDS = 60.0
_STOP_SECONDS = 60.0
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Pebble:
    """`directory` URL, `trust_file` for whoever speaks to it, `management` URL of what is pebble's own."""

    directory: str
    trust_file: Path
    management: str
    log: Path

    def roots(self, count: int = 1) -> list[bytes]:
        """The roots (PEM) that its chains end at; made anew at each start."""
        return [self._get(f"/roots/{index}") for index in range(count)]

    def _get(self, path: str) -> bytes:
        context = ssl.create_default_context(cafile=str(self.trust_file))
        with urllib.request.urlopen(self.management + path, context=context, timeout=60) as answer:
            found: bytes = answer.read()
            return found


@contextlib.contextmanager
def pebble(
    folder: Path,
    *,
    dns: str,
    http_port: int = 0,
    nonce_reject: int = 0,
    reuse: int = 0,
    eab: Mapping[str, str] | None = None,
    alternate_roots: int = 0,
    chain_length: int = 1,
    port: int = 0,
    validity: int = 0,
    env: Mapping[str, str] | None = None,
) -> Iterator[Pebble]:
    """Pebble until the block is left.  `dns`: "host:port" that it asks; `http_port`: where it expects http-01;
    `nonce_reject`, `reuse` (of authorisations): per cent; `eab`: MAC keys in base64url by key id; `port`: a fixed one,
    to start it again in the same place; `validity` of certificates in seconds, 0 for years."""
    program = binary("pebble")
    for attempt in range(_TRIES):
        ports = free_ports(4)
        listen = port or ports[0]
        settings = {
            "listenAddress": f"127.0.0.1:{listen}",
            "managementListenAddress": f"127.0.0.1:{ports[1]}",
            "certificate": str(folder / "pebble.crt"),
            "privateKey": str(folder / "pebble.key"),
            "httpPort": http_port or ports[2],
            "tlsPort": ports[3],
            "ocspResponderURL": "",
            "externalAccountBindingRequired": eab is not None,
            "externalAccountMACKeys": dict(eab or {}),
        }
        if validity:
            settings["certificateValidityPeriod"] = validity
        (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
        if not (folder / "pebble.crt").exists():
            pair = keys.pair("localhost", "127.0.0.1", now=datetime.now(UTC), ca=True)
            (folder / "pebble.crt").write_bytes(pair.cert_pem)
            (folder / "pebble.key").write_bytes(pair.key_pem)
        log = folder / "pebble.log"
        environment = {
            **os.environ,
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_WFE_NONCEREJECT": str(nonce_reject),
            "PEBBLE_AUTHZREUSE": str(reuse),
            "PEBBLE_ALTERNATE_ROOTS": str(alternate_roots),
            "PEBBLE_CHAIN_LENGTH": str(chain_length),
            **(env or {}),
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program, "-config", str(folder / "pebble.json"), "-dnsserver", dns],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment,
            )  # fmt: skip
        try:
            if not _listens(process, listen, ports[1]):
                if attempt < _TRIES - 1:
                    continue
                raise AssertionError(f"pebble does not start: {log.read_text()[-2000:]}")
            yield Pebble(f"https://127.0.0.1:{listen}/dir", folder / "pebble.crt", f"https://127.0.0.1:{ports[1]}", log)
            return
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listens(process: subprocess.Popen[bytes], *ports: int) -> bool:
    """True once all of the ports accept connections, False when the process has ended."""
    deadline = time.monotonic() + _START_SECONDS
    for port in ports:
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                return False
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.01)
    return True
