"""Certificates under a running gateway: what a client is shown on its next handshake."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from support import keys
from support import session as s
from support.live import Live
from support.session import GATEWAY, Session

pytestmark = pytest.mark.real

HOST = "a.example.com"
NOW = datetime.now(UTC)


@pytest.fixture
def run() -> Iterator[Session]:
    with s.session() as made:
        made.write("gateway.yaml", s.gateway(s.https()))
        made.write("web.yaml", s.service("web"), s.route("a"))
        yield made


def test_a_renewed_certificate_is_shown_on_the_next_handshake(run: Session) -> None:
    first, second = (keys.pair(HOST, now=NOW) for _ in range(2))
    run.write("tls.yaml", s.secret("tls", first.cert_pem, first.key_pem))
    live = run.start("--echo")
    assert shown(live, HOST) == ssl.PEM_cert_to_DER_cert(first.cert_pem.decode())
    run.write("tls.yaml", s.secret("tls", second.cert_pem, second.key_pem))
    s.wait(lambda: shown(live, HOST) == ssl.PEM_cert_to_DER_cert(second.cert_pem.decode()))
    assert run.status()[0] == 0


def test_a_certificate_that_cannot_be_used_is_replaced_by_one_of_the_private_ca(run: Session) -> None:
    good, other = keys.pair(HOST, now=NOW), keys.pair(HOST, now=NOW)
    expired = keys.pair(HOST, now=NOW - timedelta(days=60))
    run.write("tls.yaml", s.secret("tls", good.cert_pem, good.key_pem))
    live = run.start("--echo")
    assert shown(live, HOST) == ssl.PEM_cert_to_DER_cert(good.cert_pem.decode())
    for chain, key, word in (
        (expired.cert_pem, expired.key_pem, "expired"),
        (good.cert_pem, other.key_pem, "does not belong"),
    ):
        said = len(run.errors())
        run.write("tls.yaml", s.secret("tls", chain, key))
        # The trusted client verifies: only the private CA can have signed this.
        s.wait(lambda: live.ask(GATEWAY, f"https://{HOST}/").status == 200)
        s.wait(lambda said=said: ": error:" in run.errors()[said:])
        lines = [line for line in run.errors()[said:].splitlines() if "tls" in line and ": error:" in line]
        assert len(lines) == 1, lines
        assert word in lines[0]
        assert run.status()[0] == 1
        run.write("tls.yaml", s.secret("tls", good.cert_pem, good.key_pem))
        s.wait(lambda: shown(live, HOST) == ssl.PEM_cert_to_DER_cert(good.cert_pem.decode()))
        s.wait(lambda: run.status()[0] == 0)
    assert "PRIVATE KEY" not in run.errors()


def test_a_secret_that_comes_and_goes(run: Session) -> None:
    pair = keys.pair(HOST, now=NOW)
    live = run.start("--echo")
    assert live.ask(GATEWAY, f"https://{HOST}/").status == 200
    run.write("tls.yaml", s.secret("tls", pair.cert_pem, pair.key_pem))
    s.wait(lambda: shown(live, HOST) == ssl.PEM_cert_to_DER_cert(pair.cert_pem.decode()))
    (run.manifests / "tls.yaml").unlink()
    s.wait(lambda: live.ask(GATEWAY, f"https://{HOST}/").status == 200)


def shown(live: Live, host: str) -> bytes | None:
    """The certificate that a client is shown, DER."""
    where = live.socket_of(GATEWAY, 443)
    assert where is not None
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(where, s.DEADLINE) as raw,
        careless.wrap_socket(raw, server_hostname=host) as secured,
    ):
        return secured.getpeercert(binary_form=True)
