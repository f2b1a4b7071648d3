"""Certificates from a local ACME server: Debian's pebble, refusing nonces, asking its own challenge server's DNS."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks import support
from benchmarks.support import Row
from gatewright.base.origin import Origin
from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates.challenge import Challenge
from gatewright.engines.certificates.obtaining import IssueError
from gatewright.engines.certificates.orders import AcmeObtainer, AcmeOptions
from gatewright.graph.issuing import Issuer, Wanted
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import IssuerIntent, Solver

BAR = "≥ 20/s, 0 failures"
REFUSED_NONCES = 5
THREADS = 8
_ISSUER = Key("ClusterIssuer", "", "local")


def measure(sizes: list[int], times: int) -> Iterator[Row]:
    """Rows for each number of certificates; the best of `times` runs, every failure of all of them."""
    if not support.program("pebble") or not support.program("pebble-challtestsrv"):
        return
    for size in sizes:
        rates, failures = [], 0
        for _ in range(times):
            with support.folder() as folder, _authority(folder) as (directory, records):
                seconds, failed = _issue(folder, directory, records, size)
            rates.append(size / seconds)
            failures += failed
        figure = f"{min(rates):.0f} to {max(rates):.0f} certificates/s; {failures} failures"
        what = f"wildcard certificates by ACME, {THREADS} at a time, {REFUSED_NONCES} % of nonces refused"
        yield Row(what, size, figure, max(rates) / 20, "20/s", BAR)


def _issue(folder: Path, directory: str, records: _Records, size: int) -> tuple[float, int]:
    """Seconds that it took, and how many could not be had."""
    here = Origin("benchmark")
    issuer = Issuer(IssuerIntent(_ISSUER, here, "acme", directory, (Solver("dns01", here),)))
    options = AcmeOptions(directory, folder / "pebble.crt")
    obtainer = AcmeObtainer(folder / "state", issuer, options, lambda *_: records)

    def one(number: int) -> int:
        name = f"*.host{number}.test"
        try:
            issued = obtainer.obtain(Wanted(f"shop/{number}", _ISSUER, here, (name,), _ISSUER), _key())
        except IssueError as error:
            print(error)
            return 1
        return int(not issued.chain.startswith(b"-----BEGIN CERTIFICATE"))

    with ThreadPoolExecutor(THREADS) as pool:
        before = time.perf_counter()
        failed = sum(pool.map(one, range(size)))
        return time.perf_counter() - before, failed


class _Records:
    """A ChallengeSolver: the TXT records of pebble's challenge server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()

    def present(self, challenges: Sequence[Challenge]) -> None:
        for challenge in challenges:
            self._post("set-txt", {"host": f"{challenge.record}.", "value": challenge.value})

    def remove(self, challenges: Sequence[Challenge]) -> None:
        for challenge in challenges:
            self._post("clear-txt", {"host": f"{challenge.record}."})

    def _post(self, path: str, body: dict[str, str]) -> None:
        self._session.post(f"{self._url}/{path}", data=json.dumps(body), timeout=30).raise_for_status()


@contextlib.contextmanager
def _authority(folder: Path) -> Iterator[tuple[str, _Records]]:
    ports = [support.free_port() for _ in range(6)]
    api, management, http, tls, dns, challenges = ports
    _certificate(folder)
    settings = {
        "listenAddress": f"127.0.0.1:{api}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(folder / "pebble.crt"),
        "privateKey": str(folder / "pebble.key"),
        "httpPort": http,
        "tlsPort": tls,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    names = [
        support.program("pebble-challtestsrv") or "", "-dns01", f"127.0.0.1:{dns}", "-http01", "", "-https01", "",
        "-tlsalpn01", "", "-management", f"127.0.0.1:{challenges}",
    ]  # fmt: skip
    pebble = [support.program("pebble") or "", "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{dns}"]
    environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": str(REFUSED_NONCES), "PEBBLE_AUTHZREUSE": "0"}
    with (
        mock.patch.dict(os.environ, environment),
        support.running(names, folder / "names.log") as answering,
        support.running(pebble, folder / "pebble.log") as issuing,
    ):
        support.wait_for(lambda: support.listens(challenges), "pebble-challtestsrv", answering)
        support.wait_for(lambda: support.listens(api), "pebble", issuing)
        yield f"https://127.0.0.1:{api}/dir", _Records(f"http://127.0.0.1:{challenges}")


def _key() -> Sensitive:
    return Sensitive(_pem(ec.generate_private_key(ec.SECP256R1())))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate(folder: Path) -> None:
    """What pebble itself is trusted by."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pebble")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(hours=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "pebble.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "pebble.key").write_bytes(_pem(key))
