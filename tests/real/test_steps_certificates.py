"""What backends are told about a client's certificate, on a real Envoy: valid, of an unknown authority, and none."""

from __future__ import annotations

import hashlib
import ssl
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from gatewright.base.keypair import inspect
from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import Certificate, Family, TlsSettings
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import ClientCertificateHeaders
from support import compiled as c
from support import keys, needs

pytestmark = pytest.mark.real

HEADERS = (
    ("X-Pem", "pem"),
    ("X-Subject", "subject"),
    ("X-Issuer", "issuer"),
    ("X-Sha1", "fingerprint-sha1"),
    ("X-Sha256", "fingerprint-sha256"),
    ("X-Serial", "serial"),
    ("X-Verify", "verify"),
)
FORGED = {name: "forged" for name, _ in HEADERS}


@pytest.fixture(autouse=True)
def _envoy() -> None:
    needs.package("envoy")
    needs.package("grpc")


def test_backends_are_told_of_certificates_and_nothing_else(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = keys.pair(now=now, ca=True, subject="test CA")
    server = keys.pair("a.test", "*.b.test", now=now, issuer=authority)
    known, stranger = keys.pair("client", now=now, issuer=authority), keys.pair("stranger", now=now)
    key = Key("Secret", "apps", "server")
    facts = inspect(server.cert_pem, server.key_pem, now)
    certificate = Certificate(key, c.ORIGIN, server.cert_pem, Sensitive(server.key_pem), facts)
    settings = TlsSettings(client_ca=authority.cert_pem, client_mode="request")
    entry = c.entry(c.to("one"), steps=(ClientCertificateHeaders(c.ORIGIN, HEADERS),))
    graph = c.graph(
        [c.gateway(c.tls_port(settings=settings), listeners=[c.tls_listener()])],
        [c.host(name, entry, family=Family.HTTPS, port=443, certificates=(key,)) for name in ("a.test", "*.b.test")],
        [c.backend("one")],
        {key: certificate},
    )

    def context(pair: keys.Pair | None) -> ssl.SSLContext:
        made = ssl.create_default_context(cadata=authority.cert_pem.decode())
        if pair is not None:
            path = tmp_path / "pair.pem"
            path.touch(mode=0o600)
            path.write_bytes(pair.cert_pem + pair.key_pem)
            made.load_cert_chain(path)
        return made

    async def told(world: c.World, name: str, pair: keys.Pair | None) -> dict[str, list[str]]:
        reply = await world.get(name, port=443, tls=context(pair), sni=name, headers=FORGED)
        assert reply.backend == "one", reply
        ours = {header.lower() for header, _ in HEADERS}
        return {k.lower(): v for k, v in reply.echo["headers"].items() if k.lower() in ours}

    async def scenario(world: c.World) -> None:
        for name in ("a.test", "x.b.test"):
            for pair, verified in ((known, "SUCCESS"), (stranger, "FAILED")):
                der = ssl.PEM_cert_to_DER_cert(pair.cert_pem.decode())
                found = await told(world, name, pair)
                assert found["x-verify"] == [verified], name
                assert found["x-pem"] == [quote(pair.cert_pem, safe="-._~")]
                assert found["x-sha1"] == [hashlib.sha1(der, usedforsecurity=False).hexdigest()]
                assert found["x-sha256"] == [hashlib.sha256(der).hexdigest()]
                assert all(len(values) == 1 and values != ["forged"] for values in found.values()), found
            assert await told(world, name, None) == {"x-verify": ["NONE"]}, name

    c.serve(graph, scenario)
