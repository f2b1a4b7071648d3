import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base import keypair
from gatewright.base.errors import EngineError
from gatewright.engines.certificates.authority import PrivateAuthority
from support import keys

START = datetime(2030, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ca"


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_folder_and_its_keys_are_private(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    PrivateAuthority(folder).issue(("a.example.com",))
    assert _mode(folder) == 0o700
    assert _mode(folder / "ca.crt") == 0o644
    assert _mode(folder / "ca.key") == 0o600
    assert [_mode(leaf) for leaf in (folder / "leaves").iterdir()] == [0o600]


def test_a_leaf_is_a_good_pair_for_its_names(folder: Path) -> None:
    names = ("b.example.com", "*.A.example.com", "192.0.2.1", "2001:db8::1")
    issued = PrivateAuthority(folder, Clock()).issue(names)
    chain, key = issued.chain, issued.key
    facts = keypair.inspect(chain, key.reveal(), START)
    assert facts.faults == ()
    assert all(keypair.covers(facts, name) for name in names)
    assert facts.not_before == START - timedelta(hours=1)
    assert facts.not_after == START + timedelta(days=90)
    assert b"PRIVATE" not in chain


def test_the_authority_signs_leaves_and_nothing_else(folder: Path) -> None:
    root = x509.load_pem_x509_certificate(PrivateAuthority(folder).ca_file.read_bytes())
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert root.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    other = PrivateAuthority(folder.with_name("other")).ca_file.read_bytes()
    assert x509.load_pem_x509_certificate(other).subject != root.subject


def test_openssl_completes_a_handshake(folder: Path) -> None:
    """The real judge: a verifying client accepts the name that was asked for, and only that."""
    authority = PrivateAuthority(folder)
    issued = authority.issue(("*.example.com",))
    chain, key = issued.chain, issued.key
    pem = folder.with_name("server.pem")
    pem.write_bytes(chain + key.reveal())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    client = ssl.create_default_context(cafile=str(authority.ca_file))
    client.verify_flags |= ssl.VERIFY_X509_STRICT

    def handshake(name: str) -> None:
        ours, theirs = socket.socketpair()

        def serve() -> None:
            try:
                server.wrap_socket(theirs, server_side=True).close()
            except ssl.SSLError:
                theirs.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            client.wrap_socket(ours, server_hostname=name).close()
        finally:
            ours.close()
            thread.join(10)

    handshake("app.example.com")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake("a.b.example.com")


def test_the_same_names_in_any_order_have_the_same_certificate_across_restarts(folder: Path) -> None:
    clock = Clock()
    first = PrivateAuthority(folder, clock)
    issued = first.issue(("a.example.com", "b.example.com"))
    assert first.issue(("a.example.com", "b.example.com")) == issued
    assert first.issue(("B.example.com.", "a.example.com", "a.example.com")) == issued
    assert first.issue(("a.example.com",)) != issued
    assert PrivateAuthority(folder, clock).issue(("b.example.com", "a.example.com")) == issued


@pytest.mark.parametrize("restart", [False, True])
def test_a_leaf_is_replaced_thirty_days_before_it_ends(folder: Path, restart: bool) -> None:
    clock = Clock()
    authority = PrivateAuthority(folder, clock)
    first = authority.issue(("a.example.com",))
    for days, replaced in ((59, False), (60, True)):
        clock.now = START + timedelta(days=days)
        authority = PrivateAuthority(folder, clock) if restart else authority
        current = authority.issue(("a.example.com",))
        assert (current != first) is replaced
        assert keypair.inspect(current.chain, current.key.reveal(), clock.now).faults == ()


def test_a_new_authority_replaces_the_leaves_of_the_old(folder: Path) -> None:
    old = PrivateAuthority(folder).issue(("a.example.com",))
    (folder / "ca.key").unlink()
    (folder / "ca.crt").unlink()
    authority = PrivateAuthority(folder)
    new = authority.issue(("a.example.com",))
    assert new != old
    root = x509.load_pem_x509_certificate(authority.ca_file.read_bytes())
    x509.load_pem_x509_certificate(new.chain).verify_directly_issued_by(root)


def test_no_leaf_outlives_its_authority(folder: Path) -> None:
    clock = Clock()
    authority = PrivateAuthority(folder, clock)
    end = x509.load_pem_x509_certificate(authority.ca_file.read_bytes()).not_valid_after_utc
    clock.now = end - timedelta(days=10)
    issued = authority.issue(("a.example.com",))
    assert keypair.inspect(issued.chain, issued.key.reveal(), clock.now).not_after == end
    assert authority.issue(("a.example.com",)) == issued
    clock.now = end + timedelta(seconds=1)
    with pytest.raises(EngineError, match=r"ca\.crt has expired"):
        authority.issue(("a.example.com",))
    with pytest.raises(EngineError, match=r"ca\.crt .*expired"):
        PrivateAuthority(folder, clock)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("ca.crt", b"", r"ca\.crt .*empty"),
        ("ca.crt", b"nonsense", r"ca\.crt .*not readable"),
        ("ca.key", b"", r"ca\.key .*empty"),
        ("ca.key", b"nonsense", r"ca\.key .*not readable"),
        ("ca.crt", keys.pair("x.org", ca=True).cert_pem, r"ca\.crt .*does not belong"),
        ("ca.crt", None, r"ca\.crt is missing"),
        ("ca.key", None, r"ca\.key is missing"),
    ],
)
def test_a_damaged_root_is_told_and_left_alone(folder: Path, file: str, content: bytes | None, message: str) -> None:
    PrivateAuthority(folder, lambda: keys.NOW)
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(EngineError, match=message):
        PrivateAuthority(folder, lambda: keys.NOW)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_a_leaf_certificate_is_no_authority(folder: Path) -> None:
    PrivateAuthority(folder, lambda: keys.NOW)
    leaf = keys.pair("x.org")
    (folder / "ca.crt").write_bytes(leaf.cert_pem)
    (folder / "ca.key").write_bytes(leaf.key_pem)
    with pytest.raises(EngineError, match=r"ca\.crt is not a certificate authority"):
        PrivateAuthority(folder, lambda: keys.NOW)


def test_a_key_that_others_can_read_is_refused(folder: Path) -> None:
    PrivateAuthority(folder)
    (folder / "ca.key").chmod(0o640)
    with pytest.raises(EngineError, match=r"mode 640\): chmod 600"):
        PrivateAuthority(folder)


@pytest.mark.parametrize("content", [b"nonsense", keys.pair("x.org").cert_pem + keys.pair("x.org").key_pem])
def test_a_damaged_leaf_is_told_and_left_alone(folder: Path, content: bytes) -> None:
    PrivateAuthority(folder).issue(("a.example.com",))
    (file,) = (folder / "leaves").iterdir()
    file.write_bytes(content)
    with pytest.raises(EngineError, match=f"{file.name} is damaged"):
        PrivateAuthority(folder).issue(("a.example.com",))
    assert file.read_bytes() == content


def test_an_empty_leaf_is_what_a_power_cut_leaves_and_is_issued_again(folder: Path) -> None:
    PrivateAuthority(folder).issue(("a.example.com",))
    (file,) = (folder / "leaves").iterdir()
    file.write_bytes(b"")
    issued = PrivateAuthority(folder).issue(("a.example.com",))
    assert file.read_bytes() == issued.chain + issued.key.reveal()


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="cannot use"):
        PrivateAuthority(tmp_path / "file" / "ca")


def test_processes_that_start_at_once_found_one_authority(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: PrivateAuthority(folder), range(8)))
    authority = PrivateAuthority(folder)
    assert authority.ca_file.read_bytes().count(b"BEGIN CERTIFICATE") == 1
    assert not list(folder.glob(".new-*"))


@pytest.mark.parametrize("names", [(), ("*",), ("",)])
def test_names_that_no_certificate_can_have_are_a_bug_of_the_caller(folder: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="real names"):
        PrivateAuthority(folder).issue(names)


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
NAME = st.builds(
    lambda star, labels: ("*." if star else "") + ".".join(labels),
    st.booleans(),
    st.lists(LABEL, min_size=2, max_size=4),
)


@given(names=st.lists(NAME, min_size=1, max_size=5, unique=True))
def test_every_issued_pair_covers_exactly_its_names(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "property-ca"
    issued = PrivateAuthority(folder, Clock()).issue(tuple(names))
    facts = keypair.inspect(issued.chain, issued.key.reveal(), START)
    assert facts.faults == ()
    assert set(facts.names) == set(names)
    assert issued == PrivateAuthority(folder, Clock()).issue(tuple(reversed(names)))
