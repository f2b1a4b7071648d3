"""Servers of others that zones are published to: BIND and PowerDNS for real, Cloudflare and Route 53 as small fakes.

The real ones run in the foreground in a folder of the test, on ports that the kernel chose.
"""

import base64
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsigkeyring
import dns.update

from support.needs import binary
from support.ports import free_port

STARTED_SECONDS = 60.0
STOPPED_SECONDS = 60.0
TRIES = 5
KEY_NAME = "publish.test"


@dataclass(frozen=True)
class Host:
    """A server that answers for `domain` on `port`, and the settings by which it is written to."""

    domain: str
    port: int
    settings: dict[str, str]
    secret: str = field(repr=False)

    def ask(self, name: str, type_: str) -> list[str]:
        """What it answers, sorted; nothing for NXDOMAIN."""
        query = dns.message.make_query(name, type_)
        answer = dns.query.tcp(query, "127.0.0.1", port=self.port, timeout=60)
        number = dns.rdatatype.from_text(type_)
        found = [item for rrset in answer.answer if rrset.rdtype == number for item in rrset]
        return sorted(item.to_text() for item in found)

    def ttl(self, name: str, type_: str) -> int:
        answer = dns.query.tcp(dns.message.make_query(name, type_), "127.0.0.1", port=self.port, timeout=60)
        return answer.answer[0].ttl


def tsig_secret() -> str:
    return base64.b64encode(os.urandom(32)).decode()


@contextlib.contextmanager
def running(command: list[str], log: Path, ready: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """A server in the foreground until the block ends; RuntimeError with its log when it does not get ready."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + STARTED_SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text(errors="replace"))
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOPPED_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(port: int, domain: str) -> bool:
    """Does a name server answer for a zone with authority?"""
    try:
        answer = dns.query.udp(dns.message.make_query(domain, "SOA"), "127.0.0.1", port=port, timeout=1)
    except (OSError, dns.exception.DNSException):
        return False
    return answer.rcode() == dns.rcode.NOERROR and bool(answer.answer)


@contextlib.contextmanager
def bind(folder: Path, domain: str, records: str = "") -> Iterator[Host]:
    """BIND with one zone that a TSIG key may transfer and update.  `records`: more lines of the zone file."""
    named, secret = binary("named"), tsig_secret()
    zone = folder / "zone.db"
    zone.write_text(
        f"$ORIGIN {domain}.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n{records}"
    )
    for attempt in range(TRIES):
        port = free_port()
        config = folder / "named.conf"
        config.write_text(
            f"""
            options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
              pid-file none; session-keyfile none; recursion no; notify no; dnssec-validation no; }};
            controls {{ }};
            key "{KEY_NAME}" {{ algorithm hmac-sha256; secret "{secret}"; }};
            zone "{domain}" {{ type primary; file "{zone}";
              allow-transfer {{ key "{KEY_NAME}"; }}; allow-update {{ key "{KEY_NAME}"; }}; }};
            """
        )
        settings = {"host": "127.0.0.1", "port": str(port), "key_name": KEY_NAME, "key_secret": "env/TSIG_SECRET"}
        command = [named, "-g", "-4", "-c", str(config), "-n", "1"]
        started = contextlib.ExitStack()
        with started:
            try:
                started.enter_context(running(command, folder / "named.log", lambda at=port: answers(at, domain)))
            except RuntimeError:
                if attempt + 1 == TRIES:
                    raise
                continue
            yield Host(domain, port, settings, secret)
            return


def change(host: Host, *commands: tuple[str, ...]) -> None:
    """Update a zone of BIND as somebody else who has the key: ("add", name, ttl, type, data) or ("delete", name)."""
    keyring = dns.tsigkeyring.from_text({KEY_NAME: host.secret})
    update = dns.update.UpdateMessage(host.domain, keyring=keyring, keyalgorithm="hmac-sha256")
    for verb, *arguments in commands:
        getattr(update, verb)(*arguments)
    answer = dns.query.tcp(update, "127.0.0.1", port=host.port, timeout=60)
    assert answer.rcode() == dns.rcode.NOERROR, dns.rcode.to_text(answer.rcode())


SCHEMA = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")


@contextlib.contextmanager
def powerdns(folder: Path, domain: str, records: tuple[tuple[str, str, str], ...] = ()) -> Iterator[Host]:
    """PowerDNS with its HTTP API and one zone.  `records`: (name, type, content) that others have put there."""
    server, key = binary("pdns_server"), os.urandom(16).hex()
    database = folder / "pdns.sqlite3"
    _fill(database, domain, records)
    for attempt in range(TRIES):
        port, api = free_port(), free_port()
        config = folder / "pdns.conf"
        config.write_text(
            f"launch=gsqlite3\ngsqlite3-database={database}\nlocal-address=127.0.0.1\nlocal-port={port}\n"
            f"webserver=yes\nwebserver-address=127.0.0.1\nwebserver-port={api}\napi=yes\napi-key={key}\n"
            f"socket-dir={folder}\ndaemon=no\nguardian=no\nexpand-alias=no\nzone-cache-refresh-interval=0\n"
            "query-cache-ttl=0\ncache-ttl=0\nnegquery-cache-ttl=0\nsecurity-poll-suffix=\n"
        )
        settings = {"host": "127.0.0.1", "port": str(api), "api_key": "env/POWERDNS_API_KEY"}
        command = [server, f"--config-dir={folder}"]
        with contextlib.ExitStack() as started:
            ready = lambda at=port, web=api: answers(at, domain) and listens(web)  # noqa: E731
            try:
                started.enter_context(running(command, folder / "pdns.log", ready))
            except RuntimeError:
                if attempt + 1 == TRIES:
                    raise
                continue
            yield Host(domain, port, settings, key)
            return


def listens(port: int) -> bool:
    """Does anybody take TCP connections there?"""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _fill(database: Path, domain: str, records: tuple[tuple[str, str, str], ...]) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.executescript(SCHEMA.read_text())
        connection.execute("INSERT INTO domains (name, type) VALUES (?, 'NATIVE')", (domain,))
        soa = f"ns.{domain} hostmaster.{domain} 1 3600 600 86400 60"
        rows = [(domain, "SOA", soa), (domain, "NS", f"ns.{domain}"), (f"ns.{domain}", "A", "127.0.0.1"), *records]
        connection.executemany(
            "INSERT INTO records (domain_id, name, type, content, ttl, disabled, auth) VALUES (1, ?, ?, ?, 300, 0, 1)",
            rows,
        )
        connection.commit()
