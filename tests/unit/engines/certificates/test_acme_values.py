"""Retry-After, problem documents, requests and identities of certificates: what ACME says, as values."""

import email.utils

import pytest
import requests
from acme import messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates import orders, transport
from gatewright.engines.certificates.acme_client import sentence
from gatewright.engines.certificates.obtaining import IssueError
from gatewright.engines.certificates.request import (
    fingerprint,
    identifiers,
    names_of,
    renewal_identity,
    signing_request,
    top_issuer,
)
from gatewright.engines.certificates.transport import Transport, retry_after
from support import keys

NOW = 1_900_000_000.0


def _answer(value: str | None) -> requests.Response:
    response = requests.Response()
    if value is not None:
        response.headers["Retry-After"] = value
    return response


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        (email.utils.formatdate(NOW + 90, usegmt=True), 90),
        (email.utils.formatdate(NOW - 90, usegmt=True), 0),
        ("-5", None),
        ("soon", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 400, 7 * 86400),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(_answer(value), NOW) == seconds


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60))
def test_retry_after_takes_anything(value: str) -> None:
    found = retry_after(_answer(value), NOW)
    assert found is None or 0 <= found <= 7 * 86400


def test_problem_documents_are_one_line() -> None:
    document = {
        "type": "urn:ietf:params:acme:error:compound",
        "detail": "several\r\nthings \x1b[31m are wrong",
        "subproblems": [{"type": "x:caa", "detail": "forbidden", "identifier": {"type": "dns", "value": "a.test"}}],
    }
    said = sentence(messages.Error.from_json(document))
    assert said == "several things [31m are wrong (compound); a.test: forbidden"
    assert len(sentence(messages.Error.from_json({"detail": "x" * 99999}))) <= 1000


def test_a_bundle_that_is_none() -> None:
    with pytest.raises(IssueError, match="is not PEM") as refused:
        Transport(b"no certificate")
    assert refused.value.permanent


def test_requests_hold_each_name_once_and_addresses_as_such() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    names = ("*.a.test", "a.test", "192.0.2.1", "2001:db8::1", "a.test")
    csr = signing_request(names, Sensitive(keys.key_pem(key)))
    alternative = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in alternative] == ["*.a.test", "a.test", "192.0.2.1", "2001:db8::1"]
    assert csr.subject.rfc4514_string() == "CN=*.a.test"
    assert csr.public_key() == key.public_key()
    assert [(one.typ.name, one.value) for one in identifiers(names)] == [
        ("dns", "*.a.test"),
        ("dns", "a.test"),
        ("ip", "192.0.2.1"),
        ("ip", "2001:db8::1"),
    ]


@pytest.mark.parametrize("first", ["192.0.2.1", "a" * 60 + ".test"])
def test_a_first_name_that_is_no_common_name(first: str) -> None:
    csr = signing_request((first,), Sensitive(keys.key_pem(ec.generate_private_key(ec.SECP256R1()))))
    assert csr.subject == x509.Name([])
    assert csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


@pytest.mark.parametrize(
    ("names", "key", "said"),
    [
        (("bücher.test",), keys.key_pem(ec.generate_private_key(ec.SECP256R1())), "in ASCII only"),
        (("a.test",), b"no key", "is not PEM"),
    ],
)
def test_requests_that_cannot_be(names: tuple[str, ...], key: bytes, said: str) -> None:
    with pytest.raises(IssueError, match=said) as refused:
        signing_request(names, Sensitive(key))
    assert refused.value.permanent


def test_identity_as_in_the_rfc() -> None:
    """RFC 9773, 4.1: key identifier 69:88:5B:..., serial 00:87:65:43:21."""
    issuer = x509.AuthorityKeyIdentifier(
        bytes.fromhex("69885B6B8746404 1E1B37B847BA0AE2CDE01C8D4".replace(" ", "")), None, None
    )
    key = ec.generate_private_key(ec.SECP256R1())
    pair = keys.pair("a.test", key=key)
    built = (
        x509.CertificateBuilder(
            pair.certificate.subject,
            pair.certificate.subject,
            key.public_key(),
            0x87654321,
            pair.certificate.not_valid_before_utc,
            pair.certificate.not_valid_after_utc,
        )
        .add_extension(issuer, critical=False)
        .sign(key, pair.certificate.signature_hash_algorithm)  # type: ignore[arg-type]
    )
    assert renewal_identity(built) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
    assert renewal_identity(pair.certificate) is None


def test_what_a_chain_says() -> None:
    root = keys.pair(subject="the top", ca=True)
    leaf = keys.pair("A.test", "192.0.2.1", issuer=root)
    assert names_of(leaf.certificate) == {"a.test", "192.0.2.1"}
    assert names_of(root.certificate) == frozenset()
    assert top_issuer(leaf.cert_pem) == "the top"
    assert fingerprint(leaf.key.public_key()) == fingerprint(leaf.certificate.public_key())


class _Dripping:
    """A body that never ends, octet by octet."""

    def read1(self, _size: int, *, decode_content: bool) -> bytes:
        return b"x"


def test_an_answer_that_comes_too_slowly_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = iter(range(0, 10**6, 3600))
    monkeypatch.setattr(transport.time, "monotonic", lambda: float(next(hours)))
    with pytest.raises(requests.exceptions.ReadTimeout):
        transport._body(_Dripping())


def test_names_are_compared_however_they_are_written() -> None:
    assert orders._alike("2001:DB8:0::1") == orders._alike("2001:db8::1")
    assert orders._alike("*.A.test") == orders._alike("*.a.test")
    assert orders._alike("a.test") != orders._alike("*.a.test")
