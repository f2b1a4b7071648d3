"""A small public DNS on one port: BIND on 127.0.0.1 has the zones below `test`, NSD on 127.0.0.2 the root.

BIND listens on addresses of interfaces only, NSD on any of the loopback.
"""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from support.needs import binary
from support.ports import free_port

KEY_NAME = "acme-key"
_SECONDS = 60.0
_TRIES = 5
HOST, ROOT = "127.0.0.1", "127.0.0.2"

ROOT_ZONE = f"""$TTL 60
. SOA root. admin. 1 3600 600 86400 60
. NS root.
root. A {ROOT}
test. NS ns.host.test.
ns.host.test. A {HOST}
; without glue: the address is in another zone
glueless. NS ns.host.test.
; a name server that is not there
dead. NS ns.dead.
ns.dead. A 127.0.0.3
"""
_ZONE = """$TTL 60
@ SOA ns.host.test. admin 1 3600 600 86400 60
@ NS ns.host.test.
"""
ZONES: Mapping[str, str] = {
    "test": _ZONE + f"ns.host A {HOST}\nshop NS ns.host\nloop CNAME pool\npool CNAME loop\n",
    "shop.test": _ZONE
    + "_acme-challenge.www CNAME www.acme\n_acme-challenge.moved CNAME moved.acme\n"
    + "_acme-challenge.app CNAME first.glueless.\n"
    + "_acme-challenge.pool CNAME loop.test.\n_acme-challenge.dead CNAME x.dead.\n",
    "glueless": _ZONE + "first CNAME second.glueless.\n",
}


@dataclass(frozen=True, slots=True)
class Zones:
    """`port` of both servers; `secret` in base64 of the TSIG key that may update."""

    port: int
    secret: str


@contextlib.contextmanager
def zones(folder: Path) -> Iterator[Zones]:
    """Both servers, until the block is left."""
    secret = base64.b64encode(os.urandom(32)).decode()
    for attempt in range(_TRIES):
        port = free_port()
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(_nsd(folder / "root", port))
                stack.enter_context(_named(folder / "host", port, secret))
            except _DidNotStartError:
                if attempt == _TRIES - 1:
                    raise
                continue
            yield Zones(port, secret)
            return


class _DidNotStartError(Exception):
    pass


def _nsd(folder: Path, port: int) -> AbstractContextManager[None]:
    folder.mkdir(exist_ok=True)
    (folder / "root.zone").write_text(ROOT_ZONE)
    (folder / "nsd.conf").write_text(
        f"""server:
  ip-address: {ROOT}@{port}
  username: ""
  zonesdir: "{folder}"
  database: ""
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  pidfile: "{folder}/nsd.pid"
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "root.zone"
"""
    )
    return _running([binary("nsd"), "-d", "-c", str(folder / "nsd.conf")], folder / "nsd.log", ROOT, port, ".")


def _named(folder: Path, port: int, secret: str) -> AbstractContextManager[None]:
    folder.mkdir(exist_ok=True)
    config = f"""
    options {{ directory "{folder}"; listen-on port {port} {{ {HOST}; }}; listen-on-v6 {{ none; }};
      pid-file none; session-keyfile none; recursion no; notify no; dnssec-validation no; minimal-responses no; }};
    controls {{ }};
    key "{KEY_NAME}" {{ algorithm hmac-sha256; secret "{secret}"; }};
    """
    for domain, text in ZONES.items():
        file = folder / f"{domain}.zone"
        file.write_text(text)
        config += f'zone "{domain}" {{ type primary; file "{file}"; allow-update {{ key "{KEY_NAME}"; }}; }};\n'
    (folder / "named.conf").write_text(config)
    command = [binary("named"), "-g", "-4", "-c", str(folder / "named.conf"), "-n", "1"]
    return _running(command, folder / "named.log", HOST, port, "test")


@contextlib.contextmanager
def _running(command: list[str], log: Path, address: str, port: int, domain: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + _SECONDS
        while not _answers(address, port, domain):
            if process.poll() is not None or time.monotonic() > deadline:
                raise _DidNotStartError(log.read_text()[-3000:])
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(address: str, port: int, domain: str) -> bool:
    try:
        answer = dns.query.udp(dns.message.make_query(domain, "SOA"), address, port=port, timeout=0.5)
    except (OSError, dns.exception.DNSException):
        return False
    return bool(answer.answer)
