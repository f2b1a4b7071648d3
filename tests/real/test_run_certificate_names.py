"""Two gateways of one run may serve one hostname with certificates of their own, and refuse each other's names."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from support import session as s
from support.keys import Pair, pair
from support.session import Session

pytestmark = pytest.mark.real

SHARED = "app.example.com"


@pytest.fixture
def run() -> Iterator[Session]:
    with s.session() as made:
        yield made


def served(where: tuple[str, int], name: str) -> bytes:
    """The certificate (DER) that a handshake with this SNI gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(where, 10) as plain, context.wrap_socket(plain, server_hostname=name) as secured:
        certificate = secured.getpeercert(binary_form=True)
        assert certificate is not None
        return certificate


def der(made: Pair) -> bytes:
    return made.certificate.public_bytes(Encoding.DER)


def https(secret: str, hostname: str) -> dict[str, object]:
    return {**s.https(secret=secret), "hostname": hostname}


def test_each_gateway_serves_its_own_certificate_for_a_name_that_both_have(run: Session) -> None:
    now = datetime.now(UTC)
    pairs = {name: pair(SHARED, now=now) for name in ("inner", "outer", "renewed")}

    def secret(name: str, made: str) -> str:
        return s.secret(name, pairs[made].cert_pem, pairs[made].key_pem)

    run.write("edge.yaml", s.gateway(https("outer", "*.example.com")), secret("outer", "outer"))
    run.write("home.yaml", s.gateway(https("inner", "*.example.com"), name="home"), secret("inner", "inner"))
    run.write("other.yaml", s.gateway(https("none", "*.example.org"), name="other"))
    run.write("routes.yaml", s.route("app"), s.route("app2", host=SHARED, gateway="home"), s.service("web"))
    live = run.start()
    edge, home, other = (live.socket_of(f"infra/{name}", 443) for name in ("edge", "home", "other"))
    assert edge is not None
    assert home is not None
    assert other is not None
    assert served(edge, SHARED) == der(pairs["outer"])
    assert served(home, SHARED) == der(pairs["inner"])
    with pytest.raises(
        (ssl.SSLError, ConnectionError)
    ):  # a name that this gateway does not have, though its neighbours do
        served(other, SHARED)
    run.write("home.yaml", s.gateway(https("inner", "*.example.com"), name="home"), secret("inner", "renewed"))
    s.wait(lambda: served(home, SHARED) == der(pairs["renewed"]))
    assert served(edge, SHARED) == der(pairs["outer"])
    assert run.stop() == 0
