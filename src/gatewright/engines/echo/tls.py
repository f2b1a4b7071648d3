"""TLS for the echo backend, above a connection that has already said its first bytes.

asyncio can only speak TLS from the first byte on; the echo backend looks at that byte first.
"""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gatewright.base.sensitive import Sensitive
from gatewright.engines.echo.answer import TlsFacts
from gatewright.engines.echo.wire import Speaker, Wire

_READ = 65_536
_MOST_NAMES = 10_000
"""For how many names that strangers make up certificates are issued."""


class _Named(ssl.SSLObject):
    """Remembers which name the client asked for."""

    asked = ""


Issue = Callable[[str], tuple[bytes, Sensitive]]
"""The name that a client asks for -> chain and key, PEM."""


def server_context(pair: tuple[bytes, Sensitive] | None, issue: Issue | None = None) -> ssl.SSLContext:
    """A server's settings with this chain and key, or with one made here that nobody else trusts.

    `issue`: what to show to clients that ask for a name, instead.
    """
    context = _context(pair or _self_signed())
    named: dict[str, ssl.SSLContext] = {}

    def asked(connection: _Named, name: str | None, _: ssl.SSLContext) -> None:
        connection.asked = name or ""
        if name and issue is not None and (name in named or len(named) < _MOST_NAMES):
            if name not in named:
                named[name] = _context(issue(name))
            connection.context = named[name]

    context.sni_callback = asked  # type: ignore[assignment]
    return context


def _context(pair: tuple[bytes, Sensitive]) -> ssl.SSLContext:
    chain, key = pair
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslobject_class = _Named
    context.set_alpn_protocols(["h2", "http/1.1"])
    with tempfile.NamedTemporaryFile() as file:  # 0600; the ssl module reads keys from files only
        file.write(chain + b"\n" + key.reveal())
        file.flush()
        context.load_cert_chain(file.name)
    return context


class Tls:
    """One TLS connection: deciphers for `inside`, which it asks for once the handshake is done."""

    def __init__(self, wire: Wire, context: ssl.SSLContext, inside: Callable[[Wire, TlsFacts], Speaker]) -> None:
        self._wire = wire
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._make_inside = inside
        self._inside: Speaker | None = None
        self._closed = False

    def receive(self, data: bytes) -> None:
        self._incoming.write(data)
        try:
            if self._inside is None:
                self._object.do_handshake()
                self._inside = self._make_inside(self, self._facts())
            self._read(self._inside)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError:
            self._flush()  # the alert that says why
            self._wire.close()

    def _read(self, inside: Speaker) -> None:
        while True:
            data = self._object.read(_READ)
            if not data:
                self.close()
                return
            inside.receive(data)

    def write(self, data: bytes) -> None:
        if not self._closed:
            self._object.write(data)
            self._flush()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(ssl.SSLError):  # the peer has not said goodbye yet, or never will
            self._object.unwrap()
        self._flush()
        self._wire.close()

    def _flush(self) -> None:
        if data := self._outgoing.read():
            self._wire.write(data)

    def _facts(self) -> TlsFacts:
        cipher = self._object.cipher()
        return TlsFacts(
            version=self._object.version() or "",
            server_name=self._object.asked if isinstance(self._object, _Named) else "",
            cipher_suite=cipher[0] if cipher else "",
            negotiated_protocol=self._object.selected_alpn_protocol() or "",
        )


def _self_signed() -> tuple[bytes, Sensitive]:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Gatewright echo backend")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM), Sensitive(pem)
