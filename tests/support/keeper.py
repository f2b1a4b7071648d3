"""Who may come in, who may not, and a server that is asked: it knows one user and has the keys of the tokens.

Counterpart: `protections`, which ask for these proofs.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from support.dialects import certificates
from support.keys import Pair, pair

USER, PASSWORD = "joe", "test"
DIGEST = "{SHA}" + base64.b64encode(hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).digest()).decode()
ISSUER = "https://issuer.test"
FAR = "192.0.2.0/24"
TRUSTED = "127.0.0.9"
"""A proxy that the doors believe."""


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _token(secret: bytes = b"secret", algorithm: str = "HS256", **claims: Any) -> str:
    claimed = {"iss": ISSUER, **claims}
    head = ".".join(_coded(json.dumps(one).encode()) for one in ({"alg": algorithm, "kid": "k"}, claimed))
    return f"{head}.{_coded(hmac.digest(secret, head.encode(), 'sha256')) if algorithm != 'none' else ''}"


JWKS = json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "kid": "k", "k": _coded(b"secret")}]})


@dataclass(frozen=True)
class Shown:
    """What somebody shows of himself, and from where he asks."""

    headers: tuple[tuple[str, str], ...] = ()
    client: str = "127.0.0.5"
    certificate: str = ""
    body: int = 0


def _basic(text: str) -> tuple[tuple[str, str], ...]:
    return (("Authorization", f"Basic {base64.b64encode(text.encode()).decode()}"),)


def _bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("Authorization", f"Bearer {token}"),)


FORGED = (
    ("X-Forwarded-For", "10.0.0.1"),
    ("X-Real-IP", "10.0.0.1"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-User", USER),
)
_KNOWN = _basic(f"{USER}:{PASSWORD}")
FORGER = Shown((*_basic(f"{USER}:"), *FORGED))
"""Who has a user's name and no password, and forges his way."""
RIGHT: Mapping[str, Shown] = {
    "password": Shown(_KNOWN),
    "address": Shown(),
    "forwarded": Shown((("X-Forwarded-For", "192.0.2.7"),), TRUSTED),
    "token": Shown(_bearer(_token())),
    "certificate": Shown(certificate="good"),
    "rate": Shown(),
    "body": Shown(body=100),
}
"""By what is asked for, who has it.  Of a rate, the first has it."""
WRONG: Mapping[str, tuple[Shown, ...]] = {
    "password": (
        Shown(FORGED),
        *(Shown((*_basic(one), *FORGED)) for one in (f"{USER}:", f"{USER}:wrong", "ann:test", ":", ":test", "")),
        Shown((*_bearer(PASSWORD), *FORGED)),
    ),
    "address": (
        Shown(client="127.0.1.7"),
        Shown((*_KNOWN, ("X-Forwarded-For", "127.0.0.5"), ("X-Real-IP", "127.0.0.5")), "127.0.1.7"),
    ),
    "forwarded": (
        Shown((("X-Forwarded-For", "192.0.2.7"),)),
        Shown((("X-Forwarded-For", "192.0.2.7, 192.0.3.7"),), TRUSTED),
        Shown(client=TRUSTED),
    ),
    "token": (
        Shown(FORGED),
        *(Shown((*_bearer(one), *FORGED)) for one in ("", "x.y.z", _token(b"other"), _token(exp=1), _token(iss="x"))),
        Shown((*_bearer(_token(algorithm="none")), *FORGED)),
    ),
    "certificate": (Shown(FORGED), Shown(certificate="other")),
    "rate": (),
    "body": (Shown(body=5000),),
    "": (Shown((*_KNOWN, *FORGED)), Shown(_bearer(_token()))),
}
"""Who has not; the last: nobody has what is not carried over."""


# --- the server that is asked -------------------------------------------------------------------


@cache
def authority() -> Pair:
    """Who has made the certificate of the server."""
    return pair(now=datetime.now(UTC), ca=True, subject="authority of the keeper")


def client_authority() -> bytes:
    """Who makes certificates for clients, as PEM."""
    return certificates()["authority"].cert_pem


class _Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._decide()

    def do_POST(self) -> None:
        self._decide()

    def _decide(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/status/"):
            self._answer(int(path.rpartition("/")[2]))
        elif path == "/keys":
            self._answer(200, JWKS.encode())
        else:
            self._answer(200 if ("Authorization", self.headers["Authorization"]) in _KNOWN else 401)

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the answers are what counts."""


class _Server(ThreadingHTTPServer):
    """In clear and with TLS at one port: the first octet tells."""

    daemon_threads = True
    secured: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        with contextlib.suppress(OSError):  # whoever hangs up, or does not believe us
            if request.recv(1, socket.MSG_PEEK) != b"\x16":
                super().finish_request(request, client_address)
                return
            with self.secured.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)


@contextlib.contextmanager
def running() -> Iterator[int]:
    """The server's port at 127.0.0.1."""
    own = pair("auth.apps.svc.cluster.local", now=datetime.now(UTC), issuer=authority())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "own.pem"
        file.touch(mode=0o600)
        file.write_bytes(own.cert_pem + own.key_pem)
        context.load_cert_chain(file)
    with _Server(("127.0.0.1", 0), _Asked) as server:
        server.secured = context
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
