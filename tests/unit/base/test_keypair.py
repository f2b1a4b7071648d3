import base64
import itertools
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base.keypair import CertificateFacts, Fault, covers, inspect
from support import keys
from support.keys import NOW

PAIR = keys.pair("App.Example.com", "*.example.com", "192.0.2.7")


def test_a_good_pair_has_no_faults() -> None:
    facts = inspect(PAIR.cert_pem, PAIR.key_pem, NOW)
    assert facts.faults == ()
    assert facts.presentable
    assert facts.names == ("app.example.com", "*.example.com")
    assert facts.addresses == ("192.0.2.7",)
    assert facts.not_before == NOW - timedelta(days=30)
    assert facts.not_after == NOW + timedelta(days=30)
    assert len(facts.fingerprint) == 64


@pytest.mark.parametrize(
    ("cert", "key", "faults"),
    [
        (b"", b" \n", (Fault.EMPTY_CERTIFICATE, Fault.EMPTY_KEY)),
        (b"nonsense", PAIR.key_pem, (Fault.UNPARSABLE_CERTIFICATE,)),
        (PAIR.cert_pem[:200], PAIR.key_pem, (Fault.UNPARSABLE_CERTIFICATE,)),
        (PAIR.cert_pem, PAIR.cert_pem, (Fault.UNPARSABLE_KEY,)),
        (PAIR.cert_pem, b"\xff\xfe", (Fault.UNPARSABLE_KEY,)),
        (PAIR.cert_pem, keys.key_pem(PAIR.key, b"secret"), (Fault.ENCRYPTED_KEY,)),
        (PAIR.cert_pem, keys.pair("x.org").key_pem, (Fault.MISMATCHED_KEY,)),
    ],
)
def test_a_pair_that_no_server_can_load(cert: bytes, key: bytes, faults: tuple[Fault, ...]) -> None:
    facts = inspect(cert, key, NOW)
    assert facts.faults == faults
    assert not facts.presentable


@pytest.mark.parametrize(
    ("seconds", "faults"),
    [(-1, (Fault.NOT_YET_VALID,)), (0, ()), (2 * 86400, ()), (2 * 86400 + 1, (Fault.EXPIRED,))],
)
def test_validity_includes_both_ends(seconds: int, faults: tuple[Fault, ...]) -> None:
    short = keys.pair("a.b", days=1)
    facts = inspect(short.cert_pem, short.key_pem, NOW - timedelta(days=1) + timedelta(seconds=seconds))
    assert facts.faults == faults
    assert facts.presentable


def test_the_chain_runs_from_the_leaf_to_the_root() -> None:
    root = keys.pair(ca=True, subject="root")
    middle = keys.pair(ca=True, subject="middle", issuer=root)
    leaf = keys.pair("a.example.com", issuer=middle)
    others = (middle.cert_pem, root.cert_pem)
    for first, second in itertools.permutations(others):
        faults = inspect(leaf.cert_pem + first + second, leaf.key_pem, NOW).faults
        assert faults == (() if (first, second) == others else (Fault.CHAIN_ORDER,))
    # The leaf must come first: otherwise the key is compared with the wrong certificate, as a server would.
    assert Fault.MISMATCHED_KEY in inspect(middle.cert_pem + leaf.cert_pem, leaf.key_pem, NOW).faults


@pytest.mark.parametrize(
    ("key", "faults"),
    [
        (rsa.generate_private_key(65537, 1024), (Fault.WEAK_KEY,)),
        (rsa.generate_private_key(65537, 2048), ()),
        (ec.generate_private_key(ec.SECP521R1()), ()),
        (ec.generate_private_key(ec.SECP256K1()), (Fault.UNSUPPORTED_KEY,)),
        (ed25519.Ed25519PrivateKey.generate(), ()),
    ],
    ids=["rsa-1024", "rsa-2048", "p-521", "secp256k1", "ed25519"],
)
def test_keys_that_envoy_loads_or_refuses(key: keys.PrivateKey, faults: tuple[Fault, ...]) -> None:
    made = keys.pair("a.example.com", key=key)
    assert inspect(made.cert_pem, made.key_pem, NOW).faults == faults


def test_other_forms_of_key_files_are_read() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = keys.pair("a.example.com", key=key)
    sec1 = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    for text in (sec1, parameters + sec1, sec1.replace(b"\n", b"\r\n"), b"a comment\n" + sec1):
        assert inspect(made.cert_pem, text, NOW).faults == ()


def test_a_certificate_without_names_says_so() -> None:
    made = keys.pair()
    facts = inspect(made.cert_pem, made.key_pem, NOW)
    assert facts.faults == (Fault.NO_NAMES,)
    assert not covers(facts, "test")


@pytest.mark.parametrize(
    ("hostname", "covered"),
    [
        ("app.example.com", True),
        ("APP.example.com.", True),
        ("other.example.com", True),
        ("*.example.com", True),
        ("example.com", False),
        ("a.b.example.com", False),
        ("*.b.example.com", False),
        ("example.org", False),
        ("*", False),
        ("", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
    ],
)
def test_covers(hostname: str, covered: bool) -> None:
    assert covers(inspect(PAIR.cert_pem, PAIR.key_pem, NOW), hostname) is covered


def test_a_bare_star_covers_nothing() -> None:
    assert not covers(CertificateFacts(names=("*",)), "a.example.com")


@given(cert=st.binary(), key=st.binary())
def test_any_bytes_give_facts(cert: bytes, key: bytes) -> None:
    assert not inspect(cert, key, NOW).presentable


@given(data=st.data())
def test_a_damaged_certificate_never_raises(data: st.DataObject) -> None:
    """One byte of the encoded certificate changed: whatever it hits, the answer is facts."""
    der = bytearray(PAIR.certificate.public_bytes(serialization.Encoding.DER))
    at = data.draw(st.integers(0, len(der) - 1))
    der[at] ^= data.draw(st.integers(1, 255))
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(bytes(der)) + b"-----END CERTIFICATE-----\n"
    assert isinstance(inspect(pem, PAIR.key_pem, NOW), CertificateFacts)
