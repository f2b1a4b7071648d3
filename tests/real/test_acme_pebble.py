"""ACME with pebble as the authority: what users ask for, as the server sees it."""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from msgspec import structs

from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates.challenge import Challenge, SolverError
from gatewright.engines.certificates.obtaining import IssueError
from gatewright.engines.certificates.request import top_issuer
from gatewright.engines.certificates.solvers.callbacks import OwnDns, OwnGateways
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import AcmeSettings, SecretEntry
from support import keys
from support.acme_issuing import HTTP, issuer, names_in, new_key, obtainer, wanted
from support.acme_names import TxtServer, txt_server
from support.pebble import pebble

pytestmark = pytest.mark.real

MAC = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
BINDING = SecretEntry(Key("Secret", "cert-manager", "eab"), "secret")
ACCOUNT = SecretEntry(Key("Secret", "cert-manager", "account"), "tls.key")


@pytest.fixture
def names() -> Iterator[TxtServer]:
    with txt_server() as server:
        yield server


def test_a_wildcard_and_its_apex(tmp_path: Path, names: TxtServer) -> None:
    with pebble(tmp_path, dns=names.address) as ca:
        key = new_key()
        issued = obtainer(tmp_path / "state", ca, names).obtain(wanted("shop.test", "*.shop.test"), key)
        root = x509.load_pem_x509_certificate(ca.roots()[0])
    assert names_in(issued.chain) == {"shop.test", "*.shop.test"}
    assert issued.key == key
    assert x509.load_pem_x509_certificates(issued.chain)[-1].issuer == root.subject
    # One name, two values, and nothing is left behind.
    assert {challenge.record for challenge in names.put_up} == {"_acme-challenge.shop.test"}
    assert len({challenge.value for challenge in names.put_up}) == 2
    assert names.records == {}
    assert list((tmp_path / "state" / "orders").iterdir()) == []


@pytest.mark.parametrize(
    "made",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["rsa", "p384", "ed25519"],
)
def test_keys_of_any_kind(tmp_path: Path, names: TxtServer, made: keys.PrivateKey) -> None:
    with pebble(tmp_path, dns=names.address) as ca:
        issued = obtainer(tmp_path / "state", ca, names).obtain(wanted("a.test"), Sensitive(keys.key_pem(made)))
    assert x509.load_pem_x509_certificate(issued.chain).public_key() == made.public_key()


class _Files:
    """A web server for http-01."""

    def __init__(self) -> None:
        bodies: dict[str, bytes] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = bodies.get(self.path)
                self.send_response(200 if body else 404)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.bodies = bodies
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def put(self, name: str, token: str, body: str) -> None:
        self.bodies[f"/.well-known/acme-challenge/{token}"] = body.encode()

    def take(self, name: str, token: str) -> None:
        self.bodies.pop(f"/.well-known/acme-challenge/{token}", None)


@contextlib.contextmanager
def _files() -> Iterator[_Files]:
    files = _Files()
    thread = threading.Thread(target=files.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield files
    finally:
        files.server.shutdown()
        files.server.server_close()
        thread.join()


@pytest.mark.parametrize("subject", [("web.test", "www.web.test"), ("127.0.0.1",)])
def test_http(tmp_path: Path, names: TxtServer, subject: tuple[str, ...]) -> None:
    with _files() as files, pebble(tmp_path, dns=names.address, http_port=files.port) as ca:
        ours = obtainer(tmp_path / "state", ca, OwnGateways(files.put, files.take), issuer(HTTP))
        issued = ours.obtain(wanted(*subject), new_key())
    assert names_in(issued.chain) == set(subject)
    assert files.bodies == {}


def test_a_wildcard_is_not_for_http(tmp_path: Path, names: TxtServer) -> None:
    with pebble(tmp_path, dns=names.address) as ca:
        ours = obtainer(tmp_path / "state", ca, names, issuer(HTTP))
        with pytest.raises(IssueError, match=r"no solver of ClusterIssuer local is for \*\.web\.test"):
            ours.obtain(wanted("*.web.test"), new_key())


def test_external_account_binding(tmp_path: Path, names: TxtServer) -> None:
    bound = AcmeSettings(external_key_id="kid-1", external_key=BINDING)
    where = (BINDING.secret, BINDING.entry)
    with pebble(tmp_path, dns=names.address, eab={"kid-1": MAC}) as ca:

        def attempt(folder: str, acme: AcmeSettings, secrets: dict[tuple[Key, str], bytes]) -> IssueError | None:
            ours = obtainer(tmp_path / folder, ca, names, issuer(acme=acme, secrets=secrets))
            try:
                ours.obtain(wanted("a.test"), new_key())
            except IssueError as error:
                return error
            return None

        none = attempt("none", AcmeSettings(), {})
        absent = attempt("absent", bound, {})
        wrong = attempt("wrong", bound, {where: base64.urlsafe_b64encode(b"wrong" * 9)})
        assert attempt("right", bound, {where: MAC.encode()}) is None
    assert none is not None
    assert none.permanent
    assert "externalAccountBinding" in str(none)
    assert absent is not None
    assert absent.permanent
    assert "Secret cert-manager/eab, entry secret does not hold" in str(absent)
    assert wrong is not None
    assert "wrong" not in str(wrong)


def test_preferred_chain(tmp_path: Path, names: TxtServer) -> None:
    with pebble(tmp_path, dns=names.address, alternate_roots=2) as ca:
        roots = [x509.load_pem_x509_certificate(root) for root in ca.roots(3)]
        common = [str(root.subject.rfc4514_string()).removeprefix("CN=") for root in roots]
        for number, name in enumerate([*common, "Nobody"]):
            ours = obtainer(tmp_path / f"state{number}", ca, names, issuer(acme=AcmeSettings(preferred_chain=name)))
            chain = ours.obtain(wanted("a.test"), new_key()).chain
            # Nobody's: the authority's own choice.
            assert top_issuer(chain) == (name if name != "Nobody" else common[0])


def test_authorisations_that_stand_are_used(tmp_path: Path, names: TxtServer) -> None:
    with pebble(tmp_path, dns=names.address, reuse=100) as ca:
        ours = obtainer(tmp_path / "state", ca, names)
        ours.obtain(wanted("a.test"), new_key())
        assert len(names.put_up) == 1
        ours.obtain(wanted("a.test", "b.test"), new_key())
    assert [challenge.name for challenge in names.put_up] == ["a.test", "b.test"]


def test_nonces_refused_nine_times_of_ten(tmp_path: Path, names: TxtServer) -> None:
    with pebble(tmp_path, dns=names.address, nonce_reject=90) as ca:
        ours = obtainer(tmp_path / "state", ca, names, sleep=lambda _seconds: None, patience=3600.0)
        issued = ours.obtain(wanted("*.a.test"), new_key())
    assert names_in(issued.chain) == {"*.a.test"}


class _Wrong(OwnDns):
    """Puts other values than it should."""

    def __init__(self, names: TxtServer) -> None:
        super().__init__(names.put, names.take, names.see)

    def present(self, challenges: Sequence[Challenge]) -> None:
        super().present([structs.replace(one, value="something else") for one in challenges])

    def remove(self, challenges: Sequence[Challenge]) -> None:
        super().remove([structs.replace(one, value="something else") for one in challenges])


def test_a_wrong_record(tmp_path: Path, names: TxtServer) -> None:
    with pebble(tmp_path, dns=names.address) as ca:
        state = tmp_path / "state"
        said = (
            r"order: a\.test by dns-01: Correct value not found for DNS challenge \(unauthorized\); b\.test by dns-01"
        )
        with pytest.raises(IssueError, match=said) as refused:
            obtainer(state, ca, _Wrong(names)).obtain(wanted("a.test", "b.test"), new_key())
        assert not refused.value.permanent
        assert names.records == {}
        assert list((state / "orders").iterdir()) == []
        # The next attempt is a new order, and a good one.
        obtainer(state, ca, names).obtain(wanted("a.test", "b.test"), new_key())


class _Failing:
    """Cannot put anything up."""

    def present(self, challenges: Sequence[Challenge]) -> None:
        raise SolverError("the name server is on holiday")

    def remove(self, challenges: Sequence[Challenge]) -> None:
        raise SolverError("still on holiday")


def test_an_order_is_taken_up_again(tmp_path: Path, names: TxtServer) -> None:
    key, told = new_key(), list[str]()
    with pebble(tmp_path, dns=names.address) as ca:
        state = tmp_path / "state"
        with pytest.raises(IssueError, match=r"^the name server is on holiday$"):
            obtainer(state, ca, _Failing(), tell=told.append).obtain(wanted("a.test"), key)
        [kept] = (state / "orders").iterdir()
        assert kept.stat().st_mode & 0o777 == 0o600
        issued = obtainer(state, ca, names).obtain(wanted("a.test"), key)
        orders = ca.log.read_text().count("Added order")
    assert told == ["shop/a.test: a challenge was left behind: still on holiday"]
    assert names_in(issued.chain) == {"a.test"}
    assert orders == 1


class _Interrupted(BaseException):
    """As when the process is ended."""


def test_an_interruption_leaves_nothing_but_the_order(tmp_path: Path, names: TxtServer) -> None:
    def sleep(_seconds: float) -> None:
        raise _Interrupted

    key = new_key()
    with pebble(tmp_path, dns=names.address) as ca:
        state = tmp_path / "state"
        with pytest.raises(_Interrupted):
            obtainer(state, ca, names, sleep=sleep).obtain(wanted("*.a.test"), key)
        assert names.records == {}
        # While it was gone the order may have become anything but pending.
        other = obtainer(state, ca, names)
        with contextlib.suppress(IssueError):
            other.obtain(wanted("*.a.test"), key)
        assert names_in(other.obtain(wanted("*.a.test"), key).chain) == {"*.a.test"}


def test_the_account_stays_and_is_made_again_when_it_is_lost(tmp_path: Path, names: TxtServer) -> None:
    state = tmp_path / "state"
    with pebble(tmp_path, dns=names.address) as ca:
        ours = obtainer(state, ca, names)
        ours.obtain(wanted("a.test"), new_key())
        obtainer(state, ca, names).obtain(wanted("a.test"), new_key())
        assert ca.log.read_text().count("accounts in memory") == 1
        port = int(ca.directory.split(":")[2].split("/")[0])
        before = {file.name: file.read_bytes() for file in (state / "accounts").glob("*.pem")}
        assert [file.stat().st_mode & 0o777 for file in (state / "accounts").iterdir()] == [0o600, 0o600]
    # Another authority in the same place, which knows nobody.
    with pebble(tmp_path, dns=names.address, port=port):
        ours.obtain(wanted("a.test"), new_key())
        obtainer(state, ca, names).obtain(wanted("b.test"), new_key())
    assert {file.name: file.read_bytes() for file in (state / "accounts").glob("*.pem")} == before


def test_the_account_key_of_the_manifests(tmp_path: Path, names: TxtServer) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    held = issuer(
        acme=AcmeSettings(account=ACCOUNT, email="ops@example.test"), secrets={(ACCOUNT.secret, ACCOUNT.entry): pem}
    )
    with pebble(tmp_path, dns=names.address) as ca:
        obtainer(tmp_path / "one", ca, names, held).obtain(wanted("a.test"), new_key())
        # Another state folder: the account is found by its key.
        obtainer(tmp_path / "two", ca, names, held).obtain(wanted("b.test"), new_key())
        assert ca.log.read_text().count("accounts in memory") == 1
    assert list((tmp_path / "one" / "accounts").glob("*.pem")) == []


def test_many_at_once_share_one_account(tmp_path: Path, names: TxtServer) -> None:
    with pebble(tmp_path, dns=names.address, nonce_reject=20) as ca, ThreadPoolExecutor(8) as pool:
        ours = obtainer(tmp_path / "state", ca, names)
        chains = list(pool.map(lambda n: ours.obtain(wanted(f"*.n{n}.test"), new_key()).chain, range(24)))
        accounts = ca.log.read_text().count("accounts in memory")
    assert [names_in(chain) for chain in chains] == [{f"*.n{n}.test"} for n in range(24)]
    assert accounts == 1
    assert names.records == {}
